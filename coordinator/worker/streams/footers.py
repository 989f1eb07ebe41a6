"""The footers of parquet files: read once, all at the same time, and remembered of files on the Hub."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from ..hub.remote_file import RemoteFile
from .base import SourceFile
from .files import ends_expected, open_file, recalled, remembered, remote_bytes
from .telling import telling

TAIL = 2**18
"""Bytes of a file's end that are read first; most footers are smaller."""
MAGIC, LENGTH = b"PAR1", 8
KIND = "footer"


class Footers:
    """The footers of files, by index. Reading raises `SourceError`."""

    def __init__(self, files: list[SourceFile], repo: str) -> None:
        self._files, self._repo = files, repo
        self._read: dict[int, pq.FileMetaData] = {}
        self._ends: dict[int, bytes] = {}

    def read_all(self) -> None:
        """Read those that are not known."""
        for index, file in enumerate(self._files):
            if file.remote is not None and (end := recalled(KIND, file.remote.etag)) is not None:
                self._ends[index] = end
        ends_expected([file for index, file in enumerate(self._files) if index not in self._ends])
        for index in range(len(self._files)):
            self[index]

    def __getitem__(self, index: int) -> pq.FileMetaData:
        if index not in self._read:
            file = self._files[index]
            with telling(f"{self._repo}: {file.path}"):
                self._read[index] = _footer(file, self._ends.pop(index, None))
        return self._read[index]


def _footer(file: SourceFile, end: bytes | None) -> pq.FileMetaData:
    if file.remote is None:
        with open_file(file) as raw:
            return pq.ParquetFile(raw).metadata
    if end is None:
        end = _end_of(file.remote)
        remembered(KIND, file.remote.etag, end)
    return pq.ParquetFile(pa.BufferReader(MAGIC + end)).metadata


def _end_of(remote: RemoteFile) -> bytes:
    """The footer, its length and the magic word; other bytes where the file is none of parquet."""
    begin = max(0, remote.size - TAIL)
    end = remote_bytes(remote, begin, remote.size)
    needed = int.from_bytes(end[-LENGTH:-4], "little") + LENGTH
    if end[-4:] != MAGIC or needed > remote.size:
        return end
    if needed > len(end):
        end = remote_bytes(remote, remote.size - needed, begin) + end
    return end[-needed:]
