"""A stream whose last row counts only once every file that it came from is known to be what the Hub has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .streams.base import Batch, Stream

if TYPE_CHECKING:
    from .hub.reading import Reading


class Settled:
    """`stream`, which reads by way of `reading` (None: not from the Hub). Its end raises `SourceError` for a file whose
    bytes were others."""

    def __init__(self, stream: Stream, reading: Reading | None) -> None:
        self._stream, self._reading = stream, reading

    @property
    def rows_total(self) -> int | None:
        """See `Stream.rows_total`."""
        return self._stream.rows_total

    @property
    def bytes_read(self) -> int:
        """See `Stream.bytes_read`."""
        return self._stream.bytes_read

    @property
    def replayed(self) -> int:
        """See `Stream.replayed`."""
        return self._stream.replayed

    def batches(self, state: dict[str, Any] | None) -> Iterator[Batch]:
        """See `Stream.batches`."""
        yield from self._stream.batches(state)
        if self._reading is not None:
            self._reading.settle()
