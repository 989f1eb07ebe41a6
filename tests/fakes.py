"""Stand-ins for what a test does not want: processes, and time."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field

import orjson

from coordinator.events import Counts, Event, Heartbeat, LoaderFinished, LoaderOpened, LoaderOpening, WorkerDone, encode
from coordinator.worker.spec import WorkerSpec


@dataclass
class FakeClock:
    """Time that goes on when told to."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeWorker:
    """A worker whose lines and end a test decides. Its pipe is a true one, so a selector wakes up."""

    spec: WorkerSpec
    pid: int
    code: int | None = None
    starved: bool = False
    closed: bool = False
    deaf_to_term: bool = False
    calls: list[str] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    """What it was told of its connections to the Hub, one number after another."""
    said: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._read, self._write = os.pipe()

    @property
    def track(self) -> str:
        return self.spec.track

    @property
    def loaders(self) -> list[str]:
        """`track/loader` of what it was given."""
        return [f"{self.track}/{loader.name}" for loader in self.spec.loaders]

    # --- what a test makes it do

    def say(self, *events: Event) -> None:
        self.babble(*(orjson.dumps(encode(event)) for event in events))

    def babble(self, *lines: bytes) -> None:
        self.said += lines
        os.write(self._write, b"!")

    def open(self, loader: str, resumed: int = 0) -> None:
        self.say(LoaderOpening(loader), LoaderOpened(loader, None, resumed))

    def finish(self, loader: str, rows: int = 3) -> None:
        self.open(loader)
        self.say(LoaderFinished(loader, "DONE", Counts(rows, rows, rows)))

    def end(self) -> None:
        """As a worker that has done everything: its last word, then its end."""
        self.say(WorkerDone(self.track))
        self.die(0)

    def work_through(self) -> None:
        for loader in self.loaders:
            self.finish(loader)
        self.end()

    def die(self, code: int) -> None:
        self.code = code

    def keep(self, loader: str = "") -> None:
        """Say that it has no more connections open than it was told last."""
        self.say(Heartbeat(loader, 0, 0, 0, 0.0, connects=len(self.connections)))

    # --- what the supervisor calls

    def fileno(self) -> int:
        return self._read

    def lines(self) -> tuple[list[bytes], bool]:
        os.set_blocking(self._read, False)
        with suppress(BlockingIOError):
            os.read(self._read, 65_536)
        lines, self.said = self.said, []
        return lines, True

    def ask_to_stop(self) -> None:
        self.calls.append("stop")

    def hold(self, seconds: float, reason: str) -> None:
        self.calls.append(f"hold {seconds:g} {reason}")

    def use(self, cores: int) -> None:
        self.calls.append(f"use {cores}")

    def connect(self, connections: int) -> None:
        self.connections.append(connections)

    def terminate(self) -> None:
        self.calls.append("term")
        if not self.deaf_to_term and self.code is None:
            self.code = -15

    def kill(self) -> None:
        self.calls.append("kill")
        if self.code is None:
            self.code = -9

    def wait(self, seconds: float) -> None:
        self.calls.append("wait")

    def ended(self) -> int | None:
        return self.code

    def out_of_memory(self) -> bool:
        return self.starved

    def close(self) -> None:
        assert not self.closed
        assert self.code is not None, "the pipes of a living worker were closed"
        self.closed = True
        os.close(self._read)
        os.close(self._write)


class FakeExecutor:
    """Hands out fake workers, keeps all of them in order."""

    def __init__(self) -> None:
        self.workers: list[FakeWorker] = []
        self.refuse: OSError | None = None
        self.warm = True

    def ready(self) -> bool:
        return self.warm

    def start(self, spec: WorkerSpec, log: str) -> FakeWorker:
        if self.refuse is not None:
            raise self.refuse
        worker = FakeWorker(spec, 100 + len(self.workers))
        self.workers.append(worker)
        return worker

    def alive(self, track: str) -> FakeWorker:
        """The track's living worker."""
        (worker,) = (item for item in self.workers if item.track == track and item.code is None)
        return worker

    def of(self, track: str) -> list[FakeWorker]:
        return [item for item in self.workers if item.track == track]
