"""A repository of invented loaders in a clone of its own, and runs of the true command in it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coordinator.demo.hub import Hub
from coordinator.engine import journal
from coordinator.engine.state import RunState, replay
from coordinator.paths import Paths

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "coordinator"]
PATIENCE = 60.0
LOADER = """
import os, sys, time
from pathlib import Path
import coordinator
from coordinator.contract import Call, HubSource, Loader, Outcome, Row, Sample
from tracks.{track}._words import WORD
{top}

class Made(Loader):
    source = HubSource(repo="inv/{track}-{name}", builder="lines", files={{"rows": "*.jsonl"}}, licence="MIT")
    category = "function_calling"

    def transform(self, row: Row) -> Outcome:
        {each}
        return Sample(f"question {{row['n']}} to {track} {name}", [Call("look_up", {{"n": row["n"], "by": {by}}})])
"""


class Repository:
    """A git repository with tracks of its own, and the folder that its sources are in."""

    def __init__(self, root: Path, runtime: str) -> None:
        self.root, self.paths = root, Paths(root)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(root),
            "PYTHONPATH": str(ROOT),
            "XDG_RUNTIME_DIR": runtime,
            "LC_ALL": "C.UTF-8",
            "POLECATS_RUN_SOURCE": "sources",
        }
        self.command = COMMAND
        self.started: list[subprocess.Popen[str]] = []
        (root / "tracks").mkdir(parents=True)
        (root / "config.toml").write_text("")
        (root / ".gitignore").write_text("worktrees/\ndata/\nsources/\n")

    def loader(
        self,
        name: str,
        rows: int = 30,
        top: str = "",
        each: str = "pass",
        by: str = "'first'",
        tracks: Path | None = None,
    ) -> Path:
        """Write a loader (into main's checkout if not told otherwise), and its source."""
        track, _, stem = name.partition("/")
        file = (tracks or self.paths.tracks) / track / f"{stem}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "_words.py").write_text(f"WORD = {track!r}\n")
        file.write_text(LOADER.format(track=track, name=stem, top=top, each=each, by=by))
        source = self.root / "sources" / "inv" / f"{track}-{stem}" / "rows.jsonl"
        source.parent.mkdir(parents=True, exist_ok=True)
        if not source.exists():
            source.write_text("".join(f'{{"n": {n}}}\n' for n in range(rows)))
        return file

    def behind(self, hub: Hub, home: Path) -> None:
        """From now on read from a stand-in of the Hub, through the true clients, as soon as they give up waiting."""
        self.environment |= {
            "POLECATS_RUN_SOURCE": "hub",
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "1",
            "HF_HUB_ETAG_TIMEOUT": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def own(self, track: str) -> Path:
        """The `tracks` folder of a track's worktree."""
        return self.root / "worktrees" / track / "tracks"

    def commit(self) -> None:
        who = ["-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "init.defaultBranch=main"]
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
            subprocess.run(["git", *who, *command], cwd=self.root, check=True, capture_output=True)

    def polecats(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *arguments],
            cwd=self.root,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
        )

    def start(self, *arguments: str, **environment: str) -> Run:
        child = subprocess.Popen(
            [*self.command, *arguments, "--json"],
            cwd=self.root,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.started.append(child)
        return Run(child)

    def state(self) -> RunState:
        """The last run, from its journal."""
        folder = journal.latest_run(self.paths)
        assert folder is not None
        return replay(journal.read(folder / journal.JOURNAL))

    def log(self, track: str) -> str:
        folder = journal.latest_run(self.paths)
        assert folder is not None
        return (folder / f"{track}.log").read_text()

    def merged(self) -> bytes:
        return (self.root / "data" / "tier1.jsonl").read_bytes()

    def questions(self) -> list[str]:
        """What each line asks; every row of these sources asks something else."""
        found = [json.loads(line)["metadata"]["query"] for line in self.merged().splitlines()]
        assert len(set(found)) == len(found)
        return found

    def makers(self) -> dict[str, set[str]]:
        """What each loader's rows say of who made them."""
        found: dict[str, set[str]] = {}
        for line in self.merged().splitlines():
            record = json.loads(line)
            track, name = record["metadata"]["query"].split()[-2:]
            found.setdefault(f"{track}/{name}", set()).add(record["execution_plan"]["nodes"][0]["arguments"]["by"])
        return found

    def inline(self) -> bytes:
        """What the same loaders give without workers, in a state of their own."""
        state = self.root / "worktrees" / ".state"
        aside = state.with_name(".aside")
        if state.exists():
            state.rename(aside)
        done = self.polecats("run", "--inline", "--output", "inline.jsonl", "--replace")
        assert done.returncode == 0, done.stderr
        shutil.rmtree(state)
        if aside.exists():
            aside.rename(state)
        return (self.root / "inline.jsonl").read_bytes()

    def alive(self) -> list[str]:
        """Processes of ours, by a variable that all of them have."""
        mark, found = f"XDG_RUNTIME_DIR={self.environment['XDG_RUNTIME_DIR']}".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
        return found

    def all_gone(self, seconds: float = 3.0) -> bool:
        return eventually(lambda: not self.alive(), seconds)


class Run:
    """A run in the background: its process, and its events as they come."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child, self.events, self.errors = child, list[dict[str, Any]](), list[str]()
        self._threads = [
            threading.Thread(target=self._hear, daemon=True),
            threading.Thread(target=lambda: self.errors.extend(child.stderr or ()), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _hear(self) -> None:
        for line in self.child.stdout or ():
            with contextlib.suppress(ValueError):
                self.events.append(json.loads(line))

    def of(self, kind: str, **values: Any) -> list[dict[str, Any]]:
        fitting = {"kind": kind, **values}.items()
        return [event for event in list(self.events) if all(event.get(key) == value for key, value in fitting)]

    def wait_for(self, kind: str, times: int = 1, **values: Any) -> dict[str, Any]:
        eventually(lambda: len(self.of(kind, **values)) >= times or self.child.poll() is not None, PATIENCE)
        found = self.of(kind, **values)
        assert len(found) >= times, (kind, values, self.events[-5:], self.errors)
        return found[-1]

    def pid(self, track: str) -> int:
        """Its worker's, once it is at work."""
        return int(self.wait_for("track_changed", track=track, state="RUNNING")["pid"])

    def end(self) -> int:
        code = self.child.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        return code


def is_alive(pid: str | int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(true: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return true()
