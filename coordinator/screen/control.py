"""Steering from the screen: the engine's answer, always in a sentence. Calls wait for it: make them in a thread."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ..client import ask
from ..control import Reply, Request, Verb
from ..disk import naming
from ..errors import PolecatsError
from ..paths import Paths

Ask = Callable[[Path, Request], Reply | None]
Launch = Callable[[Path, Path, list[str]], object]


def launch(folder: Path, log: Path, arguments: list[str]) -> subprocess.Popen[bytes]:
    """Start `polecats ARGUMENTS` in a folder, as an engine in a session of its own: it outlives the terminal."""
    with naming(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        out = log.open("wb")
    with out:
        return subprocess.Popen(
            [sys.executable, "-m", "coordinator", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


class Steering(Protocol):
    """What the screen asks of a run; tests have their own."""

    def restart(self, targets: Sequence[str]) -> Reply:
        """Run loaders again."""

    def stop(self, targets: Sequence[str]) -> Reply:
        """Take loaders out of the run."""

    def start(self, targets: Sequence[str]) -> Reply:
        """Bring loaders back that were stopped or have failed."""

    def stop_all(self) -> Reply:
        """End the run at the next commit."""


class Control:
    """The engine of a repository."""

    def __init__(self, root: Path, ask: Ask = ask, launch: Launch = launch) -> None:
        self._root, self._ask, self._launch = root, ask, launch

    def restart(self, targets: Sequence[str]) -> Reply:
        """See `Steering`."""
        return self._do("restart", targets)

    def stop(self, targets: Sequence[str]) -> Reply:
        """See `Steering`."""
        return self._do("stop", targets)

    def start(self, targets: Sequence[str]) -> Reply:
        """See `Steering`."""
        return self._do("start", targets)

    def stop_all(self) -> Reply:
        """See `Steering`."""
        return self._do("shutdown", ())

    def _do(self, verb: Verb, targets: Sequence[str]) -> Reply:
        try:
            reply = self._ask(self._root, Request(verb, list(targets)))
        except PolecatsError as error:
            return Reply(False, str(error))
        if reply is not None:
            return reply
        if verb in ("restart", "start"):
            try:
                self._launch(self._root, Paths(self._root).engine_log, ["restart", *targets, "--linger"])
            except OSError as error:
                return Reply(False, f"No engine can be started: {error}.")
            return Reply(True, "No run was in progress: one starts for it.", list(targets))
        return Reply(False, "No run is in progress.")
