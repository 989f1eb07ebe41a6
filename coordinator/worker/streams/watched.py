"""What counts as progress of a source: rows, rows read again, and bytes in steps, from its look-up to its last row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .base import Batch, Stream

STEP = 2**16
"""Bytes that count as progress while an answer is on its way: one byte a second is a stall."""


class Meter:
    """Bytes off the wire. `told` moves by steps and with whole answers, so that it stands still while one drips."""

    def __init__(self) -> None:
        self.told = 0
        self._rest = 0

    def add(self, count: int) -> None:
        """Bytes have come."""
        self._rest += count
        if self._rest >= STEP:
            self.settle()

    def settle(self) -> None:
        """An answer is whole."""
        self.told, self._rest = self.told + self._rest, 0


METER = Meter()
"""This process's: a worker reads for one loader at a time."""


class Watched:
    """A source from its look-up on, as a stream: also before there is one, and while companions are read."""

    def __init__(self) -> None:
        self._begin = METER.told
        self._before = 0
        self._stream: Stream | None = None

    def follow(self, stream: Stream) -> None:
        """From now on it is this one that is read."""
        self._before, self._stream = self._before + (self._stream.bytes_read if self._stream else 0), stream

    @property
    def rows_total(self) -> int | None:
        """See `Stream.rows_total`."""
        return self._stream.rows_total if self._stream else None

    @property
    def replayed(self) -> int:
        """See `Stream.replayed`."""
        return self._stream.replayed if self._stream else 0

    @property
    def bytes_read(self) -> int:
        """Bytes off the wire; where there is none, those that the streams took from their files."""
        wire = METER.told - self._begin
        return wire or self._before + (self._stream.bytes_read if self._stream else 0)

    def batches(self, state: dict[str, Any] | None) -> Iterator[Batch]:
        """See `Stream.batches`."""
        return self._stream.batches(state) if self._stream else iter(())
