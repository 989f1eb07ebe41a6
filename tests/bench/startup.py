"""What a run costs beside its rows: time to each track's first committed sample, processor time, memory, the engine.

`python -m tests.bench.startup` prints medians of a few rounds. Processor time and ratios of one call are to be
trusted on a busy machine, wall time is not.
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from coordinator.demo import mirror
from coordinator.paths import Paths, track_names
from tests.clones import COMMAND, ROOT, Repository

ROWS = 30_000
POLL = 0.01
PATIENCE = 60.0


@dataclass(slots=True)
class Started:
    """One start. Seconds from the command's start; bytes; `first` by track; `cpu` of all processes that have ended."""

    first: dict[str, float] = field(default_factory=dict)
    wall: float = 0.0
    cpu: float = 0.0
    pss: int = 0
    processes: int = 0


def repository(root: Path, runtime: Path, tracks: Path = ROOT / "tracks") -> Repository:
    """A repository of `tracks`, which reads a mirror of their samples."""
    made = Repository(root, str(runtime))
    shutil.copytree(tracks, root / "tracks", dirs_exist_ok=True)
    shutil.copy(ROOT / "config.toml", root / "config.toml")
    (root / ".gitignore").write_text((ROOT / ".gitignore").read_text() + "/sources/\n")
    mirror.build(root / "tracks", root / "sources", ROWS, track_names(root / "tracks"))
    made.commit()
    return made


def start(made: Repository, code: Path = ROOT, memory: bool = False, **environment: str) -> Started:
    """Run all tracks anew until each has committed a sample, then stop. `memory`: also look at it, which costs time."""
    shutil.rmtree(made.paths.state, ignore_errors=True)
    found, begin, before = Started(), time.monotonic(), _ended_children()
    child = _command(made, code, ["run", "--plain", "--no-merge"], {"POLECATS_RUN_WORKERS": "5", **environment})
    with _measured(child, memory, found):
        tracks = track_names(made.paths.tracks)
        while len(found.first) < len(tracks) and child.poll() is None and time.monotonic() - begin < PATIENCE:
            for track in set(tracks) - found.first.keys():
                if _has_sample(made.paths, track):
                    found.first[track] = time.monotonic() - begin
            time.sleep(POLL)
        child.send_signal(signal.SIGINT)
        _end(child, found, before)
    assert len(found.first) == len(tracks), f"the run ended with samples of {sorted(found.first)} alone"
    found.wall = time.monotonic() - begin
    return found


def run(made: Repository, arguments: list[str], code: Path = ROOT, memory: bool = False) -> Started:
    """A whole run of the command, from nothing."""
    shutil.rmtree(made.paths.state, ignore_errors=True)
    found, begin, before = Started(), time.monotonic(), _ended_children()
    child = _command(made, code, ["run", "--plain", *arguments], {})
    with _measured(child, memory, found):
        _end(child, found, before)
    assert child.returncode == 0, arguments
    found.wall = time.monotonic() - begin
    return found


def engine_share(made: Repository, seconds: float, code: Path = ROOT) -> float:
    """The share of a core that the engine takes, its journal included, while five tracks of five loaders read rows."""
    for track in "abcde":
        for loader in "vwxyz":
            made.loader(f"{track}/{loader}", rows=100_000, each="time.sleep(0.001)")
    made.commit()
    child = _command(made, code, ["run", "--plain", "--no-merge"], {"POLECATS_RUN_WORKERS": "5"})
    try:
        begin = time.monotonic()
        while not all(_opened(made.paths, track) for track in "abcde") and time.monotonic() - begin < PATIENCE:
            time.sleep(POLL)
        engine, begin = psutil.Process(child.pid), time.monotonic()
        before = _used(engine)
        time.sleep(seconds)
        return (_used(engine) - before) / (time.monotonic() - begin)
    finally:
        child.kill()
        child.wait()


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _command(made: Repository, code: Path, arguments: list[str], more: dict[str, str]) -> subprocess.Popen[bytes]:
    environment = {**made.environment, "PYTHONPATH": str(code), **more}
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=made.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _end(child: subprocess.Popen[bytes], found: Started, before: float) -> None:
    child.wait(PATIENCE)
    found.cpu = _ended_children() - before


def _ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _measured(child: subprocess.Popen[bytes], memory: bool, found: Started) -> Iterator[None]:
    """Look at the memory of a command and all below it while the block runs, if that is wanted."""
    ended = threading.Event()
    thread = threading.Thread(target=_look, args=(child.pid, found, ended))
    if memory:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if memory:
            thread.join()


def _look(pid: int, found: Started, ended: threading.Event) -> None:
    while not ended.wait(0.05):
        sizes: list[int] = []
        with suppress(psutil.Error):
            top = psutil.Process(pid)
            for process in (top, *top.children(recursive=True)):
                with suppress(psutil.Error):
                    sizes.append(process.memory_full_info().pss)
        found.pss, found.processes = max(found.pss, sum(sizes)), max(found.processes, len(sizes))


def _records(paths: Paths, track: str) -> Iterator[dict[str, Any]]:
    for file in paths.state.glob(f"dir-*/tracks/{track}/*/commits.jsonl"):
        for line in file.read_bytes().splitlines():
            with suppress(ValueError):
                yield json.loads(line)


def _has_sample(paths: Paths, track: str) -> bool:
    return any(record["counts"]["samples"] for record in _records(paths, track))


def _opened(paths: Paths, track: str) -> bool:
    return any(paths.state.glob(f"dir-*/tracks/{track}/*/header.json"))


@contextmanager
def room() -> Iterator[tuple[Path, Path]]:
    """A folder for a repository, and a short one for its socket."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(prefix="pc-") as runtime:
        yield Path(folder, "repository"), Path(runtime)


def told(values: list[float], unit: str = "s") -> str:
    """Median and spread."""
    return f"{statistics.median(values):.2f} {unit} ({min(values):.2f}-{max(values):.2f})"


def main(codes: list[Path], rounds: int = 5) -> None:
    """Each code in turn, `rounds` times, on the tracks of the first, which all of them know; prints a table."""
    small = ["--loader", "jasper/bfcl", "--source", "samples"]
    parquet = ["--loader", "quartz/twinkle", "--source", "samples"]
    found: dict[str, dict[Path, list[float]]] = {}

    def note(what: str, code: Path, value: float) -> None:
        found.setdefault(what, {}).setdefault(code, []).append(value)

    with room() as (root, runtime):
        made = repository(root, runtime, codes[0] / "tracks")
        start(made, codes[0])
        for _ in range(rounds):
            for code in codes:
                timed, weighed = start(made, code), start(made, code, memory=True)
                note("first sample of all five tracks, s", code, max(timed.first.values()))
                note("cpu until then and to the end, s", code, timed.cpu)
                note("memory of all processes at most (PSS), MB", code, weighed.pss / 1e6)
                note("processes at most", code, weighed.processes)
                for what, arguments in (("line files", small), ("parquet", parquet)):
                    once = run(made, arguments, code)
                    note(f"one small loader, {what}: cpu, s", code, once.cpu)
                    note(f"one small loader, {what}: wall, s", code, once.wall)
    for what, values in found.items():
        print(f"{what:<45}" + "   ".join(f"{told(values[code], ''):>22}" for code in codes))  # noqa: T201
    for code in codes:
        with room() as (root, runtime):
            share = engine_share(Repository(root, str(runtime)), 5.0, code)
            print(f"engine at 25 loaders, share of a core: {share:.1%}")  # noqa: T201


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]] or [ROOT])
