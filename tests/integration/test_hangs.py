"""What hangs is seen in time, named, and ended, and what is only slow is let be: true workers, a true supervisor.

Each track has one loader that hangs, each in its own way, and a sound one behind it.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordinator.demo.hub import Fault, Hub
from coordinator.engine.executors.local import LocalExecutor
from coordinator.engine.journal import Journal
from coordinator.engine.policy import RestartPolicy
from coordinator.engine.recorder import Recorder
from coordinator.engine.state import RunState
from coordinator.engine.supervisor import KILL_AFTER, Limits, Supervisor
from coordinator.events import (
    Event,
    Heartbeat,
    LoaderFinished,
    LoaderOpened,
    LoaderOpening,
    LoaderProgress,
    RunStarted,
)
from coordinator.worker.spec import LoaderSpec, SourceSpec, WorkerSpec

STALL = 6.0
"""Seconds; longer than a worker takes to import the Hub's clients on a busy machine."""
MARGIN = KILL_AFTER + 4.0
"""Seconds from then until it is ended, at most."""
SLOW = 50_000
"""Bytes a second: with `LARGE` bytes a file takes half as long again as a stall."""
LARGE = int(SLOW * STALL * 1.5)
PATIENCE = 180.0
LOADER = """
import os, re, signal, sys, time
from coordinator.contract import Call, HubSource, JoinedLoader, Loader, Sample
HANGS = {hangs} and not os.path.exists({mended!r})
{top}

class It({base}):
    source = HubSource(repo={repo!r}, {source})
    category = "function_calling"

    def prepare(self, companions):
        return companions["notes"]

    def transform(self, row, side=None):
        {each}
        return Sample(f"Do {{row['n']}}.", [Call("act", {{"n": row["n"]}})])
"""
LINES = 'builder="lines", files={"a": "*.jsonl"}'
TABLES = 'builder="parquet", files={"a": "*.parquet"}, columns=("n",)'
WIDE = 'builder="parquet", files={"a": "*.parquet"}'
JOINED = 'builder="lines", files={"a": "*.jsonl"}, companions={"notes": "notes/*.jsonl"}'
ARRAY = 'builder="array", files={"a": "*.json"}'
FILE = "GET /datasets/acme/{name}/resolve/*"
BY_THE_HUB = {
    "silent": ("reading", LINES, FILE + "/b*", "silent"),
    "drips": ("reading", LINES, FILE + "/b*", "slow"),
    "looked_up": ("opening", LINES, "GET /api/datasets/acme/{name}/revision/*", "stall"),
    "listed": ("opening", LINES, "GET /api/datasets/acme/{name}/tree/*", "stall"),
    "footer": ("opening", TABLES, FILE + "/b*", "stall"),
    "footer_drips": ("opening", TABLES, FILE + "/b*", "slow"),
    "notes": ("opening", JOINED, FILE + "/notes/*", "stall"),
}
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
SWALLOWS = """
        while HANGS:
            try:
                time.sleep(60)
            except BaseException:
                pass"""
BY_ITSELF = {
    "in_c": ("reading", "", "HANGS and sum(range(10**12))"),
    "regex": ("opening", "HANGS and re.match('(a+)+$', 'a' * 60 + 'b')", "pass"),
    "suspended": ("reading", "", "HANGS and os.kill(os.getpid(), signal.SIGSTOP)"),
    "swallows": ("reading", f"HANGS and {DEAF}", SWALLOWS),
}
HANGING = {name: case[0] for name, case in (*BY_THE_HUB.items(), *BY_ITSELF.items())}
ALWAYS = ("silent", "drips", "looked_up", "notes", "in_c", "swallows")


class Bench:
    """A checkout with a track a case, a mirror, and a supervisor over both."""

    def __init__(self, root: Path, mirror: Path) -> None:
        self.root, self.mirror, self.mended = root, mirror, root / "mended"
        self.events: list[tuple[float, Event]] = []
        (root / "state").mkdir()
        self.journal = Journal(root / "journal.jsonl")
        self.recorder = Recorder(
            self.journal, [lambda event, state, at: self.events.append((at, event))], time.monotonic
        )
        limits = Limits(STALL, 2, root / "logs")
        self.executor = LocalExecutor()
        self.supervisor = Supervisor(self.executor, self.recorder, RestartPolicy("never"), limits, time.monotonic)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.close()
        self.supervisor.selector.close()
        self.journal.close()

    @property
    def state(self) -> RunState:
        return self.recorder.state

    def track(self, name: str, source: str, top: str = "", each: str = "pass", hangs: bool = True) -> None:
        """A track with the loader `it` on a dataset of that name, and a sound one, `next`."""
        folder, data = self.root / "tracks" / name, self.mirror / "acme" / name
        folder.mkdir(parents=True)
        (data / "notes").mkdir(parents=True)
        (data / "notes" / "n.jsonl").write_text('{"n": 1}\n')
        for index, stem in enumerate("ab"):
            numbers = list(range(index * 20, index * 20 + 20))
            (data / f"{stem}.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in numbers))
            pq.write_table(pa.table({"n": numbers}), data / f"{stem}.parquet")
        base = "JoinedLoader" if "companions" in source else "Loader"
        told = {"base": base, "repo": f"acme/{name}", "mended": str(self.mended)}
        (folder / "it.py").write_text(LOADER.format(source=source, top=top, each=each, hangs=hangs, **told))
        told |= {"repo": "acme/sound", "base": "Loader"}
        (folder / "next.py").write_text(LOADER.format(source=LINES, top="", each="pass", hangs=False, **told))

    def run(self, names: list[str], cap: int = 0) -> None:
        """Run the loaders of these tracks to their ends, or to `cap` samples."""
        loaders = [LoaderSpec("it", cap=cap), LoaderSpec("next", cap=cap)]
        source = SourceSpec("hub", "hub")
        tracks, state = str(self.root / "tracks"), str(self.root / "state")
        self.recorder.emit(RunStarted("run", "hub", [f"{name}/{loader.name}" for name in names for loader in loaders]))
        self.supervisor.take([WorkerSpec(name, tracks, loaders, source, state) for name in names])
        self.go_on()

    def go_on(self) -> None:
        end = time.monotonic() + PATIENCE
        self.supervisor.go_on(lambda: time.monotonic() > end)
        assert time.monotonic() < end

    def silence(self, loader: str) -> float:
        """Seconds from the last sign that a loader got on until it was ended."""
        since, seen = 0.0, (0, 0, 0)
        for at, event in self.events:
            match event:
                case Heartbeat(loader=name, rows=rows) if name == loader:
                    now = (rows, event.replayed, event.bytes_read)
                    since, seen = (since if now == seen else at), now
                case LoaderOpening(loader=name) | LoaderOpened(loader=name) | LoaderProgress(loader=name):
                    since = at if name == loader else since
                case LoaderFinished(loader=name) if name == loader:
                    return at - since
        raise AssertionError(f"{loader} has not ended")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("bench")
    with Bench(root, root / "mirror") as made:
        yield made


@pytest.fixture(scope="module")
def hub(bench: Bench) -> Iterator[Hub]:
    for name, (_, source, *_) in BY_THE_HUB.items():
        bench.track(name, source)
    for name, (_, top, each) in BY_ITSELF.items():
        bench.track(name, LINES, top, each)
    bench.track("sound", LINES, hangs=False)
    with pytest.MonkeyPatch.context() as patch, Hub(bench.mirror) as server:
        patch.setenv("HF_ENDPOINT", server.url)
        patch.setenv("HF_HOME", str(bench.root / "hf"))
        patch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "600")  # it is the supervisor that ends what hangs
        yield server


@pytest.fixture(scope="module")
def hung(request: pytest.FixtureRequest, bench: Bench, hub: Hub) -> Bench:
    """After a run in which one loader of each track hung: those that a test was asked for."""
    for name, (_, _, at, kind) in BY_THE_HUB.items():
        hub.faults.append(Fault(at.format(name=name), kind))  # type: ignore[arg-type]
    cases = (getattr(item, "callspec", None) for item in request.session.items if "test_hangs" in item.nodeid)
    asked = {case.params["name"] for case in cases if case}
    bench.run([name for name in HANGING if name in asked] or list(ALWAYS))
    return bench


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in ALWAYS else pytest.mark.slow) for name in HANGING]
)
def test_what_hangs_is_ended_in_time_and_named_and_its_track_goes_on(hung: Bench, name: str) -> None:
    status = hung.state.loaders[f"{name}/it"]
    assert status.state == "STALLED", status
    assert status.failure is not None
    assert status.failure.failure_class == "stalled"
    doing = "while opening its source" if HANGING[name] == "opening" else "while reading"
    assert f"{name}/it made no progress for" in status.failure.sentence
    assert doing in status.failure.sentence
    assert "stall_timeout" in status.failure.remedy
    assert STALL <= hung.silence(f"{name}/it") <= STALL + MARGIN
    assert hung.state.loaders[f"{name}/next"].state == "DONE"
    assert hung.state.tracks[name].state == "FINISHED"


def test_what_hung_ends_well_once_its_cause_is_gone(hung: Bench, hub: Hub) -> None:
    hub.faults.clear()
    hung.mended.touch()
    wanted = [name for name in hung.state.loaders if name.endswith("/it")]
    assert hung.supervisor.restart(wanted) == wanted
    hung.go_on()
    ends = {name: hung.state.loaders[name] for name in wanted}
    assert {name: end.state for name, end in ends.items()} == dict.fromkeys(wanted, "DONE")
    assert {end.counts.accepted for end in ends.values()} == {40}


@pytest.fixture
def slow(tmp_path: Path, bench: Bench) -> Iterator[Bench]:
    with Bench(tmp_path, bench.mirror) as made:
        yield made


def test_what_is_only_slow_is_let_be(slow: Bench, hub: Hub) -> None:
    """A row group that is long on its way, and the way to where an array is resumed: each longer than a stall."""
    hub.faults.clear()
    slow.track("table", WIDE, hangs=False)
    slow.track("array", ARRAY, hangs=False)
    noise = random.Random(7).randbytes(LARGE // 40)
    rows = [{"n": n, "x": noise[n:].hex()[: LARGE // 40]} for n in range(40)]
    columns = {"n": list(range(40)), "x": [noise[n:] for n in range(40)]}
    (slow.mirror / "acme" / "table" / "b.parquet").unlink()
    pq.write_table(pa.table(columns), slow.mirror / "acme/table/a.parquet", compression="none", use_dictionary=False)
    (slow.mirror / "acme" / "array" / "a.json").write_text(json.dumps(rows))
    slow.run(["array"], cap=35)
    assert slow.state.loaders["array/it"].state == "CAPPED"
    hub.faults += [Fault(FILE.format(name=name), "slow", rate=SLOW) for name in ("table", "array")]
    begin = time.monotonic()
    slow.run(["table", "array"])
    assert time.monotonic() - begin > 2 * STALL
    ends = [slow.state.loaders[f"{name}/it"] for name in ("table", "array")]
    assert [(end.state, end.counts.accepted) for end in ends] == [("DONE", 40)] * 2, ends
    assert ends[1].resumed == 35
