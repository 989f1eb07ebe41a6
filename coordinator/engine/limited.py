"""The Hub's limit as the run knows it: one worker is told to come again later, and all keep to it."""

from __future__ import annotations

from collections.abc import Iterable

from ..events import LoaderWaiting
from .executors.base import Worker


class Limited:
    """When the Hub may be asked again, and why. Times are the supervisor's."""

    def __init__(self) -> None:
        self._until = float("-inf")
        self._reason = ""

    def left(self, now: float) -> float:
        """Seconds until then."""
        return max(0.0, self._until - now)

    def enter(self, event: LoaderWaiting, now: float, others: Iterable[Worker]) -> None:
        """A worker was told: the others keep to it as well."""
        if now + event.seconds > self._until:
            self._until, self._reason = now + event.seconds, event.reason
            for worker in others:
                self.tell(worker, now)

    def tell(self, worker: Worker, now: float) -> None:
        """Let a worker, which may just have been started, keep to what is left of it."""
        if self.left(now):
            worker.hold(self.left(now), self._reason)
