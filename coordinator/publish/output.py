"""A published file's place: one merge at a time, a temporary file beside it, renamed when it is whole."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ..disk import write_whole
from ..errors import ExitCode, PolecatsError


@contextmanager
def alone(folder: Path, waits: Callable[[], None]) -> Iterator[None]:
    """No other merge into a folder while the block runs: file, manifest and card belong together.

    `waits` is called once before another is waited for. Raises `PolecatsError` where there can be no such folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        sentence = f"{folder}: cannot be written: {error.strerror}. Choose another file with --output."
        raise PolecatsError(sentence, ExitCode.REFUSED) from None
    try:
        _wait_for(handle, waits)
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int, waits: Callable[[], None]) -> None:
    with suppress(OSError):  # a file system without locks
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waits()
            fcntl.flock(handle, fcntl.LOCK_EX)


def busy(folder: Path) -> bool:
    """Whether a merge into a folder is under way."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks
    finally:
        os.close(handle)
    return False


@contextmanager
def temporary(output: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A file beside `output` that is gone at the end unless it was renamed.

    A lock marks it as being written: what a killed merge left has none, and is removed here.
    """
    for path in leftovers(output):
        remove_abandoned(path)
    handle, name = tempfile.mkstemp(prefix=f".{output.name}.", suffix=".tmp", dir=output.parent)
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            with suppress(OSError):  # a file system without locks: what is left behind is then not removed either
                fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield out, path
    finally:
        path.unlink(missing_ok=True)


def leftovers(output: Path) -> list[Path]:
    """Temporary files of merges into `output`: of one that goes on, or that was killed."""
    if not output.parent.is_dir():
        return []
    beside = {".README.md.tmp", f".{output.stem}.card.md.tmp", f"..{output.stem}.manifest.json.next.tmp"}
    return [
        path
        for path in sorted(output.parent.glob(".*.tmp"))
        if (path.name.startswith(f".{output.name}.") or path.name in beside) and path.is_file()
    ]


def remove_abandoned(path: Path) -> None:
    """Remove a temporary file that nobody is writing."""
    with suppress(OSError), path.open("rb") as left:
        fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


def previous_of(output: Path) -> Path:
    """Where the file that a merge replaces is kept."""
    return output.with_name(f"{output.stem}.previous{output.suffix}")


def put(whole: Path, output: Path, spare: Path | None = None) -> str:
    """Rename a whole file to `output`, keeping the old one; at every moment one of the two is whole there.

    `spare` is a name in between, else made of `whole`'s. Returns what a person should know of it.
    """
    kept = output.exists()
    if kept:
        _keep(output, spare or whole.with_suffix(".previous.tmp"))
    whole.replace(output)
    sync_folder(output.parent)
    return f"the file before is kept as {previous_of(output)}" if kept else ""


def _keep(output: Path, spare: Path) -> None:
    """Give the file at `output` its second name without taking the first away."""
    try:
        try:
            os.link(output, spare)
        except OSError:  # no hard links here
            shutil.copyfile(output, spare)
        spare.replace(previous_of(output))
    finally:
        spare.unlink(missing_ok=True)  # renaming a link onto a link of the same file leaves both


def write_text(path: Path, text: str) -> None:
    """Write a small file: all of it or, where that fails, nothing. Raises `DiskError`."""
    write_whole(path, text.encode(), os.fsync)


def holds(path: Path, size: int, sha256: str) -> bool:
    """Whether a file has that size and that SHA-256."""
    try:
        if path.stat().st_size != size:
            return False
        with path.open("rb") as data:
            return hashlib.file_digest(data, "sha256").hexdigest() == sha256
    except OSError:
        return False


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
