"""Connections to the Hub are shared out among workers, and are never more than the limit in all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.engine import supervisor
from coordinator.engine.journal import Journal
from coordinator.engine.policy import RestartPolicy
from coordinator.engine.recorder import Recorder
from coordinator.engine.supervisor import Limits, Supervisor
from coordinator.events import Counts, Failure, Heartbeat, LoaderFinished, LoaderProgress, RunStarted
from coordinator.worker.spec import LoaderSpec, SourceSpec, WorkerSpec
from tests.fakes import FakeClock, FakeExecutor, FakeWorker

HUB, FOLDER = SourceSpec("hub", "hub"), SourceSpec("dir", "dir-0", "folder")
OFFLINE = Failure("network", "there is no network", "mend it", offline=True)


class Stage:
    """Tracks of one loader each, `t0/a` and so on, over fake workers."""

    def __init__(self, folder: Path, tracks: int, slots: int, limit: int, source: SourceSpec = HUB) -> None:
        self.clock, self.executor, self.limit = FakeClock(), FakeExecutor(), limit
        self._journal = Journal(folder / "journal.jsonl")
        self.recorder = Recorder(self._journal, clock=self.clock)
        limits = Limits(600.0, slots, folder / "logs", limit)
        self.supervisor = Supervisor(self.executor, self.recorder, RestartPolicy(), limits, self.clock)
        names = [f"t{number}" for number in range(tracks)]
        self.recorder.emit(RunStarted("r1", "hub", [f"{name}/a" for name in names]))
        self.supervisor.take(WorkerSpec(name, "tracks", [LoaderSpec("a")], source, "state") for name in names)
        self.step()

    @property
    def running(self) -> list[FakeWorker]:
        return [worker for worker in self.executor.workers if worker.code is None]

    @property
    def shares(self) -> dict[str, int]:
        """What each worker that runs was told last."""
        return {worker.track: told(worker) for worker in self.running}

    def step(self, seconds: float = 0.0) -> None:
        self.clock.now += seconds
        for _ in range(2):
            self.supervisor.step(stopping=False)

    def keep(self) -> None:
        """All keep to what they were told."""
        for worker in self.running:
            worker.keep()
        self.step()

    def close(self) -> None:
        self.supervisor.end()
        self._journal.close()
        self.supervisor.selector.close()


def told(worker: FakeWorker) -> int:
    return [worker.spec.connections, *worker.connections][-1]


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Stage]]:
    monkeypatch.setattr(supervisor, "TICK", 0)
    made: list[Stage] = []
    yield made
    for stage in made:
        stage.close()


@pytest.fixture
def play(tmp_path: Path, stages: list[Stage]):  # type: ignore[no-untyped-def]
    def begin(tracks: int, slots: int = 9, limit: int = 8, source: SourceSpec = HUB) -> Stage:
        stages.append(Stage(tmp_path, tracks, slots, limit, source))
        return stages[-1]

    return begin


@pytest.mark.parametrize(
    ("tracks", "slots", "shares"),
    [(1, 9, [8]), (2, 9, [4, 4]), (3, 9, [3, 3, 2]), (5, 9, [2, 2, 2, 1, 1]), (8, 9, [1] * 8), (5, 2, [4, 4])],
)
def test_workers_that_run_at_once_have_equal_shares_from_the_beginning(play, tracks, slots, shares) -> None:
    assert list(play(tracks, slots).shares.values()) == shares


def test_with_more_tracks_than_connections_the_others_start_one_after_another(play) -> None:
    stage = play(5, limit=2)
    assert stage.shares == {"t0": 1, "t1": 1}
    for number in (2, 3, 4):
        stage.running[0].work_through()
        stage.step()
        assert list(stage.shares) == [f"t{number - 1}", f"t{number}"]
    assert list(stage.shares.values()) == [1, 1]


def test_a_track_that_ends_gives_its_share_to_the_others(play) -> None:
    stage = play(3)
    stage.running[0].work_through()
    stage.step()
    assert stage.shares == {"t1": 4, "t2": 4}
    stage.running[0].work_through()
    stage.step()
    assert stage.shares == {"t2": 8}
    assert stage.running[0].connections == [4, 8]


def test_a_track_that_comes_back_starts_once_the_others_have_given_connections_back(play) -> None:
    stage = play(3)
    stage.running[0].work_through()
    stage.step()
    stage.supervisor.restart(["t0/a"])
    stage.step(60.0)
    assert stage.shares == {"t1": 3, "t2": 3}, "both are told at once, and what they had may still be open"
    stage.running[0].keep()
    stage.step()
    assert stage.shares == {"t1": 3, "t2": 3, "t0": 1}, "it begins with what is free"
    stage.keep()
    assert stage.shares == {"t1": 3, "t2": 3, "t0": 2}, "and gets the rest when that is free"


def test_a_worker_that_speaks_of_an_earlier_number_is_not_believed_to_keep_to_the_last(play) -> None:
    stage = play(3)
    stage.running[0].work_through()
    stage.step()
    worker = stage.running[0]
    stage.supervisor.restart(["t0/a"])
    stage.step()
    assert worker.connections == [4, 3]
    worker.say(Heartbeat("", 0, 0, 0, 0.0, connects=1))
    stage.step()
    assert list(stage.shares) == ["t1", "t2"]
    worker.keep()
    stage.step()
    assert list(stage.shares) == ["t1", "t2", "t0"]


def test_a_worker_that_ends_holds_nothing_whatever_it_was_told(play) -> None:
    stage = play(2)
    stage.running[0].work_through()
    stage.step()
    stage.supervisor.restart(["t0/a"])
    stage.step()
    assert stage.shares == {"t1": 4}
    stage.running[0].die(-9)
    stage.step()
    assert stage.shares["t0"] == 4


def test_a_worker_that_waits_for_the_network_leaves_connections_to_the_track_that_takes_its_core(play) -> None:
    stage = play(3, slots=1)
    assert stage.shares == {"t0": 8}
    stage.keep()
    stage.step(supervisor.IDLE + 1)
    assert stage.shares == {"t0": 4}
    stage.keep()
    assert stage.shares == {"t0": 4, "t1": 4}


def test_who_reads_no_hub_needs_no_connection(play) -> None:
    stage = play(5, limit=2, source=FOLDER)
    assert len(stage.running) == 5
    assert not any(worker.connections for worker in stage.running)


@pytest.mark.parametrize("seed", range(20))
def test_never_more_than_the_limit_whatever_happens(play, seed: int) -> None:
    chance = random.Random(seed)
    limit = chance.choice([1, 2, 3, 8])
    stage = play(6, chance.choice([1, 2, 9]), limit)
    names = list(stage.recorder.state.loaders)
    open_at_most: dict[int, int] = {}
    begun = 0
    for _ in range(150):
        if stage.running:
            worker = chance.choice(stage.running)
            deed = chance.choice(["keep", "keep", "finish", "work through", "die"])
            if deed == "keep":  # only now is it sure that what is open beyond its share has been closed
                open_at_most[worker.pid] = told(worker)
                worker.keep(worker.loaders[0])
            elif deed == "finish":
                worker.finish(worker.loaders[0])
            elif deed == "work through":
                worker.work_through()
            else:
                worker.die(-9)
        if chance.random() < 0.3:
            chance.choice([stage.supervisor.restart, stage.supervisor.stop])(chance.sample(names, 2))
        stage.step(chance.choice([0.0, 1.0, 5.0, 70.0]))
        for worker in stage.running:
            open_at_most[worker.pid] = max(open_at_most.get(worker.pid, 0), told(worker))
        assert sum(open_at_most[worker.pid] for worker in stage.running) <= limit
        begun = max(begun, len(stage.running))
    assert begun


# ---- no network


def offline(loader: str) -> LoaderFinished:
    return LoaderFinished(loader, "FAILED", Counts(), OFFLINE)


def test_where_nothing_was_ever_reached_a_loader_is_not_tried_again(play) -> None:
    stage = play(2)
    stage.running[0].say(offline("t0/a"))
    stage.running[0].end()
    stage.step()
    assert stage.recorder.state.tracks["t0"].state == "FINISHED"
    assert stage.recorder.state.loaders["t0/a"].state == "FAILED"


def test_what_was_reached_by_any_track_is_tried_again(play) -> None:
    stage = play(2)
    stage.running[1].open("t1/a")
    stage.running[1].say(LoaderProgress("t1/a", Counts(), wire=1))
    stage.step()
    stage.running[0].say(offline("t0/a"))
    stage.running[0].end()
    stage.step()
    assert stage.recorder.state.tracks["t0"].state == "BACKOFF"
    stage.step(1.1)
    assert stage.running[-1].loaders == ["t0/a"]
