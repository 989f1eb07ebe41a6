"""Never more connections than the share, calls before what is fetched ahead, and threads that end and never spin."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from coordinator.worker.hub.connections import Connections, Lanes

PATIENCE = 10.0
"""Seconds after which something that should have happened never will."""


class Work:
    """A feed of jobs that each wait for `go`; counts what is open at once, and how often it was asked."""

    def __init__(self, most: int, jobs: int = 0) -> None:
        self.jobs, self.looks, self.done = jobs, 0, 0
        self.open = self.highest = 0
        self.go = threading.Event()
        self.changed = threading.Condition()
        self.closed: list[str] = []
        self.connections = Connections(most, self._close)
        self.lanes = Lanes(self.connections)

    def take(self) -> Callable[[], None] | None:
        with self.changed:
            self.looks += 1
            self.changed.notify_all()
            if not self.jobs:
                return None
            self.jobs -= 1
        return self._job

    def _job(self) -> None:
        self.at(1)
        assert self.go.wait(PATIENCE)
        self.at(-1)
        with self.changed:
            self.done += 1
            self.changed.notify_all()

    def at(self, step: int) -> None:
        """One more connection, or one less, is in use."""
        with self.changed:
            self.open += step
            self.highest = max(self.open, self.highest)
            self.changed.notify_all()

    def _close(self) -> None:
        with self.changed:
            self.closed.append(threading.current_thread().name)
            self.changed.notify_all()

    def until(self, reached: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        with self.changed:
            while not reached():  # threads that end say nothing
                self.changed.wait(0.01)
                assert time.monotonic() < end

    def add(self, jobs: int) -> None:
        with self.changed:
            self.jobs += jobs
        self.lanes.wake()

    @property
    def threads(self) -> int:
        return self.lanes._threads


Make = Callable[..., Work]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Work] = []

    def call(most: int, jobs: int = 0) -> Work:
        made.append(Work(most, jobs))
        return made[-1]

    yield call
    for work in made:
        work.go.set()
        work.lanes.serve([])


def ended(thread: threading.Thread) -> bool:
    thread.join(PATIENCE)
    return not thread.is_alive()


def calling(work: Work, stopping: Callable[[], bool] = lambda: False) -> tuple[threading.Thread, list[bool]]:
    """A thread that makes a call; whether it got a connection, and what was open then."""
    got: list[bool] = []

    def call() -> None:
        with work.connections.one(stopping) as taken:
            if taken:
                work.at(1)
                work.at(-1)
            got.append(taken)

    thread = threading.Thread(target=call)
    thread.start()
    return thread, got


@pytest.mark.parametrize("most", [1, 4, 8])
def test_as_many_are_open_as_may_be_and_no_more(make: Make, most: int) -> None:
    work = make(most, 30)
    work.lanes.serve([work])
    work.until(lambda: work.open == most)
    work.go.set()
    work.until(lambda: work.done == 30)
    assert work.highest == most
    assert work.threads == most


def test_the_first_feed_goes_first(make: Make) -> None:
    first, second = make(1, 2), make(1, 2)
    order: list[str] = []

    class Named:
        def __init__(self, name: str, work: Work) -> None:
            self.name, self.work = name, work

        def take(self) -> Callable[[], None] | None:
            job = self.work.take()
            if job is not None:
                order.append(self.name)
            return job

    first.go.set()
    second.go.set()
    first.lanes.serve([Named("first", first), Named("second", second)])
    second.until(lambda: second.done == 2)
    assert order == ["first", "first", "second", "second"]


def test_a_call_gets_a_connection_of_one_that_fetches_ahead(make: Make) -> None:
    work = make(2, 100)
    work.lanes.serve([work])
    work.until(lambda: work.open == 2)
    thread, got = calling(work)
    work.until(lambda: work.connections.crowded)
    work.go.set()
    assert ended(thread)
    assert got == [True]
    assert work.highest == 2
    work.until(lambda: work.done == 100)


def test_a_call_gets_the_connection_of_an_idle_lane_at_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.worker.hub.connections.LINGER", 3_600.0)
    work = make(1, 1)
    work.go.set()
    work.lanes.serve([work])
    work.until(lambda: work.done == 1 and work.looks >= 2)
    thread, got = calling(work)
    assert ended(thread)
    assert got == [True]


def test_many_calls_and_lanes_share_the_connections(make: Make) -> None:
    work = make(3, 300)
    work.go.set()
    work.lanes.serve([work])
    calls = [calling(work) for _ in range(20)]
    assert all(ended(thread) for thread, _ in calls)
    assert [got for _, got in calls] == [[True]] * 20
    work.until(lambda: work.done == 300)
    assert work.highest <= 3


def test_a_call_that_is_to_stop_waits_no_longer(make: Make) -> None:
    work = make(1, 1)
    work.lanes.serve([work])
    work.until(lambda: work.open == 1)
    thread, got = calling(work, stopping=lambda: True)
    assert ended(thread)
    assert got == [False]
    assert not work.connections.crowded, "it does not wait any more"


def test_a_call_within_a_call_needs_no_further_connection() -> None:
    connections = Connections(1)
    with connections.one() as outer, connections.one() as inner:
        assert (outer, inner) == (True, True)
    with connections.one() as again:
        assert again


def test_a_connection_is_given_back_whatever_happens() -> None:
    def close() -> None:
        raise OSError("it does not even close")

    connections = Connections(1, close)
    for _ in range(2):
        with pytest.raises(OSError, match="even close"), connections.one():
            raise ValueError
    assert connections._open == 0


def test_fewer_connections_are_open_once_their_answers_are_whole(make: Make) -> None:
    work = make(8, 50)
    work.lanes.serve([work])
    work.until(lambda: work.open == 8)
    work.connections.resize(2)
    assert work.connections.kept == 0, "more are open yet"
    work.go.set()
    work.until(lambda: work.threads == 2)
    work.until(lambda: work.done == 50)
    assert work.connections.kept == 1
    with work.changed:
        work.go.clear()
        work.highest = 0
    work.add(20)
    work.until(lambda: work.open == 2)
    work.go.set()
    work.until(lambda: work.done == 70)
    assert work.highest == 2


@pytest.mark.parametrize("linger", [3_600.0, 0.0], ids=["a connection lingers", "none is open"])
def test_idle_threads_end_when_the_share_shrinks(make: Make, monkeypatch: pytest.MonkeyPatch, linger: float) -> None:
    monkeypatch.setattr("coordinator.worker.hub.connections.LINGER", linger)
    work = make(8)
    work.lanes.serve([work])
    work.until(lambda: work.looks >= 8 and (linger > 0 or len(work.closed) >= 8))
    work.connections.resize(1)
    work.until(lambda: len(work.closed) >= 7 and work.threads == 1)


def test_more_connections_are_used_at_once(make: Make) -> None:
    work = make(1, 50)
    work.lanes.serve([work])
    work.until(lambda: work.open == 1)
    work.connections.resize(4)
    work.lanes.wake()
    work.until(lambda: work.open == 4)
    work.go.set()
    work.until(lambda: work.done == 50)
    assert work.highest == 4


def test_no_share_is_one(make: Make) -> None:
    work = make(4, 3)
    work.connections.resize(0)
    work.lanes.serve([work])
    work.go.set()
    work.until(lambda: work.done == 3)
    assert work.highest == 1


def test_lanes_without_work_look_once_and_wait(make: Make) -> None:
    work = make(4)
    work.lanes.serve([work])
    work.until(lambda: work.looks >= 4)
    with work.changed:
        assert not work.changed.wait_for(lambda: work.looks > 12, 0.3), "lanes spin"
    work.go.set()
    work.add(1)
    work.until(lambda: work.done == 1)


def test_a_connection_without_work_is_closed_after_a_while(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.worker.hub.connections.LINGER", 0.01)
    work = make(2, 2)
    work.go.set()
    work.lanes.serve([work])
    work.until(lambda: len(work.closed) >= 2)
    assert set(work.closed) == {"hub"}
    work.add(1)
    work.until(lambda: work.done == 3)


def test_lanes_that_serve_nobody_fetch_nothing(make: Make) -> None:
    work = make(2, 1)
    work.go.set()
    work.lanes.serve([work])
    work.until(lambda: work.done == 1)
    work.lanes.serve([])
    with work.changed:
        work.jobs = 5
    work.lanes.wake()
    with work.changed:
        assert not work.changed.wait_for(lambda: work.done > 1, 0.1)
