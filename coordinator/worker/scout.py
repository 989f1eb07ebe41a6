"""What a track's next loaders declare to read, found out by processes of their own.

To fetch ahead for a loader its module has to be imported, and an import may hang, print, or end the process that does
it: none of that may befall the loader that is at work. So each is imported by a fork that writes its source to a pipe.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..contract import HubSource, Loader
from . import discovery
from .process import die_with
from .spec import LoaderSpec, WorkerSpec

LONGEST_IMPORT = 20
"""Seconds that a loader's module may take to be imported, else nothing is fetched ahead for it."""
FIELDS = ("repo", "builder", "files", "companions", "revision", "strided")
"""What of a source decides which files are read."""


@dataclass(slots=True)
class Scout:
    """The near end: sources by loader name, as they become known. For one thread."""

    pid: int
    pipe: int
    _rest: bytes = b""

    def source(self, loader: str) -> HubSource | None:
        """What a loader reads; waits for it. None where that cannot be known."""
        while True:
            line, newline, rest = self._rest.partition(b"\n")
            if newline:
                self._rest = rest
                found = json.loads(line)
                if found["loader"] == loader:
                    return HubSource(**found["source"]) if found["source"] else None
            elif chunk := os.read(self.pipe, 2**16):
                self._rest += chunk
            else:
                return None


def sent_out(spec: WorkerSpec, inherited: Iterable[int]) -> Scout:
    """Begin to look at all loaders of a worker but the first. To be called before the process has threads.

    `inherited`: descriptors that the scout is not to hold open. Raises `OSError`.
    """
    (read, write), parent = os.pipe(), os.getpid()
    pid = os.fork()
    if not pid:
        _as_a_child(parent, [read, *inherited], lambda: _look(spec, write))
    os.close(write)
    return Scout(pid, read)


def _look(spec: WorkerSpec, pipe: int) -> None:
    tracks = Path(spec.tracks).resolve()
    for loader in spec.loaders[1:]:
        parent = os.getpid()
        pid = os.fork()
        if not pid:
            signal.alarm(LONGEST_IMPORT)
            _as_a_child(parent, [], lambda loader=loader: _tell(tracks, spec.track, loader, pipe))
        os.waitpid(pid, 0)
        _write(pipe, loader.name, None)  # for one that its import has ended; any other has told already


def _tell(tracks: Path, track: str, loader: LoaderSpec, pipe: int) -> None:
    discovery.install(tracks)
    found = discovery.find(tracks, track, loader.name, loader.options).loader
    _write(pipe, loader.name, found.source if isinstance(found, Loader) else None)


def _write(pipe: int, loader: str, source: HubSource | None) -> None:
    fields: dict[str, Any] = {name: getattr(source, name) for name in FIELDS} if source else {}
    line = json.dumps({"loader": loader, "source": fields}, default=dict) + "\n"
    os.write(pipe, line.encode())


def _as_a_child(parent: int, inherited: Iterable[int], work: Any) -> None:
    """Do it and leave, quietly, whatever comes of it: the loader's own turn tells what is wrong with it."""
    code = 1
    try:
        die_with(parent)
        for descriptor in inherited:
            with suppress(OSError):
                os.close(descriptor)
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        work()
        code = 0
    except BaseException:  # noqa: BLE001
        code = 1
    finally:
        os._exit(code)
