"""Spans that are fetched ahead: in order, within bounds, whatever is read first, whatever fails."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest

from coordinator.worker.hub import window as module
from coordinator.worker.hub.connections import Connections, Lanes
from coordinator.worker.hub.ranges import Sink
from coordinator.worker.hub.remote_file import RemoteFile
from coordinator.worker.hub.spans import Span
from coordinator.worker.hub.window import Window

MIB = 2**20
SIZE = 200 * MIB
FILE = RemoteFile("acme/it", "1" * 40, "a.jsonl", SIZE, "e" * 64)
OTHER = RemoteFile("acme/it", "1" * 40, "b.jsonl", SIZE, "f" * 64)


def content(start: int, end: int) -> bytes:
    """Other bytes at each place, in steps of 4 KiB."""
    blocks = (b"%d " % (place // 4_096) * 4_096 for place in range(start // 4_096 * 4_096, end, 4_096))
    data = b"".join(block[:4_096] for block in blocks)
    return data[start % 4_096 :][: end - start]


class Scene:
    """A window whose lanes run when the reader waits, one piece of work at a time."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self.asked: list[tuple[str, int, int]] = []
        self.error: Exception | None = None
        self.woken = 0
        self.change = threading.Condition()
        self.window = Window(self._fetch, iter(spans), self.change, self._wake)

    def _fetch(self, file: RemoteFile, start: int, end: int, take: Sink) -> None:
        self.asked.append((file.path, start, end))
        if self.error is not None:
            raise self.error
        middle = (start + end) // 2
        take(content(start, middle))
        take(content(middle, end))

    def _wake(self) -> None:
        self.woken += 1

    def work(self) -> int:
        """Let lanes do all there is; how much that was."""
        count = 0
        while (work := self.window.take()) is not None:
            work()
            count += 1
        return count

    def _wait(self) -> None:
        work = self.window.take()
        assert work is not None, "the reader waits for ever"
        work()

    def read(self, start: int, end: int, file: RemoteFile = FILE) -> None:
        assert self.window.read(file, start, end, self._wait) == content(start, end)

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return sum(len(piece.data) for pieces in self.window._pieces.values() for piece in pieces)


def pieces(count: int, size: int = MIB, file: RemoteFile = FILE, sure: bool = True, step: int = -1) -> list[Span]:
    """Spans one behind another; each in a step of its own where none is given."""
    steps = range(count) if step < 0 else [step] * count
    return [Span(file, at * size, (at + 1) * size, size, number, sure) for at, number in enumerate(steps)]


def test_what_is_read_in_order_comes_in_order_and_once() -> None:
    scene = Scene(pieces(5))
    for start in range(0, 5 * MIB, MIB // 2):
        scene.read(start, start + MIB // 2)
    assert scene.asked == [("a.jsonl", at * MIB, (at + 1) * MIB) for at in range(5)]
    assert scene.held == 0


def test_it_is_fetched_before_it_is_read() -> None:
    scene = Scene(pieces(5))
    assert scene.work() == 5
    assert scene.window.coming is False
    scene.read(0, 5 * MIB)  # across pieces
    assert len(scene.asked) == 5


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD", 3 * MIB)
    scene = Scene(pieces(10))
    assert scene.work() == 3
    assert scene.held == 3 * MIB
    scene.read(0, MIB - 1)
    assert scene.work() == 0, "the piece is not read to its end"
    scene.read(MIB - 1, MIB)
    assert scene.work() == 1
    for at in range(1, 10):
        scene.read(at * MIB, (at + 1) * MIB)
        scene.work()
        assert scene.held <= 3 * MIB


def test_one_span_is_fetched_however_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD", MIB // 2)
    scene = Scene(pieces(3))
    assert scene.work() == 1
    scene.read(0, MIB)
    assert scene.work() == 1


def test_memory_is_bounded_when_a_reader_leaps_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD", 3 * MIB)
    scene = Scene(pieces(60))
    scene.work()
    scene.read(40 * MIB, 40 * MIB + 1)
    scene.work()
    assert scene.held <= 4 * MIB, "what is read, besides what was held"
    assert scene.asked[3:] == [("a.jsonl", 40 * MIB, 41 * MIB)]


def test_what_was_leapt_over_keeps_its_turn() -> None:
    scene = Scene(pieces(8))
    scene.read(5 * MIB, 6 * MIB)
    for at in (0, 1, 2, 3, 4, 6, 7):
        scene.read(at * MIB, (at + 1) * MIB)
    assert sorted(scene.asked) == [("a.jsonl", at * MIB, (at + 1) * MIB) for at in range(8)]
    assert [start // MIB for _, start, _ in scene.asked] == [5, 0, 1, 2, 3, 4, 6, 7]


def test_what_no_plan_has_foreseen_is_asked_for_alone() -> None:
    scene = Scene(pieces(2))
    scene.read(50 * MIB + 7, 50 * MIB + 9)
    assert scene.asked == [("a.jsonl", 50 * MIB + 7, 50 * MIB + 9)]
    scene.read(0, MIB, OTHER)
    scene.read(0, 2 * MIB)
    assert len(scene.asked) == 4


def test_what_is_here_is_not_asked_for_again_by_a_longer_read() -> None:
    scene = Scene([Span(FILE, 5 * MIB, 6 * MIB, MIB, 0, True)])
    scene.work()
    scene.read(4 * MIB, 7 * MIB)
    assert [(start // MIB, end // MIB) for _, start, end in scene.asked] == [(5, 6), (4, 5), (6, 7)]


def test_many_unforeseen_reads_cost_no_more_and_more() -> None:
    """The plan is looked through anew for each, and stays as long as it is."""
    scene = Scene(pieces(150))
    for at in range(5_000):
        scene.read(SIZE - at - 2, SIZE - at - 1, OTHER)
    assert len(scene.window._later) <= module.LOOKED_THROUGH
    scene.read(0, MIB)


def test_a_gap_is_fetched_and_not_counted() -> None:
    scene = Scene([Span(FILE, 0, 300, 200, 0, True)])
    scene.read(0, 100)
    assert scene.held == 300
    scene.read(200, 300)
    assert scene.held == 0
    assert scene.asked == [("a.jsonl", 0, 300)]


def test_what_the_reader_may_not_need_comes_a_little_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(pieces(100, sure=False))
    assert scene.work() == 1
    for at in range(80):
        scene.read(at * MIB, (at + 1) * MIB)
        scene.work()
    read_bytes = 80 * MIB
    ahead = len(scene.asked) * MIB - read_bytes
    assert MIB < ahead <= read_bytes // module.AHEAD_SHARE


def test_a_passed_step_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD", 4 * MIB)
    scene = Scene(pieces(10))
    assert scene.work() == 4
    scene.window.passed(2)
    assert scene.held == MIB
    assert scene.work() == 3
    assert scene.asked[-1] == ("a.jsonl", 6 * MIB, 7 * MIB)
    assert scene.woken > 0


def test_what_is_passed_before_it_is_planned_is_never_asked_for() -> None:
    scene = Scene(pieces(10))
    scene.window.passed(7)
    assert scene.work() == 2
    assert [start // MIB for _, start, _ in scene.asked] == [8, 9]


def test_what_was_looked_through_is_passed_too() -> None:
    scene = Scene(pieces(10))
    scene.read(0, 1, OTHER)  # looks through all of the plan
    scene.window.passed(8)
    scene.work()
    assert [start // MIB for _, start, _ in scene.asked[1:]] == [9]


def test_an_error_is_the_readers_once_it_comes_there() -> None:
    scene = Scene(pieces(3))
    work = scene.window.take()
    assert work is not None
    work()
    scene.error = OSError("lost")
    scene.work()
    scene.read(0, MIB)
    with pytest.raises(OSError, match="lost"):
        scene.read(MIB, 2 * MIB)
    assert not scene.window.coming


def test_what_is_waited_for_goes_first() -> None:
    scene = Scene(pieces(4))
    scene.read(3 * MIB, 4 * MIB)
    assert scene.asked == [("a.jsonl", 3 * MIB, 4 * MIB)]


def test_many_threads_bring_what_one_reads() -> None:
    """No byte is lost, doubled or out of place."""
    asked, change, lanes, size = list[int](), threading.Condition(), Lanes(Connections(4)), 16_384

    def fetch(file: RemoteFile, start: int, end: int, take: Sink) -> None:
        asked.append(start)
        for at in range(start, end, 8_192):
            take(content(at, min(at + 8_192, end)))

    def wait() -> None:
        assert change.wait(5)

    window = Window(fetch, iter(pieces(200, size, step=0)), change, lanes.wake)
    lanes.serve([window])
    for start in range(0, 200 * size, 10_000):
        end = min(start + 10_000, 200 * size)
        assert window.read(FILE, start, end, wait) == content(start, end)
    lanes.serve([])
    assert sorted(asked) == [at * size for at in range(200)]
