"""Plain lines on stderr: what opens, how it goes, how it ends."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from ..disk import decimal_size
from ..engine.state import LoaderStatus, RunState
from ..engine.traffic import average_rate, has_traffic, traffic, waits_for
from ..events import Event, LoaderFinished, LoaderOpened, LoaderProgress, LoaderWaiting, LoaderWarned, TrackChanged

EVERY = 5.0
"""Seconds between two progress lines of a loader."""


class PlainReporter:
    """A line for each change, a progress line a loader every few seconds."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def __call__(self, event: Event, state: RunState, at: float) -> None:
        """See `engine.recorder.Reporter`."""
        match event:
            case LoaderOpened(loader=name, rows=rows, resumed=resumed, to_fetch=to_fetch):
                total = f" of {rows:,} rows" if rows is not None else ""
                note = f", goes on after {resumed:,} rows" if resumed else ""
                fetched = f", {decimal_size(to_fetch)} come over the wire" if to_fetch else ""
                self._line(at, name, f"reading{total}{fetched}{note}")
                self._told[name] = at
            case LoaderProgress(loader=name):
                if at - self._told.get(name, at) >= EVERY:
                    self._line(at, name, balance(state.loaders[name], at))
                    self._told[name] = at
            case TrackChanged(track=track, state=now, note=note) if note or now in ("BACKOFF", "FATAL"):
                pause = f", again in {event.until - at:.0f} s" if event.until else ""
                self._line(at, track, f"{now if now != 'PENDING' else 'note'}{pause}: {note}".rstrip(": "))
            case LoaderWaiting(loader=name) if wait := state.loaders[name].wait(at):
                self._line(at, name, wait)
            case LoaderWarned(loader=name, sentence=sentence):
                self._line(at, name, f"note: {sentence}")
            case LoaderFinished(loader=name):
                self._finished(name, state.loaders[name], at)

    def _finished(self, name: str, status: LoaderStatus, at: float) -> None:
        if status.reused:
            self._line(at, name, f"{status.state}, as committed before ({status.counts.samples:,} samples)")
        elif status.failure and name not in self._told:
            kept = f", {status.counts.samples:,} samples of earlier runs are kept" if status.counts.samples else ""
            self._line(at, name, f"{status.state} before it was opened{kept}")
        else:
            self._line(at, name, f"{status.state}: {balance(status, at)}")
        if status.failure:
            failure = status.failure
            self._line(at, name, f"{failure.failure_class}: {failure.sentence}")
            self._line(at, name, f"do: {failure.remedy}  see: {failure.reproduce}")

    def _line(self, at: float, name: str, text: str) -> None:
        clock = time.strftime("%H:%M:%S", time.localtime(at))
        with suppress(OSError):  # nobody reads any more, or the log's disk is full: no reason to end a run
            sys.stderr.write(f"{clock}  {name:<32}  {text}\n")
            sys.stderr.flush()


def rate(status: LoaderStatus, at: float) -> float:
    """Rows a second since the loader was opened in this run."""
    if status.started is None:
        return 0.0
    seconds = (status.ended or at) - status.started
    return (status.counts.read - status.resumed) / seconds if seconds > 0 else 0.0


def balance(status: LoaderStatus, at: float) -> str:
    """`7,473 rows: 7,300 accepted, 173 skipped, 0 rejected, 4,512 rows/s`, and where its bytes come from."""
    counts = status.counts
    return (
        f"{counts.read:,} rows: {counts.accepted:,} accepted, {counts.skips:,} skipped, "
        f"{counts.rejects:,} rejected, {rate(status, at):,.0f} rows/s{_bytes(status, at)}"
    )


def _bytes(status: LoaderStatus, at: float) -> str:
    """`; over the wire 157.3 MB of 160 MB (12.4 MB/s), waits for: network`; nothing where there is no wire."""
    if not has_traffic(status):
        return ""
    waits = f", waits for: {waits_for(status, at)}" if waits_for(status, at) else ""
    return f"; {traffic([status], average_rate(status, at))}{waits}"
