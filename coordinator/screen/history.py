"""What was, for rates, sparks and plots: the folded state looked at about once a second, in bounded memory.

Two memories: the last looks as they were, for rates; the whole run in buckets that grow wider as it goes on.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from ..engine.state import LoaderStatus, RunState
from .remaining import AT_WORK, Estimate, at_work, bytes_left, estimate, later, rows_left

LOOKS = 128
"""Looks that are kept at least; twice as many at most."""
BUCKETS = 512
FIRST_STEP = 2.0
WINDOW = 10.0
"""Seconds that a rate is taken over."""
SPARK_STEP = 4.0
"""Seconds that a cell of a spark stands for."""
LONG = 60.0
"""Seconds over which a rate must hold for an ETA to be sure."""


@dataclass(slots=True)
class _Trace:
    """One loader: totals of what came while we looked, aligned with the looks, and the gain of each bucket."""

    samples: list[float] = field(default_factory=list)
    rows: list[float] = field(default_factory=list)
    wire: list[float] = field(default_factory=list)
    buckets: array[float] = field(default_factory=lambda: array("d"))
    seen: tuple[int, int, int] = (0, 0, 0)
    """Samples, rows and bytes over the wire at the last look."""
    key: tuple[int, int, int] = (0, 0, 0)
    moved: float = 0.0
    begun: float | None = None


class History:
    """Samples over time of each loader and of all. A name without `/` is a track: the sum of its loaders."""

    def __init__(self) -> None:
        self._reset("", 0.0)

    def _reset(self, run: str, at: float) -> None:
        self._run, self._start, self._step = run, at, FIRST_STEP
        self._times: list[float] = []
        self._traces: dict[str, _Trace] = {}

    def feed(self, state: RunState, at: float) -> None:
        """Look at the state; about once a second, `at` in seconds since the epoch."""
        if state.run != self._run or (self._times and at < self._times[-1]):
            self._reset(state.run, at)
        before = self._times[-1] if self._times else at
        if self._times and at == before:
            return
        self._widen(at)
        self._times.append(at)
        for name, status in state.loaders.items():
            self._look(name, status, state, before, at)
        self._trim()

    def _look(self, name: str, status: LoaderStatus, state: RunState, before: float, at: float) -> None:
        trace = self._traces.get(name) or self._first(name, status, state, at)
        gains = _gains(trace, status)
        for totals, gain in zip((trace.samples, trace.rows, trace.wire), gains, strict=True):
            totals.append((totals[-1] if totals else 0.0) + gain)
        trace.seen, key, gained = _seen(status), _key(status), gains[0]
        if key != trace.key:
            trace.key, trace.moved = key, at
        if status.wait(at):
            trace.moved = at
        if status.state not in AT_WORK:
            trace.begun = trace.begun if gained else None
            trace.moved = at
        elif trace.begun is None:
            trace.begun = before
        self._spread(trace, gained, before, at)

    def _first(self, name: str, status: LoaderStatus, state: RunState, at: float) -> _Trace:
        """A trace that begins now: what was there before we looked is no gain of ours."""
        idle = state.tracks[name.partition("/")[0]].idle
        zeros = [0.0] * (len(self._times) - 1)
        trace = _Trace(zeros, zeros.copy(), zeros.copy(), seen=_seen(status), key=_key(status), moved=at - idle)
        self._traces[name] = trace
        return trace

    def _spread(self, trace: _Trace, gained: float, before: float, at: float) -> None:
        """Share a gain out over the buckets between two looks."""
        first, last = self._bucket(before), self._bucket(at)
        trace.buckets.extend([0.0] * (last + 1 - len(trace.buckets)))
        if not gained:
            return
        if at <= before:
            trace.buckets[last] += gained
            return
        for index in range(first, last + 1):
            begin, end = self._start + index * self._step, self._start + (index + 1) * self._step
            trace.buckets[index] += gained * max(0.0, min(end, at) - max(begin, before)) / (at - before)

    def _bucket(self, at: float) -> int:
        return max(0, int((at - self._start) / self._step))

    def _widen(self, at: float) -> None:
        """Join buckets in pairs until `at` has one: memory stays flat, however long the run."""
        while self._bucket(at) >= BUCKETS:
            self._step *= 2
            for trace in self._traces.values():
                old = trace.buckets
                old.extend([0.0] * (len(old) % 2))
                trace.buckets = array("d", (old[i] + old[i + 1] for i in range(0, len(old), 2)))

    def _trim(self) -> None:
        if len(self._times) < 2 * LOOKS:
            return
        del self._times[:LOOKS]
        for trace in self._traces.values():
            del trace.samples[:LOOKS]
            del trace.rows[:LOOKS]
            del trace.wire[:LOOKS]

    def _of(self, name: str | None) -> list[_Trace]:
        if name is None:
            return list(self._traces.values())
        if "/" in name:
            return [self._traces[name]] if name in self._traces else []
        return [trace for loader, trace in self._traces.items() if loader.partition("/")[0] == name]

    # --- reading

    def rate(self, name: str | None, now: float) -> float:
        """Samples a second over the last ten seconds or so; None: of all."""
        return self._speed([(trace, trace.samples) for trace in self._of(name)], WINDOW, now)

    def wire_rate(self, name: str | None, now: float) -> float:
        """Bytes a second over the wire, over the last ten seconds or so; None: of all."""
        return self._speed([(trace, trace.wire) for trace in self._of(name)], WINDOW, now)

    def _speed(self, parts: Iterable[tuple[_Trace, list[float]]], window: float, now: float) -> float:
        """Gain a second, each part since it has been at work: a loader's first seconds count whole."""
        if len(self._times) < 2 or now - self._times[-1] > window:
            return 0.0
        last = self._times[-1]
        index = max(0, bisect_right(self._times, last - window) - 1)
        total = 0.0
        for trace, totals in parts:
            gained = totals[-1] - totals[index]
            begin = max(self._times[index], trace.begun or 0.0)
            total += gained / max(1.0, last - begin)
        return total

    def spark(self, name: str | None, width: int) -> list[float]:
        """The last `width` rates, one every few seconds, oldest first. Cells stand for fixed times: they move on."""
        if not self._times:
            return []
        last = self._times[-1]
        end = int(last / SPARK_STEP) * SPARK_STEP
        marks = [end - SPARK_STEP * back for back in range(width, -1, -1)]
        if last - end >= 1.0:
            marks = [*marks[1:], last]
        totals = [0.0] * len(marks)
        for trace in self._of(name):
            for position, mark in enumerate(marks):
                totals[position] += self._at(trace.samples, mark)
        spans = [
            (after - before, end - begin)
            for (before, after), (begin, end) in zip(pairwise(totals), pairwise(marks), strict=True)
        ]
        return [max(0.0, gained) / seconds for gained, seconds in spans]

    def _at(self, totals: list[float], when: float) -> float:
        """A total at a time between two looks."""
        index = bisect_right(self._times, when)
        if index == 0:
            return totals[0]
        if index == len(totals):
            return totals[-1]
        begin, end = self._times[index - 1], self._times[index]
        share = (when - begin) / (end - begin)
        return totals[index - 1] + (totals[index] - totals[index - 1]) * share

    def series(self, name: str | None, width: int) -> list[float]:
        """Rates over the whole run in `width` buckets, oldest first."""
        traces = [trace.buckets for trace in self._of(name)]
        count = max((len(buckets) for buckets in traces), default=0)
        if not count or width < 1:
            return [0.0] * max(0, width)
        sums = [sum(buckets[i] for buckets in traces if i < len(buckets)) for i in range(count)]
        rates = [gained / self._lasted(index) for index, gained in enumerate(sums)]
        smooth = [_mean(rates[max(0, i - 1) : i + 2]) for i in range(count)]
        return [_mean(smooth[_share(x, count, width)]) for x in range(width)]

    def _lasted(self, index: int) -> float:
        """Seconds of a bucket that have passed."""
        passed = self._times[-1] - self._start - index * self._step
        return min(self._step, max(passed, self._step / 2))

    def span(self) -> tuple[float, float]:
        """When the first and the last look were: the ends of a plot's axis."""
        return self._start, self._times[-1] if self._times else self._start

    def idle(self, loader: str, now: float) -> float:
        """Seconds since a loader moved (rows, replayed rows or bytes)."""
        trace = self._traces.get(loader)
        return max(0.0, now - trace.moved) if trace else 0.0

    # --- what is to come

    def eta(self, name: str | None, state: RunState, now: float) -> Estimate:
        """Seconds to the end and how far that is to be believed: by rows and by bytes, whichever ends later."""
        busy, traces = at_work(state, name), self._of(name)
        if not busy:
            return None, ""
        looked = now - min((trace.begun for trace in traces if trace.begun), default=now)
        by_rows = estimate(*rows_left(state, name), self._speeds([(one, one.rows) for one in traces], now), looked)
        left, told = bytes_left(state, name)
        by_bytes = estimate(left, told, self._speeds([(one, one.wire) for one in traces], now), looked)
        alone = told and not any(status.bound == "converter" for status in busy)
        return later(by_rows, by_bytes, alone)

    def _speeds(self, parts: list[tuple[_Trace, list[float]]], now: float) -> tuple[float, float]:
        """Over the last ten seconds or so, and over the last minute."""
        return self._speed(parts, WINDOW, now), self._speed(parts, LONG, now)


def _seen(status: LoaderStatus) -> tuple[int, int, int]:
    return status.counts.samples, status.counts.read, status.wire


def _key(status: LoaderStatus) -> tuple[int, int, int]:
    """What a loader moves: while it stays the same the loader is idle."""
    return status.counts.read, status.replayed, status.bytes_read


def _gains(trace: _Trace, status: LoaderStatus) -> tuple[float, float, float]:
    """Samples, rows and bytes that came since the last look: no rows that an earlier run had committed."""
    before, counts = trace.seen, status.counts
    wire = float(max(0, status.wire - before[2]))
    if status.reused:
        return 0.0, 0.0, wire
    samples, read = max(0, counts.samples - before[0]), max(0, counts.read - before[1])
    if status.resumed > before[1] and counts.read:
        new = max(0, counts.read - status.resumed)
        return samples * new / max(1, read), float(new), wire
    return float(samples), float(read), wire


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _share(position: int, count: int, width: int) -> slice:
    begin = position * count // width
    return slice(begin, max(begin + 1, (position + 1) * count // width))
