"""Where a run's rounds take place: in this process, or in a worker process a track, each in its worktree."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..client import ask, listens
from ..control import Request
from ..disk import free_bytes, size
from ..engine.engine import Engine, serving
from ..engine.executors.base import Executor
from ..engine.journal import JOURNAL, latest_run, read
from ..engine.plan import Plan
from ..engine.recorder import Recorder
from ..engine.state import replay
from ..engine.worktrees import Worktree, WorktreeManager
from ..errors import ExitCode, PolecatsError
from ..events import Counts, Failure, LoaderFinished, TrackChanged
from ..paths import Paths
from ..worker.failures import REMEDIES
from ..worker.forkserver import HUB, PARQUET, WORKER
from ..worker.spec import WorkerSpec

if TYPE_CHECKING:
    from ..engine.executors.local import LocalExecutor

PATIENCE = 100
"""Looks at an engine that was asked to leave, a tenth of a second each."""


GIT_UNWRITTEN = ("unable to write", "No space left", "quota exceeded")
"""What git says where a disk takes no more of a checkout."""


class Stopping(Protocol):
    """What knows whether to stop, and can be told to."""

    asked: bool

    def __call__(self) -> bool:
        """Whether to stop."""


def already_running(paths: Paths) -> PolecatsError:
    """The refusal while another polecats works on the repository: who it is, and how to get at it."""
    holder = paths.lock.with_suffix(".pid")
    pid = holder.read_text().strip() if holder.exists() else "unknown"
    return PolecatsError(
        f"Another polecats (pid {pid}) works on {paths.root}. Look at it with polecats watch or polecats status, steer "
        "it with polecats restart and polecats stop, or end it with polecats stop --all.",
        ExitCode.RUNNING,
    )


def make_way(paths: Paths) -> None:
    """End an engine that only serves on for a screen; its run has ended. Raises `PolecatsError` where one goes on."""
    root = paths.root
    if not listens(root):
        return
    folder = latest_run(paths)
    if folder is None or replay(read(folder / JOURNAL)).exit_code is None:
        raise already_running(paths)
    ask(root, Request("shutdown"))
    for _ in range(PATIENCE):
        if not listens(root):
            return
        time.sleep(0.1)


@contextmanager
def executor_of(plan: Plan) -> Iterator[LocalExecutor]:
    """What starts a plan's workers; it has begun to import what they need when the block is entered."""
    from ..engine.executors.local import LocalExecutor

    with closing(LocalExecutor(_modules(plan))) as executor:
        if not plan.source.served:  # else workers get surroundings that are still to be made
            executor.ready()
        yield executor


def _modules(plan: Plan) -> list[str]:
    """What workers import: the loaders' sources tell, not what importing them would. A wrong guess costs time only."""
    files = [plan.checkout(track) / track / f"{loader}.py" for track, loader in plan.loaders]
    parquet = any(word in _held(file) for file in files for word in (b"parquet", b"datasets"))
    return [*WORKER, *(HUB if plan.source.over_hub else ()), *(PARQUET if parquet else ())]


def _held(file: Path) -> bytes:
    with suppress(OSError):  # for the worker to say
        return file.read_bytes()
    return b""


def engine_of(plan: Plan, run: str, recorder: Recorder, executor: Executor) -> AbstractContextManager[Engine]:
    """An engine with its socket open, for a plan that runs in worktrees."""
    return serving(plan.paths, plan.config, executor, recorder, run)


def worktrees(plan: Plan) -> dict[str, Worktree | PolecatsError]:
    """Each track's checkout made ready, or why it cannot be. Raises where none can: there is no repository."""
    manager = WorktreeManager(plan.paths.root)
    found: dict[str, Worktree | PolecatsError] = {}
    for track in dict.fromkeys(track for track, _ in plan.loaders):
        try:
            found[track] = manager.ensure(track)
        except PolecatsError as error:
            found[track] = error
    errors = [item for item in found.values() if isinstance(item, PolecatsError)]
    if len(errors) == len(found):
        raise errors[0]
    return found


def runner_of(
    engine: Engine | None, recorder: Recorder, stopper: Stopping, trees: dict[str, Worktree | PolecatsError]
) -> Callable[[list[WorkerSpec]], None]:
    """What runs a round of specs to its end: this process, or a worker process a track."""
    if engine is None:
        from ..engine.executors.inline import run_inline

        return lambda specs: run_inline(specs, recorder.emit, stopper)
    for track, tree in trees.items():
        if isinstance(tree, Worktree):
            for note in tree.notes:
                recorder.emit(TrackChanged(track, "PENDING", note=note))
    broken = {track: str(tree) for track, tree in trees.items() if isinstance(tree, PolecatsError)}

    def run_round(specs: list[WorkerSpec]) -> None:
        for spec in specs:
            if spec.track in broken:
                _no_worktree(spec, broken[spec.track], recorder)
        engine.run_round([spec for spec in specs if spec.track not in broken], stopper)
        stopper.asked = stopper.asked or engine.shut_down

    return run_round


def _no_worktree(spec: WorkerSpec, sentence: str, recorder: Recorder) -> None:
    """All loaders of a track that has no checkout fail with the reason; the other tracks run."""
    failure = Failure("worktree", sentence, "Mend the worktree as it says, then run again.", "", "polecats doctor")
    if any(words in sentence for words in GIT_UNWRITTEN):
        free = free_bytes(Path(spec.state))
        why = f"{sentence.rstrip('.')}: the disk is full ({size(free or 0)} free, and a checkout is written there)"
        failure = Failure("disk_full", why, REMEDIES["disk_full"], "", "polecats doctor")
    for loader in spec.loaders:
        recorder.emit(LoaderFinished(f"{spec.track}/{loader.name}", "FAILED", Counts(), failure))
    recorder.emit(TrackChanged(spec.track, "FATAL", note=sentence))
