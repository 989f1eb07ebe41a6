"""Files whose name ends in .gz, unpacked as they are read: what is held does not grow with what they unpack to."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from ..failures import REMEDIES, SourceError
from .base import SourceFile
from .files import open_file

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SUFFIX = ".gz"
BUFFER = 2**18


def is_packed(file: SourceFile) -> bool:
    """Whether the file is to be unpacked; there is no going to a place in such a file but by reading up to it."""
    return file.path.endswith(SUFFIX)


@contextmanager
def open_text(file: SourceFile) -> Iterator[io.BufferedReader]:
    """The file's bytes, unpacked if need be. Reading raises `SourceError` where a packed one is damaged."""
    with open_file(file) as raw:
        if not is_packed(file):
            yield cast(io.BufferedReader, raw)
            return
        with gzip.GzipFile(fileobj=raw, mode="rb") as unpacked:
            yield io.BufferedReader(_Unpacked(unpacked, file.path), BUFFER)


class _Unpacked(io.RawIOBase):
    """An unpacked file that says what is wrong with it."""

    def __init__(self, unpacked: gzip.GzipFile, path: str) -> None:
        self._unpacked = unpacked
        self._path = path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        try:
            return self._unpacked.readinto1(buffer)  # `readinto` loses what stands before the damage
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            sentence = f"{self._path}: not a sound gzip file: {str(error)[:200]}"
            raise SourceError("parse", sentence, REMEDIES["parse"]) from None
