"""The figures over a whole run or track. Pure: state and time in, values out."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.state import RunState
from ..events import LoaderState
from .history import History
from .incidents import incidents
from .remaining import AT_WORK, rows_left

FINISHED: tuple[LoaderState, ...] = ("DONE", "CAPPED", "EMPTY")


@dataclass(frozen=True, slots=True)
class Totals:
    """The header's figures. `expected`: samples in the end; `rough`: not every loader has told how many it has."""

    samples: int
    expected: int | None
    rough: bool
    fraction: float | None
    rate: float
    wire_rate: float
    """Bytes a second over the wire."""
    eta: tuple[float | None, str]
    running: int
    queued: int
    done: int
    loaders: int
    rejected: int
    needs_you: int
    elapsed: float
    ended: bool


def share(state: RunState, name: str | None = None) -> tuple[float | None, bool]:
    """How much of a track or of all has been read, and whether every loader tells; failed ones are left out."""
    left, exact = rows_left(state, name)
    if left is None:
        return None, False
    names = [one for one in state.loaders if name is None or one.partition("/")[0] == name]
    read = sum(state.loaders[one].counts.read for one in names if state.loaders[one].failure is None)
    return (read / (read + left) if read + left else None), exact


def totals(state: RunState, history: History, now: float) -> Totals:
    """See `Totals`."""
    loaders = list(state.loaders.values())
    samples, read = sum(one.counts.samples for one in loaders), sum(one.counts.read for one in loaders)
    ended = state.ended is not None
    fraction, exact = share(state)
    left, _ = rows_left(state)
    expected = None if left is None or not read else round(samples + left * samples / read)
    elapsed = max(0.0, (state.ended or now) - state.started) if state.started else 0.0
    return Totals(
        samples,
        expected,
        not exact,
        fraction,
        0.0 if ended else history.rate(None, now),
        0.0 if ended else history.wire_rate(None, now),
        (None, "") if ended else history.eta(None, state, now),
        sum(one.state in AT_WORK for one in loaders),
        sum(one.state == "QUEUED" for one in loaders),
        sum(one.state in FINISHED for one in loaders),
        len(loaders),
        sum(one.counts.rejects for one in loaders),
        sum(one.needs_you for one in incidents(state, now)),
        elapsed,
        ended,
    )
