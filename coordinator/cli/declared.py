"""What loaders declare to read, found out by a process each: an import may print, hang, or end its process."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..contract import HubSource
from ..events import Failure
from ..worker import discovery
from ..worker.failures import REMEDIES, failure_of
from ..worker.process import die_with

LONGEST_IMPORT = 60
"""Seconds that a loader's module may take to be imported."""
FIELDS = ("repo", "builder", "files", "companions", "revision", "may_be_empty")
"""What of a source decides which files are read."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A loader's source, or why it cannot be known; neither for one with a `load()` of its own."""

    source: HubSource | None = None
    failure: Failure | None = None


def declared(tracks: Path, track: str, loader: str, options: dict[str, Any]) -> Declared:
    """What a loader declares. To be called before the process has threads, as it forks."""
    (read, write), parent = os.pipe(), os.getpid()
    pid = os.fork()
    if not pid:
        _answer(parent, write, tracks, track, loader, options)
    os.close(write)
    with open(read, "rb") as pipe:
        line = pipe.readline()
    _, status = os.waitpid(pid, 0)
    if not line.endswith(b"\n"):
        return Declared(failure=_ended(tracks / track / f"{loader}.py", os.waitstatus_to_exitcode(status)))
    found = json.loads(line)
    source, failure = found["source"], found["failure"]
    return Declared(HubSource(**source) if source else None, Failure(**failure) if failure else None)


def _ended(file: Path, code: int) -> Failure:
    how = f"takes longer than {LONGEST_IMPORT} s" if code == -signal.SIGALRM else f"ends the process (exit code {code})"
    return Failure("loader_bug", f"the import of {file} {how}", REMEDIES["loader_bug"])


def _answer(parent: int, pipe: int, tracks: Path, track: str, loader: str, options: dict[str, Any]) -> None:
    """In the child: import it with its output to nowhere, answer in a line, and leave."""
    try:
        die_with(parent)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LONGEST_IMPORT)
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os.write(pipe, json.dumps(_found(tracks, track, loader, options), default=dict).encode() + b"\n")
    finally:
        os._exit(0)


def _found(tracks: Path, track: str, loader: str, options: dict[str, Any]) -> dict[str, Any]:
    try:
        discovery.install(tracks)
        found = discovery.find(tracks, track, loader, options)
        source = {name: getattr(found.loader.source, name) for name in FIELDS} if found.declared else None
    except (Exception, SystemExit) as error:  # noqa: BLE001  the loader's bug, whatever it is
        return {"source": None, "failure": asdict(failure_of(error, tracks, f"polecats fetch {track}/{loader}"))}
    return {"source": source, "failure": None}
