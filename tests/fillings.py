"""A file that fills a cache of a test's own, in blocks of a thousand bytes."""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from coordinator.worker.hub.filling import Filling
from coordinator.worker.hub.ranges import Sink
from coordinator.worker.hub.remote_file import RemoteFile
from coordinator.worker.hub.store import Store
from tests.caches import remote

BLOCK, TAIL = 1_000, 100
DATA = random.Random(7).randbytes(5 * BLOCK + 321)
COUNT = 6 + 1
FILE = remote("data/rows.jsonl", DATA)


class Scene:
    """A file that one process fills; its lanes run when a test lets them."""

    def __init__(self, store: Store, file: RemoteFile = FILE, data: bytes = DATA) -> None:
        self.store, self.file, self.data = store, file, data
        self.asked: list[int] = []
        self.fault: Callable[[int], None] = lambda start: None
        self.change = threading.Condition()
        self.filling = Filling(file, store, self._fetch, self.change, "main")

    def _fetch(self, file: RemoteFile, start: int, end: int, take: Sink) -> None:
        self.asked.append(start)
        self.fault(start)
        for at in range(start, end, 300):
            take(self.data[at : min(at + 300, end)])

    def work(self, most: int = 1_000) -> None:
        """Let lanes do all there is, or so much of it."""
        for _ in range(most):
            work = self.filling.take()
            if work is None:
                return
            work()

    def wait(self) -> None:
        """What the reader does while it waits."""
        work = self.filling.take()
        assert work is not None, "it waits for ever"
        work()

    def read(self, start: int = 0, end: int = len(DATA)) -> bytes:
        return self.filling.read(start, end, self.wait)

    def settle(self) -> None:
        while not self.filling.settled():
            self.wait()


def parts(store: Store) -> list[str]:
    """What stands of files that are not whole."""
    return sorted(path.suffix for path in (store.own / "parts").iterdir())


def refuse_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """The disk takes so many bytes more, the last write in part, then it is full."""
    write, room = os.pwrite, [count]

    def pwrite(handle: int, data: Any, place: int) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(handle, memoryview(data)[: room[0]], place)
        room[0] -= written
        return written

    monkeypatch.setattr(os, "pwrite", pwrite)
