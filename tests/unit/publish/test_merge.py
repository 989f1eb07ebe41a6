"""The merge: its bytes depend on content and order alone, every row is accounted for, nothing is half written."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.errors import ExitCode, PolecatsError
from coordinator.publish.inputs import Choice
from coordinator.publish.merge import Merged, kept_rows, merge, preview
from coordinator.publish.output import previous_of
from coordinator.publish.validate import validate

if TYPE_CHECKING:
    from .conftest import Store

A, B, C = "opal/a", "opal/b", "ruby/c"


def values(path: Path) -> list[Any]:
    """What the lines of a published file ask for."""
    records = map(json.loads, path.read_bytes().splitlines())
    return [record["execution_plan"]["nodes"][0]["arguments"]["value"] for record in records]


def figures(merged: Merged) -> dict[str, tuple[int, int, int, int, int, int]]:
    return {
        name: (t.samples, t.kept, t.duplicates, t.conflicts, t.beyond_quota, t.damaged)
        for name, t in merged.tallies.items()
    }


def refused(call: Callable[[], object], code: ExitCode = ExitCode.REFUSED) -> str:
    with pytest.raises(PolecatsError) as caught:
        call()
    assert caught.value.code == code
    return str(caught.value)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---- which rows


def test_room_that_duplicates_would_have_taken_is_given_back(store: Store) -> None:
    store.rows(A, [f"{row} {'word ' * 1_000}" for row in range(400)], per_part=50)
    store.rows(B, [f"{row} {'word ' * 1_000}" for row in range(400)], per_part=50)
    merged = merge(store.inputs(), store.output)
    assert (merged.rows, merged.tallies[B].duplicates) == (400, 400)
    status = store.output.stat()
    assert status.st_size == merged.bytes > 2 * 2**20
    assert status.st_blocks * 512 < merged.bytes + 2**20


@pytest.mark.parametrize("per_part", [1, 2, 7, 100])
@pytest.mark.parametrize("order", [(A, B), (B, A)])
def test_bytes_depend_neither_on_parts_nor_on_who_wrote_first(
    store: Store, per_part: int, order: tuple[str, str]
) -> None:
    wanted = {A: [1, 2, 3, 2, 5, 6, 7], B: [3, 8, 9, 1, 8, 10]}
    store.names = [A, B]
    for name in order:
        store.rows(name, wanted[name], per_part)
    merged = merge(store.inputs(), store.output)
    assert values(store.output) == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert figures(merged) == {A: (7, 6, 1, 0, 0, 0), B: (6, 3, 3, 0, 0, 0)}
    alone = b"".join(store.line(A, row, value).data + b"\n" for row, value in enumerate(wanted[A]) if row != 3)
    assert store.output.read_bytes().startswith(alone)


def test_the_first_of_equal_rows_in_merge_order_stays(store: Store) -> None:
    for name in (A, B):
        store.rows(name, ["same"])
    merge(store.inputs(), store.output)
    assert json.loads(store.output.read_bytes())["metadata"]["loader"] == "a"
    store.names = [B, A]
    merge(store.inputs(), store.output)
    assert json.loads(store.output.read_bytes())["metadata"]["loader"] == "b"


def test_two_loaders_of_one_source_never_publish_one_id_twice(store: Store) -> None:
    shared: dict[str, Any] = {"source": "org/shared"}
    same = [store.line(A, row, row, upstream_id=f"u{row}", **shared) for row in range(4)]
    other = [store.line(B, row, value, upstream_id=f"u{row}", **shared) for row, value in enumerate([0, "x", 2, "y"])]
    fresh = [store.line(B, 9, "z", upstream_id="u9", **shared)]
    store.commit(A, same, id="org/shared")
    store.commit(B, other + fresh, per_part=2, id="org/shared")
    merged = merge(store.inputs(), store.output)
    assert figures(merged) == {A: (4, 4, 0, 0, 0, 0), B: (5, 1, 2, 2, 0, 0)}
    assert validate(store.output).ok


def test_an_id_that_upstream_gives_twice_is_a_conflict(store: Store) -> None:
    lines = [store.line(A, row, value, upstream_id=name) for row, (value, name) in enumerate([(1, "u"), (2, "u")])]
    store.commit(A, lines, unique_ids=True)
    merged = merge(store.inputs(), store.output)
    assert figures(merged) == {A: (2, 1, 0, 1, 0, 0)}
    assert validate(store.output).ok


@pytest.mark.parametrize(("quota", "kept"), [(0, 0), (1, 1), (5, 5), (6, 6), (9, 6), (-1, 6)])
def test_a_quota_cuts_exactly(store: Store, quota: int, kept: int) -> None:
    store.rows(A, [1, 1, 2, 3, 3, 4, 5, 6], per_part=3)
    store.rows(B, [6, 7])
    merged = merge(store.inputs(), store.output, {A: quota, B: 2})
    assert merged.tallies[A].kept == kept
    later = [6, 7] if kept < 6 else [7]
    assert values(store.output) == [*[1, 2, 3, 4, 5, 6][:kept], *later]


def test_no_quota_is_none(store: Store) -> None:
    store.rows(A, [1, 2])
    store.rows(B, [3])
    merged = merge(store.inputs(), store.output, {A: -1})
    assert figures(merged) == {A: (2, 2, 0, 0, 0, 0), B: (1, 0, 0, 0, 1, 0)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    contents=st.lists(st.lists(st.integers(0, 12), max_size=14), min_size=1, max_size=4),
    quotas=st.none() | st.lists(st.integers(-1, 8), min_size=4, max_size=4),
    per_part=st.integers(1, 5),
    shared=st.booleans(),
)
def test_the_balance_closes_and_a_preview_tells_the_truth(
    make_store: type[Store],
    contents: list[list[int]],
    quotas: list[int] | None,
    per_part: int,
    shared: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder))
        source = "org/shared" if shared else ""
        for number, rows in enumerate(contents):
            name = f"opal/l{number}"
            lines = [store.line(name, row, value, source, f"u{row}") for row, value in enumerate(rows)]
            store.commit(name, lines, per_part, unique_ids=True, id=source or name)
        limits = None if quotas is None else dict(zip(store.names, quotas, strict=False))
        inputs = store.inputs()
        seen = preview(inputs, limits)
        assert all(tally.closes() for tally in seen.tallies.values())
        unlimited = limits or dict.fromkeys(store.names, -1)
        assert kept_rows(inputs, unlimited) == {name: tally.kept for name, tally in seen.tallies.items()}
        if not seen.rows:
            refused(lambda: merge(inputs, store.output, limits), ExitCode.NOTHING)
            assert not store.output.exists()
            return
        merged = merge(inputs, store.output, limits)
        data = store.output.read_bytes()
        assert figures(merged) == figures(seen)
        assert (merged.rows, merged.bytes, merged.sha256) == (seen.rows, seen.bytes, seen.sha256)
        assert (data.count(b"\n"), len(data), hashlib.sha256(data).hexdigest()) == (
            merged.rows,
            merged.bytes,
            merged.sha256,
        )
        assert validate(store.output).ok


# ---- damage


def edit(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b"Look", b"Book", 1))
    assert path.stat().st_size == len(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


DAMAGE = [edit, cut, Path.unlink]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_part_is_named_and_the_old_file_stays(store: Store, damage: Callable[[Path], object]) -> None:
    store.rows(A, range(25))
    store.rows(B, range(100, 103))
    merge(store.inputs(), store.output)
    before = store.output.read_bytes()
    damage(store.part(A, 1))
    assert figures(preview(store.inputs()))[A] == (25, 15, 0, 0, 0, 10)
    assert not list(store.folder(A).glob("*.damaged")), "a preview moves nothing"
    for _ in range(2):
        sentence = refused(lambda: merge(store.inputs(), store.output))
        assert "1 damaged part," in sentence
        assert str(store.part(A, 1)) in sentence
        assert store.output.read_bytes() == before
        assert not store.part(A, 1).exists()
    aside = store.part(A, 1).with_name("part-00001.jsonl.damaged")
    assert aside.exists() == (damage is not Path.unlink)
    assert files(store.output.parent) == ["tier1.jsonl"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_part_is_left_out_when_told(store: Store, damage: Callable[[Path], object]) -> None:
    store.rows(A, range(25))
    damage(store.part(A, 1))
    seen = preview(store.inputs())
    merged = merge(store.inputs(), store.output, leave_out_damaged=True)
    assert figures(merged) == figures(seen) == {A: (25, 15, 0, 0, 0, 10)}
    assert merged.tallies[A].damaged_parts == ["part-00001.jsonl"]
    assert values(store.output) == [*range(10), *range(20, 25)]
    assert any("left out as told" in note and "part-00001.jsonl" in note for note in merged.notes)


@pytest.mark.parametrize("damage", [cut, Path.unlink, lambda path: path.write_bytes(b"\0" * path.stat().st_size)])
def test_damaged_keys_cost_no_row(store: Store, damage: Callable[[Path], object]) -> None:
    store.rows(A, [*range(12), 3])
    store.rows(B, [5, 50])
    whole = merge(store.inputs(), store.output)
    before = store.output.read_bytes()
    damage(store.part(A, 0, "keys"))
    again = merge(store.inputs(), store.output)
    assert figures(again) == figures(whole) == figures(preview(store.inputs()))
    assert kept_rows(store.inputs(), {A: -1, B: -1}) == {A: 12, B: 1}
    assert store.output.read_bytes() == before
    assert any("part-00000.keys is damaged" in note for note in again.notes)


def test_damaged_keys_of_a_damaged_part_are_one_damage(store: Store) -> None:
    store.rows(A, range(3))
    cut(store.part(A, 0, "keys"))
    edit(store.part(A))
    assert "1 damaged part," in refused(lambda: merge(store.inputs(), store.output))


def test_damage_where_nothing_is_published_from_refuses_nothing(store: Store) -> None:
    store.rows(A, range(20))
    edit(store.part(A, 1))
    assert merge(store.inputs(), store.output, {A: 10}).rows == 10


def test_all_damaged_is_nothing(store: Store) -> None:
    store.rows(A, range(3))
    cut(store.part(A))
    refused(lambda: merge(store.inputs(), store.output, leave_out_damaged=True), ExitCode.NOTHING)
    assert files(store.output.parent) == []


# ---- choices


def test_rows_of_edited_code_are_left_out_unless_wanted(store: Store) -> None:
    store.rows(A, [1])
    store.rows(B, [2])
    (store.tracks / "opal" / "a.py").write_text("# mended\n")
    merged = merge(store.inputs(), store.output)
    assert values(store.output) == [2]
    assert merged.inputs[0].left_out.startswith("stale")
    assert figures(merged)[A] == (0, 0, 0, 0, 0, 0)
    merge(store.inputs(Choice(stale=True)), store.output)
    assert values(store.output) == [1, 2]


def test_licences_choose(store: Store) -> None:
    store.rows(A, [1], evaluation_only=True)
    store.rows(B, [2], redistributable=False)
    store.rows(C, [3])
    for choice, wanted in (
        (Choice(), [1, 2, 3]),
        (Choice(evaluation_only=False), [2, 3]),
        (Choice(redistributable_only=True), [1, 3]),
        (Choice(evaluation_only=False, redistributable_only=True), [3]),
    ):
        merge(store.inputs(choice), store.output)
        assert values(store.output) == wanted
    left = {item.name: item.left_out for item in store.inputs(Choice(False, False, True))}
    assert left == {A: "licensed for evaluation only", B: "its licence forbids passing it on", C: ""}


def test_what_has_committed_nothing_is_told_and_all_of_it_is_nothing(store: Store) -> None:
    store.rows(A, [])
    assert store.inputs()[0].left_out == "nothing committed yet"
    refused(lambda: merge(store.inputs(), store.output), ExitCode.NOTHING)
    refused(lambda: merge([], store.output), ExitCode.NOTHING)


# ---- another contract version


def test_rows_of_another_contract_version_are_audited_again(store: Store) -> None:
    lines = [store.line(A, row, row) for row in range(12)]
    store.commit(A, lines, contract="1.0+older")
    assert merge(store.inputs(), store.output).rows == 12
    before = store.output.read_bytes()
    bad = lines[11]._replace(data=lines[11].data.replace(b'"scope_volume":1', b'"scope_volume":7'))
    store.folder(A).joinpath("commits.jsonl").unlink()
    store.commit(A, [*lines[:11], bad], contract="1.0+older")
    for call in (lambda: merge(store.inputs(), store.output), lambda: preview(store.inputs())):
        sentence = refused(call)
        assert f"{store.part(A, 1)} line 2: E13 execution_plan.nodes[0].scope_volume" in sentence
        assert "run opal/a again" in sentence
    assert store.output.read_bytes() == before
    assert merge(store.inputs(), store.output, {A: 11}).rows == 11, "what is not published need not be right"


def test_repeats_under_another_contract_version_are_counted_not_refused(store: Store) -> None:
    lines = [store.line(A, row, value, upstream_id="u") for row, value in enumerate([1, 1, 2])]
    store.commit(A, lines, contract="1.0+older", unique_ids=True)
    assert figures(merge(store.inputs(), store.output)) == {A: (3, 1, 1, 1, 0, 0)}


# ---- the file


def test_the_file_before_is_kept_once(store: Store) -> None:
    store.rows(A, [1])
    merge(store.inputs(), store.output)
    store.rows(B, [2])
    merged = merge(store.inputs(), store.output)
    assert values(store.output) == [1, 2]
    assert values(previous_of(store.output)) == [1]
    assert merged.notes == [f"the file before is kept as {previous_of(store.output)}"]
    assert files(store.output.parent) == ["tier1.jsonl", "tier1.previous.jsonl"]


def test_unchanged_bytes_are_not_replaced(store: Store) -> None:
    store.rows(A, [1, 2])
    merge(store.inputs(), store.output)
    before = store.output.stat()
    merged = merge(store.inputs(), store.output)
    after = store.output.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (merged.rows, merged.notes) == (2, [])
    assert files(store.output.parent) == ["tier1.jsonl"]


def test_an_output_that_is_its_own_previous_file_leaves_no_third(store: Store) -> None:
    """A kill between keeping the old file and renaming the new one leaves two names of one file."""
    store.rows(A, [1])
    merge(store.inputs(), store.output)
    os.link(store.output, previous_of(store.output))
    store.rows(B, [2])
    merge(store.inputs(), store.output)
    assert values(previous_of(store.output)) == [1]
    assert files(store.output.parent) == ["tier1.jsonl", "tier1.previous.jsonl"]


def test_a_file_system_without_links(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*args: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    test_the_file_before_is_kept_once(store)


@pytest.mark.parametrize("place", ["a-file/tier1.jsonl", "/proc/nowhere/tier1.jsonl", "data/" + "x" * 300])
def test_an_output_that_cannot_be_written(store: Store, place: str) -> None:
    store.rows(A, [1])
    (store.root / "a-file").touch()
    output = store.root / place
    sentence = refused(lambda: merge(store.inputs(), output))
    assert str(output) in sentence
    assert "--output" in sentence


def test_a_folder_in_the_place_of_the_output_stays(store: Store) -> None:
    store.rows(A, [1])
    (store.output / "inside").mkdir(parents=True)
    refused(lambda: merge(store.inputs(), store.output))
    assert (store.output / "inside").is_dir()
    assert files(store.output.parent) == ["tier1.jsonl"]


@pytest.mark.parametrize("call", ["fsync", "link", "write"])
def test_a_full_disk_leaves_the_old_file(store: Store, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    store.rows(A, [1])
    merge(store.inputs(), store.output)
    before = store.output.read_bytes()
    store.rows(B, range(10, 20))

    def full(*args: Any, **kwargs: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    def on_the_full_device(handle: int, mode: str) -> Any:
        os.close(handle)
        return Path("/dev/full").open(mode)

    if call == "link":
        monkeypatch.setattr("shutil.copyfile", full)
    monkeypatch.setattr(os, *(("fdopen", on_the_full_device) if call == "write" else (call, full)))
    sentence = refused(lambda: merge(store.inputs(), store.output))
    assert "the disk is full" in sentence
    assert store.output.read_bytes() == before
    assert files(store.output.parent) == ["tier1.jsonl"]


def test_what_a_killed_merge_left_is_removed_and_what_one_writes_is_not(store: Store) -> None:
    store.rows(A, [1])
    store.output.parent.mkdir()
    abandoned, busy = (store.output.with_name(f".tier1.jsonl.{name}.tmp") for name in ("abandoned", "busy"))
    foreign = store.output.with_name(".tier2.jsonl.x.tmp")
    for path in (abandoned, busy, foreign):
        path.write_bytes(b"half a li")
    with busy.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        merge(store.inputs(), store.output)
    assert files(store.output.parent) == [busy.name, foreign.name, "tier1.jsonl"]


KILLED = """
import json, os, signal, sys
from pathlib import Path
from coordinator.publish.inputs import Choice, collect
from coordinator.publish.merge import merge

root, output = Path(sys.argv[1]), Path(sys.argv[2])
manifest = output.with_name("tier1.manifest.json")
inputs = collect(root / "state", [("opal", "a"), ("opal", "b")], {"opal": root / "tracks"}, Choice())
old = output.read_bytes() if output.exists() else None
CALLS = ("os.rename", "os.link", "os.remove", "os.chmod", "tempfile.mkstemp", "fcntl.flock")
results = []
for point in range(200):
    child = os.fork()
    if not child:
        left = point
        def step():
            global left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
        def hook(event, args):
            if event in CALLS or (event == "open" and str(output.parent) in str(args[0])):
                step()
        sys.addaudithook(hook)
        merge(inputs, output, progress=lambda loader, rows: step(), announce=lambda merged: manifest.write_text("{}"))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    names = sorted(os.listdir(output.parent))
    results.append([status, output.read_bytes().decode() if output.exists() else None, names])
    if status == 0:
        break
    for name in names:
        if not name.startswith("."):
            (output.parent / name).unlink()
    if old is not None:
        output.write_bytes(old)
json.dump(results, sys.stdout)
"""


@pytest.mark.parametrize("first", [False, True])
def test_a_kill_at_any_point_leaves_one_of_the_two_files_whole(store: Store, first: bool) -> None:
    store.rows(A, [1, 2])
    old = None
    if not first:
        merge(store.inputs(), store.output)
        old = store.output.read_text()
    store.rows(B, range(10, 40))
    expected = store.root / "expected.jsonl"
    merge(store.inputs(), expected)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(store.root), str(store.output)], capture_output=True, text=True, check=True
    )
    results = json.loads(done.stdout)
    assert len(results) > 10
    assert [status for status, _, _ in results] == [9] * (len(results) - 1) + [0]
    assert {text for _, text, _ in results} == {old, expected.read_text()}
    assert results[-1][1] == expected.read_text()
    published = ["tier1.jsonl", "tier1.manifest.json", *([] if first else ["tier1.previous.jsonl"])]
    assert results[-1][2] == published, "the last merge removes what the killed ones left"
    for _, text, names in results:
        assert all(name.startswith(".tier1.jsonl.") and name.endswith(".tmp") for name in set(names) - set(published))
        assert text in (old, None) or "tier1.manifest.json" in names


# ---- memory

MEASURED = """
import resource, sys
from pathlib import Path
from coordinator.publish.inputs import Choice, collect
from coordinator.publish.merge import merge

root = Path(sys.argv[1])
inputs = collect(root / "state", [("opal", "a")], {"opal": root / "tracks"}, Choice())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = merge(inputs, root / "data" / "tier1.jsonl").rows
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_file(make_store: type[Store], tmp_path: Path) -> None:
    used = {}
    for count in (10_000, 100_000):
        store = make_store(tmp_path / str(count))
        model = store.line(A, 0, "x" * 300)
        lines = [model._replace(key=hashlib.sha256(b"%d" % number).digest()[:16]) for number in range(count)]
        store.commit(A, lines, per_part=4_000)
        command = [sys.executable, "-c", MEASURED, str(store.root)]
        rows, used[count] = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
        assert rows == count
    size = (tmp_path / "100000" / "data" / "tier1.jsonl").stat().st_size
    keys = 100_000 * 140 // 1024
    assert size > 80_000_000
    assert used[100_000] - used[10_000] < keys + 8_000, used
