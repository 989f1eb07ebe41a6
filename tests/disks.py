"""Small disks of a test's own: filled, made read-only, or given more room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

Mount = Callable[..., Path]
"""Takes a folder and options of tmpfs; puts a disk there."""


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """A file that takes what is free but for `leave` bytes."""
    free = os.statvfs(folder)
    filler = folder / "filler"
    with filler.open("wb") as out:
        os.posix_fallocate(out.fileno(), 0, free.f_bavail * free.f_frsize - leave)
    return filler


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
