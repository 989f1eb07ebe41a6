"""This process's way to the Hub: one gate, its share of the connections, the cache, and who reads now and next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import OfflineModeIsEnabled

from ..gate import Gate, Interrupted
from . import xet
from .client import govern
from .connections import Connections, Lanes
from .lookup import looked_up
from .ranges import Fetcher, Latency
from .reading import FEW_AHEAD, Reading
from .remote_file import RemoteFile
from .store import Store

MOST_KNOWN = 4_096
"""Files whose addresses are kept at once."""
WITHOUT_END = 2**63
UNREACHED_FOR = 20.0
"""Seconds for which a Hub that could not be reached is not asked again."""


class Hub:
    """Reads for one loader at a time, and fetches ahead for the next one."""

    def __init__(self, gate: Gate, connections: Connections, clock: Callable[[], float] = time.monotonic) -> None:
        self.gate, self.connections, self._clock = gate, connections, clock
        self._client = govern(gate, connections)
        self._unreached: tuple[float, Exception] | None = None
        self.latency = Latency()
        self.otherwise: Callable[[RemoteFile], object] | None = None
        """Brings a whole file into the cache, if not the blocks of it that we fetch."""
        self.store = Store.usual(0)
        self._lanes = Lanes(connections)
        self.turn = 0
        """Grows with each loader that begins or ends to read."""
        self._turning = threading.Lock()
        self._fetchers: dict[RemoteFile, Fetcher] = {}
        self.reading = self._next = Reading(self, [], "", keep=(), ahead=0)

    def begin(self, files: Sequence[RemoteFile], revision: str, keep: Collection[RemoteFile]) -> Reading:
        """A loader's reading: `files` in order. `keep`: those that go through the cache. What was read before ends."""
        ahead = self._next
        self.end()
        self.turn += 1
        self.reading = Reading(self, files, revision, keep, WITHOUT_END)
        self.reading.take_over(ahead)
        self._lanes.serve([self.reading])
        return self.reading

    def begin_next(self, turn: int, files: Sequence[RemoteFile], revision: str) -> None:
        """Fetch what comes first for the loader behind the one of that turn, while nothing is missing for that one."""
        with self._turning:
            if turn == self.turn:
                self._next = Reading(self, files, revision, files, FEW_AHEAD)
                self._lanes.serve([self.reading, self._next])

    def end(self) -> None:
        """Nobody reads; what is on its way still comes."""
        with self._turning:
            self.turn += 1
            self._lanes.serve([])
            self.reading.close()
            self._next.close()

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Lets a block make calls of the API, over one connection. Raises what they raise, and `Interrupted`.

        Where the Hub was not reached a moment ago, and never before, it raises that at once.
        """
        if self._unreached is not None and self._clock() < self._unreached[0]:
            raise self._unreached[1].with_traceback(None)  # it grows each time otherwise
        with self.connections.one(self.gate.stopping) as taken:
            if not taken:
                raise Interrupted
            try:
                if not self._client.reached:
                    looked_up(constants.ENDPOINT)
                yield
            except (httpx2.ConnectError, httpx2.ConnectTimeout, OfflineModeIsEnabled) as error:
                if not self._client.reached:
                    self._unreached = (self._clock() + UNREACHED_FOR, error)
                raise

    def fetcher(self, file: RemoteFile) -> Fetcher:
        """What fetches parts of a file, and knows where they are to be had."""
        if len(self._fetchers) >= MOST_KNOWN:
            self._fetchers.clear()
        return self._fetchers.setdefault(file, Fetcher(file, self.gate, self.latency))

    def wake(self) -> None:
        """There may be something to fetch."""
        self._lanes.wake()


_used: list[Hub] = []
_hub_of = cache(Hub)


def use(gate: Gate, connections: Connections, limit: int, by_xet: bool = False) -> Hub:
    """From now on this process reads through that gate, with a cache of `limit` bytes (0: it keeps nothing).

    `by_xet`: whole files come by `hf_xet`, where that is installed.
    """
    _used[:] = [_hub_of(gate, connections)]
    _used[0].store = Store.usual(limit)
    _used[0].otherwise = xet.brought if by_xet and xet.available() else None
    return _used[0]


def hub() -> Hub:
    """The way to the Hub that this process uses. Needs `use`."""
    return _used[0]
