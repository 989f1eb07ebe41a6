"""The fork server with true processes: nobody is left behind, whoever is killed; and without one all goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from coordinator.engine.executors import forking, local
from coordinator.engine.executors.forking import Forked
from coordinator.engine.executors.local import LocalExecutor, LocalWorker
from coordinator.worker.forkserver import WORKER
from coordinator.worker.spec import LoaderSpec, SourceSpec, WorkerSpec
from tests.clones import Repository, Run, eventually

STUCK = "sum(range(10**12))"
"""Holds the interpreter's lock."""
SLOW = "time.sleep(0.001)"


def server_of(run: Run, track: str = "alpha") -> psutil.Process:
    server = psutil.Process(run.pid(track)).parent()
    assert server is not None
    assert server.ppid() == run.child.pid
    return server


def runs(pid: int) -> bool:
    """Whether there is such a process; one that has ended may wait for whoever takes orphans in."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("suspended", ["", "server", "worker"])
def test_nobody_outlives_the_engine_by_a_second(repository: Repository, suspended: str) -> None:
    """Also with a worker that no thread of its own can end, and where who would have to act is stopped."""
    repository.loader("alpha/one", each=STUCK)
    repository.loader("beta/one", rows=20_000, each=SLOW)
    repository.commit()
    run = repository.start("run")
    run.wait_for("loader_opened", loader="alpha/one")
    run.wait_for("loader_progress", loader="beta/one")
    server = server_of(run)
    if suspended:
        os.kill({"server": server.pid, "worker": run.pid("beta")}[suspended], signal.SIGSTOP)
    assert len(repository.alive()) >= 4
    run.child.kill()
    assert repository.all_gone(1.0), repository.alive()


def test_an_engine_that_is_killed_while_the_server_starts_leaves_nobody(repository: Repository) -> None:
    repository.loader("alpha/one", rows=2_000, each=SLOW)
    repository.commit()
    for moment in range(6):
        run = repository.start("run")
        assert eventually(lambda: len(repository.alive()) > 1, 10)
        time.sleep(moment * 0.05)
        run.child.kill()
        assert repository.all_gone(1.0), repository.alive()
        run.end()


def test_a_server_that_is_killed_takes_its_workers_along_and_another_goes_on(repository: Repository) -> None:
    repository.loader("alpha/one", rows=1_000, each=SLOW)
    repository.loader("beta/one", rows=1_000, each=SLOW)
    repository.commit()
    whole = repository.inline()
    run = repository.start("run")
    for track in ("alpha", "beta"):
        run.wait_for("loader_progress", loader=f"{track}/one")
    server, workers = server_of(run), [run.pid("alpha"), run.pid("beta")]
    server.kill()
    assert eventually(lambda: not any(map(runs, workers)), 1.0)
    assert run.end() == 0, run.errors
    assert repository.merged() == whole
    assert len(run.of("loader_opened", loader="alpha/one")) == 2
    later = {event["pid"] for event in run.of("track_changed", state="RUNNING")} - set(workers)
    assert len(later) == 2


def test_a_server_that_does_not_answer_is_replaced(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "ANSWER_WITHIN", 0.3)
    with executor_for() as executor:
        first = started(executor, tmp_path)
        os.kill(psutil.Process(first.pid).ppid(), signal.SIGSTOP)
        with pytest.raises(OSError, match="does not answer"):
            executor.start(spec(tmp_path), str(tmp_path / "log"))
        first.wait(1)
        assert first.ended() == -signal.SIGKILL
        second = started(executor, tmp_path)
        assert_sound(second)
        first.close()


def test_what_a_worker_shares_with_the_others(repository: Repository) -> None:
    """The server: it has one thread, and holds no pipe of a worker's."""
    for track in ("alpha", "beta"):
        repository.loader(f"{track}/one", rows=20_000, each=SLOW)
    repository.commit()
    run = repository.start("run")
    for track in ("alpha", "beta"):
        run.wait_for("loader_progress", loader=f"{track}/one")
    server = server_of(run, "alpha")
    assert server == server_of(run, "beta")
    assert server.num_threads() == 1
    kinds = [os.readlink(entry).partition(":")[0] for entry in Path(f"/proc/{server.pid}/fd").iterdir()]
    assert sorted(kinds) == ["/dev/null"] * 3 + ["pipe"] * 2 + ["socket"]
    for track in ("alpha", "beta"):
        assert os.getsid(run.pid(track)) == run.pid(track)
    run.child.kill()


# ---- the executor alone


@contextlib.contextmanager
def executor_for(modules: tuple[str, ...] = WORKER) -> Iterator[LocalExecutor]:
    with contextlib.closing(LocalExecutor(modules)) as executor:
        yield executor


def spec(folder: Path, *loaders: str) -> WorkerSpec:
    (folder / "tracks" / "alpha").mkdir(parents=True, exist_ok=True)
    source = SourceSpec("dir", "d", str(folder))
    named = [LoaderSpec(loader) for loader in loaders]
    return WorkerSpec("alpha", str(folder / "tracks"), named, source, str(folder / "state"))


def started(executor: LocalExecutor, folder: Path, *loaders: str) -> LocalWorker:
    assert eventually(executor.ready, 20)
    return executor.start(spec(folder, *loaders), str(folder / "log"))


def assert_sound(worker: LocalWorker) -> None:
    """It says that it is done, and ends by itself."""
    said: list[bytes] = []

    def done() -> bool:
        said.extend(worker.lines()[0])
        return worker.ended() is not None

    assert eventually(done, 20)
    assert (worker.ended(), b"worker_done" in b"".join([*said, *worker.lines()[0]])) == (0, True)
    worker.close()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("os._exit(7)", 7),
        ("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("signal.raise_signal(signal.SIGTERM)", -signal.SIGTERM),
    ],
)
def test_how_a_worker_ends_is_told_as_it_was(tmp_path: Path, body: str, code: int) -> None:
    with executor_for() as executor:
        for _ in range(2):
            (tmp_path / "tracks" / "alpha").mkdir(parents=True, exist_ok=True)
            (tmp_path / "tracks" / "alpha" / "one.py").write_text(f"import os, signal\n{body}\n")
            worker = started(executor, tmp_path, "one")
            worker.wait(20)
            assert worker.ended() == code, (tmp_path / "log").read_text()
            assert worker.ended() == code
            worker.kill()  # of one that has ended: nothing, whoever has its number by now
            worker.close()


def test_a_server_whose_imports_start_a_thread_is_not_forked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(local.SETTINGS, "JE_ARROW_MALLOC_CONF", "background_thread:true")
    with executor_for(("pyarrow.lib",)) as executor:
        worker = started(executor, tmp_path)
        assert not isinstance(worker._process, Forked)
        assert_sound(worker)


@pytest.mark.parametrize("boot", ["raise SystemExit", "import time; time.sleep(60)"])
def test_without_a_server_workers_start_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, boot: str
) -> None:
    monkeypatch.setattr(forking, "BOOT", boot)
    monkeypatch.setattr(forking, "WARM_WITHIN", 0.5)
    with executor_for() as executor:
        worker = started(executor, tmp_path)
        assert not isinstance(worker._process, Forked)
        assert_sound(worker)
        assert executor.ready()


def test_a_module_that_cannot_be_imported_is_for_the_worker_to_tell(tmp_path: Path) -> None:
    with executor_for((*WORKER, "there.is.no.such")) as executor:
        worker = started(executor, tmp_path)
        assert isinstance(worker._process, Forked)
        assert_sound(worker)
