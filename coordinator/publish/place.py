"""Whether a file can be published at a place, found out before anything is made for it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..disk import DiskError, free_bytes, size, standing
from ..errors import ExitCode, PolecatsError

LONGEST_EXTRA = len("..12345678.previous.tmp")
"""Bytes that the longest name of a file beside the output has more than the output's own."""


def check_place(output: Path) -> None:
    """Raises `PolecatsError` where no merge can put a file, whatever it holds. Writes nothing."""
    folder = standing(output.parent)
    try:
        mode = os.stat(output).st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    except OSError as error:
        raise _refused(DiskError(error, output).sentence) from None
    if stat.S_ISDIR(mode):
        raise _refused(f"{output} is a folder: name a file in it")
    if not stat.S_ISREG(mode):
        raise _refused(f"{output} is a device or a pipe, and a merge replaces a file as a whole: name an ordinary one")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _refused(f"{output} cannot be written: {_locked(folder)}")
    if len(os.fsencode(output.name)) + LONGEST_EXTRA > os.pathconf(folder, "PC_NAME_MAX"):
        raise _refused(f"{output} cannot be written: its name is too long")


def _locked(folder: Path) -> str:
    """Why nothing can be put into a folder. A read-only file system refuses root, too."""
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return f"the file system of {folder} is read-only"
    return f"{folder} is not yours to write to"


def check_room(output: Path, needed: int) -> None:
    """Raises `PolecatsError` where the disk of `output` has less than `needed` bytes free."""
    free = free_bytes(output.parent)
    if free is not None and free < needed:
        sentence = f"{output}: the disk is too full for it: the merge needs {size(needed)}, {size(free)} free. "
        sentence += "Free space, or choose a file on another disk with --output."
        raise PolecatsError(sentence, ExitCode.REFUSED)


def _refused(sentence: str) -> PolecatsError:
    return PolecatsError(f"{sentence}. Choose another file with --output.", ExitCode.REFUSED)
