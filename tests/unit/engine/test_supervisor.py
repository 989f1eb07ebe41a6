"""Histories played through a supervisor with fake workers and a fake clock.

After each: the journal gives the state, every worker has ended and its pipes are closed, nothing is left at work.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import orjson
import pytest

from coordinator.engine import journal, supervisor
from coordinator.engine.journal import Journal
from coordinator.engine.policy import RestartPolicy
from coordinator.engine.recorder import Recorder
from coordinator.engine.state import LoaderStatus, replay
from coordinator.engine.supervisor import Limits, Supervisor
from coordinator.events import (
    Counts,
    Event,
    Failure,
    FailureClass,
    Heartbeat,
    LoaderFinished,
    LoaderOpened,
    LoaderOpening,
    LoaderProgress,
    LoaderQueued,
    LoaderWaiting,
    LoaderWarned,
    RunFinished,
    RunStarted,
    TrackChanged,
    WorkerDone,
    encode,
)
from coordinator.worker.spec import LoaderSpec, SourceSpec, WorkerSpec
from tests.fakes import FakeClock, FakeExecutor, FakeWorker

STALL = 60.0
HUB = SourceSpec("hub", "hub")


class Stage:
    """A supervisor in the middle of a round, and everything around it."""

    def __init__(
        self, folder: Path, tracks: dict[str, str], slots: int, restart: RestartPolicy, fresh: bool = False
    ) -> None:
        self.clock, self.executor = FakeClock(), FakeExecutor()
        self.journal = folder / journal.JOURNAL
        self.events: list[Event] = []
        self.stopping = False
        self._written = Journal(self.journal)
        told = [lambda event, state, at: self.events.append(event)]
        self.recorder = Recorder(self._written, told, self.clock, every=2.0)
        limits = Limits(STALL, slots, folder / "logs")
        self.supervisor = Supervisor(self.executor, self.recorder, restart, limits, self.clock)
        self.recorder.emit(RunStarted("r1", "hub", [f"{t}/{name}" for t, names in tracks.items() for name in names]))
        self.supervisor.take(
            WorkerSpec(track, "tracks", [LoaderSpec(name, fresh=fresh) for name in names], HUB, "state")
            for track, names in tracks.items()
        )
        self.step()

    def step(self, seconds: float = 0.0) -> None:
        """Time goes on, then the loop turns; twice, since what ends in a turn makes room in the next."""
        self.clock.now += seconds
        self.supervisor.step(self.stopping)
        self.supervisor.step(self.stopping)

    def alive(self, track: str = "opal") -> FakeWorker:
        return self.executor.alive(track)

    def loader(self, name: str) -> LoaderStatus:
        return self.recorder.state.loaders[name]

    def states(self, track: str = "opal") -> str:
        """The states of a track's loaders, in a line."""
        found = self.recorder.state.loaders.items()
        return " ".join(status.state for name, status in found if name.startswith(f"{track}/"))

    def track(self, name: str = "opal") -> str:
        return self.recorder.state.tracks[name].state

    def wait_out_back_off(self, track: str = "opal") -> float:
        """Let a pause go by; returns how long it is."""
        status = self.recorder.state.tracks[track]
        assert status.state == "BACKOFF"
        assert status.until is not None
        pause = status.until - self.clock.now
        self.step(pause - 0.01)
        assert self.track(track) == "BACKOFF", "it began too early"
        self.step(0.02)
        return pause

    def work_through(self) -> None:
        """Every worker does all it was given until the round has ended."""
        for _ in range(50):
            for worker in [item for item in self.executor.workers if item.code is None]:
                worker.work_through()
            self.step(1.0)
            if self.supervisor.ended:
                return
        raise AssertionError(f"no end: {self.recorder.state.tracks}")

    def close(self) -> None:
        self.supervisor.end()
        self.recorder.flush()
        self._written.close()
        self.supervisor.selector.close()
        assert replay(journal.read(self.journal)) == self.recorder.state
        assert all(worker.closed for worker in self.executor.workers)
        assert not self.recorder.state.of("OPENING", "STREAMING")
        assert {status.state for status in self.recorder.state.tracks.values()} <= {"FINISHED", "STOPPED", "FATAL"}


Play = Callable[..., Stage]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    monkeypatch.setattr(supervisor, "TICK", 0)
    stages: list[Stage] = []

    def begin(opal: str = "abc", slots: int = 99, fresh: bool = False, policy: str = "on-failure", max: int = 3,
              **tracks: str) -> Stage:  # fmt: skip
        restart = RestartPolicy(policy, max)  # type: ignore[arg-type]
        folder = tmp_path / f"run-{len(stages)}"
        stages.append(Stage(folder, {"opal": opal, **tracks}, slots, restart, fresh))
        return stages[-1]

    yield begin
    for stage in stages:
        stage.close()


def failed(loader: str, failure_class: FailureClass = "network", read: int = 0) -> LoaderFinished:
    return LoaderFinished(loader, "FAILED", Counts(read, read, read), Failure(failure_class, "it broke", "mend it"))


def beat(loader: str, rows: int = 0, replayed: int = 0, bytes_read: int = 0, idle: float = 0.0) -> Heartbeat:
    return Heartbeat(loader, rows, replayed, bytes_read, idle)


# ---- the happy end


def test_all_loaders_end_and_the_track_is_finished(play: Play) -> None:
    stage = play("ab", ruby="c")
    assert (stage.track(), stage.track("ruby")) == ("RUNNING", "RUNNING")
    assert stage.alive().loaders == ["opal/a", "opal/b"]
    stage.work_through()
    assert (stage.states(), stage.states("ruby")) == ("DONE DONE", "DONE")
    assert (stage.track(), stage.track("ruby")) == ("FINISHED", "FINISHED")
    assert len(stage.executor.workers) == 2
    told = [event.state for event in stage.events if isinstance(event, TrackChanged) and event.track == "opal"]
    assert told == ["STARTING", "RUNNING", "FINISHED"]


def test_run_goes_round_until_the_end_and_leaves_no_worker(play: Play) -> None:
    stage = play("a")
    stage.supervisor.end()
    turns = iter(range(9))

    def stopping() -> bool:
        if next(turns) == 2:
            stage.executor.workers[-1].work_through()
        return False

    stage.supervisor.run([WorkerSpec("opal", "tracks", [LoaderSpec("a")], HUB, "state")], stopping)
    assert (stage.states(), stage.track()) == ("DONE", "FINISHED")


def test_whatever_ends_the_loop_no_worker_is_left(play: Play) -> None:
    stage = play("ab", ruby="c")
    stage.alive().open("opal/a")
    stage.step()

    def interrupted() -> bool:
        raise KeyboardInterrupt

    specs = [work.spec for work in stage.supervisor.works.values()]
    stage.supervisor.end()
    assert (stage.states(), stage.track(), stage.track("ruby")) == ("STOPPED QUEUED", "STOPPED", "STOPPED")
    with pytest.raises(KeyboardInterrupt):
        stage.supervisor.run(specs, interrupted)
    assert all(worker.closed for worker in stage.executor.workers)


def test_ten_tracks_of_five_loaders_are_no_other_than_five(play: Play) -> None:
    for number in (5, 10):
        tracks = {f"t{n}": "abcde" for n in range(number - 1)}
        stage = play("abcde", slots=3, **tracks)
        assert len(stage.executor.workers) == 3
        stage.work_through()
        assert {status.state for status in stage.recorder.state.loaders.values()} == {"DONE"}
        assert [worker.track for worker in stage.executor.workers] == ["opal", *tracks]


# ---- a worker that dies


def test_a_killed_loader_is_tried_again_with_growing_pauses_then_failed_and_the_others_go_on(play: Play) -> None:
    stage = play("abc", max=4)
    pauses = []
    for _ in range(3):
        stage.alive().open("opal/a")
        stage.step()
        stage.alive().die(-9)
        stage.step()
        assert stage.states() == "QUEUED QUEUED QUEUED"
        pauses.append(stage.wait_out_back_off())
    assert pauses == [1.0, 2.0, 4.0]
    stage.alive().open("opal/a")
    stage.alive().die(-9)
    stage.step()
    failure = stage.loader("opal/a").failure
    assert failure is not None
    assert (failure.failure_class, stage.states()) == ("killed", "FAILED QUEUED QUEUED")
    assert "signal 9" in failure.sentence
    assert stage.alive().loaders == ["opal/b", "opal/c"], "the others go on at once"
    stage.work_through()
    assert (stage.states(), stage.track()) == ("FAILED DONE DONE", "FINISHED")


def test_the_worker_that_comes_back_has_what_has_not_ended(play: Play) -> None:
    stage = play()
    stage.alive().finish("opal/a")
    stage.alive().open("opal/b")
    stage.alive().die(1)
    stage.step()
    stage.wait_out_back_off()
    assert stage.alive().loaders == ["opal/b", "opal/c"]
    stage.work_through()


def test_a_loader_that_gets_further_each_time_is_not_given_up(play: Play) -> None:
    """A network that fails once an hour must not end a source of a million rows."""
    stage = play("a", max=2)
    for read in range(100, 1_000, 100):
        stage.alive().open("opal/a")
        stage.alive().say(LoaderProgress("opal/a", Counts(read, read, read)))
        stage.alive().die(-9)
        stage.step()
        assert stage.wait_out_back_off() == 1.0
    stage.alive().open("opal/a", 900)
    stage.alive().say(failed("opal/a", read=1_000), WorkerDone("opal"))
    stage.alive().die(0)
    stage.step()
    assert stage.wait_out_back_off() == 1.0
    stage.alive().open("opal/a")
    stage.alive().say(LoaderProgress("opal/a", Counts(1_000, 1, 1)))
    stage.alive().die(-9)
    stage.step()
    assert (stage.states(), stage.track()) == ("FAILED", "FINISHED")


def test_a_worker_that_dies_before_any_loader_is_given_up_with_all_its_loaders(play: Play) -> None:
    stage = play("ab", max=3, ruby="c")
    logs = stage.journal.parent / "logs"
    (logs / "opal.log").write_text("no such module: frob\n")
    pauses = []
    for _ in range(3):
        stage.alive().die(1)
        stage.step()
        pauses.append(stage.wait_out_back_off())
    stage.alive().die(1)
    stage.step()
    assert pauses == [1.0, 2.0, 4.0]
    assert (stage.track(), stage.states()) == ("FATAL", "FAILED FAILED")
    failure = stage.loader("opal/b").failure
    assert failure is not None
    assert failure.failure_class == "internal"
    assert "exit code 1" in failure.sentence
    assert "frob" in failure.traceback
    stage.work_through()
    assert stage.track("ruby") == "FINISHED"


def test_a_worker_that_cannot_be_started_is_tried_again_then_given_up(play: Play) -> None:
    stage = play("a", max=1)
    stage.alive().die(1)
    stage.executor.refuse = OSError(errno.EAGAIN, "Resource temporarily unavailable")
    stage.step()
    stage.wait_out_back_off()
    assert stage.track() == "FATAL"
    failure = stage.loader("opal/a").failure
    assert failure is not None
    assert "temporarily unavailable" in failure.sentence


def test_nothing_starts_before_the_executor_is_ready(play: Play) -> None:
    stage = play("ab")
    stage.executor.warm = False
    stage.alive().die(1)
    stage.step()
    stage.step(100.0)
    assert (stage.track(), len(stage.executor.workers)) == ("BACKOFF", 1)
    stage.executor.warm = True
    stage.step()
    stage.work_through()
    assert (stage.states(), len(stage.executor.workers)) == ("DONE DONE", 2)


def test_a_fatal_track_comes_back_when_asked_and_has_all_its_tries_again(play: Play) -> None:
    stage = play("a", max=1)
    for _ in range(2):
        stage.alive().die(1)
        stage.step()
        stage.step(2.0)
    assert stage.track() == "FATAL"
    assert stage.supervisor.restart(["opal/a"]) == ["opal/a"]
    stage.step()
    stage.alive().die(1)
    stage.step()
    assert stage.track() == "BACKOFF"
    stage.step(2.0)
    stage.work_through()


def test_a_worker_that_dies_after_its_last_loader_has_finished(play: Play) -> None:
    stage = play("a")
    stage.alive().finish("opal/a")
    stage.alive().die(-9)
    stage.step()
    assert (stage.states(), stage.track()) == ("DONE", "FINISHED")
    assert len(stage.executor.workers) == 1


def test_an_exit_code_of_0_is_no_success(play: Play) -> None:
    """Success is the last word."""
    stage = play("a", max=1)
    stage.alive().open("opal/a")
    stage.alive().die(0)
    stage.step()
    assert stage.states() == "FAILED"


def test_a_bad_exit_code_after_the_last_word_is_no_failure(play: Play) -> None:
    stage = play("a")
    stage.alive().finish("opal/a")
    stage.alive().say(WorkerDone("opal"))
    stage.alive().die(134)
    stage.step()
    assert (stage.states(), stage.track()) == ("DONE", "FINISHED")


@pytest.mark.parametrize(("code", "starved", "expected"), [(-9, True, "out_of_memory"), (-9, False, "killed"),
                                                           (-11, True, "killed")])  # fmt: skip
def test_a_kill_while_memory_ran_out_is_told_and_waits_for_a_person(
    play: Play, code: int, starved: bool, expected: str
) -> None:
    stage = play("a", max=1 if expected == "killed" else 5)
    stage.alive().open("opal/a")
    stage.alive().starved = starved
    stage.alive().die(code)
    stage.step()
    failure = stage.loader("opal/a").failure
    assert failure is not None
    assert failure.failure_class == expected


def test_a_worker_that_is_done_and_does_not_leave_is_killed_and_counts_as_done(play: Play) -> None:
    stage = play("a")
    worker = stage.alive()
    worker.finish("opal/a")
    worker.say(WorkerDone("opal"))
    for second in range(3):
        worker.say(beat("", bytes_read=second))  # its heart still beats
        stage.step(1.0)
    assert worker.code is None
    stage.step(1.5)
    assert worker.calls == ["kill"]
    assert (stage.states(), stage.track()) == ("DONE", "FINISHED")


def test_a_loader_of_which_nothing_was_said_has_failed_and_is_not_run_for_ever(play: Play) -> None:
    stage = play("ab")
    stage.alive().finish("opal/a")
    stage.alive().open("opal/b")
    stage.alive().end()
    stage.step()
    assert (stage.states(), stage.track()) == ("DONE FAILED", "FINISHED")


# ---- failures that heal


@pytest.mark.parametrize(
    ("failure_class", "policy", "retried"),
    [
        ("network", "on-failure", True),
        ("rate_limited", "on-failure", True),
        ("network", "always", True),
        ("network", "never", False),
        ("gated", "on-failure", False),
        ("gated", "always", False),
        ("loader_bug", "on-failure", False),
        ("disk_full", "on-failure", False),
        ("auth", "always", False),
    ],
)
def test_what_may_heal_is_tried_again_after_the_others(
    play: Play, failure_class: FailureClass, policy: str, retried: bool
) -> None:
    stage = play("ab", policy=policy)
    worker = stage.alive()
    worker.open("opal/a")
    worker.say(failed("opal/a", failure_class))
    worker.finish("opal/b")
    worker.end()
    stage.step()
    assert stage.states() == "FAILED DONE"
    assert stage.track() == ("BACKOFF" if retried else "FINISHED")
    if retried:
        stage.wait_out_back_off()
        assert stage.alive().loaders == ["opal/a"]
        stage.work_through()
        assert stage.states() == "DONE DONE"
        assert stage.recorder.state.failed == []


def test_a_source_that_never_heals_is_given_up(play: Play) -> None:
    stage = play("a", max=3)
    for _ in range(2):
        stage.alive().open("opal/a")
        stage.alive().say(failed("opal/a"))
        stage.alive().end()
        stage.step()
        stage.wait_out_back_off()
    stage.alive().open("opal/a")
    stage.alive().say(failed("opal/a"))
    stage.alive().end()
    stage.step()
    assert (stage.states(), stage.track()) == ("FAILED", "FINISHED")


def test_with_never_a_dead_worker_fails_its_loader_at_once(play: Play) -> None:
    stage = play("ab", policy="never")
    stage.alive().open("opal/a")
    stage.alive().die(-11)
    stage.step()
    assert (stage.states(), stage.track()) == ("FAILED QUEUED", "RUNNING")
    stage.alive().die(1)
    stage.step()
    assert (stage.states(), stage.track()) == ("FAILED FAILED", "FATAL")


# ---- stalls


@pytest.mark.parametrize("opened", [False, True])
def test_a_stalled_loader_is_ended_and_left_out_and_its_track_goes_on(play: Play, opened: bool) -> None:
    stage = play()
    first = stage.alive()
    first.deaf_to_term = True
    first.say(LoaderOpening("opal/a"), *([LoaderOpened("opal/a", 10, 0)] if opened else []))
    stage.step()
    for second in range(60):
        first.say(beat("opal/a", idle=float(second)))
        stage.step(1.0)
    assert first.calls == []
    stage.step(1.5)
    assert first.calls == ["term"]
    stage.step(2.9)
    assert first.calls == ["term"]
    stage.step(0.2)
    assert first.calls == ["term", "kill"]
    status = stage.loader("opal/a")
    assert status.failure is not None
    assert (status.state, status.failure.failure_class) == ("STALLED", "stalled")
    assert "60 s" in status.failure.sentence
    assert ("opening" in status.failure.sentence) is not opened
    assert stage.alive().loaders == ["opal/b", "opal/c"]
    stage.work_through()
    assert (stage.states(), stage.track()) == ("STALLED DONE DONE", "FINISHED")
    assert stage.supervisor.restart(["opal/a"]) == ["opal/a"]
    stage.step()
    assert stage.alive().loaders == ["opal/a"]
    stage.work_through()
    assert (stage.states(), stage.recorder.state.failed) == ("DONE DONE DONE", [])


@pytest.mark.parametrize("what", ["rows", "replayed", "bytes_read"])
def test_growing_numbers_in_a_heartbeat_are_progress(play: Play, what: str) -> None:
    stage = play("a")
    stage.alive().open("opal/a")
    for second in range(0, 600, 30):
        stage.alive().say(beat("opal/a", idle=float(second), **{what: second}))
        stage.step(30.0)
    assert stage.alive().calls == []
    stage.work_through()


def test_progress_events_are_progress(play: Play) -> None:
    stage = play("a")
    stage.alive().open("opal/a")
    for second in range(1, 600, 50):
        stage.alive().say(LoaderProgress("opal/a", Counts(second, second, second)))
        stage.step(50.0)
    assert stage.alive().calls == []
    stage.work_through()


def test_a_frozen_worker_without_a_heartbeat_is_ended(play: Play) -> None:
    stage = play("a")
    stage.alive().open("opal/a")
    stage.step()
    stage.step(STALL + 1)
    assert stage.states() == "STALLED"
    stage.step()
    assert stage.track() == "FINISHED"


def test_a_worker_frozen_before_any_loader_is_not_started_for_ever(play: Play) -> None:
    stage = play("ab", max=2)
    for _ in range(2):
        stage.step(STALL + 1)
        stage.wait_out_back_off()
    stage.step(STALL + 1)
    assert (stage.track(), stage.states()) == ("FATAL", "FAILED FAILED")


def test_what_a_stalled_worker_says_at_its_end_still_counts(play: Play) -> None:
    stage = play("a")
    worker = stage.alive()
    worker.deaf_to_term = True
    worker.open("opal/a")
    stage.step()
    stage.step(STALL + 1)
    worker.finish("opal/a")
    worker.end()
    stage.step()
    assert (stage.states(), stage.track()) == ("DONE", "FINISHED")


def test_an_engine_that_was_suspended_hears_before_it_judges(play: Play) -> None:
    stage = play("a")
    stage.alive().open("opal/a")
    stage.step()
    stage.alive().said.append(orjson.dumps(encode(beat("opal/a", rows=500))))  # no selector tells of it
    stage.step(3_600.0)
    assert stage.alive().calls == []
    assert stage.states() == "STREAMING"
    stage.work_through()


# ---- slots


def test_slots_are_respected_and_freed(play: Play) -> None:
    stage = play("a", slots=2, ruby="b", topaz="c", jasper="d")
    assert [worker.track for worker in stage.executor.workers] == ["opal", "ruby"]
    assert (stage.track("topaz"), stage.track("jasper")) == ("PENDING", "PENDING")
    stage.alive("ruby").work_through()
    stage.step()
    assert [worker.track for worker in stage.executor.workers] == ["opal", "ruby", "topaz"]
    stage.work_through()


def test_a_track_takes_the_slots_of_its_shards(play: Play) -> None:
    stage = play("a", slots=4, ruby="b", topaz="c", jasper="d")
    stage.work_through()
    begun = len(stage.executor.workers)
    wanted = (("opal", "a", 3), ("ruby", "b", 2), ("topaz", "c", 1), ("jasper", "d", 99))
    stage.supervisor.take(
        WorkerSpec(track, "tracks", [LoaderSpec(name, workers=workers)], HUB, "state")
        for track, name, workers in wanted
    )
    for running in (["opal", "topaz"], ["opal", "topaz", "ruby"], ["opal", "topaz", "ruby", "jasper"]):
        stage.step()
        assert [worker.track for worker in stage.executor.workers[begun:]] == running
        for worker in stage.executor.workers:
            if worker.code is None:
                worker.work_through()
    stage.work_through()


def test_the_cores_of_tracks_that_have_ended_fall_to_the_others(play: Play) -> None:
    stage = play("a", slots=5, ruby="b")
    stage.work_through()
    begun = len(stage.executor.workers)
    stage.supervisor.take(
        WorkerSpec(track, "tracks", [LoaderSpec(name, workers=0)], HUB, "state")
        for track, name in (("opal", "a"), ("ruby", "b"))
    )
    stage.step()
    assert [worker.spec.share for worker in stage.executor.workers[begun:]] == [2, 2]
    stage.alive("ruby").work_through()
    stage.step()
    assert stage.alive("opal").calls == ["use 5"]
    stage.supervisor.restart(["ruby/b"])
    stage.step()
    assert stage.alive("opal").calls == ["use 5", "use 2"]
    stage.alive("opal").keep()
    stage.step()
    assert stage.alive("ruby").spec.share == 2
    stage.work_through()


def test_an_idle_worker_does_not_keep_the_next_track_waiting(play: Play) -> None:
    stage = play("a", slots=1, ruby="b")
    stage.alive().open("opal/a")
    stage.alive().keep("opal/a")
    stage.step()
    stage.step(2.9)
    stage.alive().keep("opal/a")
    stage.step()
    assert len(stage.executor.workers) == 1
    stage.step(0.2)
    stage.alive().keep("opal/a")
    stage.step()
    assert [worker.track for worker in stage.executor.workers] == ["opal", "ruby"]
    stage.work_through()


def test_a_restarted_track_does_not_queue_behind_those_that_have_not_begun(play: Play) -> None:
    stage = play("a", slots=1, ruby="b", topaz="c")
    stage.supervisor.restart(["topaz/c"])
    stage.work_through()
    assert [worker.track for worker in stage.executor.workers] == ["opal", "topaz", "ruby"]


# ---- restart


def test_restart_of_a_queued_loader_puts_it_first(play: Play) -> None:
    stage = play()
    first = stage.alive()
    first.open("opal/a")
    stage.step()
    assert stage.supervisor.restart(["opal/c"]) == ["opal/c"]
    assert first.calls == ["stop"]
    first.say(LoaderFinished("opal/a", "STOPPED", Counts(5, 5, 5)))
    first.end()
    stage.step()
    assert stage.alive().loaders == ["opal/c", "opal/a", "opal/b"]
    assert stage.states() == "QUEUED QUEUED QUEUED"
    stage.work_through()
    assert stage.states() == "DONE DONE DONE"


def test_restart_of_the_loader_at_work_runs_it_again_also_when_it_ends_meanwhile(play: Play) -> None:
    stage = play("ab")
    stage.alive().open("opal/a")
    stage.step()
    assert stage.supervisor.restart(["opal/a"]) == ["opal/a"]
    stage.alive().say(LoaderFinished("opal/a", "DONE", Counts(5, 5, 5)))
    stage.alive().end()
    stage.step()
    assert stage.alive().loaders == ["opal/a", "opal/b"]
    assert stage.states() == "QUEUED QUEUED"
    stage.work_through()


@pytest.mark.parametrize("event", [failed("opal/a", "loader_bug"), failed("opal/a", "network")])
def test_restart_of_the_loader_at_work_that_fails_meanwhile(play: Play, event: LoaderFinished) -> None:
    stage = play("ab")
    stage.alive().open("opal/a")
    stage.step()
    stage.supervisor.restart(["opal/a"])
    stage.alive().say(event)
    stage.alive().end()
    stage.step()
    assert stage.alive().loaders == ["opal/a", "opal/b"]
    stage.work_through()
    assert stage.states() == "DONE DONE"


def test_restart_of_a_stuck_loader_ends_its_worker_and_does_not_lose_it(play: Play) -> None:
    stage = play("ab")
    first = stage.alive()
    first.open("opal/a")
    stage.step()
    stage.step(STALL - 5)
    stage.supervisor.restart(["opal/a"])
    stage.step(9.0)
    assert first.calls == ["stop"], "it has its time to reach a commit, however long it was stuck"
    stage.step(1.5)
    assert first.calls == ["stop", "term"]
    assert stage.alive().loaders == ["opal/a", "opal/b"]
    stage.work_through()
    assert stage.states() == "DONE DONE"


@pytest.mark.parametrize("how", ["DONE", "FAILED"])
def test_restart_of_a_loader_that_has_ended(play: Play, how: str) -> None:
    stage = play("abc")
    first = stage.alive()
    first.open("opal/a")
    first.say(failed("opal/a", "loader_bug") if how == "FAILED" else LoaderFinished("opal/a", "DONE", Counts(1, 1, 1)))
    first.open("opal/b")
    stage.step()
    assert stage.supervisor.restart(["opal/a"]) == ["opal/a"]
    assert stage.states().split()[0] == "QUEUED"
    assert stage.loader("opal/a").failure is None
    first.say(LoaderFinished("opal/b", "STOPPED", Counts(5, 5, 5)))
    first.end()
    stage.step()
    assert stage.alive().loaders == ["opal/a", "opal/b", "opal/c"]
    stage.work_through()


def test_restart_of_a_track_that_has_ended(play: Play) -> None:
    stage = play("ab", ruby="c")
    stage.alive().work_through()
    stage.step()
    assert stage.track() == "FINISHED"
    assert stage.supervisor.restart(["opal/a", "opal/b"]) == ["opal/a", "opal/b"]
    stage.step()
    stage.alive("ruby").keep()
    stage.step()
    assert stage.alive().loaders == ["opal/a", "opal/b"]
    stage.work_through()


def test_restart_of_a_worker_that_has_said_all_but_is_still_there(play: Play) -> None:
    stage = play("ab")
    stage.alive().finish("opal/a")
    stage.alive().finish("opal/b")
    stage.alive().say(WorkerDone("opal"))
    stage.step()
    stage.supervisor.restart(["opal/b"])
    stage.alive().die(0)
    stage.step()
    assert stage.alive().loaders == ["opal/b"]
    stage.work_through()


def test_restart_of_a_worker_that_is_dead_but_not_yet_buried(play: Play) -> None:
    stage = play("ab")
    stage.alive().open("opal/a")
    stage.step()
    stage.alive().die(-9)
    stage.supervisor.restart(["opal/b"])
    stage.step()
    assert stage.alive().loaders == ["opal/b", "opal/a"]
    assert stage.states() == "QUEUED QUEUED"
    stage.work_through()


def test_restart_in_a_pause_ends_the_pause(play: Play) -> None:
    stage = play("ab")
    stage.alive().open("opal/a")
    stage.alive().die(-9)
    stage.step()
    assert stage.track() == "BACKOFF"
    stage.supervisor.restart(["opal/a"])
    stage.step()
    assert stage.alive().loaders == ["opal/a", "opal/b"]
    stage.work_through()


def test_restart_while_stopping_starts_nothing(play: Play) -> None:
    stage = play("ab")
    stage.alive().open("opal/a")
    stage.step()
    stage.stopping = True
    stage.step()
    stage.supervisor.restart(["opal/b"])
    stage.alive().say(LoaderFinished("opal/a", "STOPPED", Counts(5, 5, 5)))
    stage.alive().end()
    stage.step()
    assert stage.supervisor.ended
    assert len(stage.executor.workers) == 1


def test_restart_of_what_is_not_there_does_nothing(play: Play) -> None:
    stage = play("a")
    assert stage.supervisor.restart(["opal/zzz", "ruby/a"]) == []
    assert stage.alive().calls == []
    stage.work_through()


def test_restarts_in_a_row_ask_the_worker_once(play: Play) -> None:
    stage = play("abc")
    for name in ("opal/a", "opal/b", "opal/c"):
        stage.supervisor.restart([name])
    assert stage.alive().calls == ["stop"]
    stage.alive().end()
    stage.step()
    assert stage.alive().loaders == ["opal/c", "opal/b", "opal/a"]
    stage.work_through()


# ---- stop


def test_stop_of_the_loader_at_work(play: Play) -> None:
    stage = play("ab")
    first = stage.alive()
    first.open("opal/a")
    first.say(LoaderProgress("opal/a", Counts(4, 4, 4)))
    stage.step()
    assert stage.supervisor.stop(["opal/a"]) == ["opal/a"]
    assert (first.calls, stage.states()) == (["stop"], "STOPPED QUEUED")
    first.say(LoaderProgress("opal/a", Counts(6, 6, 6)), LoaderFinished("opal/a", "STOPPED", Counts(8, 8, 8)))
    first.end()
    stage.step()
    assert stage.loader("opal/a").counts.read == 8
    assert stage.alive().loaders == ["opal/b"]
    stage.work_through()
    assert (stage.states(), stage.track()) == ("STOPPED DONE", "FINISHED")


def test_a_queued_loader_that_is_stopped_is_never_run(play: Play) -> None:
    stage = play("abc")
    first = stage.alive()
    first.open("opal/a")
    stage.step()
    assert stage.supervisor.stop(["opal/b"]) == ["opal/b"]
    first.say(LoaderFinished("opal/a", "DONE", Counts(5, 5, 5)), LoaderOpening("opal/b"))  # it had not heard yet
    stage.step()
    assert stage.states() == "DONE STOPPED QUEUED"
    first.die(-15)
    stage.step()
    assert stage.alive().loaders == ["opal/c"]
    stage.work_through()
    assert stage.states() == "DONE STOPPED DONE"


def test_stop_of_the_last_loader_ends_the_track(play: Play) -> None:
    stage = play("a")
    stage.alive().open("opal/a")
    stage.step()
    stage.supervisor.stop(["opal/a"])
    stage.alive().say(LoaderFinished("opal/a", "STOPPED", Counts(5, 5, 5)))
    stage.alive().end()
    stage.step()
    assert (stage.states(), stage.track()) == ("STOPPED", "FINISHED")
    assert stage.supervisor.stop(["opal/a"]) == []
    stage.supervisor.restart(["opal/a"])
    stage.step()
    stage.work_through()
    assert stage.states() == "DONE"


def test_stop_in_a_pause_leaves_the_pause(play: Play) -> None:
    stage = play("ab")
    stage.alive().open("opal/a")
    stage.alive().die(-9)
    stage.step()
    stage.supervisor.stop(["opal/b"])
    assert stage.track() == "BACKOFF"
    stage.supervisor.stop(["opal/a"])
    assert (stage.track(), stage.states()) == ("FINISHED", "STOPPED STOPPED")


def test_stop_before_anything_started(play: Play) -> None:
    stage = play("a", slots=1, ruby="b")
    stage.supervisor.stop(["ruby/b"])
    assert (stage.track("ruby"), stage.states("ruby")) == ("FINISHED", "STOPPED")
    stage.work_through()


def test_a_loader_stopped_at_its_last_row_may_say_that_it_is_done(play: Play) -> None:
    stage = play("ab")
    stage.alive().open("opal/a")
    stage.step()
    stage.supervisor.stop(["opal/a"])
    stage.alive().say(LoaderFinished("opal/a", "DONE", Counts(5, 5, 5)))
    stage.alive().end()
    stage.step()
    assert stage.states() == "DONE QUEUED"
    stage.work_through()


def test_stop_then_restart_while_the_worker_leaves(play: Play) -> None:
    stage = play("ab")
    stage.alive().open("opal/a")
    stage.step()
    stage.supervisor.stop(["opal/a"])
    stage.supervisor.restart(["opal/a"])
    stage.alive().say(LoaderFinished("opal/a", "STOPPED", Counts(5, 5, 5)))
    stage.alive().end()
    stage.step()
    assert stage.alive().loaders == ["opal/a", "opal/b"]
    stage.work_through()


# ---- the end of the run


def test_stopping_ends_every_track_at_its_commit(play: Play) -> None:
    stage = play("ab", slots=2, ruby="c", topaz="d")
    stage.alive().open("opal/a")
    stage.stopping = True
    stage.step()
    assert (stage.track(), stage.track("topaz")) == ("STOPPING", "STOPPED")
    stage.alive().say(LoaderFinished("opal/a", "STOPPED", Counts(5, 5, 5)))
    stage.alive().end()
    stage.alive("ruby").die(0)
    stage.step()
    assert stage.supervisor.ended
    assert (stage.states(), stage.track(), stage.track("ruby")) == ("STOPPED QUEUED", "STOPPED", "STOPPED")


def test_stopping_ends_a_worker_that_does_not_listen(play: Play) -> None:
    stage = play("ab")
    worker = stage.alive()
    worker.deaf_to_term = True
    worker.open("opal/a")
    stage.stopping = True
    stage.step()
    for second in range(11):
        worker.say(beat("opal/a", replayed=second))  # busy, and for long
        stage.step(1.0)
    assert worker.calls == ["stop", "term"]
    stage.step(3.5)
    assert worker.calls == ["stop", "term", "kill"]
    assert (stage.states(), stage.track()) == ("STOPPED QUEUED", "STOPPED")


def test_stopping_when_all_has_just_been_said_is_a_finish(play: Play) -> None:
    stage = play("a", ruby="b")
    stage.alive().finish("opal/a")
    stage.alive().say(WorkerDone("opal"))
    stage.stopping = True
    stage.step()
    stage.alive().die(0)
    stage.alive("ruby").die(-9)
    stage.step()
    assert (stage.track(), stage.track("ruby")) == ("FINISHED", "STOPPED")


def test_stopping_in_a_pause(play: Play) -> None:
    stage = play("ab")
    stage.alive().open("opal/a")
    stage.alive().die(-9)
    stage.step()
    stage.stopping = True
    stage.step()
    assert (stage.track(), stage.states()) == ("STOPPED", "QUEUED QUEUED")


# ---- a fresh start


def test_a_fresh_start_holds_until_each_loader_has_begun(play: Play) -> None:
    """Also when the worker dies before it came to the others, or in mid-opening."""
    stage = play("abc", fresh=True)
    assert [loader.fresh for loader in stage.alive().spec.loaders] == [True, True, True]
    stage.alive().finish("opal/a")
    stage.alive().say(LoaderOpening("opal/b"))
    stage.alive().die(-9)
    stage.step()
    stage.wait_out_back_off()
    assert [(loader.name, loader.fresh) for loader in stage.alive().spec.loaders] == [("b", True), ("c", True)]
    stage.alive().open("opal/b")
    stage.alive().die(-9)
    stage.step()
    stage.wait_out_back_off()
    assert [(loader.name, loader.fresh) for loader in stage.alive().spec.loaders] == [("b", False), ("c", True)]
    stage.work_through()


# ---- what a worker has no right to say

HOSTILE: list[bytes] = [
    *(b"", b"{}", b"[]", b"null", b"5", b'"x"', b"\xff\xfe\x00", b"[" * 5_000, b"{" * 5_000, b"NaN", b"x" * 3_000_000),
    b'{"kind":"nothing"}',
    b'{"kind":["heartbeat"]}',
    b'{"kind":"heartbeat","loader":5,"rows":1,"replayed":0,"bytes_read":0,"idle":0}',
    b'{"kind":"heartbeat","loader":"opal/a","rows":"many","replayed":0,"bytes_read":0,"idle":0}',
    b'{"kind":"heartbeat","loader":"opal/a","rows":1,"replayed":0,"bytes_read":18446744073709551615,"idle":0}',
    b'{"kind":"heartbeat","loader":"opal/a","rows":1,"replayed":0,"bytes_read":0,"idle":null}',
    b'{"kind":"loader_opening","loader":["opal/a"]}',
    b'{"kind":"loader_opening","loader":{}}',
    b'{"kind":"loader_opening","loader":null}',
    b'{"kind":"loader_opened","loader":"opal/a","rows":"x","resumed":0}',
    b'{"kind":"loader_progress","loader":"opal/a","counts":5}',
    b'{"kind":"loader_progress","loader":"opal/a","counts":{"read":"x"}}',
    b'{"kind":"loader_progress","loader":"opal/a","counts":{"skipped":{"a":"b"}}}',
    b'{"kind":"loader_progress","loader":"opal/a","counts":{"skipped":[1]}}',
    b'{"kind":"loader_progress","loader":"opal/a","counts":{"read":true}}',
    b'{"kind":"loader_warned","loader":"opal/a","sentence":["x"]}',
    b'{"kind":"loader_finished","loader":"opal/a","state":"WONDERFUL","counts":{}}',
    b'{"kind":"loader_finished","loader":"opal/a","state":["DONE"],"counts":{}}',
    b'{"kind":"loader_finished","loader":"opal/a","state":"DONE","counts":null}',
    b'{"kind":"loader_finished","loader":"opal/a","state":"DONE","counts":{},"reused":"yes"}',
    b'{"kind":"loader_finished","loader":"opal/a","state":"FAILED","counts":{},"failure":7}',
    b'{"kind":"loader_finished","loader":"opal/a","state":"FAILED","counts":{},"failure":{"failure_class":"x",'
    b'"sentence":"","remedy":""}}',
    b'{"kind":"loader_finished","loader":"opal/a","state":"STREAMING","counts":{}}',
    b'{"kind":"loader_finished","loader":"opal/a","state":"STALLED","counts":{}}',
    b'{"kind":"worker_done","track":["opal"]}',
    *(
        orjson.dumps(encode(event))
        for event in (
            RunStarted("r2", "hub", ["opal/a"]),
            RunFinished(0),
            TrackChanged("opal", "FATAL"),
            TrackChanged("ruby", "FINISHED"),
            LoaderQueued("opal/a"),
            LoaderOpening("opal/ghost"),
            LoaderOpening("ruby/c"),
            LoaderOpening("nowhere/x"),
            LoaderOpening(""),
            LoaderFinished("ruby/c", "DONE", Counts()),
            LoaderWarned("ruby/c", "hm"),
            Heartbeat("ruby/c", 1, 1, 1, 0.0),
            WorkerDone("ruby"),
        )
    ),
]


@pytest.mark.parametrize("line", HOSTILE, ids=lambda line: line[:70].decode("ascii", "replace"))
def test_a_line_that_a_worker_may_not_say_changes_nothing(play: Play, line: bytes) -> None:
    stage = play("ab", ruby="c")
    stage.step()
    before = len(stage.events)
    stage.alive().babble(line)
    stage.step()
    assert len(stage.events) == before
    assert not stage.supervisor.works["opal"].said_done
    stage.alive().die(-9)
    stage.step()
    assert stage.track() == "BACKOFF", "no loader was at work"
    stage.step(5.0)
    stage.work_through()
    assert (stage.states(), stage.states("ruby")) == ("DONE DONE", "DONE")


def test_a_loader_that_has_ended_is_not_opened_again_by_a_worker(play: Play) -> None:
    stage = play("ab")
    stage.alive().finish("opal/a")
    stage.alive().say(LoaderOpening("opal/a"), failed("opal/a", "loader_bug"))
    stage.step()
    assert stage.states() == "DONE QUEUED"
    stage.work_through()


def test_warnings_without_end_do_not_grow_the_state(play: Play) -> None:
    stage = play("a")
    stage.alive().open("opal/a")
    stage.alive().say(*(LoaderWarned("opal/a", f"warning {n}") for n in range(500)))
    stage.step()
    assert len(stage.loader("opal/a").warnings) <= 100
    stage.work_through()


def test_terminal_codes_of_a_worker_are_shown_not_obeyed(play: Play) -> None:
    stage = play("a")
    stage.alive().open("opal/a")
    stage.alive().say(LoaderWarned("opal/a", "\x1b]0;gotcha\x07"))
    stage.step()
    assert stage.loader("opal/a").warnings == ["\\x1b]0;gotcha\\x07"]
    stage.work_through()


# ---- the journal


def test_hours_of_heartbeats_make_a_short_journal(play: Play) -> None:
    stage = play("a")
    stage.alive().open("opal/a")
    for second in range(1, 3_600):
        stage.alive().say(LoaderProgress("opal/a", Counts(4 * second, 4 * second, 4 * second)))
        stage.alive().say(beat("opal/a", 4 * second))
        stage.step(1.0)
    assert sum(isinstance(event, Heartbeat) for event in stage.events) == 3_599, "who watches sees all"
    assert stage.journal.stat().st_size < 1_000_000
    stage.work_through()


# ---- anything at all


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_the_round_ends_and_the_journal_gives_the_state(play: Play, seed: int) -> None:
    chance = random.Random(seed)
    stage = play("abc", slots=chance.choice([1, 2, 9]), max=chance.choice([0, 1, 3]), ruby="de", topaz="f",
                 policy=chance.choice(["never", "on-failure", "always"]))  # fmt: skip
    names = list(stage.recorder.state.loaders)
    for _ in range(120):
        alive = [worker for worker in stage.executor.workers if worker.code is None]
        if alive:
            worker = chance.choice(alive)
            name = chance.choice([*worker.loaders, chance.choice(names)])
            counts = Counts(chance.randrange(9))
            deeds: list[Callable[[], object]] = [
                partial(worker.open, name),
                partial(worker.finish, name),
                partial(worker.say, LoaderFinished(name, "STOPPED", counts)),
                partial(worker.say, failed(name, "network", counts.read)),
                partial(worker.say, failed(name, "gated", counts.read)),
                partial(worker.say, beat(name, counts.read)),
                partial(worker.die, chance.choice([0, 1, -9, -11])),
                partial(setattr, worker, "deaf_to_term", True),
                worker.end,
                worker.work_through,
            ]
            chance.choice(deeds)()
        if chance.random() < 0.2:
            chance.choice([stage.supervisor.restart, stage.supervisor.stop])(chance.sample(names, 2))
        stage.step(chance.choice([0.0, 0.5, 4.0, 15.0, STALL + 1]))
        busy = [worker for worker in stage.executor.workers if worker.code is None]
        assert len({worker.track for worker in busy}) == len(busy), "two workers for a track"
    stage.stopping = chance.random() < 0.5
    for _ in range(200):
        for worker in stage.executor.workers:
            if worker.code is None:
                worker.work_through()
        stage.step(70.0)
        if stage.supervisor.ended:
            break
    assert stage.supervisor.ended


# ---- the Hub's limits


def limited(loader: str, seconds: float = 31.0) -> LoaderWaiting:
    return LoaderWaiting(loader, seconds, "429 from the Hub", shared=True)


def test_one_worker_is_told_and_all_others_keep_to_it_also_one_that_starts_later(play: Play) -> None:
    stage = play("ab", slots=2, ruby="c", topaz="d")
    opal, ruby = stage.alive(), stage.alive("ruby")
    opal.open("opal/a")
    opal.say(limited("opal/a"))
    stage.step()
    assert (opal.calls, ruby.calls) == ([], ["hold 31 429 from the Hub"])
    opal.keep("opal/a")
    ruby.keep()
    stage.step()
    topaz = stage.alive("topaz")  # a worker that waits keeps no other from its core
    assert topaz.calls == ["hold 31 429 from the Hub"]
    ruby.say(LoaderWaiting("ruby/c", 20.0, "429 from the Hub"))
    stage.step(5.0)
    assert len(opal.calls) + len(ruby.calls) == 1, "who only keeps to it tells nobody"
    ruby.open("ruby/c")
    ruby.die(-9)
    stage.step(4.0)
    stage.step(1.5)
    opal.keep("opal/a")
    topaz.keep()
    stage.step()
    assert stage.alive("ruby").calls == ["hold 20.5 429 from the Hub"]
    opal.say(limited("opal/a", 5.0))
    stage.step()
    assert len(topaz.calls) == 1, "a shorter one changes nothing"
    stage.work_through()


@pytest.mark.parametrize("shared", [True, False])
def test_a_wait_is_shown_and_is_no_stall_until_it_is_over(play: Play, shared: bool) -> None:
    stage = play("a")
    stage.alive().open("opal/a")
    stage.alive().say(LoaderWaiting("opal/a", 300.0, "429 from the Hub", shared))
    stage.step()
    assert stage.loader("opal/a").wait(stage.clock.now) == "waiting 300 s (429 from the Hub)"
    stage.alive().say(beat("opal/a", rows=7))  # what was read before it is told of late
    stage.step()
    stage.step(299.0)
    assert stage.loader("opal/a").wait(stage.clock.now) == "waiting 1 s (429 from the Hub)"
    stage.step(1.5)
    assert stage.loader("opal/a").wait(stage.clock.now) == ""
    stage.step(STALL - 2)
    assert stage.states() == "STREAMING"
    stage.step(2.0)
    assert stage.states() == "STALLED"


def test_pauses_between_tries_that_get_nowhere_add_up_to_a_stall(play: Play) -> None:
    stage = play("a")
    stage.alive().open("opal/a")
    stage.step()
    for _ in range(4):
        stage.step(20.0)
        if stage.states() == "STREAMING":
            stage.alive().say(LoaderWaiting("opal/a", 8.0, "connection lost"))
            stage.step()
            stage.step(8.0)
    assert stage.states() == "STALLED"


def test_no_worker_is_believed_that_it_waits_for_ever(play: Play) -> None:
    stage = play("a")
    stage.alive().open("opal/a")
    stage.alive().say(LoaderWaiting("opal/a", 2.0**50, "said so"))
    stage.step()
    stage.step(900.0)
    assert stage.states() == "STREAMING"
    stage.step(STALL + 1)
    assert stage.states() == "STALLED"


@pytest.mark.parametrize(("seconds", "again"), [(900.0, True), (3_600.0, False)])
def test_what_asks_for_more_than_the_bound_is_not_tried_again_meanwhile(
    play: Play, seconds: float, again: bool
) -> None:
    stage = play("a")
    worker = stage.alive()
    worker.open("opal/a")
    worker.say(limited("opal/a", seconds), failed("opal/a", "rate_limited"))
    worker.end()
    stage.step(1.0)
    assert (stage.track() == "BACKOFF") is again
    assert stage.states() == "FAILED"
    if again:
        stage.wait_out_back_off()
        stage.work_through()


def test_a_loader_that_is_over_waits_for_nothing(play: Play) -> None:
    stage = play("ab")
    stage.alive().open("opal/a")
    stage.alive().say(limited("opal/a"), LoaderFinished("opal/a", "DONE", Counts()))
    stage.step(1.0)
    assert stage.loader("opal/a").wait(stage.clock.now) == ""
    stage.work_through()
