"""What is wrong in a run, one cause at a time, and the sign of each loader. Pure: state and time in, values out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ..engine.policy import TRANSIENT
from ..engine.state import LoaderStatus, RunState, TrackStatus
from ..events import LoaderState
from .format import minutes
from .remaining import AT_WORK

Mark = Literal["failed", "gated", "stalled", "retry", "running", "queued", "done", "stopped"]
STALLING = 30.0
"""Seconds without progress after which it is an incident."""
ONE_CAUSE = ("network", "rate_limited", "auth", "disk_full", "disk_error", "out_of_memory", "worktree")
"""Classes whose failures have one cause, whatever their sentences say."""
LONG_WAIT = 10.0
"""Seconds left of a wait from which on it is an incident: of a shorter one its row tells."""
_MARKS: dict[LoaderState, Mark] = {
    "QUEUED": "queued",
    "OPENING": "running",
    "STREAMING": "running",
    "DONE": "done",
    "CAPPED": "done",
    "EMPTY": "done",
    "FAILED": "failed",
    "STALLED": "stalled",
    "SKIPPED": "stopped",
    "STOPPED": "stopped",
}


@dataclass(frozen=True, slots=True)
class Incident:
    """One cause with all loaders (`track/loader`) that it holds up. Only what `needs_you` is counted."""

    loaders: tuple[str, ...]
    failure_class: str
    """A `FailureClass`, or `retrying` and `waiting` for what goes on by itself."""
    sentence: str
    remedy: str
    reproduce: str
    since: float
    needs_you: bool
    mark: Mark

    @property
    def key(self) -> str:
        """What the cursor holds on to."""
        return f"!{self.failure_class}:{self.loaders[0]}"

    @property
    def title(self) -> str:
        """`jasper/math +1`."""
        more = len(self.loaders) - 1
        return f"{self.loaders[0]} +{more}" if more else self.loaders[0]


def incidents(state: RunState, now: float) -> list[Incident]:
    """What is wrong, what waits for a person first; the order does not change while it stays wrong."""
    found: dict[tuple[bool, str, str], Incident] = {}
    for name, status in state.loaders.items():
        one = _incident(state, name, status, now)
        if one is not None:
            cause = "" if one.failure_class in ONE_CAUSE else _cause(one.sentence, name)
            key = (one.needs_you, one.failure_class, cause)
            found[key] = _joined(found[key], one) if key in found else one
    return sorted(found.values(), key=lambda one: (not one.needs_you, one.since))


def _incident(state: RunState, name: str, status: LoaderStatus, now: float) -> Incident | None:
    failure, track = status.failure, state.tracks[name.partition("/")[0]]
    if failure is not None:
        mark, needs_you = mark_of(state, name), not will_retry(state, name)
        since = status.ended or now
        given = failure.sentence, failure.remedy, failure.reproduce
        return Incident((name,), failure.failure_class, *given, since, needs_you, mark)
    if will_retry(state, name):
        sentence = f"{track.note}, {again(track, now)}" if track.note else again(track, now)
        return Incident((name,), "retrying", sentence, "", f"polecats check {name}", now, False, "retry")
    if status.wait(now) and status.until - now > LONG_WAIT:
        sentence = f"{status.wait(now)}; it goes on by itself"
        return Incident((name,), "waiting", sentence, "", f"polecats check {name}", now, False, "retry")
    if status.state in AT_WORK and track.idle >= STALLING:
        sentence = f"no record for {minutes(track.idle)}; it is ended where that goes on"
        return Incident((name,), "stalled", sentence, "", f"polecats check {name}", now - track.idle, False, "stalled")
    return None


def _joined(one: Incident, other: Incident) -> Incident:
    return Incident(
        (*one.loaders, *other.loaders),
        one.failure_class,
        one.sentence,
        one.remedy,
        one.reproduce,
        min(one.since, other.since),
        one.needs_you,
        one.mark,
    )


def _cause(sentence: str, name: str) -> str:
    """The sentence without what differs between loaders of one cause: names and numbers."""
    for part in (name, *name.split("/")):
        sentence = sentence.replace(part, "@")
    return re.sub(r"\d[\d,.]*", "#", sentence)


def will_retry(state: RunState, name: str) -> bool:
    """Whether a loader that failed, or lost its worker, is tried again by itself."""
    status, track = state.loaders[name], state.tracks[name.partition("/")[0]]
    if state.ended is not None or track.state in ("FINISHED", "FATAL", "STOPPED"):
        return False
    if status.failure is None:
        return status.state == "QUEUED" and track.state == "BACKOFF" and _told_of(track.note, name)
    if status.failure.failure_class not in TRANSIENT:
        return False
    return _told_of(track.note, name) if track.state == "BACKOFF" else not status.failure.offline


def _told_of(note: str, name: str) -> bool:
    """Whether a track's note names a loader, or none: a worker that cannot be kept concerns them all."""
    return f"{name}" in note or name.partition("/")[0] + "/" not in note


def again(track: TrackStatus, now: float) -> str:
    """`attempt 2 in 00:18`."""
    attempt = f"attempt {track.attempt + 1}" if track.attempt else "again"
    return f"{attempt} in {minutes(max(0.0, (track.until or now) - now))}" if track.state == "BACKOFF" else attempt


def mark_of(state: RunState, name: str) -> Mark:
    """The sign of a loader."""
    status = state.loaders[name]
    if will_retry(state, name):
        return "retry"
    if status.failure is not None and status.failure.failure_class == "gated":
        return "gated"
    if status.state in AT_WORK and state.tracks[name.partition("/")[0]].idle >= STALLING:
        return "stalled"
    return _MARKS[status.state]
