"""Numbers, times and small drawings as text. Pure: no clock, no colours."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .palette import Glyphs

UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def number(value: int) -> str:
    """`408,021`."""
    return f"{value:,}"


def short(value: float) -> str:
    """A number in at most five cells: `408k`, `1M`, `1.1M`."""
    return _scaled(value, 1_000, ("", "k", "M", "G", "T"))


def rate(value: float) -> str:
    """A rate in at most five cells: `17.7k`, `900`, `0.4`; nothing for zero."""
    if value < 0.05:
        return ""
    if value < 9.95:
        return f"{value:.1f}"
    if value < 999.5:
        return f"{value:.0f}"
    return f"{value / 1_000:.1f}k" if value < 99_950 else short(value)


def span(seconds: float, short: bool = False) -> str:
    """`00:12:41`, or short: `41s`, `12m`, `3h`, `2d`."""
    whole = max(0, int(seconds))
    if not short:
        return f"{whole // 3_600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
    size, unit = next(((size, unit) for size, unit in UNITS if whole >= size), (1, "s"))
    return f"{whole // size}{unit}"


def minutes(seconds: float) -> str:
    """`01:14`; from an hour on `1:02:03`."""
    whole = max(0, int(seconds))
    hours = f"{whole // 3_600}:" if whole >= 3_600 else ""
    return f"{hours}{whole // 60 % 60:02}:{whole % 60:02}"


def eta_text(seconds: float | None, confidence: str) -> str:
    """`00:12` sure, `~00:12` fair, `~2 h` rough, nothing when unknown."""
    if seconds is None or not confidence:
        return ""
    if confidence == "sure":
        return minutes(seconds)
    if confidence == "fair" and seconds < 36_000:
        return f"~{minutes(seconds)}"
    return f"~{_coarse(seconds)}"


def _coarse(seconds: float) -> str:
    """The largest unit alone: more digits would promise more than is known."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size * 0.95:
            return f"{round(seconds / size)} {unit}"
    return "1 min"


def size(count: float) -> str:
    """Bytes: `312M`, `1.1G`, `84G`."""
    return _scaled(count, 1_024, ("", "K", "M", "G", "T", "P"))


def wire_rate(value: float) -> str:
    """Bytes a second over the wire in a column of rates: `12MB/s`, `1.2MB/s`, `640kB/s`; nothing for less than one."""
    return f"{short(value)}B/s" if value >= 1 else ""


def _scaled(value: float, base: int, units: Sequence[str]) -> str:
    step = 0
    while round(value, 1 if value < 9.95 else 0) >= base and step < len(units) - 1:
        value /= base
        step += 1
    digits = 1 if step and value < 9.95 and round(value, 1) != round(value) else 0
    return f"{value:.{digits}f}{units[step]}"


def clock(at: float) -> str:
    """A time of the day: `15:38:22`, in the zone of the machine."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def bar(fraction: float, width: int, glyphs: Glyphs) -> tuple[str, str]:
    """The full and the empty piece of a bar, together `width` cells. It is full only when all is done."""
    halves = min(int(max(0.0, fraction) * width * 2), width * 2)
    whole, half = divmod(halves, 2)
    full = glyphs.bar * whole + glyphs.bar_half * half
    return full, glyphs.bar_rest * (width - whole - half)


def spark_text(values: Sequence[float], width: int, glyphs: Glyphs) -> str:
    """`width` cells, from zero to the best of `values`; the newest is right. Blank where nothing has moved."""
    best = max(values, default=0.0)
    steps = len(glyphs.sparks)
    shown = [
        glyphs.sparks[min(steps - 1, int(value / best * steps))] if value > 0 else " " for value in values[-width:]
    ]
    return "".join(shown).rjust(width)
