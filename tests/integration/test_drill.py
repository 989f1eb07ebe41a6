"""`polecats demo --faults` from end to end: each fault is told as what it is, and a person can mend what stays."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from coordinator.cli.drilling import HERE, Killer, _surroundings
from coordinator.demo import drill
from coordinator.demo.hub import TOKEN
from coordinator.engine.repository import init
from coordinator.engine.state import RunState, TrackStatus
from coordinator.events import Counts, Heartbeat, LoaderProgress

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "coordinator"]
WATCH = "from pathlib import Path; from coordinator.client import watch; print(sum(1 for _ in watch(Path.cwd())))"
DEAD = "http://127.0.0.1:9"
PATIENCE = 90.0
Event = dict[str, Any]


class Drill:
    """A drill in a copy of the repository, watched, so that its engine serves on after the end."""

    def __init__(self, root: Path, runtime: str) -> None:
        self.root = root
        # A token that would open the gate, proxies that would take every request, a switch that would refuse them.
        self.environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
        self.environment |= {"XDG_RUNTIME_DIR": runtime, "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "1"}
        self.environment |= dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"), DEAD)
        self.started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Drill:
        with (self.root / "out").open("wb") as out, (self.root / "err").open("wb") as err:
            arguments = ["demo", "--faults", "--rows", "300", "--json", "--linger", "--output", "made/drill.jsonl"]
            self.engine = self._start([*COMMAND, *arguments], out, err)
        self.until(lambda: (self.root / "worktrees/.state/socket").exists())
        self.watcher = self._start([sys.executable, "-c", WATCH], subprocess.DEVNULL, subprocess.DEVNULL)
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.started:
            if child.poll() is None:
                child.kill()
            child.wait(10)

    def _start(self, command: list[str], out: Any, err: Any) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            command, cwd=self.root, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        self.started.append(child)
        return child

    def until(self, held: Callable[[], bool]) -> None:
        """Wait until something holds."""
        end = time.monotonic() + PATIENCE
        while not held():
            assert time.monotonic() < end, self.said()
            assert self.engine.poll() is None, self.said()
            time.sleep(0.1)

    def said(self) -> str:
        """What it has narrated so far."""
        return (self.root / "err").read_text()

    def events(self, kind: str) -> list[Event]:
        """All events of a kind so far."""
        lines = (self.root / "out").read_text().splitlines(keepends=True)
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if event["kind"] == kind]

    def ends(self, loader: str) -> list[str]:
        """How a loader ended, each time: its state, or the class of its failure."""
        found = [event for event in self.events("loader_finished") if event["loader"] == loader]
        return [event["failure"]["failure_class"] if event["failure"] else event["state"] for event in found]

    def polecats(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command on the same repository."""
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )

    def alive(self) -> list[str]:
        """Processes that work in the copy."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if Path(process.cwd()).is_relative_to(self.root):
                    found.append(" ".join(process.cmdline()))
        return found


@pytest.fixture
def drilled(tmp_path: Path) -> Iterator[Drill]:
    shutil.copytree(ROOT / "tracks", tmp_path / "tracks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "config.toml", tmp_path)
    init(tmp_path)
    runtime = tempfile.mkdtemp(prefix="polecats-test-")  # short: a socket's path is
    with Drill(tmp_path, runtime) as running:
        yield running
    shutil.rmtree(runtime)


def test_each_fault_is_told_and_what_stays_can_be_mended(drilled: Drill) -> None:
    drilled.until(lambda: len(drilled.events("run_finished")) == 1)
    outcomes = {
        drill.GATED: ["gated"],
        drill.CHANGED: ["contract"],
        drill.STALLED: ["stalled"],
        drill.LIMITED: ["DONE"],
        drill.KILLED: ["DONE"],
        drill.SLOW: ["DONE"],
    }
    assert {part.loader: drilled.ends(part.loader) for part in drill.PARTS} == {
        part.loader: ends for part, ends in outcomes.items()
    }
    state = json.loads(drilled.polecats("status", "--json").stdout)["loaders"]
    rest = {name: item["state"] for name, item in state.items() if name not in {part.loader for part in drill.PARTS}}
    assert {name for name, end in rest.items() if end != "DONE"} == {"opal/astra_sft"}  # which is empty upstream
    pauses = [event for event in drilled.events("track_changed") if event["state"] == "BACKOFF"]
    assert ["signal 9" in event["note"] for event in pauses if event["track"] == "opal"] == [True]
    assert not [event for event in pauses if event["track"] == "quartz"]
    waits = [event for event in drilled.events("loader_waiting") if event["loader"] == drill.LIMITED.loader]
    assert [event["seconds"] for event in waits if event["shared"]] == [drill.RETRY_AFTER] * 2

    failure = state[drill.CHANGED.loader]["failure"]
    assert "['metadata', 'tools', 'turns']" in failure["sentence"]
    own = "worktrees/quartz/tracks/quartz/mobile_actions.py"
    assert own in failure["remedy"]
    assert f"polecats restart {drill.CHANGED.loader}" in failure["remedy"]
    assert state[drill.CHANGED.loader]["counts"]["accepted"] > 500
    assert "HF_TOKEN" in state[drill.GATED.loader]["failure"]["remedy"]
    output = drilled.root / "made" / "drill.jsonl"
    first = output.read_bytes()
    assert drilled.polecats("validate", str(output)).returncode == 0

    loader = drilled.root / own
    loader.write_text(loader.read_text().replace('"messages")', '"messages", "turns")'))
    assert drilled.polecats("restart", drill.CHANGED.loader, drill.STALLED.loader).returncode == 0
    drilled.until(lambda: len(drilled.events("run_finished")) == 2)
    assert drilled.ends(drill.CHANGED.loader) == ["contract", "DONE"]
    assert drilled.ends(drill.STALLED.loader) == ["stalled", "DONE"]
    assert output.read_bytes().count(b"\n") > first.count(b"\n")

    drilled.watcher.kill()
    assert drilled.engine.wait(20) == 1
    assert f"{drill.GATED.loader}: gated:" in drilled.said()
    assert "Traceback" not in drilled.said()
    assert drilled.polecats("validate", str(output)).returncode == 0
    assert drilled.alive() == []
    assert not (drilled.root / "worktrees/.state/drill-home").exists()


def test_a_drill_needs_workers(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "demo", "--faults", "--inline"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--inline" in done.stderr


def test_workers_see_the_stand_in_and_nothing_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("HF_TOKEN", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(key, "mine")
    monkeypatch.setenv("NO_PROXY", "example.org")
    before = dict(os.environ)
    with _surroundings("http://127.0.0.1:1", tmp_path):
        assert "mine" not in {value for key, value in os.environ.items() if "HF" in key or "PROXY" in key.upper()}
        assert not {key for key in os.environ if "TOKEN" in key and key.startswith("HUGGING")}
        assert os.environ["HF_ENDPOINT"] == "http://127.0.0.1:1"
        assert os.environ["HF_HOME"] == str(tmp_path)
        assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == HERE
    assert dict(os.environ) == before


def test_the_worker_is_killed_once_and_only_when_rows_have_come() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        killer, state = Killer("east/one"), RunState(tracks={"east": TrackStatus("RUNNING", pid=child.pid)})
        for event in (
            Heartbeat("east/one", 0, 0, 0, 0.0),
            Heartbeat("east/two", 5, 0, 0, 0.0),
            LoaderProgress("east/one", Counts()),
        ):
            killer(event, state, 0.0)
        assert child.poll() is None
        killer(LoaderProgress("east/one", Counts(read=1)), state, 0.0)
        assert child.wait(5) == -signal.SIGKILL
        assert killer.done
        killer(Heartbeat("east/one", 2, 0, 0, 0.0), state, 0.0)
