"""A file of which any bytes can be had, as Python's and Arrow's readers want it: to be sought in and read."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class RemoteIO(io.RawIOBase):
    """A file of `size` bytes; `give(start, end)` gives its bytes from `start` to before `end`, or less at its end."""

    def __init__(self, size: int, give: Callable[[int, int], bytes]) -> None:
        self._size, self._give, self._at = size, give, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else self._at + size
        data = self._give(self._at, end)
        self._at += len(data)
        return data

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)
