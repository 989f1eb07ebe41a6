"""Exactly once: whoever is killed, wherever, however often, over a line that breaks, the file has the same bytes.

Half of the kills come at random moments, half exactly between two steps of a commit, of a merge, or of what brings a
file into the cache (see `tests/chaos`), to workers and to the engine.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordinator.cli.running import locked
from coordinator.demo.hub import Hub
from coordinator.worker.parts import COMMITS, HEADER, read_commits
from tests.caches import left
from tests.chaos.strikes import Strike, places, volleys
from tests.clones import PATIENCE, ROOT, Repository, Run, eventually
from tests.weather import weather

LOADER = """
from coordinator.contract import Call, HubSource, Loader, Outcome, Row, Sample, Skip
from coordinator.worker import pipeline
from coordinator.worker.hub import blocks, client, ranges, spans

pipeline.PART_BYTES = {part}  # many commits
blocks.BLOCK = blocks.TAIL = spans.PIECE = {asked}  # many requests
client.FIRST_PAUSE, ranges.WAITS = 0.05, [0.05] * 6  # short pauses


class Made(Loader):
    source = HubSource(repo="inv/{kind}", builder="{kind}", files={{"rows": "{files}"}}, licence="MIT")
    category = "function_calling"

    def transform(self, row: Row) -> Outcome:
        if row["n"] % 50 == 7:
            raise ValueError("an odd row")
        if row["n"] % 50 == 9:
            return Skip("dull")
        return Sample(f"question {{row['n']}} to {kind}", [Call("look_up", {{"n": row["n"], "text": row["text"]}})])
"""
LOADERS = {"alpha/array": "*.json", "alpha/lines": "*.jsonl", "beta/parquet": "*.parquet"}
FILES = 4
"""Files of a source."""
CHAOS = ROOT / "tests" / "chaos"
KEPT = 0.96
"""Of the rows; two in fifty are rejected or skipped."""
PART_BYTES = 100_000
"""Small, so that there are many commits to be killed in."""
ASKED_BYTES = 8
"""Bytes that are asked for at once, for each row: a file takes a few requests, however many rows it has."""
LONGEST = 180.0
"""Seconds until a run has come to any step, or to its end."""


class Chaos:
    """A clone whose runs are struck; knows what an undisturbed run makes of the same sources."""

    def __init__(self, repository: Repository, hub: Hub, folder: Path, seed: int, cached: bool) -> None:
        self.repository, self.chance, self.cached = repository, random.Random(seed), cached
        self.sources, self.home = hub.root, folder / "home"
        self.armed, self.temporary, self.old = folder / "armed", folder / "temporary", folder / "old"
        self.armed.mkdir()
        self.temporary.mkdir()
        self.published = repository.root / "data"
        self.done: Counter[str] = Counter()
        self.number = count()
        self.runs = self.passes = 0
        repository.behind(hub, self.home)
        repository.environment |= {"TMPDIR": str(self.temporary), "POLECATS_CACHE_LIMIT": "1 GB" if cached else "0"}
        repository.environment |= {"PYTHONPATH": f"{ROOT}:{CHAOS}", "PYTHON_CHAOS": str(self.armed)}
        repository.command = [sys.executable, str(CHAOS / "hasty.py")]
        self._run("--loader", "lines", "--max-samples", "10")
        shutil.copytree(self.published, self.old)
        self.before = repository.merged()
        self._wipe()
        steps = self.armed / "steps"
        steps.touch()
        self._run()
        taken = steps.read_text().splitlines()
        steps.unlink()
        self.working = places(taken, "/TRACK/LOADER/") + places(taken, f"{self.home}/")
        self.merging = places(taken, f"{self.published}/")
        self.whole, self.made, self.asked = repository.merged(), self._made(), len(repository.questions())
        self._wipe()

    def _run(self, *arguments: str) -> None:
        done = self.repository.polecats("run", "--plain", *arguments)
        assert done.returncode == 0, done.stderr

    def survive(self, coming: list[list[Strike]]) -> None:
        """Start run after run until every strike has hit, then let the last one end by itself."""
        waiting = coming[::-1]
        while waiting:
            run = self._start()
            while waiting and run.child.poll() is None:
                volley = waiting.pop()
                missed = [strike for strike in volley if not strike.step and not self._at_random(run, strike.victim)]
                missed += self._between_steps(run, [strike for strike in volley if strike.step])
                self.done.update(strike.kind for strike in volley if strike not in missed)
                waiting += [missed] if missed else []
            if self._ended(run) == 0:
                self._wipe()
        assert self._ended(self._start()) == 0

    def _start(self) -> Run:
        self.runs += 1
        return self.repository.start("run", POLECATS_RESTART_MAX="99", POLECATS_RUN_WORKERS="2")

    def _ended(self, run: Run) -> int:
        """Killed, and its workers with it; or at its end, with all as it should be."""
        code = run.end()
        assert self.repository.all_gone(), self.repository.alive()
        assert self.repository.merged() in (self.before, self.whole)
        if code != -signal.SIGKILL:
            assert code == 0, run.errors[-20:]
            self._check()
        return code

    def _at_random(self, run: Run, victim: str) -> bool:
        """Whether the victim was there to be killed."""
        time.sleep(self.chance.uniform(0.05, 0.5 if victim == "worker" else 1.5))
        if victim == "engine":
            run.child.kill()
            return run.child.wait(PATIENCE) == -signal.SIGKILL
        newest = {event["track"]: event for event in run.of("track_changed")}
        at_work = [event["pid"] for event in newest.values() if event["state"] == "RUNNING"]
        with suppress(ProcessLookupError, IndexError):
            os.kill(self.chance.choice(at_work), signal.SIGKILL)
            return True
        return False

    def _between_steps(self, run: Run, strikes: list[Strike]) -> list[Strike]:
        """Arm strikes and wait for them, or for the end of a run that comes to no such step; returns who missed."""
        armed = {self._arm(strike): strike for strike in strikes}
        over = eventually(lambda: not any(map(Path.exists, armed)) or run.child.poll() is not None, LONGEST)
        assert over, (strikes, run.events[-5:], run.errors[-5:])
        for path in armed:
            path.unlink(missing_ok=True)
        return [strike for path, strike in armed.items() if not path.with_suffix(".struck").exists()]

    def _arm(self, strike: Strike) -> Path:
        order = {"step": strike.step, "how": strike.how, "skip": 0, "whom": "self"}
        if (strike.how, strike.step) in self.working:
            order |= {"skip": self.chance.randrange(2), "whom": "self" if strike.victim == "worker" else "parent"}
        path = self.armed / f"{next(self.number):04d}.armed"
        beside = path.with_suffix(".tmp")
        beside.write_text(json.dumps(order))
        return beside.rename(path)

    def _check(self) -> None:
        """Every row once, and nothing but what a run leaves that nobody disturbed."""
        paths = self.repository.paths
        assert self.repository.merged() == self.whole
        assert self._made() == self.made
        assert [path for path in self.repository.root.rglob("*.tmp") if ".git" not in path.parts] == []
        assert not paths.socket.exists()
        assert not paths.lock.with_suffix(".pid").exists()
        assert list(Path(self.repository.environment["XDG_RUNTIME_DIR"]).iterdir()) == []
        assert list(self.temporary.iterdir()) == []
        if self.cached:
            self._check_cache()
        with locked(paths):
            self.passes += 1

    def _check_cache(self) -> None:
        """What it has is what the Hub has. What a run went on behind may never have become whole: no bytes of it."""
        found = {
            (path.parts[-4][15:], path.name): path for path in self.home.glob("hub/datasets--inv--*/snapshots/*/*")
        }
        assert found
        for (folder, name), path in found.items():
            assert path.read_bytes() == (self.sources / "inv" / folder / name).read_bytes()

    def clear_cache(self) -> None:
        """Nothing is left behind that polecats does not know of."""
        done = self.repository.polecats("cache", "--clear")
        assert done.returncode == 0, done.stderr
        assert [path for path in self.home.rglob("*") if path.suffix in (".data", ".have", ".incomplete")] == []
        assert left(self.home / "hub") == []

    def _made(self) -> dict[str, tuple[str, object]]:
        """A digest of all that each loader has committed, and its counts; no other file may stand beside that."""
        found: dict[str, tuple[str, object]] = {}
        for name in LOADERS:
            folder = self.repository.paths.loader_state("hub", *name.split("/"))
            commits, length = read_commits(folder)
            files = [file for commit in commits for file in (commit.part, commit.keys, commit.rejects) if file]
            assert {path.name for path in folder.iterdir()} == {HEADER, COMMITS, *(file.name for file in files)}
            assert length == (folder / COMMITS).stat().st_size
            files.sort(key=lambda file: (file.name.partition("-")[0], file.name.rpartition(".")[2], file.name))
            digest = hashlib.sha256(b"".join((folder / file.name).read_bytes() for file in files))
            found[name] = digest.hexdigest(), commits[-1].counts
        return found

    def _wipe(self) -> None:
        """Begin anew, before the file that an earlier run has made."""
        shutil.rmtree(self.repository.paths.state)
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.published)
        shutil.copytree(self.old, self.published)


def make_sources(root: Path, rows: int) -> None:
    """One source a loader, in the format that it is called after, of so many rows."""
    for name in LOADERS:
        kind = name.partition("/")[2]
        folder = root / "inv" / kind
        folder.mkdir(parents=True)
        for part in range(FILES):
            numbers = range(part * rows // FILES, (part + 1) * rows // FILES)
            write(folder / f"{part:02d}", kind, [{"n": n, "text": f"row {n:080d}"} for n in numbers])


def write(stem: Path, kind: str, rows: list[dict[str, object]]) -> None:
    """A file of these rows."""
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), f"{stem}.parquet", row_group_size=200)
    elif kind == "lines":
        stem.with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        stem.with_suffix(".json").write_text(json.dumps(rows))


@pytest.mark.parametrize("cached", [False, True], ids=["streamed", "cached"])
@pytest.mark.parametrize(
    ("kills", "rows", "share"),
    [(15, 2_500, 0.05), pytest.param(300, 18_000, 0.03, marks=pytest.mark.slow)],
    ids=["fifteen", "three-hundred"],
)
def test_whoever_is_killed_wherever_the_file_has_the_same_bytes(
    repository: Repository, tmp_path: Path, kills: int, rows: int, share: float, cached: bool
) -> None:
    """`share`: of the requests for files, which each kind of fault hits; fewer requests need more of it."""
    make_sources(tmp_path / "hub", rows)
    for name, files in LOADERS.items():
        file = repository.loader(name)
        file.write_text(
            LOADER.format(kind=name.partition("/")[2], files=files, part=PART_BYTES, asked=ASKED_BYTES * rows)
        )
    repository.commit()
    begin = time.monotonic()
    with Hub(tmp_path / "hub") as hub:
        chaos = Chaos(repository, hub, tmp_path, seed=kills, cached=cached)
        assert chaos.asked == len(LOADERS) * rows * KEPT
        faults = weather(hub, kills, share)
        chaos.survive(volleys(kills, chaos.chance, chaos.working, chaos.merging))
        if cached:
            chaos.clear_cache()
    figures = {
        "rows": len(LOADERS) * rows,
        "seconds": round(time.monotonic() - begin),
        "runs and passes": (chaos.runs, chaos.passes),
        "places": (len(chaos.working), len(chaos.merging)),
        "kills": dict(chaos.done),
        "faults": {kind: fault.hits for kind, fault in faults.items()},
        "requests": len(hub.requests),
    }
    sys.stderr.write(json.dumps(figures) + "\n")
    assert sum(chaos.done.values()) == kills
    assert all(fault.hits for fault in faults.values()), figures
