"""What polecats has in the cache: whole files that it brought, parts of files, small facts; each can be taken out.

Of each file a record tells that it is polecats' own. It grows by a line for each name that the file has got, so that
two processes can add to it at once:

    {"repo", "etag", "size", "written", "commit", "path"}

`written` is when the blob was written: where huggingface_hub has put another one in its place, that is not ours.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

import orjson

from .hub_layout import PREFIX, SHORT, Layout, blob_name, leads_to, written
from .remote_file import RemoteFile

Removal = Literal["removed", "left", "in use"]
"""`left`: huggingface_hub uses it, too, so it does not count any more. `in use`: it stays; also if the disk refuses."""
RECORD = ".jsonl"
LOCK = ".lock"
ABOUT = ".json"
"""Beside the parts of a file: which file it is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that polecats has in the cache. `used`: when it was last used, in seconds since the epoch."""

    repo: str
    path: str
    commit: str
    size: int
    """Bytes that count; for parts the room that is set aside for the whole file."""
    used: float
    whole: bool


class Retained(Protocol):
    """Something that takes room in the cache."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def used(self) -> float:
        """Seconds since the epoch."""

    def remove(self) -> Removal:
        """Take it out, if nobody is at it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A record's line."""

    repo: str
    etag: str
    size: int
    written: int
    commit: str
    path: str


def note(record: Path, file: RemoteFile, written: int) -> None:
    """Add a name of a file to its record. Raises `OSError`."""
    record.parent.mkdir(parents=True, exist_ok=True)
    line = Line(file.repo, file.etag, file.size, written, file.commit, file.path)
    handle = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, b"\n" + orjson.dumps(asdict(line)) + b"\n")  # behind a line that was cut short
    finally:
        os.close(handle)


def lines_of(record: Path) -> list[Line]:
    """A record's lines; what is no line, or is cut short, is left out."""
    found = []
    with suppress(OSError):
        for text in record.read_bytes().splitlines():
            with suppress(ValueError, TypeError):
                found.append(Line(**orjson.loads(text)))
    return found


@contextmanager
def alone_with(path: Path, flags: int = 0) -> Iterator[bool]:
    """Whether nobody else holds a lock on the file at `path`; then nobody gets one. Raises `OSError`."""
    handle = os.open(path, os.O_RDWR | flags, 0o644)
    try:
        yield _locks(handle) and os.path.samestat(os.fstat(handle), os.stat(path))
    finally:
        os.close(handle)


def _locks(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class WholeFile:
    """A file in huggingface_hub's layout that polecats brought."""

    def __init__(self, hub: Path, record: Path, lines: list[Line], used: float) -> None:
        self.used = used
        self._hub, self._record, self._lines = hub, record, lines

    @property
    def _layout(self) -> Layout:
        return Layout.of(self._hub, self._lines[0].repo)

    @property
    def _name(self) -> str:
        return blob_name(self._lines[0].etag)

    @property
    def size(self) -> int:
        """As it stands there; 0 where it is gone, or another's."""
        with suppress(OSError):
            return self._lines[0].size if self._blob_is_ours() or any(self._plain()) else 0
        return 0

    def _blob_is_ours(self) -> bool:
        return written(self._layout.blob(self._name)) in {line.written for line in self._lines}

    def _plain(self) -> Iterator[Path]:
        """Where the file system has no links, the file stands under one of its names."""
        marks = {line.written for line in self._lines}
        return (path for path in self._pointers() if written(path) in marks)

    def _pointers(self) -> set[Path]:
        return {self._layout.pointer(line.commit, line.path) for line in self._lines}

    @property
    def entry(self) -> Entry:
        """For the command line, under the name that it got last."""
        line = self._lines[-1]
        return Entry(line.repo, line.path, line.commit, self.size, self.used, whole=True)

    def remove(self) -> Removal:
        """See `Retained.remove`. Pointers go before what they lead to, the record goes last."""
        if not self._record.exists():
            return "left"
        with suppress(OSError), alone_with(self._record) as alone:
            self._lines = lines_of(self._record) or self._lines
            if not alone:
                return "in use"
            with self._layout.locked(self._name, SHORT) as had:
                removal = self._take_out() if had else "in use"
            if removal != "in use":
                self._record.unlink()
            return removal
        return "in use"

    def _take_out(self) -> Removal:
        if self._blob_is_ours():
            ours = self._pointers()
            if self._layout.pointers_to(self._name) - ours:
                return "left"
            for pointer in ours:
                if leads_to(pointer, self._name):
                    pointer.unlink()
            self._layout.blob(self._name).unlink()
        for path in list(self._plain()):
            path.unlink()
        self._layout.tidy(self._pointers())
        return "removed"


class Parts:
    """What there is of a file that is not whole: files with one stem. A lock tells whether somebody fills it."""

    def __init__(self, hub: Path, stem: Path, files: Mapping[Path, os.stat_result]) -> None:
        self.used = max(found.st_mtime for found in files.values())
        self.size = sum(found.st_size for path, found in files.items() if path.suffix != ABOUT)
        self.stem = stem
        self._hub, self._files = hub, list(files)

    @property
    def entry(self) -> Entry:
        """For the command line."""
        about = (lines_of(self.stem.with_name(self.stem.name + ABOUT)) or [Line("", "", 0, 0, "", "")])[-1]
        folder = self.stem.name.rpartition("--")[0]
        repo = about.repo or folder.removeprefix(PREFIX).replace("--", "/")
        return Entry(repo, about.path, about.commit, self.size, self.used, whole=False)

    def remove(self) -> Removal:
        """See `Retained.remove`."""
        lock = self.stem.with_name(self.stem.name + LOCK)
        with suppress(OSError), alone_with(lock, os.O_CREAT) as alone:
            if not alone:
                return "in use"
            folder, _, name = self.stem.name.rpartition("--")
            for path in (Layout(self._hub, folder).staged(name), *self._files, lock):
                path.unlink(missing_ok=True)
            return "removed"
        return "in use"


class Fact:
    """Something small that spares a request."""

    def __init__(self, path: Path, found: os.stat_result) -> None:
        self.size, self.used = found.st_size, found.st_mtime
        self._path = path

    def remove(self) -> Removal:
        """See `Retained.remove`."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
            return "removed"
        return "in use"


def touch(path: Path) -> None:
    """It was used now."""
    with suppress(OSError):
        os.utime(path)


def listed(folder: Path) -> dict[Path, os.stat_result]:
    """The files of a folder; none where it cannot be read."""
    found = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                found[Path(entry.path)] = entry.stat()
    return found
