"""What came from the Hub and what from the cache, in words and figures. Pure: a loader's state and a time in."""

from __future__ import annotations

from collections.abc import Collection

from ..disk import decimal_size
from .state import LoaderStatus


def has_traffic(status: LoaderStatus) -> bool:
    """Whether anything comes over the wire or from the cache: else nobody needs to be told."""
    return bool(status.wire or status.cached or status.to_fetch)


def speed(rate: float) -> str:
    """Bytes a second: `12.4 MB/s`, `640 kB/s`; nothing for less than one."""
    return f"{decimal_size(rate)}/s" if rate >= 1 else ""


def average_rate(status: LoaderStatus, at: float) -> float:
    """Bytes a second over the wire since the loader was opened in this run."""
    if status.started is None:
        return 0.0
    seconds = (status.ended or at) - status.started
    return status.wire / seconds if seconds > 0 else 0.0


def waits_for(status: LoaderStatus, at: float) -> str:
    """`429 from the Hub`, `network`, `converter`, or nothing where it does not read."""
    if status.wait(at):
        return status.waiting
    return status.bound if status.state in ("OPENING", "STREAMING") else ""


def traffic(statuses: Collection[LoaderStatus], rate: float) -> str:
    """`over the wire 157.3 MB of 160 MB (12.4 MB/s), from the cache 20 MB`; what is nothing is left out.

    `rate` in bytes a second. Only of a single loader is it told how much has to come: others may not have begun.
    """
    wire, cached = sum(one.wire for one in statuses), sum(one.cached for one in statuses)
    to_fetch = sum(one.to_fetch for one in statuses) if len(statuses) == 1 else 0
    parts = [f"from the cache {decimal_size(cached)}"] if cached else []
    if wire or to_fetch:
        total = f" of {decimal_size(to_fetch)}" if to_fetch >= wire else ""
        fast = f" ({speed(rate)})" if speed(rate) else ""
        parts.insert(0, f"over the wire {decimal_size(wire)}{total}{fast}")
    return ", ".join(parts)
