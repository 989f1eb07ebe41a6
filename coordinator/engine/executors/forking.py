"""The near end of a fork server: starts it, sends it orders, hears how its workers end.

Where none can be had (macOS; an old kernel; a library that starts a thread when it is imported), or it ends before
it is ready, workers are started without one: slower, and the same otherwise.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from errno import EDEADLK
from typing import Any

WARM_WITHIN = 30.0
"""Seconds that its imports may take."""
ANSWER_WITHIN = 5.0
"""Seconds that a fork may take, and the news of an end."""
LONGEST_MESSAGE = 4096
BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from coordinator.worker.forkserver import serve; "
    "serve(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])"
)


class Unforkable(Exception):
    """The fork server has threads; workers are to be started without it."""


def available() -> bool:
    """Whether this system ends a process with its parent, and names it by a descriptor that no other inherits."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


class ForkServer:
    """One server process. To be made by the main thread: Linux ends it with the thread that started it."""

    def __init__(self, package: str, environment: dict[str, str], modules: Sequence[str]) -> None:
        self._talk, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        arguments = [package, str(far.fileno()), str(os.getpid()), *modules]
        with far:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", BOOT, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[far.fileno()],
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.ready = self.gone = False
        self._codes: dict[int, int] = {}
        self._deadline = time.monotonic() + WARM_WITHIN

    @property
    def lost(self) -> bool:
        """Whether it has ended after it was ready."""
        return self.ready and self.gone

    def settled(self) -> bool:
        """Whether it is `ready` or `gone`, without waiting; one that is neither for too long is ended."""
        while not self.gone and self._hear(0.0):
            pass
        if not self.ready and time.monotonic() > self._deadline:
            self.close()
        return self.ready or self.gone

    def fork(self, order: dict[str, Any], pipes: Sequence[int]) -> Forked:
        """A worker with its three pipes. Raises `OSError` where there is none, `Unforkable`."""
        text = json.dumps({**order, "parent": self.pid}).encode()
        socket.send_fds(self._talk, [text], pipes)
        answer, descriptors = self._answer()
        if "pid" in answer:
            return Forked(self, answer["pid"], descriptors[0])
        if answer["refused"] == EDEADLK:
            raise Unforkable(answer["why"])
        raise OSError(answer["refused"], answer["why"])

    def _answer(self) -> tuple[dict[str, Any], list[int]]:
        end = time.monotonic() + ANSWER_WITHIN
        while heard := self._hear(end - time.monotonic()):
            if heard[0].keys() & {"pid", "refused"}:
                return heard
        self.close()  # one that does not answer may answer late
        raise OSError(0, "the fork server has ended, or does not answer")

    def code(self, pid: int) -> int:
        """The exit code of a worker that has ended; that of a kill where nobody is left to tell."""
        end = time.monotonic() + ANSWER_WITHIN
        while pid not in self._codes and self._hear(end - time.monotonic()):
            pass
        return self._codes.pop(pid, -signal.SIGKILL)

    def _hear(self, seconds: float) -> tuple[dict[str, Any], list[int]] | None:
        """The next message with its descriptors, or None: none came within `seconds`, or none will come."""
        if self.gone or not select.select([self._talk], [], [], max(0.0, seconds))[0]:
            return None
        data, descriptors = b"", list[int]()
        with suppress(ConnectionError):
            data, descriptors, _, _ = socket.recv_fds(self._talk, LONGEST_MESSAGE, 1)
        if not data:
            self.close()
            return None
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        message = json.loads(data)
        if "ended" in message:
            self._codes[message["ended"]] = message["code"]
        self.ready = self.ready or "ready" in message
        return message, descriptors

    def close(self) -> None:
        """End it, and the workers that it still has."""
        self.gone = True
        self._talk.close()
        self._process.kill()
        self._process.wait()


class Forked:
    """A worker of a fork server, held by a descriptor: its number may be another's once it has ended."""

    def __init__(self, server: ForkServer, pid: int, process: int) -> None:
        self._server, self.pid, self._process = server, pid, process
        self._code: int | None = None

    @property
    def exitcode(self) -> int | None:
        """Its exit code (negative: a signal), or None while it lives."""
        if self._code is None and self._ended(0.0):
            self._code = self._server.code(self.pid)
        return self._code

    def terminate(self) -> None:
        """SIGTERM."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, number)

    def join(self, seconds: float) -> None:
        """Wait for its end, so long at most."""
        self._ended(seconds)

    def _ended(self, seconds: float) -> bool:
        return bool(select.select([self._process], [], [], seconds)[0])

    def close(self) -> None:
        """Let go of one that has ended."""
        os.close(self._process)
