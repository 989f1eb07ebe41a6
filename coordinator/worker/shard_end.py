"""A worker's end of a shard: its process, and the two pipes to it.

A shard is an interpreter of its own, or, where the worker was forked from a process that has imported what shards
need, a fork of the worker, made before it has threads: that starts in milliseconds and shares its memory.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from . import frames
from .memory import oom_kills

PACKAGE = Path(__file__).resolve().parents[2]
BEGIN = "import sys; sys.path.insert(0, {!r}); from coordinator.worker.shard import main; main()"
FLAGS = ("-u", "-P", "-c")
"""What it prints goes out at once; the folder that it stands in is no place for modules."""
PIPE_BYTES = 2**20


class Process(Protocol):
    """What there is of `subprocess.Popen`."""

    pid: int

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises `subprocess.TimeoutExpired`."""

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""


class ShardEnd:
    """One shard, of which this side never waits on one pipe alone."""

    def __init__(self, process: Process, orders: int, answers: int, oom: int) -> None:
        self.process, self.orders, self.answers, self.oom_kills = process, orders, answers, oom
        for pipe in (orders, answers):
            os.set_blocking(pipe, False)
            _widen(pipe)
        self.unsaid: deque[memoryview] = deque()
        self.tasks = self.held = 0
        self._rest = bytearray()

    def say(self, frame: bytes) -> None:
        """Send a frame, as far as it goes without waiting."""
        self.unsaid.append(memoryview(frame))
        self.push()

    def push(self) -> None:
        """Send what was not sent."""
        with suppress(BlockingIOError, BrokenPipeError):  # one that has died is noticed where it is heard
            while self.unsaid:
                self.unsaid[0] = self.unsaid[0][os.write(self.orders, self.unsaid[0]) :]
                if not self.unsaid[0]:
                    self.unsaid.popleft()

    def pull(self) -> bool:
        """Take what has come; False at the end."""
        chunk = os.read(self.answers, PIPE_BYTES)
        self._rest += chunk
        return bool(chunk)

    def heard(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """The whole frames that have come."""
        while len(self._rest) >= frames.HEAD and len(self._rest) >= (size := frames.length(self._rest)):
            with memoryview(self._rest) as rest, rest[:size] as whole:
                found = frames.opened(whole)
            del self._rest[:size]
            yield found

    def end(self, patience: float = 0.0) -> int:
        """Kill it if it lives after so many seconds; returns its exit code."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        self.process.kill()
        code = self.process.wait()
        os.close(self.orders)
        os.close(self.answers)
        return code


def _widen(pipe: int) -> None:
    """Make room for a batch in a pipe, where the system lets us."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def started(tracks: Path, track: str) -> ShardEnd:
    """A shard that is an interpreter of its own. Raises `OSError`."""
    (read, orders), (answers, write) = os.pipe(), os.pipe()
    command = [sys.executable, *FLAGS, BEGIN.format(str(PACKAGE)), str(read), str(write), str(os.getpid())]
    oom = oom_kills()
    try:
        process = subprocess.Popen([*command, tracks, track], stdin=subprocess.DEVNULL, pass_fds=(read, write))
    except BaseException:
        os.close(orders)
        os.close(answers)
        raise
    finally:
        os.close(read)
        os.close(write)
    return ShardEnd(process, orders, answers, oom)


def forked(number: int, tracks: Path, track: str, own: tuple[int, ...]) -> list[ShardEnd]:
    """So many shards that are forks of this process, which must have no threads; they close the descriptors `own`.

    Fewer, and at worst none, where the system gives no more, or what they need was not imported beforehand.
    """
    ends: list[ShardEnd] = []
    if "coordinator.worker.shard" not in sys.modules:
        return ends
    with suppress(OSError):
        while len(ends) < number:
            ends.append(_forked(tracks, track, (*own, *(pipe for end in ends for pipe in (end.orders, end.answers)))))
    return ends


def _forked(tracks: Path, track: str, own: tuple[int, ...]) -> ShardEnd:
    parent, oom = os.getpid(), oom_kills()
    (read, orders), (answers, write) = os.pipe(), os.pipe()
    try:
        pid = os.fork()
    except OSError:
        for pipe in (read, orders, answers, write):
            os.close(pipe)
        raise
    if not pid:
        try:
            from .shard import serve

            for pipe in (*own, orders, answers):
                os.close(pipe)
            serve(read, write, parent, tracks, track)
        except BaseException:  # noqa: BLE001  it is in the log; the worker sees that it has ended
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(read)
    os.close(write)
    return ShardEnd(_Fork(pid), orders, answers, oom)


class _Fork:
    """A forked process as `subprocess` would have it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None
        self._ended = os.pidfd_open(pid)

    def wait(self, timeout: float | None = None) -> int:
        """See `Process.wait`."""
        if self._code is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a shard", timeout or 0.0)
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self._ended)
        return self._code

    def kill(self) -> None:
        """See `Process.kill`."""
        if self._code is None:
            os.kill(self.pid, signal.SIGKILL)
