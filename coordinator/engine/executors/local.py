"""Workers as processes of this machine: forks of a server that has imported what they need, where that can be had,
else by `multiprocess` with `spawn`, a fresh interpreter each.

Only text goes to the child and only lines of JSON come back, bounded in size; an overlong line is cut, not kept.
What it prints comes by a pipe as well, and is written to its log without credentials, to the last word of a worker
that was killed. Start workers from the main thread: Linux ends them with the thread that started them.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from ...worker.memory import oom_kills
from ...worker.process import CONNECT, HOLD, STOP, USE, enter
from ...worker.spec import WorkerSpec
from .forking import ForkServer, Unforkable, available
from .output import keep_output

MAX_LINE = 2**20
MAX_READS = 64
LAST_WORDS = 1.0
"""Seconds to wait for the output of a worker that has ended: what it started itself may hold the pipe open."""
PACKAGE = Path(__file__).resolve().parents[3]
PASSED_ON = (
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)
PASSED_PREFIXES = ("HF_", "HUGGING_FACE_", "XDG_", "PYTHON", "OPENBLAS_", "COVERAGE_", "POLECATS_NO_")
"""What of the environment a worker sees: a loader's code has no business with the rest."""
SETTINGS = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # Arrow's, which starts one when it is imported
    "MALLOC_ARENA_MAX": "1",
    # What a batch took is kept for the next one: handed back and asked for anew it costs three page faults a row.
    "MALLOC_TOP_PAD_": str(2**20),
    "MALLOC_TRIM_THRESHOLD_": str(2**25),
    "MALLOC_MMAP_THRESHOLD_": str(2**24),
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class LocalExecutor:
    """Starts one process a worker. `modules`: what workers will need, imported once for all of them."""

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self._modules = modules
        self._forks = available()
        self._server: ForkServer | None = None

    @cached_property
    def _context(self) -> Any:
        import multiprocess

        return multiprocess.get_context("spawn")

    def ready(self) -> bool:
        """See `Executor.ready`. The first call starts the server, as does one after it was lost."""
        if not self._forks:
            return True
        if self._server is None or self._server.lost:
            self._server = self._new_server()
            _ = self._context  # imported while the server imports
        if self._server is not None and (not self._server.settled() or self._server.lost):
            return False
        self._forks = self._server is not None and self._server.ready
        return True

    def _new_server(self) -> ForkServer | None:
        with suppress(OSError):  # where no process can be started, the worker's own start will tell
            return ForkServer(str(PACKAGE), worker_environment(dict(os.environ)), self._modules)
        return None

    def start(self, spec: WorkerSpec, log: str) -> LocalWorker:
        """See `Executor.start`."""
        heard, talk = self._context.Pipe(duplex=False)
        hear, told = self._context.Pipe(duplex=False)
        printed, out = self._context.Pipe(duplex=False)
        order = {"spec": spec.encode(), "package": str(PACKAGE)}
        try:
            process = self._process(order, (talk, hear, out))
        except BaseException:
            for near in (heard, told, printed):
                near.close()
            raise
        finally:
            for far in (talk, hear, out):
                far.close()
        return LocalWorker(process, heard, told, keep_output(printed, Path(log)))

    def _process(self, order: dict[str, Any], pipes: tuple[Any, Any, Any]) -> Any:
        if self._forks and self._server is not None:
            try:
                return self._server.fork(order, [pipe.fileno() for pipe in pipes])
            except Unforkable:
                self._forks = False
        from multiprocess import resource_tracker

        resource_tracker.ensure_running()  # else the first worker starts it, and that lets interrupts through
        text = json.dumps({**order, "parent": os.getpid()})
        process = self._context.Process(target=enter, args=(text, *pipes))
        with _as_a_worker_sees_it():
            process.start()
        return process

    def close(self) -> None:
        """End the server; workers that are left end with it."""
        if self._server is not None:
            self._server.close()


@contextmanager
def _as_a_worker_sees_it() -> Iterator[None]:
    """Its environment, and no Ctrl-C: that is the engine's, also before the worker has a session of its own."""
    environment = dict(os.environ)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.clear()
    os.environ.update(worker_environment(environment))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def worker_environment(environment: dict[str, str]) -> dict[str, str]:
    """The part of `environment` that a worker gets, and the settings that keep it small."""
    kept = {key: value for key, value in environment.items() if key in PASSED_ON or key.startswith(PASSED_PREFIXES)}
    return {**SETTINGS, **kept}


class LocalWorker:
    """One process, the two pipes to it, and the thread that writes its log."""

    def __init__(self, process: Any, heard: Any, told: Any, output: threading.Thread) -> None:
        self._process, self._heard, self._told, self._output = process, heard, told, output
        self._rest = b""
        self.pid: int = process.pid
        self._oom_kills = oom_kills()
        os.set_blocking(heard.fileno(), False)
        os.set_blocking(told.fileno(), False)

    def fileno(self) -> int:
        """See `Worker.fileno`."""
        return int(self._heard.fileno())

    def lines(self) -> tuple[list[bytes], bool]:
        """See `Worker.lines`."""
        data, more = self._read()
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            self._rest = b""
        return [line for line in whole if len(line) <= MAX_LINE], more

    def _read(self) -> tuple[bytes, bool]:
        """What the pipe holds, some megabytes at most, and whether more can come."""
        chunks: list[bytes] = []
        for _ in range(MAX_READS):
            try:
                chunk = os.read(self._heard.fileno(), 2**16)
            except BlockingIOError:
                break
            if not chunk:
                return b"".join(chunks), False
            chunks.append(chunk)
        return b"".join(chunks), True

    def ask_to_stop(self) -> None:
        """See `Worker.ask_to_stop`."""
        self._say(STOP)

    def hold(self, seconds: float, reason: str) -> None:
        """See `Worker.hold`."""
        self._say(f"{HOLD} {seconds} {reason}")

    def use(self, cores: int) -> None:
        """See `Worker.use`."""
        self._say(f"{USE} {cores}")

    def connect(self, connections: int) -> None:
        """See `Worker.connect`."""
        self._say(f"{CONNECT} {connections}")

    def _say(self, line: str) -> None:
        with suppress(BrokenPipeError, BlockingIOError):  # it has left already, or has long ceased to listen
            os.write(self._told.fileno(), f"{line}\n".encode())

    def terminate(self) -> None:
        """See `Worker.terminate`."""
        self._process.terminate()

    def kill(self) -> None:
        """See `Worker.kill`."""
        self._process.kill()

    def wait(self, seconds: float) -> None:
        """See `Worker.wait`."""
        self._process.join(seconds)

    def ended(self) -> int | None:
        """See `Worker.ended`."""
        code = self._process.exitcode
        return None if code is None else int(code)

    def out_of_memory(self) -> bool:
        """See `Worker.out_of_memory`."""
        return oom_kills() > self._oom_kills

    def close(self) -> None:
        """See `Worker.close`."""
        self._output.join(LAST_WORDS)
        self._heard.close()
        self._told.close()
        if self._process.exitcode is not None:
            self._process.close()
