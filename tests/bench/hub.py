"""Reading over the Hub: what it costs against the same files in a folder, and against other ways to read them.

The stand-in is a process of its own on this machine, so it takes a share of the cores, too. A run is the whole command,
start-up included. See `hub_files` for the files.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from coordinator.demo.network import Network

from .hub_files import CASES, Case, streamed
from .hub_runs import Runs, Taken
from .measure import Figure
from .rows import Bench
from .served import Served, serving

NETWORKS = {"far": Network(latency=0.060, rate=40e6), "near": Network(latency=0.005, rate=400e6)}
CONNECTIONS = 8
MORE_MEMORY = 64.0
"""Megabytes that a worker may have more than one that reads a folder."""
SLOWEST, START = 1.25, 1.0
"""Of the folder's wall, or of the bytes at the network's rate, if that is more; and seconds for the round trips."""
STRIDED = 0.21
"""The share of its bytes that comes over the wire of a source of which a part is read."""
ROUNDS = 3


@dataclass
class Measured:
    """Of one case behind one network: what each way took, round by round."""

    folder: list[Taken] = field(default_factory=list)
    cache: list[Taken] = field(default_factory=list)
    second: list[Taken] = field(default_factory=list)
    redone: list[Taken] = field(default_factory=list)
    stream: list[Taken] = field(default_factory=list)
    download: list[Taken] = field(default_factory=list)
    after_download: list[Taken] = field(default_factory=list)
    datasets: list[Taken] = field(default_factory=list)

    def measure(self, runs: Runs, served: Served, case: Case, folder: Taken) -> None:
        """One round."""
        self.folder.append(folder)
        self.cache.append(runs.cold(served))
        self.second.append(runs.warm(served))
        self.redone.append(runs.redone(served))
        self.stream.append(runs.cold(served, limit="0"))
        brought, after = runs.downloaded(served)
        self.download.append(brought)
        self.after_download.append(after)
        if case.columns or case.cap:
            self.datasets.append(runs.other(served, "datasets"))


def hub(bench: Bench) -> Iterator[Figure]:
    """Each case behind each network; `bench.cases` are parts of `far/turkish-1000` and the like. Raises `SystemExit`
    where there is none."""
    every = [f"{network}/{case.name}" for case in CASES for network in NETWORKS]
    asked = [name for name in every if not bench.cases or any(part in name for part in bench.cases)]
    if not asked:
        raise SystemExit(f"--case {', '.join(bench.cases)}: there are only {', '.join(every)}")
    for case in CASES:
        names = [name for name in NETWORKS if f"{name}/{case.name}" in asked]
        if names:
            yield from _of_case(bench, case, names)


def _of_case(bench: Bench, case: Case, names: list[str]) -> Iterator[Figure]:
    root = case.build(bench.kept, bench.mirror, bench.rows)
    runs = Runs(bench, case, root)
    runs.folder()  # makes the worktree
    found = {name: Measured() for name in names}
    for _ in range(min(bench.rounds, ROUNDS)):
        folder = runs.folder()
        for name in names:
            with serving(root, NETWORKS[name]) as served:
                found[name].measure(runs, served, case, folder)
    for name in names:
        yield from Table(bench, case, root, name, found[name]).figures()


class Table:
    """The figures of one case behind one network, each with its target."""

    def __init__(self, bench: Bench, case: Case, root: Path, network: str, measured: Measured) -> None:
        self._case, self._network, self._measured = case, NETWORKS[network], measured
        self._name = f"{network}/{case.name}"
        paths = case.files(root)
        self._files, self._size = len(paths), sum(path.stat().st_size for path in paths)
        measured_latency = self._network.latency * 1.5  # what the reader sees of it, with its own time and the server's
        self._planned, self._spans = streamed(case, root, measured_latency)
        if case.cap:
            self._planned, self._spans = int(STRIDED * self._size), int(STRIDED * self._spans)
        self._cached = self._planned if case.cap else self._size
        """Bytes that come once where there is a cache; a part of a source is streamed all the same."""

    def figures(self) -> Iterator[Figure]:
        """All of them."""
        took = self._measured
        yield self._figure("folder", "wall", "s", took.folder, _wall)
        yield self._figure("folder", "PSS of the worker", "MB", took.folder, _pss)
        most = self._files * 6 + (self._spans if self._case.cap else self._size / 4e6)
        yield from self._of_reading("cache", took.cache, self._cached, 1.02, most)
        yield from self._of_reading("stream", took.stream, self._planned, 1.1, self._files * 6 + self._spans)
        for way, taken in (
            ("second run", took.second),
            ("redone", took.redone),
            ("after hf download", took.after_download),
        ):
            nothing = None if self._case.cap and way == "redone" else 0.0
            yield self._figure(way, "over the wire", "MB", taken, _megabytes, nothing)
            yield self._figure(way, "wall", "s", taken, _wall)
        yield self._figure("hf download", "wall, without a run", "s", took.download, _wall)
        if took.datasets:
            yield self._figure("datasets", "wall, without a conversion", "s", took.datasets, _wall)
            yield self._figure("datasets", "over the wire", "MB", took.datasets, _megabytes)

    def _of_reading(self, way: str, taken: list[Taken], needed: int, share: float, most: float) -> Iterator[Figure]:
        folder = self._measured.folder
        ideal = needed / (CONNECTIONS * self._network.rate)
        wall = SLOWEST * max(_median(folder, _wall), ideal) + START
        yield self._figure(way, "wall", "s", taken, _wall, wall)
        yield self._figure(way, "requests", "requests", taken, lambda one: len(one.asked), most)
        ratio = f"over the wire / {needed / 1e6:,.1f} MB needed"
        yield self._figure(way, ratio, "x", taken, lambda one: one.wire / needed, share)
        yield self._figure(way, "connections at once", "connections", taken, lambda one: one.open, CONNECTIONS)
        yield self._figure(way, "PSS of the worker", "MB", taken, _pss, _median(folder, _pss) + MORE_MEMORY)

    def _figure(
        self,
        way: str,
        what: str,
        unit: str,
        taken: list[Taken],
        value: Callable[[Taken], float],
        goal: float | None = None,
    ) -> Figure:
        key = "_".join(f"hub {self._name} {way} {what.partition(' /')[0].partition(',')[0]}".split())
        goal = None if goal is None else round(goal, 2)
        raw = {"wall": [_wall(one) for one in taken], "cpu": [one.cost.cpu for one in taken]}
        return Figure(key, f"{self._name}, {way}: {what}", unit, [value(one) for one in taken], goal, False, raw)


def _median(taken: list[Taken], value: Callable[[Taken], float]) -> float:
    return statistics.median(map(value, taken))


def _wall(taken: Taken) -> float:
    return taken.cost.wall


def _pss(taken: Taken) -> float:
    return taken.pss


def _megabytes(taken: Taken) -> float:
    return taken.wire / 1e6
