"""What the kernel tells of memory that ran out, and what it gets back."""

from __future__ import annotations

import ctypes
from pathlib import Path


def oom_kills() -> int:
    """How many processes of this machine the kernel has ended for want of memory; 0 where it does not tell."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def give_back() -> None:
    """Hand freed memory back to the system, where the C library can: else a process that lives on, as an engine does,
    keeps what each merge in it needed at most."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
