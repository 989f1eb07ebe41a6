"""The room that a run finds on its disks: too little for anything is refused, little is said."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..disk import files_left, free_bytes, size, standing
from ..errors import PolecatsError
from .publishing import say

LEAST_BYTES = 2**20
LEAST_FILES = 64
"""Below these not even a small run could keep what it makes."""
TIGHT = 256 * 2**20
"""A worker holds up to eight megabytes before it writes them, and a source has many times that."""


def check_room(folder: Path) -> None:
    """Raises `PolecatsError` where the disk of a folder has clearly no room for a run."""
    free, files = free_bytes(folder), files_left(folder)
    if free is not None and free < LEAST_BYTES:
        what = f"needs {size(LEAST_BYTES)} at the very least, {size(free)} free"
    elif files is not None and files < LEAST_FILES:
        what = f"needs {LEAST_FILES} new files (inodes) at the very least, {files} free"
    else:
        return
    raise PolecatsError(f"{folder}: the disk is full: a run {what}. Free space and run again.")


def tight(places: Iterable[Path]) -> None:
    """Say it where little is free on the disk of a place; once a disk."""
    disks = {standing(place).stat().st_dev: place for place in places}
    for place in disks.values():
        free = free_bytes(place)
        if free is not None and free < TIGHT:
            say(f"Note: {size(free)} free on the disk of {place}. If that is too little, what is committed is kept.")
