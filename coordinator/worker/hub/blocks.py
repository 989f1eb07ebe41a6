"""The blocks of a file that is not whole yet, on the disk: in one file, beside a table that tells which are there.

The table has the XXH3 of each block, so that what an earlier process left, or a power cut, is known for what it is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xxhash import xxh3_128

from ...disk import naming, reserve

BLOCK = 4 * 2**20
"""Bytes that are asked for at once: at 40 MB/s a connection and 60 ms an answer, two thirds of its time bring bytes."""
TAIL = 2**18
"""Bytes of the last block: the footer of a parquet file is read before all else."""
MARK = 16
"""Bytes of a block's entry in the table; zero where the block is absent."""
PIECE = 2**20


def blocks_of(size: int) -> list[tuple[int, int]]:
    """Start and end of each block of a file of `size` bytes; the last one is small."""
    if size <= BLOCK + TAIL:
        return [(0, size)] if size else []
    body = size - TAIL
    return [*((start, min(start + BLOCK, body)) for start in range(0, body, BLOCK)), (body, size)]


class Blocks:
    """The blocks of a file of `size` bytes at `stem`.data, their table at `stem`.have. Methods raise `OSError`."""

    def __init__(self, stem: Path, size: int) -> None:
        self.ends = blocks_of(size)
        self.present: set[int] = set()
        """Numbers of those that are known to be here."""
        self.path, self._size = stem.with_name(f"{stem.name}.data"), size
        self._paths = (self.path, stem.with_name(f"{stem.name}.have"))
        self._data = _opened(self._paths[0])
        try:
            self._have = _opened(self._paths[1])
        except OSError:
            os.close(self._data)
            raise

    @property
    def missing(self) -> int:
        """Bytes that are not here yet."""
        return sum(end - start for number, (start, end) in enumerate(self.ends) if number not in self.present)

    def within(self, start: int, end: int) -> list[int]:
        """The numbers of the blocks that hold these bytes."""
        return [number for number, block in enumerate(self.ends) if block[0] < end and block[1] > start]

    def take_stock(self) -> None:
        """Keep those that are what the table says, and make room for all. For who fills it."""
        reserve(self._data, self._size)
        with naming(self.path, self._size):
            os.truncate(self._data, self._size)
            os.truncate(self._have, MARK * len(self.ends))
        self.look()
        for number, _ in self._told():
            os.pwrite(self._have, bytes(MARK), number * MARK)

    def look(self) -> int:
        """Take up those that have come meanwhile; returns how many bytes."""
        before = self.missing
        self.present.update(number for number, told in self._told() if self._digest(*self.ends[number]) == told)
        return before - self.missing

    def _told(self) -> list[tuple[int, bytes]]:
        """The table's entries of blocks that are not known to be here."""
        table = os.pread(self._have, MARK * len(self.ends), 0)
        entries = ((number, table[number * MARK : number * MARK + MARK]) for number in range(len(self.ends)))
        return [(number, told) for number, told in entries if any(told) and number not in self.present]

    def _digest(self, start: int, end: int) -> bytes:
        digest = xxh3_128()
        for place in range(start, end, PIECE):
            digest.update(os.pread(self._data, min(PIECE, end - place), place))
        return digest.digest()

    @contextmanager
    def writing(self, number: int) -> Iterator[Callable[[bytes], None]]:
        """Lets the block write a block's bytes, piece by piece; then the table has it."""
        place, digest = self.ends[number][0], xxh3_128()

        def write(chunk: bytes) -> None:
            nonlocal place
            digest.update(chunk)
            left = memoryview(chunk)
            with naming(self.path, self._size):
                while left:  # a disk that becomes full takes a part, and refuses only the next one
                    count = os.pwrite(self._data, left, place)
                    left, place = left[count:], place + count

        yield write
        with naming(self._paths[1]):
            os.pwrite(self._have, digest.digest(), number * MARK)

    def read(self, start: int, end: int) -> bytes:
        """The bytes, of blocks that are here."""
        data = os.pread(self._data, end - start, start)
        if len(data) < end - start:
            raise OSError(f"{self.path} was cut short while it was filled")
        return data

    def sha256(self) -> str:
        """Of all bytes, in hex."""
        digest = hashlib.sha256()
        for start in range(0, self._size, PIECE):
            digest.update(os.pread(self._data, PIECE, start))
        return digest.hexdigest()

    def sync(self) -> None:
        """Return once the bytes are on the disk."""
        os.fsync(self._data)

    def stand(self) -> bool:
        """Whether they are still where they were opened."""
        return stands(self._data, self._paths[0]) and stands(self._have, self._paths[1])

    def adopt(self, whole: Path) -> None:
        """From now on read the whole file at that place, which another process has made of them."""
        handle = os.open(whole, os.O_RDONLY)
        try:
            os.dup2(handle, self._data, inheritable=False)
        finally:
            os.close(handle)
        self.present.update(range(len(self.ends)))

    def remove(self) -> None:
        """Nobody needs them any more. What is open goes on being read."""
        for path in self._paths:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is read or written any more."""
        os.close(self._data)
        os.close(self._have)


def stands(handle: int, path: Path) -> bool:
    """Whether an open file is still the one at `path`."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), os.fstat(handle))
    return False


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
