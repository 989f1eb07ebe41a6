"""A process that has imported what workers need, and forks them: they start in milliseconds and share its memory.

It holds no thread, no track and no row, so nothing of one worker reaches another. It ends with the engine (Linux
kills it; elsewhere it reads the end of its socket), and its workers with it. On the socket to the engine a message
is a datagram of JSON: the modules that could be imported make it ready, an order with a worker's three pipes is
answered with the worker's pid and a descriptor of the process, an exit code is told as soon as there is one.
"""

from __future__ import annotations

import errno
import gc
import importlib
import json
import os
import select
import signal
import socket
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Any

from .process import die_with, enter

LONGEST_ORDER = 2**18
"""Bytes of an order at most; Linux takes no more in a datagram, unless it was told to."""
WORKER = ("coordinator.worker.main", "coordinator.worker.pulse", "coordinator.worker.shard")
HUB = ("coordinator.worker.hub.access", "huggingface_hub.hf_api")
PARQUET = ("coordinator.worker.streams.parquet", "coordinator.worker.streams.strided")


def serve(control: int, engine: int, modules: Sequence[str]) -> None:
    """Import `modules`, then fork a worker for each order that comes on `control`; ends by the end of `engine`."""
    die_with(engine)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=control) as orders:
        _import(modules)
        _Server(orders).run()


def _import(modules: Sequence[str]) -> None:
    """What cannot be imported is for the worker to say, in its log. The Hub's clients read their settings here."""
    from .fingerprint import contract_version
    from .main import HUB_SETTINGS

    contract_version()  # of the code that is imported here, also if that is edited before a worker starts
    for key, value in HUB_SETTINGS.items():
        os.environ.setdefault(key, value)
    gc.disable()  # what is imported stays: looking for garbage meanwhile takes a tenth of the time
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError:
            break
    gc.enable()
    gc.collect()
    gc.freeze()  # else the first collection in a worker writes to every page that they share


class _Server:
    """The loop: orders from the engine, ends of workers."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._ends, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake)

    def run(self) -> None:
        self._say({"ready": True})
        while True:
            ready, _, _ = select.select([self._orders.fileno(), self._ends], [], [])
            if self._ends in ready:
                os.read(self._ends, 4096)
                self._reap()
            if self._orders.fileno() in ready:
                order, pipes, _, _ = socket.recv_fds(self._orders, LONGEST_ORDER, 3)
                if not order:
                    return
                self._start(order.decode(), pipes)

    def _reap(self) -> None:
        """Tell the exit code of every worker that has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._say({"ended": pid, "code": os.waitstatus_to_exitcode(status)})

    def _start(self, order: str, pipes: list[int]) -> None:
        for pipe in pipes:
            os.set_inheritable(pipe, False)
        try:
            self._say(*self._forked(order, pipes))
        except OSError as error:
            self._say({"refused": error.errno, "why": error.strerror})
        finally:
            for pipe in pipes:
                os.close(pipe)

    def _forked(self, order: str, pipes: list[int]) -> tuple[dict[str, Any], int]:
        """The answer to an order; does not return in the worker."""
        if threads() != 1:
            raise OSError(errno.EDEADLK, "the fork server has threads, which a fork would lose")
        pid = os.fork()
        if not pid:
            self._become_worker(order, pipes)
        try:
            return {"pid": pid}, os.pidfd_open(pid)
        except OSError:
            os.kill(pid, signal.SIGKILL)
            raise

    def _become_worker(self, order: str, pipes: list[int]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for inherited in (self._ends, self._wake, self._orders.detach()):
            os.close(inherited)
        talk, hear, out = pipes
        enter(order, FileIO(talk, "w"), FileIO(hear), FileIO(out, "w"))

    def _say(self, message: dict[str, Any], *descriptors: int) -> None:
        """Send a message with descriptors, which are closed here."""
        socket.send_fds(self._orders, [json.dumps(message).encode()], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def threads() -> int:
    """Threads of this process. Arrow and its like start some; a fork keeps only the one that forks."""
    return len(list(Path("/proc/self/task").iterdir()))
