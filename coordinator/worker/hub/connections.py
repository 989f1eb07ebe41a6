"""Connections to the Hub: how many this process may have open, and threads that fetch over them.

A connection belongs to the thread that uses it, and is closed when that thread has nothing to ask for: so what is open
never exceeds the share, also while the share changes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

LINGER = 5.0
"""Seconds that a thread without work keeps its connection: opening one costs two or three round trips."""
LOOK = 0.2
"""Seconds between two looks at whether to stop."""


class Connections:
    """How many connections may be open at once. The number may change at any time; what is open beyond it is closed as
    soon as its answer is whole. `close` closes the calling thread's."""

    def __init__(self, most: int = 1, close: Callable[[], None] = lambda: None) -> None:
        self._most, self.close = most, close
        self._open = self._waiting = self._leaving = 0
        self._resized = self._kept = 0
        self._change = threading.Condition()
        self._own = threading.local()
        self.nudge: Callable[[], None] = lambda: None
        """Called when those that fetch ahead are to look whether to give a connection back."""

    @property
    def most(self) -> int:
        """Connections that may be open."""
        return self._most

    def resize(self, most: int) -> None:
        """From now on so many."""
        with self._change:
            self._most = max(1, most)
            self._resized += 1
            self._change.notify_all()
        self.nudge()

    @property
    def kept(self) -> int:
        """Times that it was resized, once no more are open than the last one lets; else what this was before."""
        with self._change:
            if self._open <= self._most:
                self._kept = self._resized
            return self._kept

    def _told(self) -> bool:
        """Whether the calling thread, which fetches ahead, is to give its connection back: too many are open, or a call
        waits. Who is told so must do it."""
        with self._change:
            wanted = self.crowded
            self._leaving += wanted
            return wanted

    @property
    def crowded(self) -> bool:
        """Whether somebody is about to be told to give a connection back."""
        return self._open - self._leaving + self._waiting > self._most

    @contextmanager
    def one(self, stopping: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """A connection for a call of this thread; waits for it. Gives False where `stopping()` came first."""
        if getattr(self._own, "held", False):
            yield True
            return
        with self._change:
            self._waiting += 1
        self.nudge()
        taken = self._own.held = self._take(stopping)
        try:
            yield taken
        finally:
            self._own.held = False
            if taken:
                self._give_back()

    def _take(self, stopping: Callable[[], bool]) -> bool:
        with self._change:
            try:
                while self._open >= self._most:
                    if stopping():
                        return False
                    self._change.wait(LOOK)
                self._open += 1
                return True
            finally:
                self._waiting -= 1
                self._change.notify_all()

    @contextmanager
    def spare(self) -> Iterator[Callable[[], bool]]:
        """A connection for fetching ahead; calls come first. Gives what tells whether to give it back."""
        with self._change:
            self._change.wait_for(lambda: self._open + self._waiting < self._most)
            self._open += 1
        self._own.held, told = True, False

        def gives_back() -> bool:
            nonlocal told
            told = told or self._told()
            return told

        try:
            yield gives_back
        finally:
            self._own.held = False
            self._give_back(told)

    def _give_back(self, told: bool = False) -> None:
        """This thread's connection is closed and free for another."""
        try:
            self.close()
        finally:
            with self._change:
                self._open -= 1
                self._leaving -= told
                self._change.notify_all()


class Feed(Protocol):
    """What has something to fetch."""

    def take(self) -> Callable[[], None] | None:
        """The next thing to fetch, most needed first, or None for now. It raises nothing and tells its own errors."""


class Lanes:
    """Threads that fetch what the feeds have, the first feed's first, each over a connection of its own."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._feeds: Sequence[Feed] = ()
        self._threads = self._news = 0
        self._change = threading.Condition()
        connections.nudge = self._nudge

    def serve(self, feeds: Sequence[Feed]) -> None:
        """From now on these are served, in this order."""
        with self._change:
            self._feeds = feeds
        self.wake()

    def wake(self) -> None:
        """There may be something to fetch."""
        with self._change:
            self._news += 1
            while self._threads < self._connections.most and self._feeds:
                self._threads += 1
                threading.Thread(target=self._lane, name="hub", daemon=True).start()
            self._change.notify_all()

    def _nudge(self) -> None:
        with self._change:
            self._change.notify_all()

    def _lane(self) -> None:
        seen = -1
        while self._wanted(seen):
            with self._connections.spare() as gives_back:
                seen = self._fetch_on(gives_back)

    def _wanted(self, seen: int) -> bool:
        """Wait for news; False where there are more threads than connections."""
        with self._change:
            self._change.wait_for(lambda: self._news != seen or self._threads > self._connections.most)
            if self._threads <= self._connections.most:
                return True
            self._threads -= 1
            return False

    def _fetch_on(self, gives_back: Callable[[], bool]) -> int:
        """Fetch until nothing has come for a while, or others need the connection; returns the news that were seen."""
        while not gives_back():
            news = self._news
            if (work := self._next()) is not None:
                work()
            elif not self._more(news):
                return news
        return -1

    def _next(self) -> Callable[[], None] | None:
        return next((work for feed in self._feeds if (work := feed.take()) is not None), None)

    def _more(self, news: int) -> bool:
        """Whether there are newer ones, or the connection may be wanted, at the latest after a while."""
        with self._change:
            return self._change.wait_for(lambda: self._news != news or self._connections.crowded, LINGER)
