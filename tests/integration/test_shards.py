"""A loader with several processes, and what is killed of it: nothing is left behind, and the file is the same."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from coordinator.worker.parts import read_commits
from tests.clones import PATIENCE, ROOT, Repository, Run, eventually

TOP = "from coordinator.worker import main, pipeline; pipeline.PART_BYTES, main.FEW_BYTES = 100_000, 0"


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def shards(run: Run, before: int) -> tuple[int, list[int]]:
    """The process ids of the worker that came after `before`, and of its shards, once it has them."""

    def newest() -> int:
        told = [event["pid"] for event in run.of("track_changed", track="opal", state="RUNNING")]
        return told[-1] if told and told[-1] != before else 0

    assert eventually(lambda: len(children(newest())) == 2, PATIENCE), run.events[-5:]
    return newest(), children(newest())


def test_whatever_is_killed_the_file_is_the_same(repository: Repository, tmp_path: Path) -> None:
    held = tmp_path / "held"
    repository.command = [sys.executable, str(ROOT / "tests" / "chaos" / "hasty.py")]
    each = f"while row['n'] == 3_000 and Path({str(held)!r}).exists(): time.sleep(0.01)"
    repository.loader("opal/one", rows=4_000, top=TOP, each=each)
    (repository.root / "config.toml").write_text("[run]\nworkers = 2\n[tracks.opal]\nworkers = 3\n")
    repository.commit()
    whole = repository.inline()

    held.touch()
    run = repository.start("run")
    worker, ours = shards(run, 0)
    state = repository.root / "worktrees" / ".state"
    assert eventually(lambda: any(read_commits(path.parent)[0] for path in state.rglob("commits.jsonl")), PATIENCE)
    os.kill(ours[0], signal.SIGKILL)
    failed = run.wait_for("loader_finished", state="FAILED")
    assert failed["failure"]["failure_class"] == "killed"
    assert eventually(lambda: not Path(f"/proc/{ours[1]}").exists(), PATIENCE), "the others go with it"

    worker, ours = shards(run, worker)
    os.kill(worker, signal.SIGKILL)
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in ours), PATIENCE)
    worker, ours = shards(run, worker)
    os.kill(run.child.pid, signal.SIGKILL)
    run.end()
    assert repository.all_gone(), repository.alive()

    held.unlink()
    (repository.root / "config.toml").write_text("[run]\nworkers = 3\n[tracks.opal.one]\nworkers = 3\n")
    last = repository.start("run")
    assert last.end() == 0, last.errors
    assert last.of("loader_opened")[0]["resumed"] > 0
    assert repository.merged() == whole


def test_the_last_track_has_all_cores_until_another_comes_back(repository: Repository, tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    held = " or ".join(
        f"(row['n'] == {n} and Path({str(file)!r}).exists())" for n, file in ((900, first), (3_000, second))
    )
    repository.loader("opal/one", rows=4_000, top=TOP, each=f"while {held}: time.sleep(0.01)")
    repository.loader("ruby/two", each=f"while Path({str(other)!r}).exists(): time.sleep(0.01)")
    (repository.root / "config.toml").write_text("[run]\nworkers = 2\n[tracks.opal]\n[tracks.ruby]\n")
    repository.commit()
    whole = repository.inline()

    for file in (first, second, other):
        file.touch()
    run = repository.start("run")
    worker = run.pid("opal")
    run.wait_for("loader_opened", loader="ruby/two")
    assert not children(worker), "it converts by itself"
    other.unlink()
    run.wait_for("track_changed", track="ruby", state="FINISHED")
    first.unlink()
    assert eventually(lambda: len(children(worker)) == 2, PATIENCE), run.events[-5:]
    assert repository.polecats("restart", "ruby/two").returncode == 0
    run.wait_for("track_changed", 2, track="ruby", state="FINISHED")
    assert run.of("track_changed", track="opal", state="RUNNING")[-1]["pid"] == worker
    second.unlink()
    assert run.end() == 0, run.errors
    assert repository.merged() == whole
