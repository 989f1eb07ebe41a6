"""Parts on their way into the file: read and verified on one thread, hashed on another, written on a third.

They pass in pieces that stay in the processor's cache, so that a merge costs little more than its hashing. A part
that turns out not to be what was committed is taken back: nothing of it stays.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import BinaryIO

from ..worker.parts import PartFile, checksum
from .inputs import Input
from .selection import opened, read_part

PIECE = 2**19
NEWLINE = ord("\n")
PIECES = 8
"""Pieces under way at most."""

_Said = tuple[bytearray, int] | bool | BaseException
"""A piece and how much of it is filled; at a part's end whether it is sound; or what has ended the thread."""


class Reader:
    """Reads parts in a given order on a thread, a little ahead of who asks for them in that order."""

    def __init__(self, parts: Iterable[tuple[Input, PartFile]]) -> None:
        self._parts = list(parts)
        self._expected = {(item.name, part.name) for item, part in self._parts}
        self._free: SimpleQueue[bytearray | None] = SimpleQueue()
        self._read: SimpleQueue[_Said] = SimpleQueue()
        for _ in range(PIECES):
            self._free.put(bytearray(PIECE))
        self._thread = threading.Thread(target=self._work, name="reads-ahead", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, wherever it is."""
        self._free.put(None)
        self._thread.join()

    def whole(self, item: Input, part: PartFile) -> bytes | None:
        """As `read_part`, also for one that is not among the parts."""
        if (item.name, part.name) not in self._expected:
            return read_part(item, part)
        try:
            return b"".join(map(bytes, self.pieces()))
        except ValueError:
            return None

    def pieces(self) -> Iterator[memoryview]:
        """The bytes of the next part, each piece good until the next is asked for.

        Raises `ValueError` at the end of a part that is not what was committed.
        """
        while isinstance(said := self._read.get(), tuple):
            piece, size = said
            yield memoryview(piece)[:size]
            self._free.put(piece)
        if isinstance(said, BaseException):
            raise said
        if not said:
            raise ValueError("not what was committed")

    def _work(self) -> None:
        try:
            for item, part in self._parts:
                sound = self._pass_on(item, part)
                if sound is None:
                    return
                self._read.put(sound)
        except BaseException as error:  # noqa: BLE001  the other thread raises it
            self._read.put(error)

    def _pass_on(self, item: Input, part: PartFile) -> bool | None:
        """Whether a part is sound; None where nobody wants it any more."""
        import numpy  # counts lines three times as fast as `bytes`, and lets the other threads go on

        digest, rows, size, last = checksum(), 0, 0, 0
        try:
            with opened(item.folder, part) as source:
                while (piece := self._free.get()) is not None:
                    count = source.readinto(piece)
                    size += count
                    if not count or size > part.bytes:
                        self._free.put(piece)
                        return last == NEWLINE and rows == part.rows and digest.hexdigest() == part.xxh3
                    digest.update(memoryview(piece)[:count])
                    rows += int(numpy.count_nonzero(numpy.frombuffer(piece, numpy.uint8, count) == NEWLINE))
                    last = piece[count - 1]
                    self._read.put((piece, count))
        except OSError:
            return False
        return None


@contextmanager
def reading(parts: Iterable[tuple[Input, PartFile]]) -> Iterator[Reader]:
    """A reader while the block runs."""
    reader = Reader(parts)
    try:
        yield reader
    finally:
        reader.close()


class Writer:
    """Writes to `out`, if there is one, and knows the size and the SHA-256 of all that was written."""

    def __init__(self, out: BinaryIO | None, thread: ThreadPoolExecutor) -> None:
        self._out, self._thread = out, thread
        self._digest, self.size = hashlib.sha256(), 0

    @property
    def sha256(self) -> str:
        """Of all of it, in hex."""
        return self._digest.hexdigest()

    def put(self, data: bytes | memoryview) -> None:
        """Write, and hash meanwhile."""
        hashed = self._thread.submit(self._digest.update, data)
        try:
            if self._out is not None:
                self._out.write(data)
        finally:
            hashed.result()
        self.size += len(data)

    def copy(self, pieces: Iterator[memoryview]) -> bool:
        """Write a part; whether it is sound, else nothing of it stays."""
        size, digest = self.size, self._digest.copy()
        try:
            for piece in pieces:
                self.put(piece)
        except ValueError:
            self.size, self._digest = size, digest
            if self._out is not None:
                self._out.seek(size)
                self._out.truncate()
            return False
        return True


@contextmanager
def writing(out: BinaryIO | None) -> Iterator[Writer]:
    """A writer while the block runs."""
    with ThreadPoolExecutor(1, "hashes") as thread:
        yield Writer(out, thread)
