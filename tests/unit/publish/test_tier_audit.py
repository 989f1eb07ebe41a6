"""`validate` on a tier: rows replayed from their parents, groups in one split, the pairs beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from coordinator.cli.auditing import audit
from coordinator.errors import ExitCode, PolecatsError
from coordinator.gates.parents import Parents
from coordinator.publish import ranges
from coordinator.publish.tier_audit import Splits
from coordinator.publish.tier_output import pairs_of
from coordinator.publish.tiering import publish
from coordinator.publish.validate import validate
from tests.unit.publish.tier_store import green, make

Row = dict[str, Any]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tier = make(tmp_path_factory.mktemp("tier"))
    publish(tier, green)
    return tier.output.parent


@pytest.fixture
def rows(once: Path, tmp_path: Path) -> Path:
    """A published tier."""
    return Path(shutil.copytree(once, tmp_path / "data")) / "tier2.jsonl"


def edited(file: Path, change: Callable[[Row], None], every: int = 1) -> None:
    """Change each n-th line of a file, from the first."""
    records = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    for record in records[::every]:
        change(record)
    file.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))


def test_a_published_tier_is_valid(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(rows, as_json=False) is ExitCode.OK
    said = capsys.readouterr().out
    assert "tier2_pairs.jsonl" in said
    assert "not replayed" not in said


def swapped(row: Row) -> None:
    """Sound by itself, and not what the edits make of the parent."""
    row["category"] = "conversation" if row["category"] != "conversation" else "math_reasoning"


def test_rows_that_their_parents_do_not_give_are_found(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edited(rows, swapped, every=5)
    report = validate(rows, parent_of=Parents(rows.with_name("tier1.jsonl")).find)
    assert report.by_code == {"E16": -(-report.lines // 5)}
    assert [line for line, _ in report.first] == list(range(1, report.lines + 1, 5))
    assert not validate(rows).by_code, "no rule of one row alone is broken"
    assert audit(rows, as_json=False) is ExitCode.REFUSED
    assert "E16" in capsys.readouterr().out


def test_a_parent_that_is_not_there_is_named(rows: Path) -> None:
    tier1 = rows.with_name("tier1.jsonl")
    tier1.write_bytes(b"".join(tier1.read_bytes().splitlines(keepends=True)[:2]))
    report = validate(rows, parent_of=Parents(tier1).find)
    assert report.by_code["E16"] == report.bad_lines > 10
    assert "is no row of the Tier I file" in report.first[0][1].message


@pytest.mark.parametrize(
    ("how", "why"), [("gone", "not beside it"), ("changed", "not the one that this was made from")]
)
def test_without_the_parents_the_replay_is_skipped_and_said(
    rows: Path, how: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tier1, kept = rows.with_name("tier1.jsonl"), rows.with_name("parents")
    shutil.copy(tier1, kept)
    tier1.unlink()
    if how == "changed":
        tier1.write_text("{}\n")
    assert audit(rows, as_json=True) is ExitCode.OK
    assert why in json.loads(capsys.readouterr().out)["not_replayed"]
    assert audit(rows, as_json=False, tier1=kept) is ExitCode.OK
    assert "not replayed" not in capsys.readouterr().out
    with pytest.raises(PolecatsError, match="cannot be read"):
        audit(rows, as_json=False, tier1=rows.with_name("nothing"))


@pytest.mark.parametrize("processes", [1, 2])
def test_the_ranges_together_find_what_one_finds(rows: Path, monkeypatch: pytest.MonkeyPatch, processes: int) -> None:
    edited(rows, lambda row: row["metadata"].update(split="validation"), every=4)
    whole = validate(rows)
    assert whole.by_code["E17"] > 5
    monkeypatch.setattr(ranges, "RANGE_BYTES", 10_000)
    pieces = validate(rows, processes=processes)
    assert pieces.lines == whole.lines
    assert {code for _, (code, *_) in _shown(pieces)} == {"E17"}
    assert _shown(pieces) == _shown(whole) != []
    assert (pieces.bad_lines, pieces.by_code) == (whole.bad_lines, whole.by_code)


def _shown(report: Any) -> list[tuple[int, tuple[str, str]]]:
    return [(line, (violation.code, violation.message)) for line, violation in report.first]


def test_bad_pairs_are_told(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edited(pairs_of(rows), lambda pair: pair.update(margin=1.999), every=3)
    report = validate(rows)
    assert report.pairs is not None
    assert (report.ok, report.pairs.bad_lines) == (False, -(-report.pairs.lines // 3))
    assert "tier2_pairs.jsonl line 1: E14 margin" in report.pairs.problems[0]
    assert "not the one that was merged with tier2.jsonl" in report.pairs.problems[-1]
    pairs_of(rows).unlink()
    assert audit(rows, as_json=False) is ExitCode.REFUSED
    assert "tier2_pairs.jsonl is missing" in capsys.readouterr().out


def test_splits_know_the_first_of_each_group() -> None:
    splits, (one, two) = Splits(10), (b"a" * 8, b"b" * 8)
    assert [splits.first(one, "test"), splits.first(two, "train")] == ["test", "train"]
    assert [splits.first(one, "test"), splits.first(two, "test_ood")] == ["test", "train"]
    assert splits.first(one, "validation") == "test"
