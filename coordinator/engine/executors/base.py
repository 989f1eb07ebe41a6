"""The seam between the engine and where workers run: start one, hear its lines, end it."""

from __future__ import annotations

from typing import Protocol

from ...worker.spec import WorkerSpec


class Worker(Protocol):
    """A started worker."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def fileno(self) -> int:
        """What to wait on for `lines`."""

    def lines(self) -> tuple[list[bytes], bool]:
        """Whole lines that have arrived, without waiting, and whether more can come."""

    def ask_to_stop(self) -> None:
        """Ask it to leave at the next commit."""

    def hold(self, seconds: float, reason: str) -> None:
        """Let it send nothing to the Hub for so long."""

    def use(self, cores: int) -> None:
        """Let its loaders, if they do not say otherwise, have so many processes."""

    def connect(self, connections: int) -> None:
        """Let it have so many connections to the Hub open."""

    def terminate(self) -> None:
        """SIGTERM."""

    def kill(self) -> None:
        """SIGKILL."""

    def wait(self, seconds: float) -> None:
        """Wait for its end, so long at most."""

    def ended(self) -> int | None:
        """Its exit code (negative: a signal), or None while it lives."""

    def out_of_memory(self) -> bool:
        """Whether the kernel has ended something for want of memory since this worker was started."""

    def close(self) -> None:
        """Free the pipes of a worker that has ended."""


class Executor(Protocol):
    """Starts workers."""

    def ready(self) -> bool:
        """Whether a worker can be started without waiting; to be asked again where not."""

    def start(self, spec: WorkerSpec, log: str) -> Worker:
        """A worker for `spec` that writes its output to `log`. Raises `OSError` where none can be started."""
