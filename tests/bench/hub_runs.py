"""Runs of one loader, over the stand-in of the Hub and from a folder, each checked to give the same samples."""

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from coordinator.demo.hub import TOKEN
from coordinator.demo.network import Asked, file_bytes, most_open
from tests.clones import COMMAND

from .hub_files import Case
from .measure import Command, Cost, run
from .rows import HERE, Bench
from .served import Served
from .watch import watching

_edits = count(1)


@dataclass(frozen=True)
class Taken:
    """A run, and what it took. `pss`: megabytes of its worker."""

    cost: Cost
    pss: float = 0.0
    asked: tuple[Asked, ...] = ()

    @property
    def wire(self) -> int:
        """Bytes of files over the wire."""
        return file_bytes(self.asked)

    @property
    def open(self) -> int:
        """Connections that were open at once."""
        return most_open(self.asked)


class Runs:
    """The runs of a case. Raises `RuntimeError` where one fails or gives other samples than the first."""

    def __init__(self, bench: Bench, case: Case, root: Path) -> None:
        self._bench, self._case, self._root = bench, case, root
        self._worktree = bench.repository / "worktrees" / case.track
        self._states = bench.repository / "worktrees" / ".state"
        self._home = bench.folder / "hf"
        self._samples = ""

    def folder(self) -> Taken:
        """From the files themselves."""
        self._forget()
        return self._run("--source", str(self._root), environment={})

    def cold(self, served: Served, limit: str = "") -> Taken:
        """From the Hub with nothing in the cache; `limit` is that of the cache, if not the usual one."""
        self._forget()
        shutil.rmtree(self._home, ignore_errors=True)
        return self.warm(served, limit)

    def warm(self, served: Served, limit: str = "") -> Taken:
        """From the Hub with what is there."""
        served.asked()
        taken = self._run("--source", "hub", environment=self._environment(served, limit))
        return Taken(taken.cost, taken.pss, tuple(served.asked()))

    def redone(self, served: Served) -> Taken:
        """From the Hub with what is there, after an edit of the loader."""
        with (self._worktree / "tracks" / self._case.track / f"{self._case.loader}.py").open("a") as code:
            code.write(f"\n_EDIT = {next(_edits)}\n")
        return self.warm(served)

    def downloaded(self, served: Served) -> tuple[Taken, Taken]:
        """`hf download`, and a run with what it brought."""
        self._forget()
        shutil.rmtree(self._home, ignore_errors=True)
        return self.other(served, "download"), self.warm(served)

    def other(self, served: Served, way: str) -> Taken:
        """Another way to the files, with nothing in the cache that it would use."""
        served.asked()
        if way != "download":
            shutil.rmtree(self._home, ignore_errors=True)
        cap = str(self._case.samples(self._bench.rows))
        command: Command = [sys.executable, HERE / "hub_peers.py", way, self._case.repo, cap, *self._case.columns]
        cost = run(command, self._bench.folder, self._environment(served, ""))
        return Taken(cost, 0.0, tuple(served.asked()))

    def _forget(self) -> None:
        """Nothing is committed."""
        for state in [*self._states.glob("hub*"), *self._states.glob("dir-*")]:
            shutil.rmtree(state)

    def _environment(self, served: Served, limit: str) -> dict[str, str]:
        own = {"HF_ENDPOINT": served.url, "HF_HOME": str(self._home), "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
        own |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_OFFLINE": "0"}
        return own | ({"POLECATS_CACHE_LIMIT": limit} if limit else {})

    def _run(self, *source: str, environment: dict[str, str]) -> Taken:
        cap = self._case.samples(self._bench.rows)
        wanted = ["--max-samples", str(cap)] if cap else []
        command = [*COMMAND, "run", "--plain", "--no-merge", "--loader", self._case.loader, *source, *wanted]
        with watching(self._worktree) as worker:
            cost = run(command, self._bench.repository, self._bench.environment | environment)
        self._check(source)
        return Taken(cost, worker.pss)

    def _check(self, source: tuple[str, ...]) -> None:
        """The same samples as ever."""
        key = "hub*" if source[-1] == "hub" else "dir-*"
        digest = hashlib.sha256()
        for part in sorted(self._states.glob(f"{key}/tracks/{self._case.track}/{self._case.loader}/part-*.jsonl")):
            digest.update(part.read_bytes())
        self._samples = self._samples or digest.hexdigest()
        if digest.hexdigest() != self._samples:
            raise RuntimeError(f"{self._case.name}: the samples by {' '.join(source)} are not those of the first run")
