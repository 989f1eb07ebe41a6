"""The engine of one run: a supervisor whose loop also serves the socket, and answers what a person asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..config import Config
from ..control import Reply, Request, socket_path
from ..disk import write_whole
from ..errors import PolecatsError
from ..paths import Paths
from ..worker.spec import WorkerSpec
from .executors.base import Executor
from .plan import Name, select
from .policy import RestartPolicy
from .recorder import Recorder
from .server import Server
from .supervisor import Limits, Supervisor

PATIENCE = 5.0
"""Seconds that an engine whose run has ended waits for somebody who watches."""


class Engine:
    """Runs rounds and answers requests; `stopping` tells whether it was asked to shut down."""

    def __init__(self, supervisor: Supervisor, recorder: Recorder) -> None:
        self._supervisor, self._recorder = supervisor, recorder
        self.shut_down = False
        self._stopping: Callable[[], bool] = lambda: False
        self.watched: Callable[[], bool] = lambda: False
        """Whether anybody is attached."""

    def run_round(self, specs: list[WorkerSpec], stopping: Callable[[], bool]) -> None:
        """See `Supervisor.run`."""
        self._stopping = lambda: self.shut_down or stopping()
        self._supervisor.run(specs, self._stopping)

    def linger(self, finish: Callable[[], object], clock: Callable[[], float] = time.monotonic) -> None:
        """Serve on while somebody watches; what they bring back is run, and `finish` is called after it."""
        left_at = clock()
        while not self._stopping() and clock() - left_at < PATIENCE:
            if self.watched():
                left_at = clock()
            self._supervisor.step(stopping=False)
            if not self._supervisor.ended:
                self._supervisor.go_on(self._stopping)
                finish()
                left_at = clock()

    def answer(self, request: Request) -> Reply:
        """Do what is asked, in the loop's turn."""
        if request.verb == "shutdown":
            self.shut_down = True
            return Reply(True, "The run stops at the next commit.")
        if self._stopping():
            return Reply(False, "The run is stopping; wait for its end, then start another.")
        try:
            names = self._names(request.targets)
        except PolecatsError as error:
            return Reply(False, str(error))
        if request.verb == "stop":
            done = self._supervisor.stop(names)
        else:
            done = self._supervisor.restart(self._startable(names) if request.verb == "start" else names)
        what = {"stop": "stopped", "restart": "will run again", "start": "will run"}[request.verb]
        if not done:
            return Reply(False, f"Nothing to {request.verb}: {', '.join(request.targets) or 'no loader'}.")
        return Reply(True, f"{', '.join(done)}: {what}.", done)

    def _names(self, targets: list[str]) -> list[str]:
        known: list[Name] = [(track, loader) for track, _, loader in map(_split, self._recorder.state.loaders)]
        if not targets:
            return list(self._recorder.state.loaders)
        return [f"{track}/{loader}" for target in targets for track, loader in select(known, target)]

    def _startable(self, names: list[str]) -> list[str]:
        """Of `names` those that a person stopped, or that failed."""
        loaders = self._recorder.state.loaders
        return [name for name in names if loaders[name].state in ("STOPPED", "FAILED", "STALLED", "SKIPPED")]


def _split(name: str) -> tuple[str, str, str]:
    return name.partition("/")


@contextmanager
def serving(paths: Paths, config: Config, executor: Executor, recorder: Recorder, run: str) -> Iterator[Engine]:
    """An engine with its socket open. Raises `PolecatsError` where one listens already."""
    supervisor = Supervisor(
        executor,
        recorder,
        RestartPolicy(config.restart.policy, config.restart.max),
        Limits(config.run.stall_timeout, config.slots(), paths.runs / run, config.hub.connections),
        time.monotonic,
    )
    engine = Engine(supervisor, recorder)
    path = socket_path(paths.root)
    server = Server(path, supervisor.selector, engine.answer, lambda: recorder.state)
    engine.watched = lambda: server.watched
    recorder.reporters.append(server.report)
    pointer = paths.socket
    try:
        write_whole(pointer, f"{path}\n".encode())  # whoever reads half of it takes the engine for absent
        yield engine
    finally:
        recorder.reporters.remove(server.report)
        server.close()
        pointer.unlink(missing_ok=True)
