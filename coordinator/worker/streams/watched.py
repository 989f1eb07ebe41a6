"""What counts as progress of a source: rows, rows read again, and bytes in steps, from its look-up to its last row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..hub.meter import METER
from .base import Batch, Stream


class Watched:
    """A source from its look-up on, as a stream: also before there is one, and while companions are read."""

    def __init__(self) -> None:
        self._begin = METER.told
        self._before = 0
        self._stream: Stream | None = None
        self.settle: Callable[[], None] = lambda: None
        """Called at the end of the rows, before they count as all; raises `SourceError` where they are not what they
        were taken for."""

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
        """What moves when the source gets on: bytes off the wire that were waited for, and bytes that were read."""
        return METER.told - self._begin + self._before + (self._stream.bytes_read if self._stream else 0)

    def batches(self, state: dict[str, Any] | None) -> Iterator[Batch]:
        """See `Stream.batches`."""
        if self._stream:
            yield from self._stream.batches(state)
        self.settle()
