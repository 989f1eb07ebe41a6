"""What stands beside a published file, and that the file loads by it: every row, as it is written."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coordinator.errors import ExitCode, PolecatsError
from coordinator.paths import manifest_path
from coordinator.publish import card, manifest
from coordinator.publish.merge import Merged, merge
from coordinator.publish.validate import validate

if TYPE_CHECKING:
    from .conftest import Store

A, B, C = "opal/a", "opal/b", "ruby/c"
CHECKOUTS = {"opal": {"commit": "c0ffee", "branch": "main", "dirty": False}}


def publish(store: Store, output: Path | None = None, kind: str = "dir", tier: str = "I", **options: Any) -> Merged:
    """Merge and write what stands beside it."""
    output = output or store.output
    merged = merge(store.inputs(), output, **options)
    content = manifest.build(merged, output, tier, {"kind": kind, "key": kind}, CHECKOUTS)
    manifest.prepare(output, content)
    manifest.put(output)
    return merged


# ---- manifest


def test_the_manifest_accounts_for_every_row(store: Store) -> None:
    store.rows(A, [1, 2, 2], licence="mit", revision="abc", evaluation_only=True)
    store.rows(B, [2, 3, 4], done=False)
    store.rows(C, [])
    merged = publish(store, quotas={A: -1, B: 1, C: -1})
    found = manifest.read(store.output)
    assert found is not None
    assert (found["file"], found["tier"], found["rows"]) == ("tier1.jsonl", "I", 3)
    assert (found["sha256"], found["bytes"]) == (merged.sha256, store.output.stat().st_size)
    assert found["source"] == {"kind": "dir", "key": "dir"}
    assert found["checkouts"] == CHECKOUTS
    a, b, c = found["loaders"]
    assert a["source"]["licence"] == "mit"
    assert a["source"]["revision"] == "abc"
    assert a["source"]["evaluation_only"] is True
    assert (a["read"], a["samples"], a["kept"], a["duplicates"], a["exhausted"]) == (3, 3, 2, 1, True)
    assert (b["kept"], b["duplicates"], b["beyond_quota"], b["exhausted"]) == (1, 1, 1, False)
    assert (c["left_out"], c["kept"]) == ("nothing committed yet", 0)
    assert all(loader["balance_closes"] for loader in found["loaders"])


def test_the_manifest_knows_no_clock_no_place_and_no_part_sizes(make_store: type[Store], tmp_path: Path) -> None:
    texts = []
    for number, per_part in enumerate((1, 5)):
        store = make_store(tmp_path / str(number))
        store.rows(A, [1, 2, 1], per_part)
        store.rows(B, [3], per_part)
        for _ in range(number + 1):  # the second time there is a file before
            publish(store)
        texts.append(manifest_path(store.output).read_bytes())
    assert texts[0] == texts[1]
    assert str(tmp_path).encode() not in texts[0]


def test_what_was_left_out_stands_in_it_without_paths(store: Store) -> None:
    store.rows(A, range(20))
    store.part(A, 1).unlink()
    publish(store, leave_out_damaged=True)
    found = manifest.read(store.output)
    assert found is not None
    assert found["notes"] == ["opal/a/part-00001.jsonl is damaged and was left out"]
    assert found["loaders"][0]["damaged"] == 10
    assert str(store.root) not in json.dumps(found)


def test_damaged_keys_change_nothing_in_it(store: Store) -> None:
    store.rows(A, range(20))
    publish(store)
    before = manifest_path(store.output).read_bytes()
    store.part(A, 1, "keys").unlink()
    publish(store)
    assert manifest_path(store.output).read_bytes() == before


# ---- what may be replaced


def test_nothing_there_is_replaceable(store: Store) -> None:
    manifest.check_replaceable(store.output, "hub", replace=False)


@pytest.mark.parametrize(("kind", "word"), [("hub", None), ("samples", "made from hub, not from samples")])
def test_a_file_of_another_kind_is_not_replaced(store: Store, kind: str, word: str | None) -> None:
    store.rows(A, [1])
    publish(store, kind="hub")
    manifest.check_replaceable(store.output, kind, replace=True)
    if word is None:
        manifest.check_replaceable(store.output, kind, replace=False)
        return
    with pytest.raises(PolecatsError, match=word) as caught:
        manifest.check_replaceable(store.output, kind, replace=False)
    assert caught.value.code == ExitCode.REFUSED
    assert "--replace" in str(caught.value)


FOREIGN = ["", "[]", "{}", '{"source": 5}', '{"source": {"kind": "hub"}}', "[" * 100_000, "\xff", "null"]


@pytest.mark.parametrize("text", FOREIGN)
def test_a_file_with_a_foreign_manifest_is_not_replaced_and_harms_nobody(store: Store, text: str) -> None:
    store.rows(A, [1])
    merge(store.inputs(), store.output)
    manifest_path(store.output).write_text(text, encoding="latin-1")
    with pytest.raises(PolecatsError, match="no manifest"):
        manifest.check_replaceable(store.output, "hub", replace=False)
    assert validate(store.output).manifest_problems == ["tier1.manifest.json is not a manifest that this version reads"]
    assert "configs" in card.write(store.output).read_text()


# ---- card


def front_matter(path: Path) -> str:
    return path.read_text(encoding="utf-8").split("---\n")[1]


def test_a_card_lists_both_tiers_and_what_is_in_them(store: Store) -> None:
    store.rows(A, [1], evaluation_only=True)
    publish(store)
    first = card.write(store.output)
    second_tier = store.output.with_name("tier2.jsonl")
    publish(store, second_tier, tier="II")
    path = card.write(second_tier)
    assert path == first == store.output.with_name("README.md")
    head = front_matter(path)
    assert head.count("config_name") == 4
    assert head.count("default: true") == 1
    assert head.index("tier1.jsonl") < head.index("tier2.jsonl")
    text = path.read_text(encoding="utf-8")
    assert "Tier II, 1 rows" in text
    assert "| opal/a | org/a | local | apache-2.0 | evaluation only | 1 | 1 |" in text
    second_tier.unlink()
    assert "tier2" not in card.write(store.output).read_text(encoding="utf-8"), "a file that is gone is not listed"


def test_a_card_written_by_someone_else_is_left_alone(store: Store) -> None:
    store.rows(A, [1])
    publish(store)
    readme = store.output.with_name("README.md")
    readme.write_bytes(b"# Mine \xff\n")
    assert card.write(store.output) == store.output.with_name("tier1.card.md")
    assert readme.read_bytes() == b"# Mine \xff\n"
    assert card.MARKER in store.output.with_name("tier1.card.md").read_text(encoding="utf-8")


# ---- the real thing


def like_gsm8k(store: Store) -> None:
    """Over 10 MB, which is what `datasets` looks at before it fixes the keys."""
    lines = [
        store.line(A, row, {"expression": f"{row}+1", "value": row}, extras={"answer": "x" * 4_000})
        for row in range(2_700)
    ]
    store.commit(A, lines, per_part=900)


def like_bfcl(store: Store) -> None:
    kinds: list[Any] = [
        {"city": "Izmir", "days": [1, 2], "unit": None},
        {"nested": {"deep": [{"k": 1.5}, "text"]}},
        {},
        {"value": {"now": "an object"}},
        {"value": [True, None, 2**53 - 1, 1e16]},
    ]
    for name in (B, C):
        lines = [
            store.line(
                name,
                row,
                {**kinds[row % len(kinds)], **({"row": row} if row >= len(kinds) else {})},
                extras={"answer": {"row": row}, f"only_{name[-1]}": [row, "two"]},
            )
            for row in range(20)
        ]
        store.commit(name, lines)


@pytest.fixture
def published(store: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as `merge` leaves it, with a second tier in it."""
    like_gsm8k(store)
    like_bfcl(store)
    publish(store)
    publish(store, store.output.with_name("2026.jsonl"), tier="II", quotas={A: 0, B: -1, C: -1})
    card.write(store.output)
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(store.root / "hf"))
    assert store.part(A).stat().st_size * 3 > 10 * 2**20
    return store.output


# `datasets` leaves files that it has read to the garbage collector, which is called at the end of the test.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in. <_io.FileIO:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_reads_every_row_by_the_card(published: Path, tmp_path: Path, streaming: bool) -> None:
    import datasets

    for config in ("tier1", "2026"):
        expected = [json.loads(line) for line in published.with_name(f"{config}.jsonl").open("rb")]
        found = datasets.load_dataset(
            str(published.parent), config, split="train", streaming=streaming, cache_dir=str(tmp_path / "cache")
        )
        rows = 0
        for row, wanted in zip(found, expected, strict=True):
            assert row == wanted
            rows += 1
        assert rows == len(expected)
    default = datasets.load_dataset(
        str(published.parent), split="train", streaming=True, cache_dir=str(tmp_path / "cache")
    )
    assert next(iter(default))["metadata"]["loader"] in ("a", "b")
    del default, found
    gc.collect()
