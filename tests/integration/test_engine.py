"""The engine with true processes, worktrees and signals, on small repositories of invented loaders."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import coordinator
from coordinator.engine.executors.local import LocalExecutor
from coordinator.worker.spec import SourceSpec, WorkerSpec
from tests.clones import Repository, eventually

BIG = '"x" * 2_000'
Make = Callable[[], Repository]


# ---- whose code runs


def test_loaders_come_from_the_worktree_of_their_track_and_nothing_else_does(repository: Repository) -> None:
    """Equal module names everywhere; a worktree's own `coordinator` is never imported."""
    for name in ("alpha/one", "alpha/two", "beta/one"):
        repository.loader(name, by="f'{WORD} {Path(__file__).parents[2].name} {coordinator.__file__}'")
    repository.commit()
    assert repository.polecats("run", "--plain").returncode == 0
    where = coordinator.__file__
    assert repository.makers() == {
        "alpha/one": {f"alpha alpha {where}"},
        "alpha/two": {f"alpha alpha {where}"},
        "beta/one": {f"beta beta {where}"},
    }
    bad = repository.root / "worktrees" / "alpha" / "coordinator"
    (bad / "contract").mkdir(parents=True)
    for file in (bad / "__init__.py", bad / "contract" / "__init__.py"):
        file.write_text("raise SystemExit('the coordinator of a worktree was imported')\n")
    repository.loader("alpha/one", by="'edited in the worktree'", tracks=repository.own("alpha"))
    again = repository.polecats("run", "--plain")
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("reading") == 1
    assert repository.makers()["alpha/one"] == {"edited in the worktree"}
    assert repository.makers()["beta/one"] == {f"beta beta {where}"}


def test_a_loader_sees_little_of_the_environment_and_prints_into_its_log(repository: Repository) -> None:
    repository.loader(
        "alpha/one",
        top="print('on stdout'); print('on stderr', file=sys.stderr); os.system('echo from a child')",
        by="f\"{os.environ.get('MY_SECRET')} {os.environ.get('HF_MADE_UP')} {os.environ.get('POLECATS_RUN_SOURCE')}\"",
    )
    repository.commit()
    done = repository.polecats("run", "--plain", MY_SECRET="hush", HF_MADE_UP="seen")
    assert done.returncode == 0, done.stderr
    assert repository.makers() == {"alpha/one": {"None seen None"}}
    for text in ("on stdout", "on stderr", "from a child"):
        assert text in repository.log("alpha")
        assert text not in done.stdout + done.stderr


# ---- steering from another process


def test_a_loader_mended_in_mid_run_is_redone_and_no_other(repository: Repository) -> None:
    """The edit has the size and the time of what it replaces; the command comes from a second process."""
    repository.loader("alpha/one", each="raise RuntimeError('AAAA')", by="'BBBB'")
    repository.loader("alpha/two", rows=4_000, each="time.sleep(0.001)")
    repository.loader("beta/one")
    repository.commit()
    run = repository.start("run")
    assert run.wait_for("loader_finished", loader="alpha/one")["state"] == "FAILED"
    run.wait_for("loader_progress", loader="alpha/two")
    file = repository.own("alpha") / "alpha" / "one.py"
    before = file.stat()
    mended = file.read_text().replace("raise RuntimeError('AAAA')", f"pass  # {'.' * 18}")
    file.write_text(mended)
    assert file.stat().st_size == before.st_size
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    told = repository.polecats("restart", "alpha/one")
    assert (told.returncode, told.stdout) == (0, "alpha/one: will run again.\n"), told.stderr
    assert run.end() == 0, run.errors
    assert repository.makers()["alpha/one"] == {"BBBB"}
    opened = run.of("loader_opened", loader="alpha/two")
    assert [event["resumed"] > 0 for event in opened] == [False, True]
    assert len(run.of("loader_opened", loader="beta/one")) == 1
    assert {status.state for status in repository.state().loaders.values()} == {"DONE"}
    assert len(repository.questions()) == 4_060


def test_a_run_is_seen_and_stopped_from_a_second_process_and_goes_on_later(repository: Repository) -> None:
    fast = repository.root / "data" / "fast"
    slowly = f"os.path.exists({str(fast)!r}) or time.sleep(0.005)"
    repository.loader("alpha/one", rows=3_000, each=slowly)
    repository.loader("alpha/two")
    repository.loader("beta/one", rows=3_000, each=slowly)
    repository.commit()
    run = repository.start("run")
    run.wait_for("loader_progress", loader="alpha/one")
    run.wait_for("loader_progress", loader="beta/one")
    assert "STREAMING" in repository.polecats("status").stdout
    second = repository.polecats("run", "--plain")
    assert (second.returncode, f"pid {run.child.pid}" in second.stderr) == (5, True)
    assert repository.polecats("stop", "beta").returncode == 0
    assert repository.polecats("stop", "--all").returncode == 0
    assert run.end() == 130
    state = repository.state()
    assert {track.state for track in state.tracks.values()} <= {"STOPPED", "FINISHED"}
    assert (state.loaders["beta/one"].state, state.loaders["alpha/one"].state) == ("STOPPED", "STOPPED")
    assert state.exit_code == 130
    assert not repository.paths.socket.exists()
    fast.parent.mkdir(exist_ok=True)
    fast.touch()
    again = repository.polecats("restart")  # with no engine: a run as the last one was
    assert again.returncode == 0, again.stderr
    assert "goes on after" in again.stderr
    assert len(repository.questions()) == 6_030


def test_commands_that_need_a_run_say_that_there_is_none(repository: Repository) -> None:
    repository.loader("alpha/one")
    repository.commit()
    for command in (["stop", "--all"], ["stop", "alpha"], ["start", "alpha"], ["restart", "alpha"]):
        done = repository.polecats(*command)
        assert (done.returncode, "No run is in progress" in done.stderr) == (2, True), done.stderr


def test_two_clones_run_at_once(make: Make) -> None:
    clones = [make(), make()]
    for number, clone in enumerate(clones):
        clone.loader("alpha/one", rows=1_500, each="time.sleep(0.001)", by=f"'clone {number}'")
        clone.commit()
    runs = [clone.start("run") for clone in clones]
    for run in runs:
        run.wait_for("loader_progress", loader="alpha/one")
    assert clones[0].polecats("stop", "--all").returncode == 0
    assert [run.end() for run in runs] == [130, 0]
    assert clones[1].makers() == {"alpha/one": {"clone 1"}}


# ---- kills


def big(repository: Repository, rows: int) -> bytes:
    """Two tracks whose loaders commit several times each; returns what the file must be."""
    for name in ("alpha/one", "alpha/two", "beta/one"):
        repository.loader(name, rows, by=BIG)
    repository.commit()
    return repository.inline()


@pytest.mark.parametrize("kills", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_workers_killed_at_random_moments_change_no_byte(repository: Repository, kills: int) -> None:
    whole = big(repository, rows=1_000 * kills)
    chance, done = random.Random(kills), 0
    while done < kills:
        run = repository.start("run", POLECATS_RESTART_MAX="99")
        while run.child.poll() is None and done < kills:
            time.sleep(chance.uniform(0.1, 0.7))
            pids = {event["track"]: event["pid"] for event in run.of("track_changed")}
            pid = chance.choice([pid for pid in pids.values() if pid] or [0])
            with contextlib.suppress(ProcessLookupError):
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    done += 1
        assert run.end() == 0, run.errors
        assert repository.merged() == whole
        if done < kills:
            shutil.rmtree(repository.paths.state)


@pytest.mark.parametrize("kills", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_engines_killed_at_random_moments_change_no_byte_and_leave_nobody(repository: Repository, kills: int) -> None:
    whole = big(repository, rows=6_000)
    chance = random.Random(kills)
    for _ in range(kills):
        run = repository.start("run")
        run.pid(chance.choice(["alpha", "beta"]))
        time.sleep(chance.uniform(0.0, 2.0))
        run.child.kill()
        run.end()
        assert repository.all_gone(), repository.alive()
    done = repository.polecats("run", "--plain")
    assert done.returncode == 0, done.stderr
    assert repository.merged() == whole


STUCK = "sum(range(10**12))"
"""Holds the interpreter's lock: no thread of the worker's runs again."""


@pytest.mark.parametrize("place", ["top", "each"])
def test_a_worker_stuck_in_c_dies_with_its_engine(repository: Repository, place: str) -> None:
    repository.loader("alpha/one", **{place: STUCK})  # type: ignore[arg-type]
    repository.commit()
    run = repository.start("run")
    run.wait_for("loader_opening" if place == "top" else "loader_opened", loader="alpha/one")
    time.sleep(0.3)
    assert len(repository.alive()) >= 2
    run.child.kill()
    assert repository.all_gone(), repository.alive()


# ---- stalls


def test_a_loader_that_hangs_while_opening_is_left_out_and_the_one_behind_it_runs(repository: Repository) -> None:
    pipe = repository.root / "pipe"
    os.mkfifo(pipe)
    repository.loader("alpha/one", top=f"open({str(pipe)!r}).read()")
    repository.loader("alpha/two")
    repository.loader("beta/one", top=STUCK)
    repository.commit()
    done = repository.polecats("run", "--plain", POLECATS_RUN_STALL_TIMEOUT="2")
    assert done.returncode == 1, done.stderr
    state = repository.state()
    assert [status.state for status in state.loaders.values()] == ["STALLED", "DONE", "STALLED"]
    failure = state.loaders["alpha/one"].failure
    assert failure is not None
    assert "while opening" in failure.sentence
    assert {track.state for track in state.tracks.values()} == {"FINISHED"}
    assert set(repository.makers()) == {"alpha/two"}
    for name in ("alpha/one", "beta/one"):
        repository.loader(name, tracks=repository.own(name.partition("/")[0]))
    assert repository.polecats("run", "--plain").returncode == 0
    assert set(repository.makers()) == {"alpha/one", "alpha/two", "beta/one"}


def test_a_suspended_worker_is_killed(repository: Repository) -> None:
    repository.loader("alpha/one", rows=20_000, each="time.sleep(0.001)")
    repository.loader("alpha/two")
    repository.commit()
    run = repository.start("run", POLECATS_RUN_STALL_TIMEOUT="2")
    pid = run.pid("alpha")
    run.wait_for("loader_progress", loader="alpha/one")
    os.kill(pid, signal.SIGSTOP)
    assert run.wait_for("loader_finished", loader="alpha/one")["state"] == "STALLED"
    assert not Path(f"/proc/{pid}").exists()
    assert run.end() == 1
    assert repository.state().loaders["alpha/two"].state == "DONE"


def test_an_engine_that_was_suspended_does_not_take_its_workers_for_stalled(repository: Repository) -> None:
    repository.loader("alpha/one", rows=6_000, each="time.sleep(0.001)")
    repository.commit()
    run = repository.start("run", POLECATS_RUN_STALL_TIMEOUT="2")
    run.wait_for("loader_progress", loader="alpha/one")
    run.child.send_signal(signal.SIGSTOP)
    time.sleep(4.0)
    run.child.send_signal(signal.SIGCONT)
    assert run.end() == 0
    assert len(run.of("loader_opened")) == 1


def test_loaders_that_behave_oddly_end_and_hurt_no_other(repository: Repository) -> None:
    repository.loader("alpha/a", each="raise RuntimeError('x' * 5_000_000)")
    repository.loader("alpha/b", top="sys.stdout.close(); sys.stderr.close()")
    repository.loader("alpha/c", top="import threading; threading.Thread(target=time.sleep, args=(3600,)).start()")
    repository.loader("alpha/d", top="import atexit; atexit.register(time.sleep, 3600)")
    repository.loader("alpha/e", each="os._exit(0)")
    repository.loader("alpha/f", each="raise KeyboardInterrupt")
    repository.loader("alpha/g", each="sys.exit('enough')")
    repository.loader("alpha/h", top="os.closerange(0, 3)")
    repository.loader("alpha/i", top="import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    repository.loader("alpha/j", top="def again(): again()", each="again()")
    repository.loader("alpha/z")
    repository.commit()
    done = repository.polecats("run", "--plain", POLECATS_RESTART_MAX="1")
    assert done.returncode == 1, done.stderr
    ends = {name[-1]: status for name, status in repository.state().loaders.items()}
    failures = {name: status.failure.failure_class for name, status in ends.items() if status.failure}
    assert failures == {"a": "loader_bug", "e": "killed", "f": "killed", "g": "loader_bug", "j": "loader_bug"}
    assert {status.state for name, status in ends.items() if name not in failures} == {"DONE"}
    assert repository.state().tracks["alpha"].state == "FINISHED"


# ---- the end


def test_one_interrupt_ends_at_the_next_commit(repository: Repository) -> None:
    repository.loader("alpha/one", rows=2_000, each="time.sleep(0.001)")
    repository.loader("beta/one", rows=2_000, each="time.sleep(0.001)")
    repository.commit()
    run = repository.start("run")
    run.wait_for("loader_progress", loader="alpha/one")
    run.child.send_signal(signal.SIGINT)
    assert run.end() == 130
    assert "goes on from there" in "".join(run.errors)
    assert "Traceback" not in "".join(run.errors)
    state = repository.state()
    assert (state.loaders["alpha/one"].state, state.exit_code) == ("STOPPED", 130)
    assert state.loaders["alpha/one"].counts.read > 0
    again = repository.polecats("run", "--plain")
    assert again.returncode == 0
    assert "goes on after" in again.stderr
    assert len(repository.questions()) == 4_000


@pytest.mark.parametrize("after", [0.0, 0.15, 0.4])
def test_ctrl_c_reaches_a_worker_that_is_being_started_and_does_not_hurt(repository: Repository, after: float) -> None:
    """A terminal sends it to all processes in the foreground."""
    for track in ("alpha", "beta"):
        repository.loader(f"{track}/one", rows=2_000, each="time.sleep(0.001)")
    repository.commit()
    run = repository.start("run")
    run.wait_for("track_changed", track="alpha", state="STARTING")
    time.sleep(after)
    os.killpg(run.child.pid, signal.SIGINT)
    assert run.end() == 130
    assert "Traceback" not in "".join(run.errors)
    assert {track.state for track in repository.state().tracks.values()} == {"STOPPED"}


def test_two_interrupts_end_at_once(repository: Repository) -> None:
    repository.loader("alpha/one", each=STUCK)
    repository.commit()
    run = repository.start("run")
    run.wait_for("loader_opened", loader="alpha/one")
    run.child.send_signal(signal.SIGINT)
    run.wait_for("track_changed", state="STOPPING")
    begin = time.monotonic()
    run.child.send_signal(signal.SIGINT)
    assert run.end() == 130
    assert time.monotonic() - begin < 3
    assert "Traceback" not in "".join(run.errors)
    state = repository.state()
    assert (state.tracks["alpha"].state, state.exit_code) == ("STOPPED", 130)


def test_a_worker_ends_though_arrows_threads_live(repository: Repository) -> None:
    top = (
        "import pyarrow as pa, pyarrow.dataset as pd, pyarrow.parquet as pq\n"
        "pq.write_table(pa.table({'x': list(range(300_000))}), '/tmp/' + str(os.getpid()), row_group_size=1_000)\n"
        "KEPT = iter(pd.dataset('/tmp/' + str(os.getpid())).to_batches(batch_size=10)); next(KEPT)\n"
        "os.unlink('/tmp/' + str(os.getpid()))"
    )
    for number in range(3):
        repository.loader(f"alpha/l{number}", top=top)
    repository.commit()
    begin = time.monotonic()
    done = repository.polecats("run", "--plain")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begin < 20
    assert all(len(value) == 1 for value in repository.makers().values())


def test_a_target_is_met_by_workers_as_it_is_inline(repository: Repository) -> None:
    for name in ("alpha/one", "alpha/two", "beta/one"):
        repository.loader(name, rows=25)
    repository.commit()
    arguments = ["run", "--plain", "--target", "40"]
    assert repository.polecats(*arguments).returncode == 0
    assert len(repository.questions()) == 40
    assert repository.polecats(*arguments, "--inline", "--fresh", "--output", "inline.jsonl").returncode == 0
    assert repository.merged() == (repository.root / "inline.jsonl").read_bytes()


# ---- housekeeping


def test_an_engine_that_waits_uses_no_processor(repository: Repository) -> None:
    repository.loader("alpha/one", each="time.sleep(3600)")
    repository.loader("beta/one", each="time.sleep(3600)")
    repository.commit()
    run = repository.start("run")
    for track in ("alpha", "beta"):
        run.wait_for("loader_opened", loader=f"{track}/one")
    time.sleep(1.5)

    def used() -> float:
        fields = Path(f"/proc/{run.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = used()
    time.sleep(3.0)
    assert (used() - before) / 3.0 < 0.02
    run.child.kill()


@pytest.mark.parametrize("forked", [True, False])
@pytest.mark.parametrize("times", [6, pytest.param(50, marks=pytest.mark.slow)])
def test_workers_leave_nothing_open_and_no_zombie(tmp_path: Path, times: int, forked: bool) -> None:
    (tmp_path / "tracks").mkdir()
    spec = WorkerSpec("alpha", str(tmp_path / "tracks"), [], SourceSpec("dir", "d", str(tmp_path)), str(tmp_path / "s"))
    executor = LocalExecutor()
    if forked:
        assert eventually(executor.ready, 20)
    counts = []
    for number in range(times):
        worker = executor.start(spec, str(tmp_path / "log"))
        if number % 3 == 1:
            worker.kill()
        lines = b""
        while not lines.count(b"worker_done") and worker.ended() is None:
            lines += b"\n".join(worker.lines()[0])
            time.sleep(0.02)
        worker.wait(10)
        assert worker.ended() == (-9 if number % 3 == 1 else 0), (tmp_path / "log").read_text()
        assert not worker.out_of_memory()
        pid = worker.pid
        worker.close()
        assert not Path(f"/proc/{pid}").exists()
        counts.append(len(os.listdir("/proc/self/fd")))
    assert counts[-1] == counts[0]
    executor.close()
