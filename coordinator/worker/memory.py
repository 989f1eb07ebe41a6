"""What the kernel tells of memory that ran out."""

from __future__ import annotations

from pathlib import Path


def oom_kills() -> int:
    """How many processes of this machine the kernel has ended for want of memory; 0 where it does not tell."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
