"""A loader's output on disk: parts, and the commits that make them count, exactly once.

A segment of rows becomes files (lines, 16-byte keys, rejects), each written under a temporary name, synced and
renamed; then one record in commits.jsonl, synced, names them with their checksums, the reader's cursor and the
counts so far. What no commit names does not exist: it is removed when the folder is opened. A torn last record
is cut off. header.json says what the commits were made from.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
from xxhash import xxh3_128

from ..disk import DiskError, naming, removed_on_error, write_pieces, write_whole
from ..events import Counts, decode_counts
from .streams.base import Cursor

HEADER = "header.json"
COMMITS = "commits.jsonl"
FORMAT = 3
"""2: other reader states, and slices of strided sources in another order."""
checksum = xxh3_128
_XXH3 = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class PartFile:
    """A committed file: name, rows, bytes, and the XXH3 of 128 bits in hex.

    It tells damage, and is read as fast as memory. Nobody needs to be kept from forging it who could not as well
    write the record; what is published has a SHA-256.
    """

    name: str
    rows: int
    bytes: int
    xxh3: str


@dataclass(frozen=True, slots=True)
class Commit:
    """One committed segment. `counts` are those since the loader's beginning; `done`: upstream is exhausted."""

    number: int
    part: PartFile | None
    keys: PartFile | None
    rejects: PartFile | None
    cursor: Cursor
    counts: Counts
    done: bool

    def encode(self) -> bytes:
        """The record's line."""
        return orjson.dumps({**asdict(self), "cursor": list(self.cursor)}) + b"\n"


def decode_commit(line: bytes) -> Commit:
    """The commit on a line. Raises `ValueError` for anything else.

    A loader's code can write here: a file's name is the one that its commit's number gives, and nothing else.
    """
    try:
        data = json.loads(line, parse_int=_count_of)
        number, done = data["number"], data["done"]
        if type(number) is not int or type(done) is not bool:
            raise ValueError("not a commit record")
        return Commit(
            number,
            part=_file_of(data["part"], f"part-{number:05d}.jsonl"),
            keys=_file_of(data["keys"], f"part-{number:05d}.keys"),
            rejects=_file_of(data["rejects"], f"rejects-{number:05d}.jsonl"),
            cursor=_cursor_of(data["cursor"]),
            counts=decode_counts(data["counts"]),
            done=done,
        )
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a commit record: {error}") from None


def _count_of(text: str) -> int:
    if len(text) > 19:
        raise ValueError("a number that nothing here reaches")
    return int(text)


def _file_of(data: Any, name: str) -> PartFile | None:
    if data is None:
        return None
    file = PartFile(**data)
    sizes = all(type(size) is int and size > 0 for size in (file.rows, file.bytes))
    if file.name != name or not sizes or not _XXH3.fullmatch(file.xxh3):
        raise ValueError(f"not the record of {name}")
    return file


def _cursor_of(data: Any) -> Cursor:
    cursor = Cursor(*data)
    if not isinstance(cursor.state, dict | None) or type(cursor.taken) is not int or cursor.taken < 0:
        raise ValueError("not a cursor")
    return cursor


def read_commits(folder: Path) -> tuple[list[Commit], int]:
    """The commits of a loader's folder in order, and the length of the sound part of the file.

    Reading stops at the first record that is torn or out of order: what follows was never promised.
    """
    path = folder / COMMITS
    commits: list[Commit] = []
    length = 0
    if _is_own_file(path):
        for line in path.read_bytes().splitlines(keepends=True):
            try:
                commit = decode_commit(line)
            except ValueError:
                break
            if not line.endswith(b"\n") or commit.number != len(commits):
                break
            commits.append(commit)
            length += len(line)
    return commits, length


def unread_record(folder: Path, length: int) -> bool:
    """Whether a whole record stands behind the sound ones: damage, and not the torn end that a kill leaves."""
    path = folder / COMMITS
    if not _is_own_file(path):
        return os.path.lexists(path)
    with path.open("rb") as records:
        records.seek(length)
        return b"\n" in records.read()


def _is_own_file(path: Path) -> bool:
    """A regular file: a link would lead out of the folder, a pipe would be waited on."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def read_header(folder: Path) -> dict[str, Any] | None:
    """What the commits of a folder were made from, or None."""
    try:
        header = json.loads((folder / HEADER).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return header if isinstance(header, dict) else None


class _Pieces:
    """Items joined, each with its `end`, into pieces that stay in the processor's cache on their way to the disk's.

    `total`: bytes of all; `digest` is that of the pieces that were read.
    """

    ITEMS = 128

    def __init__(self, items: list[bytes], end: bytes) -> None:
        self._items = items
        self._end = end
        self.total = sum(map(len, items)) + len(end) * len(items)
        self.digest = checksum()

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._items), self.ITEMS):
            items = self._items[start : start + self.ITEMS]
            piece = self._end.join([*items, b""])
            self.digest.update(piece)
            yield piece


class PartWriter:
    """Writes one loader's folder. `open` tells where to go on; `add` and `reject` gather; `commit` makes it count."""

    def __init__(self, folder: Path, sync: Callable[[int], None] = os.fsync) -> None:
        self.folder = folder
        self._sync = sync
        self.last: Commit | None = None
        self._next = 0
        self._lines: list[bytes] = []
        self._keys: list[bytes] = []
        self._rows = 0
        self._rejects: list[bytes] = []
        self._refused: DiskError | None = None
        self.size = 0

    def open(self, header: dict[str, Any]) -> None:
        """Take up the folder's commits (it is made where absent), drop what no commit names. Raises `DiskError`."""
        with naming(self.folder):
            self._take_up()
        told = json.dumps(header, indent=1, sort_keys=True, default=str).encode() + b"\n"
        write_whole(self.folder / HEADER, told, self._sync)
        self._sync_folder()

    def _take_up(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        commits, length = read_commits(self.folder)
        named = {file.name for commit in commits for file in (commit.part, commit.keys, commit.rejects) if file}
        for path in self.folder.iterdir():
            if path.name not in named and path.name not in (HEADER, COMMITS) and not path.is_dir():
                path.unlink()
        if not _is_own_file(self.folder / COMMITS):
            (self.folder / COMMITS).unlink(missing_ok=True)
        else:
            os.truncate(self.folder / COMMITS, length)
        self.last = commits[-1] if commits else None
        self._next = len(commits)

    def add(self, number: int, lines: bytes, keys: bytes) -> None:
        """So many lines of the next part, joined by newlines, and their keys."""
        self._lines.append(lines)
        self._keys.append(keys)
        self._rows += number
        self.size += len(lines) + 1

    def reject(self, record: bytes) -> None:
        """One rejected row of the next segment."""
        self._rejects.append(record)
        self.size += len(record) + 1

    def commit(self, cursor: Cursor, counts: Counts, done: bool) -> Commit:
        """Make the gathered segment count. Raises `DiskError`, from then on always.

        After a sync that failed nobody knows what is on the disk, and the next may succeed without writing it:
        only a new writer goes on, from what the folder holds.
        """
        if self._refused is not None:
            raise self._refused
        try:
            commit = self._commit(cursor, counts, done)
        except DiskError as error:
            self._refused = error
            raise
        self.last, self._next = commit, commit.number + 1
        self._lines, self._keys, self._rejects, self._rows, self.size = [], [], [], 0, 0
        return commit

    def _commit(self, cursor: Cursor, counts: Counts, done: bool) -> Commit:
        number = self._next
        names = f"part-{number:05d}.jsonl", f"part-{number:05d}.keys", f"rejects-{number:05d}.jsonl"
        with removed_on_error(*(self.folder / name for name in names)):
            part = self._file(names[0], self._rows, self._lines, b"\n")
            keys = self._file(names[1], self._rows, self._keys, b"")
            rejects = self._file(names[2], len(self._rejects), self._rejects, b"\n")
            if part or rejects:
                self._sync_folder()
        commit = Commit(number, part, keys, rejects, cursor, counts.copy(), done)
        self._append(commit.encode())
        return commit

    def _file(self, name: str, rows: int, items: list[bytes], end: bytes) -> PartFile | None:
        if not items:
            return None
        pieces = _Pieces(items, end)
        segment = self.size + sum(map(len, self._keys))
        write_pieces(self.folder / name, pieces, pieces.total, self._sync, segment)
        return PartFile(name, rows, pieces.total, pieces.digest.hexdigest())

    def _append(self, record: bytes) -> None:
        path = self.folder / COMMITS
        with naming(path, len(record)):
            length = path.stat().st_size if path.exists() else 0
            try:
                with path.open("ab") as out:
                    out.write(record)
                    out.flush()
                    self._sync(out.fileno())
                if not length:
                    self._sync_folder()
            except OSError:
                if path.exists():
                    os.truncate(path, length)  # a record that may be torn must not stand before a later one
                raise

    def _sync_folder(self) -> None:
        with naming(self.folder):
            handle = os.open(self.folder, os.O_RDONLY)
            try:
                self._sync(handle)
            finally:
                os.close(handle)


def damaged(folder: Path, commits: list[Commit]) -> str | None:
    """The first committed file that is missing or has another size, in words; None if all stand (not hashed)."""
    for commit in commits:
        for file in filter(None, (commit.part, commit.keys, commit.rejects)):
            if not _is_own_file(folder / file.name):
                return f"{file.name} is missing"
            size = (folder / file.name).stat().st_size
            if size != file.bytes:
                return f"{file.name} has {size:,} bytes instead of {file.bytes:,}"
    return None


def set_aside(folder: Path, aside: Path) -> Path:
    """Move a loader's folder to `aside`/<n>, n the first number free; returns where it now is. Raises `DiskError`."""
    number = 1
    while (aside / str(number)).exists():
        number += 1
    with naming(aside / str(number)):
        aside.mkdir(parents=True, exist_ok=True)
        return folder.rename(aside / str(number))
