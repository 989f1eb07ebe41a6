"""Ten minutes of all shipped loaders over a bad line, with restarts all along: nothing grows. Once all is streamed,
once it goes through a cache that is too small for it, so that files come and go.

An hour: POLECATS_SOAK_MINUTES=60.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import psutil
import pytest

from coordinator.client import ask, watch
from coordinator.control import Request
from coordinator.demo import mirror
from coordinator.demo.hub import Hub
from coordinator.engine.repository import init
from coordinator.paths import loader_names, track_names
from tests.clones import ROOT, Repository, Run, eventually
from tests.weather import weather

SECONDS = 60.0 * float(os.environ.get("POLECATS_SOAK_MINUTES", "10"))
ROWS = 60_000
FAULTS = 0.05
"""The share of requests for files that each kind of fault hits."""
SMALL_CACHE = "10 MB"
"""A third of what the sources have."""
CORES = 5
"""Those that the run believes to have."""
EVERY = 10.0
"""Seconds between two restarts."""
BUSY, QUIET = 9, 3
"""Turns with a restart, then turns without: all loaders come to their end, and the engine merges."""
LOOK = 1.0
"""Seconds between two looks at the processes."""
MEGABYTE = 2**20
MOST_GROWTH = 10.0
"""Megabytes that the engine's memory may grow by, between the second quarter and the last."""
MOST_SLOPE = 0.5
"""Megabytes a minute of the line through the second half."""


@dataclass(frozen=True, slots=True)
class Look:
    """The processes of a run at a moment. Memory in megabytes; of workers the largest, or the sum where it says so."""

    at: float
    engine_rss: float
    engine_pss: float
    engine_files: int
    engine_threads: int
    worker_pss: float
    worker_files: int
    worker_threads: int
    workers: int
    processes: int


def look(engine: psutil.Process, at: float) -> Look | None:
    """None where a process went away in the middle of it."""
    with suppress(psutil.Error):
        children = engine.children(recursive=True)
        servers = {child.pid for child in engine.children() if "serve(" in " ".join(child.cmdline())}
        workers = [child for child in children if child.ppid() in servers]
        memory = engine.memory_full_info()
        return Look(
            at,
            memory.rss / MEGABYTE,
            memory.pss / MEGABYTE,
            engine.num_fds(),
            engine.num_threads(),
            max((worker.memory_full_info().pss / MEGABYTE for worker in workers), default=0.0),
            max((worker.num_fds() for worker in workers), default=0),
            max((worker.num_threads() for worker in workers), default=0),
            len(workers),
            1 + len(children),
        )
    return None


class Soak:
    """A run that never ends: whenever loaders are done, others are edited and begin anew."""

    def __init__(self, repository: Repository, run: Run, seed: int) -> None:
        self.repository, self.run = repository, run
        self.chance, self.number = random.Random(seed), count()
        self.looks: list[Look] = []
        self.restarts: Counter[str] = Counter()
        self.watched = self.merges = 0
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()

    def _watch(self) -> None:
        """Somebody watches, so the engine serves on."""
        for _ in watch(self.repository.root):
            self.watched += 1

    def restart(self) -> None:
        """A loader or a whole track, mostly after an edit; else what is done is found done."""
        tracks = self.repository.paths.tracks
        track = self.chance.choice(track_names(tracks))
        names = loader_names(tracks, track)
        what = self.chance.choice(["loader", "track"])
        chosen = names if what == "track" else [self.chance.choice(names)]
        if self.chance.random() < 0.8:
            for name in chosen:
                with (self.repository.own(track) / track / f"{name}.py").open("a") as out:
                    out.write(f"# edit {next(self.number)}\n")
        reply = ask(self.repository.root, Request("restart", [track if what == "track" else f"{track}/{chosen[0]}"]))
        assert reply is not None
        assert reply.done, reply.sentence
        self.restarts[what] += 1

    def last(self, seconds: float) -> None:
        """Go on for so long."""
        engine = psutil.Process(self.run.child.pid)
        begin, turn = time.monotonic(), 0
        while (now := time.monotonic()) - begin < seconds:
            assert self.watcher.is_alive(), self.run.errors
            self.merges += len(self.run.of("run_finished"))
            self.run.events.clear()  # this process is not what is looked at
            seen = look(engine, now - begin)
            self.looks += [seen] if seen else []
            if now - begin >= turn * EVERY:
                if turn % (BUSY + QUIET) < BUSY:
                    self.restart()
                turn += 1
            time.sleep(max(0.0, LOOK - (time.monotonic() - now)))

    def between(self, first: float, last: float, field: str) -> list[float]:
        """A figure in a part of the time: 0.5 to 1.0 is the second half."""
        whole = self.looks[-1].at
        return [getattr(seen, field) for seen in self.looks if first * whole <= seen.at <= last * whole]

    def growth(self, field: str) -> float:
        """From the second quarter to the last: the first one warms up."""
        return statistics.median(self.between(0.75, 1.0, field)) - statistics.median(self.between(0.25, 0.5, field))

    def slope(self, field: str) -> float:
        """A minute, of the line through the second half."""
        line = statistics.linear_regression(self.between(0.5, 1.0, "at"), self.between(0.5, 1.0, field))
        return 60.0 * line.slope

    def highest(self, field: str) -> tuple[float, float]:
        """The peak in each half."""
        return max(self.between(0.0, 0.5, field)), max(self.between(0.5, 1.0, field))

    def figures(self) -> dict[str, object]:
        """What it comes to."""
        peaks = {field: self.highest(field) for field in asdict(self.looks[0]) if field != "at"}
        memory = {f: (round(self.growth(f), 2), round(self.slope(f), 3)) for f in ("engine_rss", "engine_pss")}
        done = {"seconds": round(self.looks[-1].at), "restarts": dict(self.restarts), "merges": self.merges}
        return done | {"growth and slope": memory, "peaks": peaks}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    mirror.build(ROOT / "tracks", tmp_path / "mirror", ROWS, track_names(ROOT / "tracks"))
    with Hub(tmp_path / "mirror") as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["0", SMALL_CACHE], ids=["streamed", "cached"])
def test_nothing_grows(repository: Repository, hub: Hub, tmp_path: Path, limit: str) -> None:
    shutil.copytree(
        ROOT / "tracks", repository.paths.tracks, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
    )
    shutil.copy(ROOT / "config.toml", repository.root)
    init(repository.root)
    repository.behind(hub, tmp_path / "home")
    faults = weather(hub, 1, FAULTS)
    repository.environment["POLECATS_CACHE_LIMIT"] = limit
    run = repository.start("run", "--linger", POLECATS_RESTART_MAX="99", POLECATS_RUN_WORKERS=str(CORES))
    assert eventually(repository.paths.socket.exists, 20), run.errors
    soak = Soak(repository, run, 1)
    soak.last(SECONDS)
    hit = {kind: fault.hits for kind, fault in faults.items()}
    figures = soak.figures() | {"faults": hit, "requests": len(hub.requests), "events watched": soak.watched}
    (tmp_path / "looks.json").write_text(json.dumps([asdict(seen) for seen in soak.looks]))
    sys.stderr.write(json.dumps(figures) + "\n")

    tracks = len(track_names(ROOT / "tracks"))
    assert all(hit.values()), figures
    assert soak.merges, figures
    assert soak.growth("engine_rss") < MOST_GROWTH, figures
    assert soak.slope("engine_rss") < MOST_SLOPE, figures
    for field, slack in {"engine_files": 0, "engine_threads": 0, "worker_files": 4, "worker_threads": 4}.items():
        first, second = soak.highest(field)
        assert second <= first + slack, (field, figures)
    first, second = soak.highest("worker_pss")
    assert second < 1.2 * first, figures
    assert soak.highest("workers")[1] <= tracks, figures
    others = 3  # the resource tracker; git and its helper
    assert soak.highest("processes")[1] <= 1 + tracks + CORES + others, figures
    assert repository.polecats("stop", "--all").returncode == 0
    assert run.end() in (0, 130), run.errors  # at work, or serving on
    soak.watcher.join(10)
    assert not soak.watcher.is_alive()
    assert repository.all_gone(), repository.alive()
    assert repository.polecats("merge").returncode == 0
    assert repository.polecats("validate", "data/tier1.jsonl").returncode == 0
