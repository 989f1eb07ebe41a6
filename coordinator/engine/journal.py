"""The journal of a run: its events, a JSON line each with its time. Replaying it gives the run's state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import orjson

from ..disk import DiskError, naming
from ..events import Event, decode, encode
from ..paths import Paths

JOURNAL = "journal.jsonl"
LATEST = 253_402_300_800.0
"""Seconds since the epoch at the end of the year 9999: no clock shows a later time."""
MOST_WAITING = 8 * 2**20
"""Bytes that are kept for a journal that cannot be written now."""


class Journal:
    """Appends events; each is on disk (not synced) when `append` returns.

    What a full disk does not take waits, and stands in its place once there is room again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._out: BinaryIO = path.open("ab", buffering=0)
        self._waiting = b"\n" if self._out.tell() else b""  # a killed run may have left half a line
        self._lost = False

    @property
    def whole(self) -> bool:
        """Whether all that was appended is on disk."""
        return not (self._waiting or self._lost)

    def append(self, event: Event, at: float) -> None:
        """One line. Raises `DiskError` where it has to wait, or too much waits already and it is lost."""
        line = orjson.dumps({"at": at, **encode(event)}) + b"\n"
        if len(self._waiting) + len(line) <= MOST_WAITING:
            self._waiting += line
        else:
            self._lost = True
        self._write()

    def _write(self) -> None:
        with naming(self._path, len(self._waiting)):
            while self._waiting:  # unbuffered, so a disk that fills up takes a part
                self._waiting = self._waiting[self._out.write(self._waiting) :]

    def close(self) -> None:
        """Close the file; what waits is tried once more, and `whole` tells."""
        with suppress(DiskError):
            self._write()
        with suppress(OSError):
            self._out.close()


def read(path: Path) -> Iterator[tuple[float, Event]]:
    """The events of a journal with their times; a torn or foreign line is passed over."""
    with path.open("rb") as lines:
        for line in lines:
            try:
                data = orjson.loads(line)
                at = _time(data.pop("at"))
                event = decode(data)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            yield at, event


def _time(at: object) -> float:
    if isinstance(at, int | float) and not isinstance(at, bool) and 0 <= at < LATEST:
        return float(at)
    raise ValueError("not a time")


def latest_run(paths: Paths) -> Path | None:
    """The folder of the newest run, or None."""
    runs = sorted(path.parent for path in paths.runs.glob(f"*/{JOURNAL}"))
    return runs[-1] if runs else None
