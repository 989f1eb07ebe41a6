"""Threads for what a merge waits for: the next part is read and verified while the last is hashed and written.

Reading, hashing and writing leave the interpreter to others meanwhile, so two cores do the work of a merge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

from ..worker.parts import PartFile
from .inputs import Input
from .selection import parts_of, read_part


class Ahead:
    """Reads the parts of one input after another. No more than one is read that nobody has asked for."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread
        self._following: dict[PartFile, PartFile] = {}
        self._expected: tuple[PartFile, Future[bytes | None]] | None = None

    def begin(self, item: Input) -> None:
        """From now on parts of this input are read."""
        parts = [part for _, part, _ in parts_of(item)]
        self._following, self._expected = dict(pairwise(parts)), None

    def read(self, item: Input, part: PartFile) -> bytes | None:
        """As `read_part`; the part that follows is then read on the thread."""
        expected, reading = self._expected or (None, None)
        data = reading.result() if reading and expected == part else read_part(item, part)
        following = self._following.get(part)
        self._expected = (following, self._thread.submit(read_part, item, following)) if following else None
        return data


@contextmanager
def ahead() -> Iterator[Ahead]:
    """Read ahead while the block runs."""
    with ThreadPoolExecutor(1, "reads-ahead") as thread:
        yield Ahead(thread)


class Behind:
    """Hashes and writes block after block. No more than one waits, so that memory stays that of some parts."""

    def __init__(self, thread: ThreadPoolExecutor, write: Callable[[bytes], object]) -> None:
        self._thread, self._write = thread, write
        self._digest = hashlib.sha256()
        self._last: Future[None] | None = None

    def take(self, data: bytes) -> None:
        """Hand over the next block. Raises what writing the one before has raised."""
        self.settle()
        self._last = self._thread.submit(self._put, data)

    def settle(self) -> str:
        """Wait until all is written; the SHA-256 of it, in hex. Raises what writing has raised."""
        if self._last is not None:
            self._last.result()
            self._last = None
        return self._digest.hexdigest()

    def _put(self, data: bytes) -> None:
        self._write(data)
        self._digest.update(data)


@contextmanager
def behind(write: Callable[[bytes], object]) -> Iterator[Behind]:
    """Write on a thread while the block runs."""
    with ThreadPoolExecutor(1, "writes-behind") as thread:
        yield Behind(thread, write)
