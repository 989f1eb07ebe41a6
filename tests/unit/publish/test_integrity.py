"""What stands in a loader's folder may be damaged or forged: each is named, nothing outside is read or changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coordinator.errors import ExitCode, PolecatsError
from coordinator.paths import manifest_path
from coordinator.publish import card, manifest
from coordinator.publish.merge import merge, preview
from coordinator.publish.validate import validate
from coordinator.worker.parts import COMMITS, HEADER, PartWriter, checksum, damaged, read_commits, unread_record

if TYPE_CHECKING:
    from .conftest import Store

A, B = "opal/a", "opal/b"
Edit = Callable[[dict[str, Any]], object]


def refused(call: Callable[[], object], code: ExitCode = ExitCode.REFUSED) -> str:
    with pytest.raises(PolecatsError) as caught:
        call()
    assert caught.value.code == code
    return str(caught.value)


def forge(store: Store, number: int, edit: Edit) -> None:
    """Rewrite one commit record of A, which has three."""
    path = store.folder(A) / COMMITS
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    edit(records[number])
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def under_another_name(name: str) -> Edit:
    def edit(record: dict[str, Any]) -> None:
        record["part"]["name"] = name

    return edit


def put(field: str, value: Any, of: str = "") -> Edit:
    def edit(record: dict[str, Any]) -> None:
        (record[of] if of else record)[field] = value

    return edit


FORGED: dict[str, Edit] = {
    "a path upwards": under_another_name("../../../outside.jsonl"),
    "an absolute path": under_another_name("/etc/passwd"),
    "the part of another commit": under_another_name("part-00000.jsonl"),
    "a record of polecats'": under_another_name(HEADER),
    "a name with a NUL": under_another_name("part-00001.jsonl\0"),
    "no rows": put("rows", -1, "part"),
    "rows that are words": put("rows", "ten", "part"),
    "a huge number of bytes": put("bytes", 1e300, "part"),
    "no digest": put("xxh3", "x" * 32, "part"),
    "another number": put("number", 7),
    "a number that is a truth": put("number", True),
    "done maybe": put("done", "maybe"),
    "a cursor that is a number": put("cursor", 5),
    "a cursor backwards": put("cursor", [None, -1]),
    "counts that are words": put("read", "all", "counts"),
    "counts below nothing": put("accepted", -5, "counts"),
    "skips that are a list": put("skipped", [1], "counts"),
    "a field too many": put("run", "rm -rf /", "part"),
    "keys of another part": put("name", "part-00000.keys", "keys"),
}


@pytest.fixture
def forged(store: Store) -> Store:
    """A loader with 25 rows in three commits, one with three, published."""
    store.rows(A, range(25))
    store.rows(B, range(100, 103))
    merge(store.inputs(), store.output)
    return store


@pytest.mark.parametrize("edit", FORGED.values(), ids=FORGED)
def test_a_forged_record_is_named_and_nothing_outside_of_its_folder_is_touched(forged: Store, edit: Edit) -> None:
    outside = forged.root / "state" / "outside.jsonl"
    outside.write_text("precious\n")
    before = forged.output.read_bytes()
    forge(forged, 1, edit)
    for call in (lambda: merge(forged.inputs(), forged.output), lambda: merge(forged.inputs(), forged.output)):
        sentence = refused(call)
        assert str(forged.folder(A) / COMMITS) in sentence
        assert "record 1 cannot be read" in sentence
        assert f"polecats restart {A}" in sentence
    assert forged.output.read_bytes() == before
    assert outside.read_text() == "precious\n"
    merged = merge(forged.inputs(), forged.output, leave_out_damaged=True)
    assert (merged.rows, merged.tallies[A].kept) == (13, 10)
    assert any("left out as told" in note and COMMITS in note for note in merged.notes)
    PartWriter(forged.folder(A)).open({})
    assert outside.read_text() == "precious\n"
    assert not unread_record(forged.folder(A), read_commits(forged.folder(A))[1]), (
        "the worker cuts it off and redoes it"
    )


DEEP = b'{"number":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
LINES = [b"\xff\xfe\n", b"null\n", b"[]\n", b"{}\n", DEEP, b'{"number": NaN}\n', b"\n", b"\0" * 512 + b"\n"]


@pytest.mark.parametrize("line", LINES, ids=lambda line: repr(line[:12]))
def test_a_record_that_is_none_is_damage_and_a_torn_end_is_not(forged: Store, line: bytes) -> None:
    path = forged.folder(A) / COMMITS
    sound = path.read_bytes()
    path.write_bytes(sound + line[:-1])
    assert merge(forged.inputs(), forged.output).rows == 28
    path.write_bytes(sound + line)
    assert "record 3 cannot be read" in refused(lambda: merge(forged.inputs(), forged.output))
    assert "record 3" in forged.inputs()[0].cut
    assert preview(forged.inputs()).rows == 28


def test_a_flipped_bit_in_any_record_never_goes_unnoticed_or_raises(forged: Store) -> None:
    """Whatever a bit says: the same bytes or a sentence."""
    path = forged.folder(A) / COMMITS
    sound, expected = path.read_bytes(), forged.output.read_bytes()
    told = {"same": 0, "named": 0}
    for place in range(0, len(sound), 11):
        data = bytearray(sound)
        data[place] ^= 1 << place % 7
        path.write_bytes(data)
        try:
            merged = merge(forged.inputs(), forged.output)
        except PolecatsError as error:
            told["named"] += A in str(error)
            for aside in forged.folder(A).glob("*.damaged"):
                aside.rename(aside.with_suffix(""))
        else:
            told["same"] += forged.output.read_bytes() == expected
            assert merged.rows == 28
    assert sum(told.values()) == len(range(0, len(sound), 11))
    assert told["named"] > 70


HEADERS = [
    "",
    "{}",
    "[]",
    '{"fingerprint": 1, "source": 2}',
    '{"fingerprint": {}, "source": {"id": "x"}}',
    "[" * 99_999,
]


@pytest.mark.parametrize("text", [None, *HEADERS], ids=lambda text: repr(text)[:16])
def test_rows_of_unknown_making_are_left_out_by_name(forged: Store, text: str | None) -> None:
    header = forged.folder(A) / HEADER
    header.unlink() if text is None else header.write_text(text)
    merged = merge(forged.inputs(), forged.output)
    assert merged.rows == 3
    assert str(header) in merged.inputs[0].left_out
    assert "run it again" in merged.inputs[0].left_out


def links_to(target: str) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return replace


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("odd", [links_to("/etc/passwd"), links_to("nowhere"), pipe, folder])
def test_a_part_that_is_no_file_of_its_own_is_damaged_and_never_waited_for(forged: Store, odd: Any) -> None:
    odd(forged.part(A, 1))
    assert damaged(forged.folder(A), read_commits(forged.folder(A))[0]) == "part-00001.jsonl is missing"
    odd(forged.part(A, 0, "keys"))
    assert str(forged.part(A, 1)) in refused(lambda: merge(forged.inputs(), forged.output))
    assert Path("/etc/passwd").stat().st_size


def test_a_linked_part_is_damaged_though_its_record_fits(forged: Store) -> None:
    """Else a loader could publish what it cannot read: no, but what nobody has validated."""
    outside = forged.root / "outside.jsonl"
    outside.write_bytes(forged.part(A, 1).read_bytes())
    links_to(str(outside))(forged.part(A, 1))
    assert "1 damaged part," in refused(lambda: merge(forged.inputs(), forged.output))
    assert outside.exists()


@pytest.mark.parametrize("name", [COMMITS, HEADER, "part-00001.jsonl", "part-00003.jsonl.tmp", "other"])
def test_opening_a_folder_never_changes_what_a_link_in_it_leads_to(forged: Store, name: str) -> None:
    outside = forged.root / "outside.jsonl"
    outside.write_text("precious\n" * 100)
    path = forged.folder(A) / name
    path.unlink(missing_ok=True)
    path.symlink_to(outside)
    PartWriter(forged.folder(A)).open({"made": "anew"})
    assert outside.read_text() == "precious\n" * 100


def test_a_part_whose_record_tells_other_rows_is_damaged(forged: Store) -> None:
    """Its digest fits, so do its keys: only their number is wrong."""
    forge(forged, 1, put("rows", 9, "part"))
    assert "1 damaged part," in refused(lambda: merge(forged.inputs(), forged.output))


def test_a_part_of_foreign_lines_with_a_digest_that_fits_is_damaged(forged: Store) -> None:
    data = b"[]\n" * 10
    forged.part(A, 1).write_bytes(data)
    forged.part(A, 1, "keys").unlink()
    digest = checksum(data).hexdigest()
    forge(forged, 1, lambda record: record["part"].update(bytes=len(data), xxh3=digest))
    assert "1 damaged part," in refused(lambda: merge(forged.inputs(), forged.output))


# ---- the published file


def published(store: Store, kind: str = "hub") -> Path:
    content = manifest.build(
        merge(store.inputs(), store.output), store.output, "I", {"kind": kind, "key": kind}, {"opal": None}
    )
    manifest.prepare(store.output, content)
    manifest.put(store.output)
    return store.output


def in_place(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)


def longer(path: Path) -> None:
    with path.open("a") as out:
        out.write("{}\n")


def shorter_and_old(path: Path) -> None:
    os.truncate(path, 5)
    os.utime(path, (1, 1))


@pytest.mark.parametrize("edit", [in_place, longer, shorter_and_old])
def test_a_published_file_that_was_edited_since_is_not_replaced(forged: Store, edit: Callable[[Path], None]) -> None:
    output = published(forged)
    manifest.check_replaceable(output, "hub", replace=False)
    edit(output)
    sentence = refused(lambda: manifest.check_replaceable(output, "hub", replace=False))
    assert "changed since" in sentence
    assert "--replace" in sentence
    assert "tier1.previous.jsonl" in sentence
    manifest.check_replaceable(output, "hub", replace=True)


def test_a_copied_or_touched_file_is_still_what_was_merged(forged: Store) -> None:
    output = published(forged)
    output.touch()
    manifest.check_replaceable(output, "hub", replace=False)


@pytest.mark.parametrize("came", [False, True])
def test_what_a_killed_merge_prepared_goes_with_its_file_or_not_at_all(forged: Store, came: bool) -> None:
    output = published(forged)
    old = manifest.read(output)
    assert old is not None
    forged.rows("opal/c", range(200, 210))
    new = merge(forged.inputs(), output if came else forged.root / "elsewhere.jsonl")
    manifest.prepare(output, manifest.build(new, output, "I", {"kind": "hub", "key": "hub"}, {}))
    assert manifest.unsettled(output)
    manifest.check_replaceable(output, "hub", replace=False)
    manifest.settle(output)
    assert not manifest.unsettled(output)
    now = manifest.read(output)
    assert now is not None
    assert now["sha256"] == (new.sha256 if came else old["sha256"])
    assert validate(output).ok


def test_texts_of_a_loader_stay_texts_in_the_card(forged: Store) -> None:
    hostile = "a|b\n| x | <script>alert(1)</script> [y](http://z) `"
    forged.rows("opal/c", [7_000], licence=hostile, revision=hostile)
    output = published(forged)
    (row,) = [line for line in card.write(output).read_text().splitlines() if line.startswith("| opal/c")]
    assert "<script>" not in row
    assert row.replace("\\|", "").count("|") == 8


def test_an_edited_manifest_of_another_file_harms_no_card(forged: Store) -> None:
    output = published(forged)
    content = json.loads(manifest_path(output).read_bytes())
    content["file"] = "tier2.jsonl"
    content["loaders"][0]["read"] = "many"
    other = output.with_name("tier2.jsonl")
    manifest_path(other).write_text(json.dumps(content))
    other.write_text("{}\n")
    assert "tier2" not in card.write(output).read_text()
