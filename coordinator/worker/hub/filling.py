"""A file of the Hub on its way into the cache: fetched in blocks, read while it fills, whole and checked at the end.

Its blocks lie in one file, beside a table with the XXH3 of each block that is there, so that what an earlier process
left, or a power cut, is known for what it is. One process at a time fills a file, the one that holds its lock; others
read what it brings, and take over where it ends too early.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from pathlib import Path

from xxhash import xxh3_128

from ...disk import DiskError, naming, reserve
from ..failures import AlteredFile
from .meter import METER
from .ranges import Sink
from .remote_file import RemoteFile
from .store import Store

BLOCK = 4 * 2**20
"""Bytes that are asked for at once: at 40 MB/s a connection and 60 ms an answer, two thirds of its time bring bytes."""
TAIL = 2**18
"""Bytes of the last block: the footer of a parquet file is read before all else."""
MARK = 16
"""Bytes of a block's entry in the table; zero where the block is absent."""
PIECE = 2**20
Fetch = Callable[[RemoteFile, int, int, Sink], None]


def blocks_of(size: int) -> list[tuple[int, int]]:
    """Start and end of each block of a file of `size` bytes; the last one is small."""
    if size <= BLOCK + TAIL:
        return [(0, size)] if size else []
    body = size - TAIL
    return [*((start, min(start + BLOCK, body)) for start in range(0, body, BLOCK)), (body, size)]


class Filling:
    """One file that is being filled. `change` is notified when blocks have come.

    Raises `OSError` where the disk does not let it begin.
    """

    def __init__(
        self, file: RemoteFile, store: Store, fetch: Fetch, change: threading.Condition, revision: str
    ) -> None:
        self.file, self._store, self._fetch, self._change, self._revision = file, store, fetch, change, revision
        self.blocks = blocks_of(file.size)
        self.error: BaseException | None = None
        self.whole: Path | None = None
        """Where the file stands once it is whole and checked."""
        self._due = 0
        self._wanted: int | None = None
        """The block that a read waits for."""
        self._under_way: set[int] = set()
        self._present: set[int] = set()
        self.before: frozenset[int] = frozenset()
        """Blocks that an earlier process had brought."""
        stem = store.parts_of(file)
        self._paths = [stem.with_name(stem.name + suffix) for suffix in (".data", ".have", ".lock")]
        self._handles: list[int] = []
        self._closed = self.ours = False
        try:
            for path in self._paths:
                self._handles.append(os.open(path, os.O_RDWR | os.O_CREAT, 0o644))
            self._data, self._have, self._lock = self._handles
            self.take_over()
        except OSError:
            self.close()
            raise

    # --- whose it is

    def take_over(self) -> bool:
        """Be the one that fills it, if nobody is; returns whether this process is. Raises `OSError`."""
        if self.ours or self.whole is not None:
            return self.ours
        with suppress(BlockingIOError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._moved():
                return False
            self.ours = True
            self._take_stock()
        return self.ours

    def _moved(self) -> bool:
        """Whether whoever filled it has finished: then it stands in the Hub's layout, or nowhere."""
        try:
            same = os.path.samestat(os.stat(self._paths[0]), os.fstat(self._data))
        except FileNotFoundError:
            same = False
        if not same:
            self.whole = self._store.find(self.file)
            if self.whole is None:
                self.error = AlteredFile(self.file.place)
        return not same

    def _take_stock(self) -> None:
        """Keep the blocks that are what the table says."""
        reserve(self._data, self.file.size)
        with naming(self._paths[0], self.file.size):
            os.truncate(self._data, self.file.size)
            os.truncate(self._have, MARK * len(self.blocks))
        for number, told in self._table():
            if _digest(self._data, *self.blocks[number]) == told:
                self._present.add(number)
            else:
                os.pwrite(self._have, bytes(MARK), number * MARK)
        self.before = frozenset(self._present)

    def _table(self) -> list[tuple[int, bytes]]:
        """The entries of blocks that are not known to be here."""
        table = os.pread(self._have, MARK * len(self.blocks), 0)
        entries = ((number, table[number * MARK : number * MARK + MARK]) for number in range(len(self.blocks)))
        return [(number, told) for number, told in entries if any(told) and number not in self._present]

    # --- filling

    @property
    def missing(self) -> int:
        """Bytes that are not here yet."""
        return sum(end - start for number, (start, end) in enumerate(self.blocks) if number not in self._present)

    def take(self, end_only: bool = False) -> Callable[[], None] | None:
        """See `Feed.take`: what is waited for, then what comes behind what was read last, then the rest. `end_only`:
        what is waited for, or its end."""
        with self._change:
            if self._closed or not self.ours or self.error is not None or self.whole is not None:
                return None
            number = self._next(end_only)
            if number is None:
                return None
            self._under_way.add(number)
        return lambda: self._bring(number)

    def _next(self, end_only: bool) -> int | None:
        def free(number: int) -> bool:
            return number not in self._present and number not in self._under_way

        last, wanted = len(self.blocks) - 1, self._wanted
        if wanted is not None and free(wanted):
            return wanted
        if end_only:
            return last if last >= 0 and free(last) else None
        order = chain(range(self._due, last + 1), range(self._due))
        return next(filter(free, order), None)

    def _bring(self, number: int) -> None:
        try:
            self._bring_block(number)
            if len(self._present) == len(self.blocks):
                self.finish()
        except BaseException as error:  # noqa: BLE001  for the reader to raise
            self._fail(error)
        finally:
            with self._change:
                self._under_way.discard(number)
                self._close_if_idle()
                self._change.notify_all()

    def _bring_block(self, number: int) -> None:
        start, end = self.blocks[number]
        place, digest = start, xxh3_128()

        def write(chunk: bytes) -> None:
            nonlocal place
            with naming(self._paths[0], self.file.size):
                os.pwrite(self._data, chunk, place)
            place += len(chunk)
            digest.update(chunk)

        self._fetch(self.file, start, end, write)
        with naming(self._paths[1]):
            os.pwrite(self._have, digest.digest(), number * MARK)
        with self._change:
            self._present.add(number)
            self._change.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._change:
            self.error = self.error or error
            self._change.notify_all()
        if isinstance(error, DiskError):
            self.discard()

    def finish(self) -> None:
        """Check the file and give it its place in the Hub's layout. Raises what keeps it from that."""
        if self.file.sha256 and self._sha256() != self.file.sha256:
            self.discard()
            raise AlteredFile(self.file.place)
        with naming(self._paths[0], self.file.size):
            os.fsync(self._data)
            self.whole = self._store.take_in(self.file, self._paths[0], self._revision)
        self.discard()

    def _sha256(self) -> str:
        digest = hashlib.sha256()
        for start in range(0, self.file.size, PIECE):
            digest.update(os.pread(self._data, PIECE, start))
        return digest.hexdigest()

    # --- reading

    def was_here(self, start: int) -> bool:
        """Whether the byte had been brought before this process began."""
        return any(self.blocks[number][0] <= start < self.blocks[number][1] for number in self.before)

    def read(self, start: int, end: int, wait: Callable[[], None]) -> bytes:
        """The bytes; `wait` waits for a change of `change`, which is held. Raises what keeps them from coming."""
        with self._change:
            needed = [number for number, block in enumerate(self.blocks) if block[0] < end and block[1] > start]
            try:
                while not self._here(needed):
                    if self.error is not None:
                        raise self.error
                    self._due = self._wanted = next(number for number in needed if number not in self._present)
                    wait()
            finally:
                self._wanted = None
        return os.pread(self._data, end - start, start)

    def _here(self, needed: list[int]) -> bool:
        if not self._present.issuperset(needed) and not self.ours:
            self._look()
        return self._present.issuperset(needed)

    def _look(self) -> None:
        """What another process has brought; if it is gone, its work is ours."""
        for number, told in self._table():
            start, end = self.blocks[number]
            if _digest(self._data, start, end) == told:
                self._present.add(number)
                METER.add(end - start)
        if self.missing:
            self.take_over()

    def settled(self) -> bool:
        """Whether it is whole and checked, by whomever. Raises what kept it from that."""
        if self.whole is None and self.error is None and self.take_over() and not self.missing:
            self.finish()
        if self.error is not None:
            raise self.error
        return self.whole is not None

    def discard(self) -> None:
        """Nobody needs the parts any more. What is open goes on being read."""
        for path in self._paths[:2]:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let another process go on, once the blocks that are on their way are here; they stay."""
        with self._change:
            self._closed = True
            self._close_if_idle()

    def _close_if_idle(self) -> None:
        """A descriptor that is closed too early may be another file's when a block arrives."""
        if not self._closed or self._under_way or not self._handles:
            return
        if self.whole is not None:
            with suppress(OSError):
                self._paths[2].unlink(missing_ok=True)
        for handle in self._handles:
            os.close(handle)
        self._handles = []


def _digest(handle: int, start: int, end: int) -> bytes:
    digest = xxh3_128()
    for place in range(start, end, PIECE):
        digest.update(os.pread(handle, min(PIECE, end - place), place))
    return digest.digest()
