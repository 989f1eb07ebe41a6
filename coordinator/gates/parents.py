"""The Tier I rows that a tier was made from, found by `source#original_id` in a file too big to hold."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import orjson

from ..errors import ExitCode, PolecatsError
from .rows import key64


class Parents:
    """An index of 16 bytes a row over a Tier I file. It holds no file open: processes may share it."""

    def __init__(self, path: Path) -> None:
        """Read `path` once. Raises `PolecatsError` where it cannot be read."""
        import numpy

        self._path = path
        self._last: tuple[str, dict[str, Any] | None] = ("", None)
        keys, starts = array("Q"), array("Q")
        try:
            with path.open("rb") as lines:
                start = 0
                for line in lines:
                    keys.append(key64(name_of(_record(line))))
                    starts.append(start)
                    start += len(line)
        except OSError as error:
            raise PolecatsError(f"{path}: cannot be read: {error.strerror}.", ExitCode.REFUSED) from None
        by_key = numpy.argsort(keys, kind="stable")
        self._keys = numpy.frombuffer(keys, dtype=numpy.uint64)[by_key]
        self._starts = numpy.frombuffer(starts, dtype=numpy.uint64)[by_key]

    def find(self, name: str) -> dict[str, Any] | None:
        """The record called `name` (`source#original_id`), or None; the rows of a group ask for the same one."""
        if self._last[0] != name:
            self._last = name, self._read(name)
        return self._last[1]

    def _read(self, name: str) -> dict[str, Any] | None:
        import numpy

        key = numpy.uint64(key64(name))
        first, behind = (int(numpy.searchsorted(self._keys, key, side)) for side in ("left", "right"))
        with self._path.open("rb") as lines:
            for start in self._starts[first:behind]:
                lines.seek(int(start))
                record = _record(lines.readline())
                if name_of(record) == name:
                    return record
        return None


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
