"""The rows of the table: what is run, against what, and the ratio that is made of it."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.clones import COMMAND, ROOT, Repository

from . import mirror, startup
from .measure import Command, Cost, Figure, alternate, cpus, ratios, run, walls

HERE = Path(__file__).parent
TURKISH, SEED_RUN = ("turkish_function_calling",), ("toolbank", "fiftyone", "twinkle")
QUARTZ_AND_OPAL = (*SEED_RUN, "toolmind", *TURKISH)
PEERS = [(tool, step) for tool in ("datatrove", "datasets") for step in ("contract", "plain")]
WITHOUT_SYNC = (
    "import os, sys\nfrom coordinator.cli import main\nos.fsync = lambda handle: None\nsys.argv[0] = 'polecats'\nmain()"
)


@dataclass(frozen=True)
class Bench:
    """A folder to work in, the sizes, and what to run. `peers`: the Python that has the other tools, if one has;
    `kept`: where what is built once stands; `cases`: those of reading over the Hub, by parts of their names."""

    folder: Path
    rows: int
    big: int
    rounds: int
    mirror: Path
    baseline: Path
    peers: Path | None
    kept: Path
    cases: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """The same for all; nothing of it reaches a network."""
        own = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(self.folder / "hf"), "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "XDG_RUNTIME_DIR": str(self.folder), **own}

    @property
    def repository(self) -> Path:
        """A repository of all tracks."""
        return self.folder / "repository"

    def prepare(self) -> None:
        """Make the repository; worktrees are made by a run that is not measured."""
        made = Repository(self.repository, str(self.folder))
        shutil.copytree(ROOT / "tracks", self.repository / "tracks", dirs_exist_ok=True)
        shutil.copy(ROOT / "config.toml", self.repository / "config.toml")
        (self.repository / ".gitignore").write_text("/worktrees/\n/data/\n")
        made.commit()
        self.polecats(
            "run", "--plain", "--source", "samples", "--no-merge", "--loader", SEED_RUN[0], "--loader", *TURKISH
        )

    def polecats(self, *arguments: str | Path, workers: int | None = None) -> Cost:
        """Run the command in the repository."""
        more = {} if workers is None else {"POLECATS_RUN_WORKERS": str(workers)}
        return run([*COMMAND, *arguments], self.repository, self.environment | more)

    def convert(self, source: Path, loaders: tuple[str, ...], *more: str | Path, workers: int | None = None) -> Cost:
        """A run of `loaders` from nothing."""
        for state in (self.repository / "worktrees" / ".state").glob("dir-*"):
            shutil.rmtree(state)
        chosen = [word for loader in loaders for word in ("--loader", loader)]
        return self.polecats("run", "--plain", "--source", source, *chosen, *more, workers=workers)

    def seedlike(self, which: str) -> Cost:
        """The earlier way to do it."""
        options = [which] if self.baseline == HERE / "seedlike.py" else ["--source", which]
        command: Command = [sys.executable, self.baseline, self.mirror, self.folder / "seedlike.jsonl", *options]
        return run(command, self.folder, self.environment)

    def peer(self, tool: str, step: str) -> Cost:
        """Another tool on the Turkish set."""
        output = self.folder / "peer.jsonl"
        return run([str(self.peers), HERE / "peers.py", tool, step, self.mirror, output], self.folder, self.environment)

    @property
    def output(self) -> Path:
        """Where merges write to; what stood there before is removed by who merges."""
        return self.folder / "merged" / "tier1.jsonl"

    def parts(self) -> list[Path]:
        """The committed parts of the last run."""
        return sorted((self.repository / "worktrees" / ".state").glob("dir-*/tracks/*/*/part-*.jsonl"))

    def clear(self) -> None:
        """No output."""
        shutil.rmtree(self.output.parent, ignore_errors=True)


def conversion(bench: Bench) -> Iterator[Figure]:
    """One worker, the call-heavy set, the full contract, against the loop."""
    costs = alternate(
        bench.rounds,
        seedlike=lambda: bench.seedlike("turkish"),
        one=lambda: bench.convert(bench.mirror, TURKISH, "--no-merge", workers=1),
    )
    loop, one = costs["seedlike"], costs["one"]
    raw = {
        "seedlike cpu": cpus(loop),
        "polecats cpu": cpus(one),
        "seedlike wall": walls(loop),
        "polecats wall": walls(one),
    }
    what = "conversion, one worker, full contract: CPU of the loop / ours"
    yield Figure("conversion_cpu", what, "x", ratios(cpus(loop), cpus(one)), 2.5, True, raw)


def whole_run(bench: Bench) -> Iterator[Figure]:
    """Quartz and opal to the merged file, against the rate of the loop on the call-heavy set."""

    def ours() -> Cost:
        bench.clear()
        return bench.convert(bench.mirror, QUARTZ_AND_OPAL, "--output", bench.output)

    costs = alternate(bench.rounds, seedlike=lambda: bench.seedlike("turkish"), ours=ours)
    count = int(json.loads(bench.output.with_suffix(".manifest.json").read_bytes())["rows"])
    rate = [count / cost.wall for cost in costs["ours"]]
    loop = [json.loads(cost.output)["samples"] / cost.wall for cost in costs["seedlike"]]
    raw = {"polecats samples/s": rate, "seedlike samples/s": loop, "polecats peak MB": [c.peak for c in costs["ours"]]}
    what = "quartz + opal to the merged file: samples/s, ours / the loop"
    yield Figure("whole_run", what, "x", ratios(rate, loop), 4.0, True, raw)


def seed_run(bench: Bench) -> Iterator[Figure]:
    """ToolBank, FiftyOne and Twinkle to the merged file, start-up included."""

    def ours() -> Cost:
        bench.clear()
        return bench.convert(bench.mirror, SEED_RUN, "--output", bench.output)

    costs = alternate(bench.rounds, seedlike=lambda: bench.seedlike("seed-run"), ours=ours)
    raw = {name: walls(cost) for name, cost in costs.items()}
    what = "ToolBank + FiftyOne + Twinkle to the merged file: wall, ours / the loop"
    yield Figure("seed_run", what, "x", ratios(raw["ours"], raw["seedlike"]), 0.45, False, raw)


def big(bench: Bench) -> Iterator[Figure]:
    """Many rows: a run, its status, the merge of it and the audit of the file, against `cat` of the same bytes."""
    times = max(1, bench.big // bench.rows)
    source = mirror.multiply(bench.mirror, bench.folder / f"mirror-{bench.rows}-x{times}", times)
    small = [bench.convert(bench.mirror, TURKISH, "--no-merge") for _ in range(min(bench.rounds, 2))]
    large = bench.convert(source, TURKISH, "--no-merge")
    base = statistics.median(walls(small))
    what = f"{bench.rows * times:,} rows against {bench.rows:,}: seconds a row, the many / the few"
    yield Figure("linear_time", what, "x", [large.wall / times / base], 1.15, False, {"wall": [large.wall]})
    what = f"{bench.rows * times:,} rows against {bench.rows:,}: memory of the biggest process, the many / the few"
    peaks = {"many MB": [large.peak], "few MB": [cost.peak for cost in small]}
    yield Figure("flat_memory", what, "x", [large.peak / statistics.median(peaks["few MB"])], 1.15, False, peaks)
    status = [bench.polecats("status").wall for _ in range(bench.rounds)]
    yield Figure("status", f"`polecats status` after {bench.rows * times:,} rows", "s", status, 1.0)
    yield from _merge(bench, source)
    yield from _validate(bench)


def _merge(bench: Bench, source: Path) -> Iterator[Figure]:
    parts, copy = bench.parts(), bench.folder / "cat.jsonl"
    arguments: Command = ["merge", "--source", source, "--output", bench.output]

    def merge(command: Command) -> Callable[[], Cost]:
        def measured() -> Cost:
            bench.clear()
            os.sync()
            return run([*command, *arguments], bench.repository, bench.environment)

        return measured

    costs = alternate(
        bench.rounds,
        cat=lambda: _cat(bench, parts, copy),
        unsynced=merge([sys.executable, "-c", WITHOUT_SYNC]),
        synced=merge(COMMAND),
    )
    raw = {name: walls(cost) for name, cost in costs.items()}
    what = "merge, verified and de-duplicated: wall / `cat` of the parts"
    yield Figure("merge", what, "x", ratios(raw["unsynced"], raw["cat"]), 3.0, False, raw)
    what = "the same with its fsync: wall / `cat` of the parts"
    yield Figure("merge_synced", what, "x", ratios(raw["synced"], raw["cat"]), 4.0, False)
    yield Figure("merge_memory", "memory of the merge", "MB", [cost.peak for cost in costs["synced"]], 120.0)
    copy.unlink()


def _validate(bench: Bench) -> Iterator[Figure]:
    copy = bench.folder / "cat.jsonl"
    costs = alternate(
        bench.rounds,
        cat=lambda: _cat(bench, [bench.output], copy),
        ours=lambda: bench.polecats("validate", bench.output),
    )
    raw = {name: walls(cost) for name, cost in costs.items()}
    what = "validate, every rule: wall / `cat` of the file"
    yield Figure("validate", what, "x", ratios(raw["ours"], raw["cat"]), 30.0, False, raw)
    yield Figure("validate_memory", "memory of a process of it", "MB", [cost.peak for cost in costs["ours"]])
    copy.unlink()
    bench.clear()


def _cat(bench: Bench, files: list[Path], copy: Path) -> Cost:
    """A copy, as the merge beginning when nothing that was written before waits for the disk."""
    copy.unlink(missing_ok=True)
    os.sync()
    return run(["cat", *files], bench.folder, bench.environment, copy)


def start_up(bench: Bench) -> Iterator[Figure]:
    """Five tracks to the first committed sample of each, and the engine's own share (see `startup`)."""
    with startup.room() as (root, runtime):
        made = startup.repository(root, runtime)
        startup.start(made)
        timed = [startup.start(made) for _ in range(bench.rounds)]
        weighed = [startup.start(made, memory=True) for _ in range(min(bench.rounds, 2))]
    first = [max(found.first.values()) for found in timed]
    yield Figure("start_up", "five workers to the first committed sample of the last", "s", first, 2.0)
    yield Figure(
        "start_up_memory", "memory of all processes at most (PSS)", "MB", [w.pss / 1e6 for w in weighed], 800.0
    )
    with startup.room() as (root, runtime):
        share = startup.engine_share(Repository(root, str(runtime)), 5.0)
    yield Figure("engine", "the engine at 25 loaders: share of a core", "%", [100 * share], 3.0)


def peers(bench: Bench) -> Iterator[Figure]:
    """Other tools on the call-heavy set, two processes each, and ours in the same rounds."""
    if bench.peers is None:
        return
    commands: dict[str, Callable[[], Cost]] = {"loop": lambda: bench.seedlike("turkish")}
    commands |= {f"{tool}, {step}": (lambda t=tool, s=step: bench.peer(t, s)) for tool, step in PEERS}  # type: ignore[misc]
    commands["polecats"] = lambda: bench.convert(bench.mirror, TURKISH, "--output", bench.output)
    costs = alternate(min(bench.rounds, 3), **commands)
    ours = costs.pop("polecats")
    for name, theirs in costs.items():
        raw = {
            "rows/s": [bench.rows / cost.wall for cost in theirs],
            "ours rows/s": [bench.rows / c.wall for c in ours],
        }
        kind = {"loop": "the loop", "contract": "our transform and contract", "plain": "bare dicts, nothing checked"}
        tool, _, step = name.partition(", ")
        label = f"{tool} ({kind[step]})" if step else kind[tool]
        what = f"to one file: wall of {label} / ours"
        yield Figure(
            f"peer_{name.replace(', ', '_')}_wall", what, "x", ratios(walls(theirs), walls(ours)), None, True, raw
        )
        what = f"to one file: CPU of {label} / ours"
        yield Figure(f"peer_{name.replace(', ', '_')}_cpu", what, "x", ratios(cpus(theirs), cpus(ours)), None, True)


def tiers(bench: Bench) -> Iterator[Figure]:
    """Tier II, from the start of the command to the last commit, of few parents and of ten times as many."""
    few, many = [_tier(bench, bench.rows // 10 * times, min(bench.rounds, 2)) for times in (1, 10)]
    rate = [made / cost.wall for made, cost in many]
    yield Figure("tier_rows", f"tier II of {bench.rows:,} parents: rows/s", "rows/s", rate, 20_000.0, True)
    peaks = {"few MB": [cost.peak for _, cost in few], "many MB": [cost.peak for _, cost in many]}
    growth = [statistics.median(peaks["many MB"]) / statistics.median(peaks["few MB"])]
    what = "tier II of ten times the parents: memory of the biggest process, the many / the few"
    yield Figure("tier_memory", what, "x", growth, 1.15, False, peaks)


def _tier(bench: Bench, parents: int, rounds: int) -> list[tuple[int, Cost]]:
    """Rows made and cost, of each round, over a Tier I file of so many rows."""
    bench.clear()
    bench.convert(bench.mirror, TURKISH, "--max-samples", str(parents), "--output", bench.output)
    states, found = bench.repository / "worktrees" / ".state", []
    for _ in range(rounds):
        for state in states.glob("tier2-*"):
            shutil.rmtree(state)
        cost = bench.polecats("run", "--tier", "2", "--source", bench.output, "--no-merge", "--plain")
        last = [path.read_bytes().splitlines()[-1] for path in states.glob("tier2-*/tracks/*/*/commits.jsonl")]
        found.append((sum(json.loads(line)["counts"]["samples"] for line in last), cost))
    return found


TABLE: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "conversion": conversion,
    "run": whole_run,
    "seed-run": seed_run,
    "big": big,
    "start-up": start_up,
    "peers": peers,
    "tiers": tiers,
}
