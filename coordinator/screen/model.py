"""What the screen says of a run: rows of the tree, totals, the selection. Pure: state and time in, values out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ..engine.state import LoaderStatus, RunState, TrackStatus
from .format import minutes
from .history import History
from .incidents import Incident, Mark, again, incidents, mark_of, will_retry
from .remaining import AT_WORK
from .totals import FINISHED, Totals, share, totals

__all__ = [
    "FoldRow",
    "Incident",
    "LoaderRow",
    "Mark",
    "RowItem",
    "Selection",
    "Totals",
    "TrackRow",
    "incidents",
    "mark_of",
    "rows",
    "selected",
    "totals",
    "will_retry",
]
FOLDING: tuple[tuple[Mark, ...], ...] = (("done",), ("done", "queued"), ("done", "queued", "failed"))
"""What folds, the least first. Failed ones only where all then fits: they are what a person looks for."""
IDLE = 5.0
"""Seconds without a record after which a row says so."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What the cursor stands on. No loader: the whole track; no track: the whole run."""

    track: str = ""
    loader: str | None = None
    """The bare name within its track."""

    @property
    def name(self) -> str:
        """`track/loader`, `track`, or nothing."""
        return f"{self.track}/{self.loader}" if self.loader else self.track


@dataclass(frozen=True, slots=True)
class TrackRow:
    """A track: sums over its loaders."""

    track: str
    status: TrackStatus
    done: int
    loaders: int
    samples: int
    fraction: float | None
    rate: float
    rejected: int
    eta: tuple[float | None, str]
    folded: bool
    note: str = ""

    @property
    def key(self) -> str:
        """What the cursor holds on to."""
        return self.track


@dataclass(frozen=True, slots=True)
class LoaderRow:
    """A loader. `reason` stands in place of bar and figures."""

    track: str
    loader: str
    status: LoaderStatus
    mark: Mark
    word: str
    fraction: float | None
    rate: float
    idle: float
    eta: tuple[float | None, str]
    reason: str = ""
    wire_rate: float = 0.0
    """Bytes a second over the wire."""

    @property
    def name(self) -> str:
        """`track/loader`."""
        return f"{self.track}/{self.loader}"

    @property
    def key(self) -> str:
        """What the cursor holds on to."""
        return self.name


@dataclass(frozen=True, slots=True)
class FoldRow:
    """Rows that had no room: all done or all queued ones of a track."""

    track: str
    mark: Mark
    loaders: tuple[str, ...]

    @property
    def key(self) -> str:
        """What the cursor holds on to."""
        return f"{self.track}:{self.mark}"


RowItem = TrackRow | LoaderRow | FoldRow


# --- the tree


def rows(
    state: RunState,
    history: History,
    now: float,
    *,
    filter: str = "",
    folded: Collection[str] = (),
    opened: Collection[str] = (),
    height: int = 0,
    keep: str = "",
) -> list[RowItem]:
    """The tree in its fixed order. Where it has more than `height` rows (0: no limit) finished, then queued loaders
    of a track fold to one row, never `keep` (the name under the cursor) nor what was `opened` (keys of folds)."""
    full = list(_all_rows(state, history, now, filter.lower(), folded))
    if not height or len(full) <= height:
        return [*full]
    levels = [list(_fold(full, marks, keep, opened)) for marks in FOLDING]
    return next((less for less in levels if len(less) <= height), levels[1])


def _all_rows(
    state: RunState, history: History, now: float, filter: str, folded: Collection[str]
) -> Iterator[TrackRow | LoaderRow]:
    for track in state.tracks:
        names = [name for name in state.loaders if name.partition("/")[0] == track]
        shown = [name for name in names if filter in name.lower() or filter == mark_of(state, name)]
        if filter and not shown:
            continue
        closed = track in folded and not filter
        yield _track_row(state, history, now, track, names, closed)
        if not closed:
            yield from (_loader_row(state, history, now, name) for name in shown)


def _fold(
    full: list[TrackRow | LoaderRow], marks: tuple[Mark, ...], keep: str, opened: Collection[str]
) -> Iterator[RowItem]:
    """Loaders of a mark become one row at the end of their track, where there are two or more."""
    for index, item in enumerate(full):
        if not isinstance(item, TrackRow):
            continue
        loaders = _until_track(full, index + 1)
        closed = [mark for mark in marks if f"{item.track}:{mark}" not in opened]
        groups = {mark: [one for one in loaders if one.mark == mark and one.name != keep] for mark in closed}
        hidden = {one.name for group in groups.values() if len(group) > 1 for one in group}
        yield item
        yield from (one for one in loaders if one.name not in hidden)
        for mark, group in groups.items():
            if len(group) > 1:
                yield FoldRow(item.track, mark, tuple(one.loader for one in group))


def _until_track(full: list[TrackRow | LoaderRow], begin: int) -> list[LoaderRow]:
    loaders: list[LoaderRow] = []
    for item in full[begin:]:
        if isinstance(item, TrackRow):
            break
        loaders.append(item)
    return loaders


def _track_row(state: RunState, history: History, now: float, track: str, names: list[str], folded: bool) -> TrackRow:
    status, loaders = state.tracks[track], [state.loaders[name] for name in names]
    note = again(status, now) if status.state == "BACKOFF" else ""
    fraction, _ = share(state, track)
    return TrackRow(
        track,
        status,
        sum(one.state in FINISHED for one in loaders),
        len(loaders),
        sum(one.counts.samples for one in loaders),
        fraction,
        history.rate(track, now) if _working(loaders) else 0.0,
        sum(one.counts.rejects for one in loaders),
        history.eta(track, state, now),
        folded,
        note,
    )


def _loader_row(state: RunState, history: History, now: float, name: str) -> LoaderRow:
    track, _, loader = name.partition("/")
    status = state.loaders[name]
    mark: Mark = "retry" if status.wait(now) else mark_of(state, name)
    working = status.state in AT_WORK
    return LoaderRow(
        track,
        loader,
        status,
        mark,
        "waiting" if status.wait(now) else _word(status, mark),
        status.counts.read / status.rows if working and status.rows else None,
        history.rate(name, now) if working else 0.0,
        history.idle(name, now) if working else 0.0,
        history.eta(name, state, now) if working else (None, ""),
        _reason(status, mark, state.tracks[track], now),
        history.wire_rate(name, now) if working else 0.0,
    )


def _word(status: LoaderStatus, mark: Mark) -> str:
    """The state as a row has it: in capitals what waits for a person."""
    if mark in ("retry", "gated", "failed"):
        return mark if mark == "retry" else mark.upper()
    if status.state in AT_WORK:
        return "stalled" if mark == "stalled" else "opening" if status.state == "OPENING" else "running"
    return status.state if status.state == "STALLED" else status.state.lower()


def _reason(status: LoaderStatus, mark: Mark, track: TrackStatus, now: float) -> str:
    """The code for a row; the strip has the sentence, the drawer the whole."""
    if status.wait(now):
        return status.wait(now).removeprefix("waiting ")
    if mark == "retry":
        cause = status.failure.failure_class if status.failure else "worker lost"
        return f"{cause}, {again(track, now)}"
    if mark == "gated":
        return "accept the terms, set HF_TOKEN"
    if mark == "stalled" and status.failure is None:
        return f"idle {minutes(track.idle)}"
    if status.failure is not None:
        return status.failure.failure_class
    if status.state == "OPENING" and status.replayed:
        return f"replaying row {status.replayed:,}"
    return ""


def _working(loaders: list[LoaderStatus]) -> bool:
    return any(one.state in AT_WORK for one in loaders)


def selected(state: RunState, selection: Selection) -> list[str]:
    """The loaders (`track/loader`) that a selection means."""
    if not selection.track:
        return list(state.loaders)
    return [name for name in state.loaders if selection.name in (name, name.partition("/")[0])]
