"""A journal that leaves progress out for a while still gives the state, and still stands in the order of events."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coordinator.disk import DiskError
from coordinator.engine import journal
from coordinator.engine.journal import Journal
from coordinator.engine.recorder import Recorder
from coordinator.engine.state import replay
from coordinator.events import (
    Counts,
    Event,
    Heartbeat,
    LoaderFinished,
    LoaderOpened,
    LoaderOpening,
    LoaderProgress,
    RunStarted,
    TrackChanged,
)
from tests.fakes import FakeClock

NAMES = ["opal/a", "opal/b", "ruby/c"]


class Book:
    """A recorder and its journal."""

    def __init__(self, folder: Path, every: float, warn: Callable[[str], None] = lambda text: None) -> None:
        self.clock, self.path = FakeClock(), folder / journal.JOURNAL
        self.written = Journal(self.path)
        self.told: list[Event] = []
        self.recorder = Recorder(self.written, [lambda event, *_: self.told.append(event)], self.clock, every, warn)
        self.recorder.emit(RunStarted("r1", "hub", NAMES))

    def emit(self, event: Event, after: float = 0.25) -> None:
        self.clock.now += after
        self.recorder.emit(event)

    def lines(self) -> list[tuple[float, Event]]:
        return list(journal.read(self.path))


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book(tmp_path, every=2.0)
    yield made
    made.recorder.flush()
    made.written.close()
    assert replay(made.lines()) == made.recorder.state


def test_of_many_progresses_the_newest_is_written(book: Book) -> None:
    for rows in range(1, 9):
        book.emit(LoaderProgress("opal/a", Counts(rows)))
    assert len(book.told) == 9, "who watches sees all"
    assert [event.counts.read for _, event in book.lines() if isinstance(event, LoaderProgress)] == [1]
    book.emit(LoaderProgress("opal/a", Counts(9)), after=1.0)
    assert [event.counts.read for _, event in book.lines() if isinstance(event, LoaderProgress)] == [1, 9]
    assert book.recorder.state.loaders["opal/a"].counts.read == 9


@pytest.mark.parametrize(
    "event", [LoaderFinished("opal/a", "DONE", Counts(9)), LoaderOpening("ruby/c"), TrackChanged("ruby", "BACKOFF")]
)
def test_what_happens_after_a_progress_stands_after_it(book: Book, event: Event) -> None:
    book.emit(LoaderProgress("opal/a", Counts(1)))
    book.emit(LoaderProgress("opal/a", Counts(2)))
    book.emit(Heartbeat("opal/a", 2, 0, 5, 0.5))
    book.emit(event)
    assert [found for _, found in book.lines()][-3:] == book.told[-3:]


def test_what_was_kept_back_is_written_with_its_own_time(book: Book) -> None:
    book.emit(LoaderProgress("opal/a", Counts(1)))
    book.emit(LoaderProgress("opal/a", Counts(2)))
    at = book.clock.now
    book.clock.now += 1.5
    book.recorder.flush()
    assert book.lines()[-1] == (at, LoaderProgress("opal/a", Counts(2)))
    size = book.path.stat().st_size
    book.recorder.flush()
    assert book.path.stat().st_size == size


@pytest.mark.parametrize("seed", range(20))
def test_after_a_flush_the_journal_gives_the_state(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    book = Book(tmp_path, every=chance.choice([0.0, 0.5, 5.0]))
    for number in range(200):
        name, n = chance.choice(NAMES), chance.randrange(100)
        made: list[Event] = [
            *(LoaderProgress(name, Counts(n, n), n, n) for _ in range(8)),
            *(Heartbeat(name, n, n, n, float(n)) for _ in range(8)),
            LoaderOpened(name, None, n),
            LoaderFinished(name, "DONE", Counts(n)),
            TrackChanged(name.partition("/")[0], "RUNNING", n),
        ]
        book.emit(chance.choice(made), chance.random())
        if number % 20 == 0:
            book.recorder.flush()
            assert replay(book.lines()) == book.recorder.state
    times = [at for at, _ in book.lines()]
    assert times == sorted(times)
    book.written.close()


def test_a_journal_that_cannot_be_written_ends_no_run_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    book = Book(tmp_path, every=0.0, warn=told.append)
    write = Journal._write

    def refused(journal: Journal) -> None:
        raise DiskError(OSError(errno.EIO, "error"), book.path)

    monkeypatch.setattr(Journal, "_write", refused)
    for rows in range(5):
        book.emit(LoaderProgress("opal/a", Counts(rows)))
    assert len(told) == 1
    assert str(book.path) in told[0]
    assert "The run goes on" in told[0]
    assert book.recorder.state.loaders["opal/a"].counts.read == 4
    monkeypatch.setattr(Journal, "_write", write)
    book.emit(LoaderOpening("opal/b"))
    assert replay(book.lines()) == book.recorder.state
    assert book.written.whole
    book.written.close()
