"""The contract of every loader, shipped or new: a loader adds rows and expected outcomes, no test code.

Expected outcomes are made and looked at by the author:
`polecats check LOADER --rows 1000 --json > tracks/<track>/samples/<loader>.expected.jsonl`.
"""

from __future__ import annotations

import ast
import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coordinator.contract import HubSource, JoinedLoader, Reject, Row, Skip
from coordinator.contract.audit import Auditor
from coordinator.contract.build import Identity
from coordinator.demo.files import TWIN, read_parquet, read_twin
from coordinator.paths import loader_names, track_names
from coordinator.worker import discovery
from coordinator.worker.pipeline import Converter
from coordinator.worker.streams.base import Resolved, make_row
from coordinator.worker.streams.opening import open_stream, read_companions
from coordinator.worker.streams.roots import FolderRoot

TRACKS = Path(__file__).parents[2] / "tracks"
LOADERS = [f"{track}/{name}" for track in track_names(TRACKS) for name in loader_names(TRACKS, track)]
MIN_ROWS = 12
MIN_PLANS = 8
HOSTILE = [None, "", "\ud800[/]\x1b]0;x\x07", 0, -1.5, True, [], {}, [None], {"a": [{}]}, "x" * 9_000, [[["a"]]]]


@pytest.fixture(scope="module", autouse=True)
def _tracks() -> None:
    discovery.install(TRACKS)


class Sampled:
    """A loader and its sample rows."""

    def __init__(self, name: str) -> None:
        self.track, self.name = name.split("/")
        self.loader = discovery.find(TRACKS, self.track, self.name, {}).loader
        self.source = self.loader.source
        self.resolved: Resolved = FolderRoot(TRACKS / self.track / "samples").resolve(self.source)
        self.declared = {*self.source.columns, *self.source.optional}
        self.rows = self.read(self.source)

    def read(self, source: HubSource) -> list[Any]:
        return [row for batch in open_stream(source, self.resolved).batches(None) for row in batch.rows]

    def converter(self) -> Converter:
        side = None
        if isinstance(self.loader, JoinedLoader):
            side = self.loader.prepare(read_companions(self.resolved))
        label, category = self.loader.label, self.loader.category
        return Converter(
            self.loader, Identity(self.source.repo, self.name, category, label, self.source.unique_ids), side
        )

    def outcomes(self) -> Iterator[dict[str, Any]]:
        converter = self.converter()
        for row in self.rows:
            yield {"loader": f"{self.track}/{self.name}", "row": f"{row.split}-{row.number}", **shown(converter, row)}


def shown(converter: Converter, row: Any) -> dict[str, Any]:
    outcome = converter.outcome(row)
    if isinstance(outcome, Reject):
        return {"rejected": outcome.code, "message": outcome.message}
    if isinstance(outcome, Skip):
        return {"skipped": outcome.reason}
    return {"accepted": [json.loads(line.data) for line in outcome]}


@pytest.fixture(params=LOADERS, scope="module")
def sampled(request: pytest.FixtureRequest) -> Sampled:
    return Sampled(request.param)


def test_every_loader_is_known() -> None:
    assert len(LOADERS) >= 25


def test_has_rows_in_the_true_layout(sampled: Sampled) -> None:
    if sampled.source.may_be_empty:
        assert not sampled.rows, "a source that may be empty ships none, as upstream"
        return
    assert not sampled.resolved.warnings, "every declared file stands in the samples"
    assert len(sampled.rows) >= MIN_ROWS


def test_outcomes_are_the_expected_ones(sampled: Sampled) -> None:
    path = TRACKS / sampled.track / "samples" / f"{sampled.name}.expected.jsonl"
    assert path.is_file(), "no expected outcomes; see the head of this file"
    expected = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    assert list(sampled.outcomes()) == expected


def test_plans_are_valid_distinct_and_enough(sampled: Sampled) -> None:
    auditor, converter = Auditor(), sampled.converter()
    keys = []
    for row in sampled.rows:
        outcome = converter.outcome(row)
        for line in outcome if isinstance(outcome, list) else []:
            assert auditor.audit(line.data) == []
            keys.append(line.key)
    if sampled.rows:
        assert len(set(keys)) >= MIN_PLANS


def test_most_rows_convert(sampled: Sampled) -> None:
    """The demonstration varies these rows; over a fifth of rejects would fail the loader there."""
    outcomes = list(sampled.outcomes())
    assert sum("rejected" in outcome for outcome in outcomes) <= 0.12 * len(outcomes)


def test_transform_is_pure(sampled: Sampled) -> None:
    converter = sampled.converter()
    for row in sampled.rows:
        before = copy.deepcopy(dict(row))
        first = shown(converter, row)
        assert dict(row) == before, "transform changed its row"
        assert shown(converter, row) == first


def test_odd_rows_never_break_the_loader(sampled: Sampled) -> None:
    """A row with a key missing, null, or of any other shape is rejected, skipped or planned; nothing else."""
    converter = sampled.converter()
    for row in sampled.rows[:6]:
        for odd in spoilt(row):
            converter.outcome(odd)  # raises `TransformBug` where the transform has no answer


def spoilt(row: Row) -> Iterator[Row]:
    for path in paths(row):
        for value in (*HOSTILE, KeyError):
            odd = copy.deepcopy(dict(row))
            place: Any = odd
            for step in path[:-1]:
                place = place[step]
            if value is KeyError:
                del place[path[-1]]
            else:
                place[path[-1]] = value
            yield make_row(odd, row.split, row.number)
    yield make_row({}, row.split, row.number)


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Places in a row, down to the third level, the first two items of a list."""
    if len(prefix) == 3:
        return
    if isinstance(value, dict):
        items: Any = list(value.items())[:12]
    elif isinstance(value, list):
        items = list(enumerate(value))[:2]
    else:
        return
    for key, item in items:
        yield (*prefix, key)
        yield from paths(item, (*prefix, key))


class Watched(Row):
    """A row that notes for which keys it is asked."""

    __slots__ = ("asked",)

    def __init__(self, row: Row) -> None:
        super().__init__(row)
        self.split, self.number = row.split, row.number
        self.asked: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)


def test_lines_and_arrays_declare_their_keys(sampled: Sampled) -> None:
    """Else all is parsed that stands in them, whoever reads it."""
    assert sampled.declared or sampled.source.builder == "parquet"


def test_reads_no_key_that_it_does_not_declare(sampled: Sampled) -> None:
    """What it makes of a whole row it makes of the declared keys; it asks for no other, also where keys are odd."""
    if not sampled.declared:
        return
    converter, whole = sampled.converter(), sampled.read(replace(sampled.source, columns=(), optional=()))
    for row, full in zip(sampled.rows, whole, strict=True):
        watched = Watched(full)
        told, expected = shown(converter, watched), shown(converter, row)
        assert told | {"message": ""} == expected | {"message": ""}, "messages may name the row's keys"
        assert watched.asked <= sampled.declared
    for odd in (odd for full in whole[:6] for odd in spoilt(full)):
        watched = Watched(odd)
        converter.outcome(watched)
        assert watched.asked <= sampled.declared


def test_imports_the_contract_alone(sampled: Sampled) -> None:
    own = f"tracks.{sampled.track}."
    for path in (TRACKS / sampled.track).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""] if not node.level else []
            for name in names:
                if name.split(".")[0] in ("coordinator", "tracks"):
                    assert name.startswith(("coordinator.contract", own)), f"{path.name} imports {name}"


@pytest.mark.parametrize("twin", sorted(TRACKS.glob(f"*/samples/**/*.parquet{TWIN}")), ids=lambda path: path.name)
def test_parquet_equals_its_twin(twin: Path) -> None:
    rows = read_parquet(twin.with_name(twin.name.removesuffix(TWIN)))
    assert [without_nulls(row) for row in rows] == [without_nulls(row) for row in read_twin(twin)]


def without_nulls(value: Any) -> Any:
    """Parquet gives every struct the keys of all; a key that is null and one that is absent are the same there."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def test_shared_repositories_are_equal() -> None:
    """AgentHarm stands in two tracks; the demonstration's mirror holds one copy."""
    found: dict[str, bytes] = {}
    for path in sorted(TRACKS.glob("*/samples/*/*/**/*")):
        if path.is_file():
            name = path.relative_to(TRACKS).as_posix().split("/samples/", 1)[1]
            assert found.setdefault(name, path.read_bytes()) == path.read_bytes(), name
