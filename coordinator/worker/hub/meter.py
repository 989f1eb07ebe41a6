"""What comes off the wire, counted as progress, which one byte a second is not."""

from __future__ import annotations

import threading
from collections.abc import Callable

STEP = 2**16
"""Bytes that count as progress while an answer is on its way: one byte a second is a stall."""


class Meter:
    """Progress of what is read, in bytes off the wire. For any number of threads."""

    def __init__(self) -> None:
        self.told = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """So many bytes have come that are progress: a step of an answer, or the rest of one."""
        with self._lock:
            self.told += count


class Answer:
    """An answer on its way. Its bytes are progress by steps, so that one that drips makes none, and only while the
    reader waits for bytes: else rows are its progress, or it makes none."""

    def __init__(self, meter: Meter, wanted: Callable[[], bool] = lambda: True) -> None:
        self._meter, self._wanted, self._rest = meter, wanted, 0

    def add(self, count: int) -> None:
        """Bytes have come."""
        self._rest += count
        if self._rest >= STEP:
            self.settle()

    def settle(self) -> None:
        """The answer is whole."""
        if self._wanted():
            self._meter.add(self._rest)
        self._rest = 0


METER = Meter()
"""This process's: a worker reads for one loader at a time."""
