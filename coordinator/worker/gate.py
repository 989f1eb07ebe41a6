"""Whether requests may go to the Hub now. Its limits hold for all workers of a run, so one that is told of them tells.

A worker that is answered 429 shuts its gate and says so; the engine has the others shut theirs. Who comes to a shut
gate waits, says so, and leaves the wait at once when the loader is asked to stop.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable

from .failures import REMEDIES, UNREACHED, SourceError, chain_of, names_of, status_of

SLICE = 0.2
"""Seconds between two looks at whether to stop."""
Tell = Callable[[float, str, bool], None]
"""Takes a wait's length in seconds, its reason, and whether the Hub asked for it: then it holds for the whole run."""


class Interrupted(Exception):
    """The loader was asked to stop while it waited."""


def interrupted(error: BaseException) -> bool:
    """Whether it was that which ended a loader, whatever the libraries in between made of it."""
    return any(isinstance(link, Interrupted) for link in chain_of(error))


class Gate:
    """One a process; all of its threads pass it. `worker` makes it open a little later than that of others.

    `clock` and `sleep` are in seconds; the clock only goes on.
    """

    def __init__(
        self,
        worker: str = "",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.lag = zlib.crc32(worker.encode()) % 1_000 / 1_000 if worker else 0.0
        """Seconds, below one: not all workers come back in the same moment."""
        self.longest = 900.0
        """Seconds that a loader waits for the Hub at most."""
        self._clock, self._sleep = clock, sleep
        self._tell: Tell = lambda seconds, reason, shared: None
        self._stopping: Callable[[], bool] = lambda: False
        self._until = self._told = clock()
        self._reason = ""
        self._lock = threading.Lock()

    def serve(self, tell: Tell, stopping: Callable[[], bool]) -> None:
        """From now on the waits are another loader's."""
        self._tell, self._stopping, self._told = tell, stopping, self._clock()

    def stopping(self) -> bool:
        """Whether the loader is asked to stop."""
        return self._stopping()

    def hold(self, seconds: float, reason: str) -> None:
        """Keep it shut for so long at least: another worker was told."""
        with self._lock:
            until = self._clock() + seconds + self.lag
            if until > self._until:
                self._until, self._reason = until, reason

    def shut(self, seconds: float, reason: str) -> None:
        """Keep it shut for so long at least: this worker was told, and tells the others."""
        self.hold(seconds, reason)
        self._told = self._until
        self._tell(seconds, reason, True)

    def enter(self) -> None:
        """Return once a request may go. Raises `Interrupted`, and `SourceError` where that takes too long."""
        while (left := self._until - self._clock()) > 0:
            if left - self.lag > self.longest:
                raise too_long(left, self._reason, self.longest)
            with self._lock:
                news, self._told = self._told < self._until, self._until
            if news:
                self._tell(left, self._reason, False)
            self._nap(left)

    def rest(self, seconds: float, reason: str) -> None:
        """A pause of this worker alone. Raises `Interrupted`."""
        self.announce(seconds, reason)
        end = self._clock() + seconds
        while (left := end - self._clock()) > 0:
            self._nap(left)

    def announce(self, seconds: float, reason: str) -> None:
        """Somebody else in this process is about to pause. Raises `Interrupted` instead where it is time to stop."""
        if self._stopping():
            raise Interrupted
        self._tell(seconds, reason, False)

    def _nap(self, left: float) -> None:
        if self._stopping():
            raise Interrupted
        self._sleep(min(left, SLICE))


def reason_of(error: Exception) -> str:
    """Why there is a pause after an error: `500 from the Hub`, or that there is no connection, or it was lost."""
    if status := status_of(error):
        return f"{status} from the Hub"
    return "no connection" if names_of(error) & UNREACHED else "connection lost"


def too_long(seconds: float, reason: str, longest: float) -> SourceError:
    """What ends a loader that would have to wait longer than config.toml lets it."""
    end = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + seconds))
    sentence = f"{reason}: it asks to come again in {seconds:,.0f} s, at {end}; [run] longest_wait is {longest:,.0f} s"
    return SourceError("rate_limited", sentence, f"Run again after {end}. {REMEDIES['rate_limited']}")
