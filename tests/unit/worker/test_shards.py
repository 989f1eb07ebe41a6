"""Shards: with any number of them the same bytes, balance and cursors come out, whatever ends a run in between."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordinator.contract import Skip
from coordinator.events import Event, Failure, LoaderFinished
from coordinator.worker import frames, main, pool, shard
from coordinator.worker.fingerprint import code_of
from coordinator.worker.main import run
from coordinator.worker.parts import read_commits
from coordinator.worker.pipeline import Lines, Outcome, Rejected
from coordinator.worker.pool import Pool, ShardFailure, Share
from coordinator.worker.spec import LoaderSpec, SourceSpec, WorkerSpec
from coordinator.worker.streams.base import Batch, Pieces, Unreadable

ROWS = 1_500
LOADER = """
import os
from pathlib import Path
from coordinator.contract import Call, HubSource, JoinedLoader, Loader, Reject, Sample, Skip

class It({base}):
    source = HubSource(repo="acme/it", builder="{builder}", files={{"train": "data.*"}}, companions={companions})
    category = "function_calling"

    def __init__(self, by: str = "") -> None:
        self.by = by

    def prepare(self, companions):
        return companions["names"]["names"][0]["name"]

    def transform(self, row, side="look_up"):
        n = row["n"]
        {act}
        if n % 7 == 3:
            return Skip("seventh")
        if n % 11 == 5:
            raise Reject("E05", "eleventh \\ud800")
        if n % 13 == 4:
            return row["absent"]
        made = [Sample(f"Do {{n}}.{{i}}", [Call(side, {{"n": n, "i": i}})]) for i in range(1 + n % 2)]
        return made if n % 2 else made[0]
"""


class Checkout:
    """An invented loader over one source of `ROWS` rows, run in this process with as many shards as wanted."""

    def __init__(self, root: Path, builder: str = "lines", act: str = "pass", joined: bool = False) -> None:
        self.root, self.tracks, self.source = root, root / "tracks", root / "mirror" / "acme" / "it"
        (self.tracks / "east").mkdir(parents=True)
        self.source.mkdir(parents=True)
        self.events: list[Event] = []
        self.write(builder, act, joined)
        (self.source / "names.jsonl").write_text('{"name": "find"}\n')
        {"lines": self._lines, "array": self._array, "parquet": self._parquet}[builder]()

    def write(self, builder: str = "lines", act: str = "pass", joined: bool = False) -> None:
        base, companions = ("JoinedLoader", '{"names": "names.jsonl"}') if joined else ("Loader", "{}")
        text = LOADER.format(base=base, builder=builder, act=act, companions=companions)
        (self.tracks / "east" / "it.py").write_text(textwrap.dedent(text))

    def _lines(self) -> None:
        lines = [b'{"n": %d}' % n for n in range(ROWS)]
        lines[5], lines[900], lines[1100] = b"\xff", b"{broken", b""
        (self.source / "data.jsonl").write_bytes(b"\n".join(lines))

    def _array(self) -> None:
        (self.source / "data.json").write_text(json.dumps([{"n": n} for n in range(ROWS)]))

    def _parquet(self) -> None:
        for name, rows in (("a", range(700)), ("b", range(700, ROWS))):
            table = pa.table({"n": pa.array(rows), "more": pa.array([{"x": [n]} for n in rows])})
            pq.write_table(table, self.source / f"data.{name}.parquet", row_group_size=300)

    def __call__(
        self,
        workers: int,
        state: str = "",
        cap: int = 0,
        stopping: Callable[[], bool] = lambda: False,
        share: Share | None = None,
    ) -> LoaderFinished:
        state = str(self.root / (state or f"state-{workers}"))
        spec = WorkerSpec(
            "east",
            str(self.tracks),
            [LoaderSpec("it", {"by": "me"}, cap, workers=workers)],
            SourceSpec("dir", "dir-1", str(self.root / "mirror")),
            state,
        )
        self.events = []
        told = WorkerSpec.decode(json.loads(json.dumps(spec.encode())))
        run(told, self.events.append, stopping, lambda: 0.0, share=share)
        end = self.events[-1]
        assert isinstance(end, LoaderFinished)
        assert end.counts.closes()
        return end

    def committed(self, state: str) -> tuple[bytes, bytes]:
        """Lines and rejects that commits name, in order."""
        folder = self.root / state / "tracks" / "east" / "it"
        commits, _ = read_commits(folder)
        parts = [(folder / commit.part.name).read_bytes() for commit in commits if commit.part]
        rejects = [(folder / commit.rejects.name).read_bytes() for commit in commits if commit.rejects]
        return b"".join(parts), b"".join(rejects)


@pytest.fixture(autouse=True)
def _small_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "FEW_BYTES", 0)


class Restless(Share):
    """Other cores each time that somebody looks."""

    def __init__(self, cores: list[int]) -> None:
        super().__init__()
        self._cores = cores

    @property  # type: ignore[override]
    def cores(self) -> int:
        self._cores.append(self._cores.pop(0))
        return self._cores[0]

    @cores.setter
    def cores(self, cores: int) -> None:
        pass


@pytest.mark.parametrize("cores", [[1, 1, 2, 2], [3, 1, 2, 2, 1, 1]])
@pytest.mark.parametrize("builder", ["lines", "parquet"])
def test_shards_that_come_and_go_change_nothing(tmp_path: Path, builder: str, cores: list[int]) -> None:
    checkout = Checkout(tmp_path, builder, joined=False)
    alone = checkout(1)
    assert checkout(0, share=Restless(cores)) == alone
    assert checkout.committed("state-0") == checkout.committed("state-1")


@pytest.mark.parametrize(
    ("builder", "joined", "sizes"), [("lines", False, (2, 8)), ("array", True, (3,)), ("parquet", False, (2, 3))]
)
def test_any_number_of_shards_gives_the_same(
    tmp_path: Path, builder: str, joined: bool, sizes: tuple[int, ...]
) -> None:
    checkout = Checkout(tmp_path, builder, joined=joined)
    alone = checkout(1)
    assert alone.counts.read >= ROWS - 1
    assert alone.counts.skipped
    assert len(alone.counts.rejected) >= 2
    for size in sizes:
        assert checkout(size) == alone
        assert checkout.committed(f"state-{size}") == checkout.committed("state-1")
        folders = [tmp_path / f"state-{n}" / "tracks" / "east" / "it" for n in (1, size)]
        ends = [read_commits(folder)[0][-1] for folder in folders]
        assert ends[0].cursor == ends[1].cursor


def test_caps_are_exact_and_another_number_goes_on(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    for cap, workers in ((1, 1), (401, 2), (402, 1), (1_000, 3), (0, 2)):
        assert checkout(1, f"alone-{cap}", cap).counts == checkout(workers, "on", cap).counts
        assert checkout.committed("on") == checkout.committed(f"alone-{cap}")


def test_a_stopped_loader_goes_on_with_another_number(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    whole = checkout(1)
    for workers in (2, 1, 3):
        calls = iter([False] * 2 + [True] * 9)
        end = checkout(workers, "on", stopping=lambda calls=calls: next(calls))  # type: ignore[misc]
        assert end.state == "STOPPED"
    assert 0 < end.counts.read < ROWS
    assert checkout(3, "on").counts == whole.counts
    assert checkout.committed("on") == checkout.committed("state-1")


def test_a_shard_that_is_killed_is_told_and_what_was_committed_is_kept(tmp_path: Path) -> None:
    once = f"""
        if n == 700 and not Path({str(tmp_path / "hit")!r}).exists():
            Path({str(tmp_path / "hit")!r}).touch()
            os.kill(os.getpid(), 9)"""
    checkout = Checkout(tmp_path, act=once.strip())
    end = checkout(2)
    assert end.failure is not None
    assert (end.state, end.failure.failure_class) == ("FAILED", "killed")
    assert "signal 9" in end.failure.sentence
    assert end.counts.read <= 700
    assert checkout(3, "state-2").state == "DONE"
    checkout(1)
    assert checkout.committed("state-2") == checkout.committed("state-1")


@pytest.mark.parametrize("act", ['if n == 700: raise OSError("odd")', "if n == 700: raise SystemExit(3)"])
def test_a_bug_ends_it_where_it_would_have_without(tmp_path: Path, act: str) -> None:
    checkout = Checkout(tmp_path, act=act)
    alone, sharded = checkout(1), checkout(3)
    assert alone.failure is not None
    assert sharded.failure is not None
    assert sharded.failure.failure_class == alone.failure.failure_class == "loader_bug"
    assert sharded.failure.sentence == alone.failure.sentence
    assert sharded.failure.remedy == alone.failure.remedy
    assert sharded.failure.reproduce == alone.failure.reproduce
    assert "it.py" in sharded.failure.traceback
    if "OSError" in act:
        assert sharded.counts == alone.counts
        assert checkout.committed("state-3") == checkout.committed("state-1")


def test_what_stands_before_damage_counts(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, "array")
    path = checkout.source / "data.json"
    path.write_bytes(path.read_bytes()[:-2])
    alone, sharded = checkout(1), checkout(2)
    assert alone.failure is not None
    assert alone.failure.failure_class == "parse"
    assert sharded == alone
    assert checkout.committed("state-2") == checkout.committed("state-1")


def test_an_edit_between_its_import_and_theirs_is_noticed(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    ours = Pool(checkout.tracks, "east", Share())
    identity = {"source": "acme/it", "loader": "it", "category": "function_calling"}
    order = {"loader": "it", "options": {}, "code": {}, "identity": identity, "seed": 0, "reproduce": "check"}
    rows = Pieces("train", 0, [(b'{"n": 1}', 8)])
    try:
        ours.take(1, order)
        with pytest.raises(ShardFailure, match=r"it\.py was edited") as caught:
            list(ours.convert([Batch(rows, None)], 0))
        assert caught.value.failure.failure_class == "killed"
        assert not ours.pids, "what it would say of other rows is not asked for"
    finally:
        ours.close()


def test_no_more_is_held_than_has_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "HELD_BYTES", 1)
    checkout = Checkout(tmp_path)
    assert checkout(1) == checkout(3)
    assert checkout.committed("state-3") == checkout.committed("state-1")


def test_a_small_source_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "FEW_BYTES", 2**20)
    monkeypatch.setattr(Pool, "take", lambda *asked: pytest.fail("started"))
    assert Checkout(tmp_path)(4).state == "DONE"


def test_slow_rows_are_told_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "TELL_SECONDS", 0)
    checkout = Checkout(tmp_path)
    said: list[bytes] = []
    one = shard.Shard(checkout.tracks, "east", said.append)
    identity = {"source": "acme/it", "loader": "it", "category": "function_calling"}
    code = code_of(checkout.tracks, "east", "it")
    one.hear(
        {"order": {"loader": "it", "options": {}, "code": code, "identity": identity, "seed": 0, "reproduce": "x"}}, b""
    )
    rows = Pieces("train", 0, [(b'{"n": %d}' % n, 9) for n in range(3)])
    one.hear(*frames.opened(frames.task(7, rows, 1)))
    headers = [frames.opened(frame)[0] for frame in said]
    assert [(len(header["ends"]), header["last"]) for header in headers] == [(1, False), (1, False), (0, True)]
    assert {header["task"] for header in headers} == {7}


def test_an_answer_comes_out_as_it_went_in() -> None:
    outcomes: list[Outcome] = [
        Lines(2, b"one\nthree", b"k" * 32 + b"l" * 32),
        Skip("odd"),
        Rejected("E05", "wrong \u2014", b"record", raised=True),
        Lines(1, b"", b"m" * 32),
    ]
    failure = Failure("loader_bug", "a", "b", "c", "d")
    header, data = frames.opened(frames.answer(3, outcomes, True, failure))
    assert list(frames.outcomes_of(header, data)) == outcomes
    assert Failure(**header["failure"]) == failure


def test_rows_come_out_as_they_went_in() -> None:
    rows = Pieces("train", 5, [(b'{"a": 1.10, "b": 1}', 19), (b"", 99), (b"[", 1)], ("a",))
    found: list[Any] = frames.rows_of(*frames.opened(frames.task(0, rows, 0)))
    assert found == rows.parse()
    assert found[0] == {"a": 1.10}
    assert isinstance(found[1], Unreadable)
    assert [row.number for row in found] == [5, 6, 7]
