"""The memory of a track's worker, looked at from outside while it runs (on Linux)."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

EVERY = 0.05
"""Seconds between two looks; each costs a millisecond or two."""


class Worker:
    """The worker of a track, once it is there; it is the one that leads a session in the track's worktree."""

    def __init__(self, worktree: Path) -> None:
        self._worktree, self._pid = str(worktree.resolve()), 0
        self.pss = 0.0
        """Megabytes that it had at most: its own, and its share of what others have, too."""

    def look(self) -> None:
        """Take its size, if it is there."""
        if not self._pid or not Path(f"/proc/{self._pid}").exists():
            self._pid = next(self._found(), 0)
        with suppress(OSError):
            lines = Path(f"/proc/{self._pid}/smaps_rollup").read_text().splitlines()
            sizes = [int(line.split()[1]) for line in lines if line.startswith("Pss:")]
            self.pss = max([self.pss, *(size * 1_024 / 1e6 for size in sizes)])

    def _found(self) -> Iterator[int]:
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                pid = int(folder.name)
                if os.getsid(pid) == pid and os.readlink(folder / "cwd") == self._worktree:
                    yield pid


@contextmanager
def watching(worktree: Path) -> Iterator[Worker]:
    """Look at the worker in that worktree while the block runs."""
    worker, ended = Worker(worktree), threading.Event()

    def look_on() -> None:
        while not ended.wait(EVERY):
            worker.look()

    thread = threading.Thread(target=look_on)
    thread.start()
    try:
        yield worker
    finally:
        ended.set()
        thread.join()
