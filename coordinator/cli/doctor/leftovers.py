"""What killed engines, workers and merges leave: nothing of it stops the next run, but it is there.

Whatever is removed here is made again when it is needed, and belongs to nobody who is still at work.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import psutil

from ...control import socket_path
from ...disk import size
from ...engine.journal import JOURNAL, latest_run, read
from ...engine.server import answers
from ...events import TrackChanged
from ...paths import Paths
from ...publish import manifest, output, tier_output
from ..context import Context
from .finding import Finding

SLACK = 10.0
"""Seconds between a worker's start and the journal's line of it, at most."""
KILL_AFTER = 3.0
ABANDONED = 3600.0
"""Seconds after which a mirror that is being built is one that was left: it takes no minute."""


def look(here: Context, busy: bool) -> Iterator[Finding]:
    """Findings about the engine and what killed processes left; `busy`: a run is in progress, all of it is in use."""
    paths = here.paths
    pid = paths.lock.with_suffix(".pid")
    if busy:
        yield Finding("ok", "engine", f"runs, pid {pid.read_text().strip() if pid.exists() else 'unknown'}")
        return
    yield Finding("ok", "engine", "not running")
    for path in (pid, paths.socket):
        if path.exists():
            yield Finding("note", "leftover", f"{path} is of an engine that was killed.", partial(_remove, [path]))
    if _deaf(path := socket_path(paths.root)):
        yield Finding("note", "leftover", f"{path} is of an engine that was killed.", partial(_remove, [path]))
    yield from _orphans(paths)
    yield from _temporary(paths)
    yield from _mirrors(paths)
    yield from _merges(here)


def _remove(paths: Iterable[Path]) -> str:
    for path in paths:
        path.unlink(missing_ok=True)
    return ""


def _deaf(path: Path) -> bool:
    """A socket that nobody listens on."""
    return path.is_socket() and not answers(path)


def _orphans(paths: Paths) -> Iterator[Finding]:
    for track, process in workers_left(paths):
        sentence = f"the worker of {track} (pid {process.pid}) goes on without its engine."
        yield Finding("bad", "orphan", sentence, partial(_end, process))


def workers_left(paths: Paths) -> list[tuple[str, psutil.Process]]:
    """Workers of the last run that live: told by their pid and by when they were started, never by a name."""
    folder = latest_run(paths)
    found = {}
    for at, event in read(folder / JOURNAL) if folder else ():
        if isinstance(event, TrackChanged) and event.state == "RUNNING" and event.pid:
            found[event.pid] = (event.track, at)
    alive = []
    for pid, (track, at) in found.items():
        try:
            process = psutil.Process(pid)
            if -1.0 <= at - process.create_time() <= SLACK and process.status() != psutil.STATUS_ZOMBIE:
                alive.append((track, process))
        except psutil.Error:
            continue
    return alive


def _end(process: psutil.Process) -> str:
    """What it has committed is kept. `psutil` refuses where the pid is another process's by now."""
    try:
        process.terminate()
        process.wait(KILL_AFTER)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(KILL_AFTER)
    except psutil.NoSuchProcess:
        pass
    except psutil.Error as error:
        raise OSError(str(error)) from None
    return "It was ended; what it had committed is kept."


def _temporary(paths: Paths) -> Iterator[Finding]:
    found = [path for glob in ("*.tmp", "*/tracks/*/*/*.tmp") for path in paths.state.glob(glob) if path.is_file()]
    if found:
        sentence = f"{_files(found)} below {paths.state} that a killed process was writing."
        yield Finding("note", "leftover", sentence, partial(_remove, found))


def _files(paths: list[Path]) -> str:
    total = sum(path.lstat().st_size for path in paths)
    return f"{len(paths)} temporary file{'s' * (len(paths) > 1)} ({size(total)})"


def _mirrors(paths: Paths) -> Iterator[Finding]:
    """A demonstration builds its mirror before it holds the lock."""
    for path in sorted(paths.mirrors.glob(".*-*")):
        if path.is_dir() and not path.is_symlink() and time.time() - path.stat().st_mtime > ABANDONED:
            yield Finding("note", "leftover", f"{path} is a mirror that was never finished.", partial(_clear, path))


def _clear(folder: Path) -> str:
    shutil.rmtree(folder)
    return ""


def _merges(here: Context) -> Iterator[Finding]:
    last = here.last_run()
    for file in sorted({here.output(None), *([Path(last.output)] if last else [])}):
        if not file.parent.is_dir() or output.busy(file.parent):
            continue
        found = output.leftovers(file)
        if found or manifest.unsettled(file):
            what = f"{_files(found)} beside {file}" if found else f"{file} waits for its manifest"
            yield Finding("note", "leftover", f"{what}, of a merge that was killed.", partial(_settle, file))


def _settle(file: Path) -> str:
    with output.alone(file.parent, lambda: None):
        tier_output.settle(file)
    return ""
