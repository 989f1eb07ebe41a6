"""The state of a run, folded from its events by a table. No clock, no I/O: a replayed journal gives the same state.

Times come with the events, in seconds since the epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from ..events import (
    Bound,
    Counts,
    Event,
    Failure,
    Heartbeat,
    LoaderFinished,
    LoaderOpened,
    LoaderOpening,
    LoaderProgress,
    LoaderQueued,
    LoaderState,
    LoaderWaiting,
    LoaderWarned,
    RunFinished,
    RunStarted,
    TrackChanged,
    TrackState,
    WorkerDone,
)

MOST_WARNINGS = 100
"""Different ones that are kept of a loader: the state of a run stays small, whatever a loader warns of."""


@dataclass(slots=True)
class LoaderStatus:
    """Where one loader stands. `rows` is the total where known, `resumed` what earlier runs had committed."""

    state: LoaderState = "QUEUED"
    counts: Counts = field(default_factory=Counts)
    rows: int | None = None
    resumed: int = 0
    bytes_read: int = 0
    replayed: int = 0
    wire: int = 0
    """Bytes that came over the wire for it."""
    cached: int = 0
    """Bytes that were read from the cache on disk."""
    to_fetch: int = 0
    """Bytes that have to come over the wire, where that is known."""
    bound: Bound = ""
    """What it waits for most, as last told."""
    started: float | None = None
    ended: float | None = None
    reused: bool = False
    failure: Failure | None = None
    warnings: list[str] = field(default_factory=list)
    waiting: str = ""
    """Why it waits or waited last; `until` tells whether it still does."""
    until: float = 0.0
    """When the wait ends."""

    def wait(self, at: float) -> str:
        """`waiting 31 s (429 from the Hub)` while it does, else nothing."""
        left = self.until - at if self.state in ("OPENING", "STREAMING") else 0.0
        return f"waiting {math.ceil(left):,} s ({self.waiting})" if left > 0 else ""


@dataclass(slots=True)
class TrackStatus:
    """Where a track's worker stands. `until`: end of a BACKOFF; `idle`: seconds without progress, as last told."""

    state: TrackState = "PENDING"
    attempt: int = 0
    pid: int | None = None
    until: float | None = None
    note: str = ""
    idle: float = 0.0


@dataclass(slots=True)
class RunState:
    """A whole run. `loaders` is in merge order."""

    run: str = ""
    source: str = ""
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    loaders: dict[str, LoaderStatus] = field(default_factory=dict)
    tracks: dict[str, TrackStatus] = field(default_factory=dict)

    def of(self, *states: LoaderState) -> list[str]:
        """Names of the loaders in one of `states`."""
        return [name for name, status in self.loaders.items() if status.state in states]

    @property
    def failed(self) -> list[str]:
        """Loaders that ended with a failure."""
        return [name for name, status in self.loaders.items() if status.failure]


def reduce(state: RunState, event: Event, at: float) -> None:
    """Enter one event. Raises `ValueError` for an event of a loader that the run does not have."""
    _TABLE[type(event)](state, event, at)


def replay(events: Iterable[tuple[float, Event]]) -> RunState:
    """The state after all of `events`; those of a loader that the run does not have are passed over."""
    state = RunState()
    for at, event in events:
        with suppress(ValueError):
            reduce(state, event, at)
    return state


def _status(state: RunState, name: str) -> LoaderStatus:
    try:
        return state.loaders[name]
    except KeyError:
        raise ValueError(f"the run has no loader {name}") from None


def _run_started(state: RunState, event: RunStarted, at: float) -> None:
    state.run, state.source, state.started = event.run, event.source, at
    state.ended = state.exit_code = None
    state.loaders = {name: LoaderStatus() for name in event.loaders}
    state.tracks = {name.partition("/")[0]: TrackStatus() for name in event.loaders}


def _track_changed(state: RunState, event: TrackChanged, at: float) -> None:
    if event.track not in state.tracks:
        raise ValueError(f"the run has no track {event.track}")
    state.tracks[event.track] = TrackStatus(event.state, event.attempt, event.pid, event.until, event.note)


def _heartbeat(state: RunState, event: Heartbeat, at: float) -> None:
    if event.loader:
        status = _status(state, event.loader)
        status.bytes_read, status.replayed = event.bytes_read, event.replayed
        status.wire, status.cached, status.bound = event.wire, event.cached, event.bound
        state.tracks[event.loader.partition("/")[0]].idle = event.idle


def _worker_done(state: RunState, event: WorkerDone, at: float) -> None:
    """Its loaders have said how they ended."""


def _queued(state: RunState, event: LoaderQueued, at: float) -> None:
    status = _status(state, event.loader)
    status.state, status.failure, status.ended, status.reused = "QUEUED", None, None, False
    status.waiting, status.until = "", 0.0
    state.exit_code = state.ended = None  # a run that had ended is taken up again


def _opening(state: RunState, event: LoaderOpening, at: float) -> None:
    status = _status(state, event.loader)
    status.state, status.failure, status.ended = "OPENING", None, None
    status.waiting, status.until = "", 0.0
    status.started = status.started or at


def _opened(state: RunState, event: LoaderOpened, at: float) -> None:
    status = _status(state, event.loader)
    status.state, status.rows, status.resumed = "STREAMING", event.rows, event.resumed
    status.to_fetch = event.to_fetch


def _progress(state: RunState, event: LoaderProgress, at: float) -> None:
    status = _status(state, event.loader)
    status.counts, status.bytes_read, status.replayed = event.counts, event.bytes_read, event.replayed
    status.wire, status.cached = event.wire, event.cached


def _waiting(state: RunState, event: LoaderWaiting, at: float) -> None:
    status = _status(state, event.loader)
    if at + event.seconds >= status.until:  # of two waits the longer one counts
        status.waiting, status.until = event.reason, at + event.seconds


def _warned(state: RunState, event: LoaderWarned, at: float) -> None:
    warnings = _status(state, event.loader).warnings
    if event.sentence not in warnings and len(warnings) < MOST_WARNINGS:
        warnings.append(event.sentence)


def _finished(state: RunState, event: LoaderFinished, at: float) -> None:
    status = _status(state, event.loader)
    status.state, status.counts, status.failure = event.state, event.counts, event.failure
    status.reused, status.ended = event.reused, at
    status.waiting, status.until = "", 0.0


def _run_finished(state: RunState, event: RunFinished, at: float) -> None:
    state.exit_code, state.ended = event.exit_code, at


_TABLE: dict[type[Event], Callable[[RunState, Event, float], None]] = {
    RunStarted: _run_started,  # type: ignore[dict-item]
    TrackChanged: _track_changed,  # type: ignore[dict-item]
    Heartbeat: _heartbeat,  # type: ignore[dict-item]
    WorkerDone: _worker_done,  # type: ignore[dict-item]
    LoaderQueued: _queued,  # type: ignore[dict-item]
    LoaderOpening: _opening,  # type: ignore[dict-item]
    LoaderOpened: _opened,  # type: ignore[dict-item]
    LoaderProgress: _progress,  # type: ignore[dict-item]
    LoaderWaiting: _waiting,  # type: ignore[dict-item]
    LoaderWarned: _warned,  # type: ignore[dict-item]
    LoaderFinished: _finished,  # type: ignore[dict-item]
    RunFinished: _run_finished,  # type: ignore[dict-item]
}
