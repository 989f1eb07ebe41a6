"""What a heartbeat tells of a loader, read by another thread than the one that does the work."""

from __future__ import annotations

from ..events import Counts, Heartbeat
from .idle import Idle
from .streams.base import Stream


class Pulse:
    """The loader at work, and when it last got on: a row, a replayed row or a byte; opening counts as a start.

    A wait that was told does not count as idle.
    """

    def __init__(self, now: float) -> None:
        self._loader = ""
        self._counts = Counts()
        self._stream: Stream | None = None
        self._seen: tuple[object, ...] = ()
        self._idle = Idle(now, now)

    def opening(self, loader: str) -> None:
        """A loader is being opened."""
        self._loader, self._counts, self._stream = loader, Counts(), None

    def streaming(self, counts: Counts, stream: Stream) -> None:
        """Its rows are about to flow into `counts`."""
        self._counts, self._stream = counts, stream

    def waits(self, now: float, seconds: float) -> None:
        """It waits so long before it goes on."""
        self._idle.wait(now, seconds)

    def beat(self, now: float) -> Heartbeat:
        """The heartbeat at `now` (the clock of the constructor)."""
        stream = self._stream
        replayed, taken = (stream.replayed, stream.bytes_read) if stream else (0, 0)
        seen = (self._loader, self._counts.read, replayed, taken, stream is None)
        if seen != self._seen:
            self._seen = seen
            self._idle.progress(now)
        return Heartbeat(self._loader, self._counts.read, replayed, taken, round(self._idle.seconds(now), 1))
