"""The Tier I rows that a tier was made from, found by `source#original_id` in a file too big to hold."""

from __future__ import annotations

from array import array
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from ..errors import ExitCode, PolecatsError
from .rows import key64


class Parents:
    """An index of 16 bytes a row over a Tier I file. A context: it keeps the file open."""

    def __init__(self, path: Path) -> None:
        """Read `path` once. Raises `PolecatsError` where it cannot be read."""
        import numpy

        self._path = path
        keys, starts = array("Q"), array("Q")
        try:
            self._file = path.open("rb")
            start = 0
            for line in self._file:
                keys.append(key64(name_of(_record(line))))
                starts.append(start)
                start += len(line)
        except OSError as error:
            raise PolecatsError(f"{path}: cannot be read: {error.strerror}.", ExitCode.REFUSED) from None
        by_key = numpy.argsort(keys, kind="stable")
        self._keys = numpy.frombuffer(keys, dtype=numpy.uint64)[by_key]
        self._starts = numpy.frombuffer(starts, dtype=numpy.uint64)[by_key]

    def __enter__(self) -> Parents:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def find(self, name: str) -> dict[str, Any] | None:
        """The record called `name` (`source#original_id`), or None."""
        import numpy

        key = numpy.uint64(key64(name))
        at = int(numpy.searchsorted(self._keys, key))
        if at == len(self._keys) or self._keys[at] != key:
            return None
        self._file.seek(int(self._starts[at]))
        record = _record(self._file.readline())
        return record if name_of(record) == name else None


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def name_of(record: dict[str, Any]) -> str:
    """`source#original_id` of a row, or nothing where it is none."""
    metadata = record.get("metadata")
    return f"{metadata.get('source')}#{record.get('original_id')}" if isinstance(metadata, dict) else ""
