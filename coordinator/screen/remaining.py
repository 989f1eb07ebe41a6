"""What is still to come, in rows and in bytes, and how long that takes. Pure: state and speeds in, seconds out."""

from __future__ import annotations

from collections.abc import Iterator

from ..engine.state import LoaderStatus, RunState

ENDED = ("DONE", "CAPPED", "EMPTY", "FAILED", "STALLED", "SKIPPED", "STOPPED")
AT_WORK = ("OPENING", "STREAMING")
STEADY = 20.0
"""Seconds of looking from which on an estimate may be sure."""
Estimate = tuple[float | None, str]
"""Seconds to the end and how far that is to be believed: `sure`, `fair`, `rough`, or nothing."""


def rows_left(state: RunState, name: str | None = None) -> tuple[float | None, bool]:
    """Rows still to read, and whether every loader tells; one that does not is taken for as long as the others are.

    None where fewer than a third tell: that would be a guess about a guess.
    """
    known, unknown, left = [], 0, 0.0
    for status in _named(state, name):
        if status.state in ENDED:
            known += [max(status.rows or 0, status.counts.read)] if status.state in ("DONE", "CAPPED") else []
        elif status.rows is not None:
            known.append(status.rows)
            left += max(0, status.rows - status.counts.read)
        else:
            unknown += 1
            left -= status.counts.read
    if unknown and len(known) < max(1, unknown / 2):
        return None, False
    return (max(0.0, left + unknown * sum(known) / len(known)) if unknown else left), not unknown


def bytes_left(state: RunState, name: str | None = None) -> tuple[float | None, bool]:
    """Bytes still to come over the wire, and whether every loader tells; None where none are known to come."""
    going = [status for status in _named(state, name) if status.state not in ENDED]
    left = sum(max(0, status.to_fetch - status.wire) for status in going)
    return (float(left) if left else None), all(status.to_fetch for status in going)


def at_work(state: RunState, name: str | None = None) -> list[LoaderStatus]:
    """The loaders of a name that are being read."""
    return [status for status in _named(state, name) if status.state in AT_WORK]


def _named(state: RunState, name: str | None) -> Iterator[LoaderStatus]:
    """A loader, those of a track, or all."""
    for one, status in state.loaders.items():
        if name is None or name in (one, one.partition("/")[0]):
            yield status


def estimate(left: float | None, exact: bool, speeds: tuple[float, float], looked: float) -> Estimate:
    """How long `left` takes at `speeds`: of the last seconds and of the last minute, in units of `left` a second.

    `exact`: `left` is no guess; `looked`: seconds that the speeds have been watched for.
    """
    recent, steady = speeds
    if left is None or recent <= 0 or steady <= 0:
        return None, ""
    seconds = left / steady
    if not exact:
        return seconds, "rough"
    if looked >= STEADY and 0.8 <= recent / steady <= 1.25 and seconds < 3_600:
        return seconds, "sure"
    return seconds, "fair" if looked >= 5 and seconds < 20 * max(looked, 60) else "rough"


def later(by_rows: Estimate, by_bytes: Estimate, alone: bool) -> Estimate:
    """Of two estimates the later one. `alone`: bytes count where rows tell nothing; sure they are not, rows follow."""
    if by_bytes[0] is None:
        return by_rows
    if by_rows[0] is not None:
        return max(by_rows, by_bytes, key=lambda one: one[0] or 0.0)
    if not alone:
        return None, ""
    return by_bytes[0], "fair" if by_bytes[1] == "sure" else by_bytes[1]
