"""What a disk refuses, told in words: which file, how much it needs, how much is free. And files written whole."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Refusals that more room mends."""
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) ?(B|[kKMGT]i?B)")
_WORTH_RESERVING = 2**20
_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE of fallocate(2)
_WHY = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "its file system is read-only",
    errno.EIO: "the disk failed (input/output error)",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENAMETOOLONG: "its name is too long",
}


class DiskError(OSError):
    """A file that the disk refused: the `OSError` with its path, and a sentence for the user, without a full stop."""

    def __init__(self, error: OSError, path: Path, needed: int = 0) -> None:
        super().__init__(error.errno, error.strerror or str(error), str(path))
        self.sentence = f"{path} cannot be written: {_why(error, path, needed)}"

    def __str__(self) -> str:
        return self.sentence


def _why(error: OSError, path: Path, needed: int) -> str:
    why = _WHY.get(error.errno or 0) or error.strerror or str(error)
    if error.errno not in FULL:
        return why
    if error.errno == errno.ENOSPC and files_left(path) == 0:
        return "the disk takes no more files (0 inodes free)"
    free = free_bytes(path)
    figures = [f"needs {size(needed)}"] * bool(needed) + [f"{size(free or 0)} free"] * (free is not None)
    return f"{why} ({', '.join(figures)})" if figures else why


@contextmanager
def naming(path: Path, needed: int = 0) -> Iterator[None]:
    """Turns an `OSError` of the block into a `DiskError`: a failed write or sync names no file by itself.

    `needed`: bytes that the block wants to write, where that is known.
    """
    try:
        yield
    except DiskError:
        raise
    except OSError as error:
        raise DiskError(error, path, needed) from error


def write_whole(path: Path, data: bytes, sync: Callable[[int], None] = os.fsync) -> None:
    """Write a file beside its place, sync it, rename it: who looks sees the old one or the new one, never half.

    Raises `DiskError`; then nothing is left of it.
    """
    write_pieces(path, [data], len(data), sync)


def write_pieces(
    path: Path, pieces: Iterable[bytes], total: int, sync: Callable[[int], None] = os.fsync, needed: int | None = None
) -> None:
    """See `write_whole`; of data that comes in pieces, `total` bytes.

    `needed`: bytes of all that is written with it, for a user's eyes.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with naming(path, total if needed is None else needed), removed_on_error(temporary):
        with temporary.open("wb") as out:
            reserve(out.fileno(), total)
            out.writelines(pieces)
            out.flush()
            sync(out.fileno())
        temporary.replace(path)


def reserve(handle: int, total: int) -> None:
    """Set room aside for a file's first `total` bytes, where the file system can: it then takes them much faster than
    if it found room page by page, and in fewer extents. The file's size stays; too little room is told by the writes.
    """
    if sys.platform == "linux" and total >= _WORTH_RESERVING:
        ctypes.CDLL(None).fallocate(handle, _KEEP_SIZE, ctypes.c_long(0), ctypes.c_long(total))


@contextmanager
def removed_on_error(*paths: Path) -> Iterator[None]:
    """Removes files if the block raises an `OSError`: half a file on a full disk would keep it full."""
    try:
        yield
    except OSError:
        for path in paths:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise


def free_bytes(path: Path) -> int | None:
    """Bytes that this user may still write where `path` is or would be; None where the disk does not tell."""
    found = _status(path)
    return found.f_bavail * found.f_frsize if found and found.f_blocks else None


def files_left(path: Path) -> int | None:
    """Files that may still be made where `path` is or would be; None where the disk sets no limit."""
    found = _status(path)
    return found.f_favail if found and found.f_files else None


def standing(path: Path) -> Path:
    """The nearest folder at or above `path` that is there."""
    return next((folder for folder in (path, *path.parents) if os.path.isdir(folder)), path)


def unwritable(path: Path) -> OSError | None:
    """Why nothing can be written at `path`, which need not be there; None where it can. Changes nothing."""
    place = next((found for found in (path, *path.parents) if os.path.lexists(found)), path)
    if not os.path.isdir(place):
        return NotADirectoryError(errno.ENOTDIR, f"{place} is no folder")
    if os.access(place, os.W_OK | os.X_OK):
        return None
    number = errno.EROFS if os.statvfs(place).f_flag & os.ST_RDONLY else errno.EACCES
    return OSError(number, os.strerror(number))


def _status(path: Path) -> os.statvfs_result | None:
    try:
        return os.statvfs(standing(path))
    except OSError:
        return None


def size(count: int) -> str:
    """`512 B`, `1.9 MiB`."""
    if count < 1024:
        return f"{count} B"
    power = min((count.bit_length() - 1) // 10, 4)
    return f"{count / 1024**power:,.1f} {' KMGT'[power]}iB"


def decimal_size(count: float) -> str:
    """`512 B`, `160 MB`, `157.3 MB`: in powers of 1,000, as tools show what comes over a network."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if count >= 999.95 * 1_000 ** (power - 1):
            return f"{count / 1_000**power:,.1f}".removesuffix(".0") + f" {unit}"
    return f"{count:.0f} B"


def size_of(text: str) -> int:
    """Bytes of what a person writes: `0`, `500 MiB` (powers of 1,024), `1.5 GB` (of 1,000). Raises `ValueError`."""
    if text == "0":
        return 0
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    unit = found[2].removesuffix("B").upper()
    power = "_KMGT".index(unit[:1] or "_")
    return int(Fraction(found[1]) * (1_024 if unit.endswith("I") else 1_000) ** power)
