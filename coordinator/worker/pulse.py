"""What a heartbeat tells of a loader, read by another thread than the one that does the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..events import Bound, Counts, Heartbeat
from .idle import Idle
from .streams.base import Stream

if TYPE_CHECKING:
    from .hub.reading import Reading


class Pulse:
    """The loader at work, and when it last got on: a row, a replayed row or a byte; opening counts as a start.

    A wait that was told does not count as idle.
    """

    def __init__(self, now: float) -> None:
        self._loader = ""
        self._counts = Counts()
        self._stream: Stream | None = None
        self._reading: Reading | None = None
        self._beaten, self._waited = now, 0.0
        self._seen: tuple[object, ...] = ()
        self._idle = Idle(now, now)

    def opening(self, loader: str) -> None:
        """A loader is being opened."""
        self._loader, self._counts, self._stream, self._reading = loader, Counts(), None, None

    def streaming(self, counts: Counts, stream: Stream) -> None:
        """Its rows are about to flow into `counts`."""
        self._counts, self._stream = counts, stream

    def reading(self, reading: Reading) -> None:
        """Its files come from the Hub by way of this."""
        self._reading, self._waited = reading, 0.0

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes that came over the wire for it, and from the cache."""
        return (self._reading.wire, self._reading.cached) if self._reading else (0, 0)

    def _bound(self, now: float) -> Bound:
        """What it waited for most since the last beat."""
        if self._reading is None:
            return ""
        seconds, waited = now - self._beaten, self._reading.waited - self._waited
        self._beaten, self._waited = now, self._reading.waited
        if waited * 2 > seconds:
            return "network"
        return "converter" if self._reading.coming else ""

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
        idle = round(self._idle.seconds(now), 1)
        return Heartbeat(self._loader, self._counts.read, replayed, taken, idle, *self.traffic, self._bound(now))
