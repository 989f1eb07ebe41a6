"""Memory: what the kernel tells of it where it ran out, and how often a worker looks for garbage."""

from __future__ import annotations

import gc
from pathlib import Path

NEW_CONTAINERS = 20_000


def collect_seldom() -> None:
    """Look for cycles less often than Python does by itself: rows make containers by the dozen, and no cycles."""
    gc.set_threshold(NEW_CONTAINERS, *gc.get_threshold()[1:])


def oom_kills() -> int:
    """How many processes of this machine the kernel has ended for want of memory; 0 where it does not tell."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
