"""Rounds to a target: exactly so many rows, fairly shared, the same whatever was committed before, and they end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.engine.rounds import run_to_target
from coordinator.events import Counts
from coordinator.publish.inputs import Input
from coordinator.publish.merge import kept_rows
from coordinator.worker.fingerprint import contract_version
from coordinator.worker.parts import PartWriter, read_commits
from coordinator.worker.streams.base import Cursor


@dataclass
class Upstream:
    """Sources in memory, whose loaders commit like a worker's: up to a cap, further each time, until exhausted.

    `stuck`: samples after which a loader fails, every time. `left_out`: never to be published.
    """

    folder: Path
    sources: dict[str, Sequence[int]]
    stuck: dict[str, int] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    rounds: list[dict[str, int]] = field(default_factory=list)

    def run(self, caps: dict[str, int]) -> None:
        """A round."""
        self.rounds.append(dict(caps))
        for name, cap in caps.items():
            assert cap > 0, "0 means no cap"
            self.read(name, cap)

    def read(self, name: str, cap: int) -> None:
        """One loader's run: a commit, as a worker makes it, `done` only where it saw the end."""
        rows = self.sources[name]
        writer = PartWriter(self.folder / name, sync=lambda handle: None)
        writer.open({})
        have, done = (writer.last.counts.samples, writer.last.done) if writer.last else (0, False)
        if done or have >= cap:
            return
        limit = min(cap, self.stuck.get(name, cap))
        new = rows[have:limit]
        for value in new:
            writer.add(1, b"{}", value.to_bytes(16, "big"))
        total = have + len(new)
        writer.commit(Cursor(None, total), Counts(total, total, total), done=limit == cap and total < cap)

    def collect(self) -> list[Input]:
        """The inputs in merge order."""
        return [self._input(name) for name in self.sources]

    def _input(self, name: str) -> Input:
        track, loader = name.split("/")
        commits, _ = read_commits(self.folder / name)
        left_out = "nothing committed yet" if not commits else "not to be passed on" if name in self.left_out else ""
        source = {"id": name, "unique_ids": False}
        return Input(track, loader, self.folder / name, source, contract_version(), commits, left_out)

    def to(self, target: int, limits: dict[str, int] | None = None) -> dict[str, int]:
        """Run to a target; what is returned is what a merge keeps."""
        names = list(self.sources)
        quotas = run_to_target(names, dict.fromkeys(names, 0) | (limits or {}), target, self.run, self.collect)
        assert kept_rows(self.collect(), quotas) == quotas
        return quotas


Make = Callable[..., Upstream]


@contextmanager
def upstream(sources: dict[str, Sequence[int]], **kwargs: object) -> Iterator[Upstream]:
    """Sources with a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        yield Upstream(Path(folder), sources, **kwargs)  # type: ignore[arg-type]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Sources a letter each, in merge order; an int stands for that many rows of its own."""

    def build(sources: Sequence[int | Sequence[int]], **kwargs: object) -> Upstream:
        rows = {
            f"t/{chr(97 + place)}": range(place * 10**6, place * 10**6 + rows) if isinstance(rows, int) else rows
            for place, rows in enumerate(sources)
        }
        return Upstream(tmp_path, rows, **kwargs)  # type: ignore[arg-type]

    return build


@pytest.mark.parametrize(
    ("sources", "target", "wanted"),
    [
        ([100, 100], 10, [5, 5]),
        ([100, 100, 100], 10, [4, 3, 3]),
        ([100] * 4, 10, [3, 3, 2, 2]),
        ([100] * 5, 3, [1, 1, 1, 0, 0]),
        ([100] * 5, 6, [2, 1, 1, 1, 1]),
        ([1, 100, 100], 9, [1, 4, 4]),
        ([1, 4, 100], 12, [1, 4, 7]),
        ([0, 100, 2], 10, [0, 8, 2]),
        ([3, 2], 100, [3, 2]),
        ([3, 2], 5, [3, 2]),
        ([0, 0], 5, [0, 0]),
        ([], 5, []),
        ([100], 1, [1]),
    ],
)
def test_shares_are_fair_and_exhausted_loaders_give_back(make: Make, sources: Any, target: int, wanted: Any) -> None:
    run = make(sources)
    assert list(run.to(target).values()) == wanted


def test_no_more_is_read_than_the_shares_need(make: Make) -> None:
    run = make([1000] * 4)
    run.to(10)
    assert run.rounds == [{name: 3 for name in run.sources}]


def test_what_was_read_up_to_a_cap_is_resumed(make: Make) -> None:
    run = make([1000, 1000])
    run.to(10)
    assert run.to(30) == {"t/a": 15, "t/b": 15}
    assert [item.counts.samples for item in run.collect()] == [15, 15]


def test_own_caps_hold_and_are_given_back(make: Make) -> None:
    run = make([1000, 1000, 1000])
    assert list(run.to(30, {"t/a": 2, "t/c": 12}).values()) == [2, 16, 12]
    assert list(run.to(100, {"t/a": 2, "t/b": 5, "t/c": 9}).values()) == [2, 5, 9]


def test_rows_that_stand_in_an_earlier_loader_too_are_made_up_for(make: Make) -> None:
    run = make([range(100), [*range(50), *range(1000, 1100)], 100])
    assert list(run.to(30).values()) == [10, 10, 10]
    assert run.collect()[1].counts.samples < 40, "the rows that the first one keeps, and no source read to its end"
    assert sum(run.to(150).values()) == 150


def test_a_later_loader_that_loses_its_rows_step_by_step_takes_few_rounds(make: Make) -> None:
    run = make([[*range(500), *range(10_000, 10_499), *range(2_000, 4_000)], range(10_000, 10_499)])
    assert sum(run.to(1_000).values()) == 1_000
    assert len(run.rounds) <= 16


def test_a_source_of_mostly_duplicates_takes_few_rounds(make: Make) -> None:
    run = make([100, [*([7] * 20_000), *range(50, 120)]])
    assert list(run.to(200).values()) == [100, 20]
    assert len(run.rounds) <= 20


@pytest.mark.parametrize("after", [0, 1, 4, 7])
def test_a_loader_that_fails_is_asked_once_more_and_then_left(make: Make, after: int) -> None:
    run = make([1000, 1000, 1000], stuck={"t/b": after})
    quotas = run.to(30)
    assert sum(quotas.values()) == 30
    assert quotas["t/b"] == after
    assert abs(quotas["t/a"] - quotas["t/c"]) <= 1
    assert sum("t/b" in caps for caps in run.rounds) <= 2


def test_all_failing_or_a_stopped_run_ends(make: Make) -> None:
    run = make([1000, 1000], stuck={"t/a": 0, "t/b": 0})
    assert list(run.to(30).values()) == [0, 0]
    assert len(run.rounds) == 1
    names = list(run.sources)
    assert sum(run_to_target(names, dict.fromkeys(names, 0), 5, lambda caps: None, run.collect).values()) == 0


def test_a_loader_that_may_not_be_published_is_not_read_to_its_end(make: Make) -> None:
    run = make([10_000, 1000], left_out={"t/a"})
    assert run.to(30) == {"t/a": 0, "t/b": 30}
    assert run.collect()[0].counts.samples <= 30


def test_loaders_outside_the_run_have_no_part_in_it(make: Make) -> None:
    run = make([100, 100])
    run.read("t/a", 50)
    quotas = run_to_target(["t/b"], {"t/b": 0}, 10, run.run, run.collect)
    assert quotas == {"t/b": 10}
    assert kept_rows(run.collect(), quotas) == {"t/a": 0, "t/b": 10}


VALUES = st.lists(st.integers(0, 30), max_size=25)
CASES = st.lists(VALUES, min_size=1, max_size=4).flatmap(
    lambda sources: st.tuples(
        st.just({f"t/{chr(97 + place)}": rows for place, rows in enumerate(sources)}),
        st.integers(1, 40),
        st.lists(st.integers(0, 6), min_size=len(sources), max_size=len(sources)),
        st.lists(st.lists(st.integers(0, 30), max_size=3), min_size=len(sources), max_size=len(sources)),
    )
)


def possible(sources: dict[str, Sequence[int]], limits: dict[str, int]) -> int:
    """Rows that a merge keeps when each loader is read to its end."""
    seen: set[int] = set()
    for name, rows in sources.items():
        own = list(dict.fromkeys(value for value in rows if value not in seen))
        seen |= set(own[: limits[name] or None])
    return len(seen)


@settings(max_examples=80, deadline=None)
@given(CASES)
def test_the_target_is_hit_whatever_was_committed_before(case: Any) -> None:
    sources, target, caps, before = case
    limits = dict(zip(sources, caps, strict=True))
    with upstream(sources) as fresh, upstream(sources) as later:
        quotas = fresh.to(target, limits)
        assert sum(quotas.values()) == min(target, possible(sources, limits))
        assert all(quotas[name] <= limits[name] for name in sources if limits[name])
        for name, reads in zip(sources, before, strict=True):
            for cap in filter(None, reads):
                later.read(name, cap)
        assert later.to(target, limits) == quotas
        assert fresh.to(target, limits) == quotas
        bound = 4 * len(sources) * (target + sum(map(len, sources.values()))).bit_length()
        assert len(fresh.rounds) <= bound


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(1, 120))
def test_nobody_is_given_two_rows_more_than_another_who_has_them(sizes: list[int], target: int) -> None:
    sources: dict[str, Sequence[int]] = {
        f"t/{place}": range(place * 100, place * 100 + size) for place, size in enumerate(sizes)
    }
    with upstream(sources) as run:
        quotas = run.to(target)
        able = [quotas[name] for name, rows in sources.items() if quotas[name] < len(rows)]
        assert all(most - least <= 1 for most in quotas.values() for least in able if most > least)
        assert sum(quotas.values()) == min(target, sum(sizes))
