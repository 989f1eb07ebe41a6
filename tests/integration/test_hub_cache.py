"""True workers on files of several blocks, by way of the cache and without: the folder's bytes, whatever goes wrong.

The stand-in has a CDN and real digests. Workers run as processes, since the Hub's clients read where it is when they
are imported.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordinator.demo.hub import Fault, Hub
from coordinator.demo.network import Network, file_bytes, most_open
from coordinator.worker.hub.hub_layout import Layout

HERE = Path(__file__).resolve().parents[2]
LOADER = """
from coordinator.contract import Call, HubSource, Loader, Sample

class It(Loader):
    source = HubSource({source})
    category = "function_calling"

    def transform(self, row):
        return Sample(f"Do {{row['n']}}.", [Call("act", {{"n": row["n"]}})])
"""
TABLE = 'builder="parquet", files={"train": "*.parquet"}, columns=("n", "text")'
SOURCES = {
    "groups": f'repo="acme/groups", {TABLE}',  # small row groups
    "large": f'repo="acme/large", {TABLE}',  # one large one, read side by side
    "narrow": 'repo="acme/groups", builder="parquet", files={"train": "*.parquet"}, columns=("n",)',
    "strided": f'repo="acme/groups", {TABLE}, strided=True',
    "odd": 'repo="acme/odd", builder="parquet", files={"train": "*.parquet"}, columns=("n", "when")',
    "lines": 'repo="acme/lines", builder="lines", files={"train": "*.jsonl"}',
    "array": 'repo="acme/array", builder="array", files={"train": "*.json"}',
    "packed": 'repo="acme/packed", builder="lines", files={"train": "*.gz"}',
}
RUN = """
import json, os, sys, types
from coordinator.events import encode
from coordinator.worker.gate import Gate
from coordinator.worker.hub import blocks, spans
from coordinator.worker.main import run
from coordinator.worker.spec import WorkerSpec
from coordinator.worker.streams import chunks, parquet
blocks.BLOCK, blocks.TAIL, spans.PIECE, spans.LEAST_PIECE = 2**18, 2**15, 2**18, 2**16
chunks.AT_ONCE, chunks.COLUMN_PIECE = 2**20, 2**17
parquet.COLUMN_PIECE = chunks.COLUMN_PIECE
now, scout, spec = [0.0], None, WorkerSpec.decode(json.loads(sys.argv[1]))
def sleep(seconds): now[0] += seconds
{first}
def emit(event):
    os.write(1, json.dumps(encode(event)).encode() + b"\\n")  # by any thread
    {each}
run(spec, emit, lambda: False, gate=Gate("", lambda: now[0], sleep), scout=scout)
os._exit(0)
"""
"""With small blocks, and pauses that take no time."""
ALL = ("groups", "large", "odd", "lines", "array", "packed")
CDN, RESOLVE = "GET /cdn/*", "GET */resolve/*"
ROWS = 1_500


def rows(seed: int, count: int) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [{"n": seed * 100_000 + n, "text": draw.randbytes(600).hex()} for n in range(count)]


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Datasets of two files of about 1.5 MB that do not compress."""
    root = tmp_path_factory.mktemp("mirror")
    for name in ("groups", "large", "odd", "lines", "array", "packed"):
        (root / "acme" / name).mkdir(parents=True)
    for at in range(2):
        some = rows(at, ROWS)
        numbers = pa.array([row["n"] for row in some])
        rest = pa.array([random.Random(row["n"]).randbytes(1_000) for row in some])
        wide = pa.table({"n": numbers, "text": [row["text"] for row in some], "rest": rest})
        for name, size in (("groups", 200), ("large", ROWS)):
            pq.write_table(wide, root / f"acme/{name}/{at}.parquet", row_group_size=size, compression="none")
        kinds = pa.field("when", pa.list_(pa.field("item", pa.int64(), metadata={"ARROW:extension:name": "x"})))
        when = pa.array([[row["n"]] for row in some], kinds.type)
        schema = pa.schema([pa.field("n", pa.int64()), kinds, pa.field("rest", pa.binary())])
        pq.write_table(pa.table([numbers, when, rest], schema), root / f"acme/odd/{at}.parquet", row_group_size=450)
        text = "".join(json.dumps(row) + "\n" for row in some).encode()
        (root / f"acme/lines/{at}.jsonl").write_bytes(text)
        (root / f"acme/packed/{at}.jsonl.gz").write_bytes(gzip.compress(text, 1))
        (root / f"acme/array/{at}.json").write_text(json.dumps(some))
    return root


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout") / "tracks"
    (folder / "east").mkdir(parents=True)
    for name, source in SOURCES.items():
        (folder / "east" / f"{name}.py").write_text(LOADER.format(source=source))
    return folder


def spec_of(tracks: Path, state: Path, names: tuple[str, ...], folder: Path | None, **more: Any) -> dict[str, Any]:
    cap = more.pop("cap", 0)
    source = (
        {"kind": "dir", "key": "d", "folder": str(folder)} if folder else {"kind": "hub", "key": "hub", "folder": ""}
    )
    loaders = [{"name": name, "cap": cap} for name in names]
    return {"track": "east", "tracks": str(tracks), "loaders": loaders, "source": source, "state": str(state), **more}


def samples(state: Path, name: str) -> bytes:
    """All committed lines of a loader."""
    return b"".join(path.read_bytes() for path in sorted((state / "tracks/east" / name).glob("part-*.jsonl")))


@pytest.fixture(scope="module")
def expected(mirror: Path, tracks: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the folder gives."""
    home = tmp_path_factory.mktemp("folder")
    spec = spec_of(tracks, home / "state", tuple(SOURCES), mirror)
    done = subprocess.run(command(spec), env=environment(home), cwd=home, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2_000:]
    found = {name: samples(home / "state", name) for name in SOURCES}
    assert all(data.count(b"\n") == 2 * ROWS for data in found.values()), done.stdout[-2_000:]
    return found


def command(spec: dict[str, Any], first: str = "", each: str = "pass") -> list[str]:
    return [sys.executable, "-c", RUN.format(first=first, each=each), json.dumps(spec)]


def environment(home: Path, hub: Hub | None = None, **more: str) -> dict[str, str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    env |= {"HF_HOME": str(home / "hf"), "PYTHONPATH": str(HERE), "HF_HUB_DISABLE_XET": "1"}
    env |= {"HF_HUB_DOWNLOAD_TIMEOUT": "5", **({"HF_ENDPOINT": hub.url} if hub else {})}
    return env | more


class Bench:
    """A Hub, a home with a cache, and workers that read from the one by way of the other."""

    def __init__(self, hub: Hub, tracks: Path, home: Path, expected: dict[str, bytes]) -> None:
        self.hub, self.tracks, self.home, self.expected = hub, tracks, home, expected
        self.cache = 10**9
        self.code = {"first": "", "each": "pass"}
        self.environment: dict[str, str] = {}

    def start(self, *names: str, state: str = "state", **more: Any) -> subprocess.Popen[str]:
        spec = spec_of(self.tracks, self.home / state, names, None, cache=self.cache, **more)
        pipe = subprocess.PIPE
        env = environment(self.home, self.hub, **self.environment)
        return subprocess.Popen(command(spec, **self.code), env=env, cwd=self.home, stdout=pipe, stderr=pipe, text=True)

    def run(self, *names: str, state: str = "state", **more: Any) -> dict[str, dict[str, Any]]:
        """The last event of each loader, with its warnings."""
        return self.ended(self.start(*names, state=state, **more))

    def ended(self, worker: subprocess.Popen[str]) -> dict[str, dict[str, Any]]:
        said, complained = worker.communicate(timeout=60)
        assert "Traceback" not in complained, complained[-3_000:]
        found: dict[str, dict[str, Any]] = {}
        for event in map(json.loads, said.splitlines()):
            entry = found.setdefault(event["loader"].partition("/")[2], {"warned": [], "cached": 0, "wire": 0})
            if event["kind"] == "loader_warned":
                entry["warned"].append(event["sentence"])
            if event["kind"] in ("loader_finished", "loader_progress"):
                entry.update(event)
        return found

    def same(self, *names: str, state: str = "state", **more: Any) -> dict[str, dict[str, Any]]:
        """They end with the bytes of the folder."""
        ends = self.run(*names, state=state, **more)
        for name in names:
            self.is_same(ends, name, state)
        return ends

    def is_same(self, ends: dict[str, dict[str, Any]], name: str, state: str = "state") -> None:
        assert ends[name]["state"] == "DONE", ends[name]["failure"]
        assert samples(self.home / state, name) == self.expected[name], name

    def asked(self) -> list[str]:
        """Requests for files since this was called last."""
        found = [one.path for one in self.hub.log.asked if one.of_file]
        self.hub.log.asked.clear()
        return found

    def size(self, repo: str) -> int:
        return sum(path.stat().st_size for path in self.hub.files(repo))

    def whole(self, repo: str) -> list[bytes]:
        """What stands of a repository in huggingface_hub's layout."""
        layout = Layout.of(self.home / "hf/hub", repo)
        return [path.read_bytes() for path in sorted(layout.base.glob("snapshots/*/*"))]

    def served(self, repo: str) -> list[bytes]:
        return [path.read_bytes() for path in self.hub.files(repo)]


@pytest.fixture
def bench(mirror: Path, tracks: Path, tmp_path: Path, expected: dict[str, bytes]) -> Iterator[Bench]:
    with Hub(mirror, Network(lfs=True)) as hub:
        yield Bench(hub, tracks, tmp_path, expected)


# ---- the same bytes, once


def test_cached_and_streamed_give_the_bytes_of_the_folder(bench: Bench) -> None:
    bench.same(*ALL)
    read = {f"acme/{name}" for name in ALL}
    assert file_bytes(bench.hub.log.asked) == sum(map(bench.size, read)), "each byte once"
    assert most_open(bench.hub.log.asked) <= 8
    for repo in read:
        assert bench.whole(repo) == bench.served(repo)
    bench.asked()
    again = bench.same(*ALL, state="again")
    assert bench.asked() == [], "a second run asks for no file"
    assert all(again[name]["cached"] > 0 and not again[name]["wire"] for name in ALL)
    bench.cache = 0
    shutil.rmtree(bench.home / "hf")
    bench.same(*ALL, state="streamed")
    assert not (bench.home / "hf/hub").exists()


def test_a_column_alone_is_streamed_and_a_whole_file_is_kept(bench: Bench) -> None:
    bench.cache = 0
    bench.same("narrow", state="streamed")
    assert file_bytes(bench.hub.log.asked) < 0.3 * bench.size("acme/groups")
    bench.asked()
    bench.cache = 10**9
    bench.hub.faults = [Fault(CDN, "slow", rate=4_000_000)]  # the reader is done with a file long before it is whole
    bench.same("narrow")
    assert bench.whole("acme/groups") == bench.served("acme/groups")


def test_strided_is_read_once_too(bench: Bench) -> None:
    bench.same("strided")
    assert file_bytes(bench.hub.log.asked) == bench.size("acme/groups")


def test_never_more_connections_than_the_share(bench: Bench) -> None:
    bench.hub.faults = [Fault(CDN, "slow", rate=10_000_000)]
    for number in (1, 3):
        bench.same("groups", state=f"by{number}", connections=number)
        assert most_open(bench.hub.log.asked) <= number
        bench.asked()
        shutil.rmtree(bench.home / "hf")


def test_a_redo_after_an_edit_asks_for_no_file(bench: Bench, tmp_path: Path) -> None:
    bench.same("lines")
    bench.tracks = Path(shutil.copytree(bench.tracks, tmp_path / "edited/tracks"))
    path = bench.tracks / "east/lines.py"
    path.write_text(path.read_text().replace("Do {", "Make {"))
    bench.asked()
    (end,) = bench.run("lines").values()
    assert end["state"] == "DONE"
    made = samples(tmp_path / "state", "lines")
    assert made.count(b"Make ") == bench.expected["lines"].count(b"Do ") == made.count(b"\n")
    assert bench.asked() == []


NEXT = """
import glob, time
from coordinator.worker.scout import sent_out
scout = sent_out(spec, [])
def there():
    end = time.monotonic() + 30
    while not glob.glob({there!r}):
        assert time.monotonic() < end, "nothing of the next loader has come"
        time.sleep(0.01)
"""


def test_the_next_loaders_files_come_while_one_converts(bench: Bench) -> None:
    there = Layout.of(bench.home / "hf/hub", "acme/lines").base / "snapshots/*/1.jsonl"
    bench.code["first"] = NEXT.format(there=str(there))
    bench.code["each"] = "type(event).__name__ == 'LoaderProgress' and event.loader == 'east/groups' and there()"
    ends = bench.same("groups", "lines", "packed")
    assert file_bytes(bench.hub.log.asked) == sum(map(bench.size, ("acme/groups", "acme/lines", "acme/packed")))
    assert ends["lines"]["wire"] == bench.size("acme/lines"), "it counts as its own"


# ---- interrupted


AFTER = """
from coordinator.worker.hub.filling import Filling
come, has_come = [], Filling._has_come
def then(self, number):
    has_come(self, number)
    come.append(number)
    if len(come) == {count}:
        {what}
Filling._has_come = then
"""
"""Something happens in a worker as soon as so many blocks have come."""


@pytest.mark.parametrize("name", ["groups", "lines"])
def test_a_killed_run_goes_on_without_what_is_there(bench: Bench, name: str) -> None:
    bench.code["first"] = AFTER.format(count=5, what="os.kill(os.getpid(), 9)")
    bench.start(name, connections=1).communicate()
    had = file_bytes(bench.hub.log.asked)
    assert had > 4 * 2**17
    bench.asked()
    bench.code["first"] = ""
    bench.same(name)
    assert file_bytes(bench.hub.log.asked) == bench.size(f"acme/{name}") - had
    assert bench.whole(f"acme/{name}") == bench.served(f"acme/{name}")


@pytest.mark.parametrize("cache", [10**9, 0], ids=["cached", "streamed"])
def test_faults_in_mid_file_lose_nothing(bench: Bench, cache: int) -> None:
    bench.cache = cache
    held = {"Retry-After": "3"}
    bench.hub.faults = [
        *(Fault(f"GET /cdn/acme/{name}/*", "reset", after=2, times=1) for name in ("groups", "lines")),
        *(Fault(f"GET /cdn/acme/{name}/*", "cut", after=2, times=2) for name in ("groups", "large", "array", "packed")),
        Fault("GET /cdn/acme/lines/*", "status", 429, held, after=3, times=1),
        Fault("GET /cdn/acme/large/*", "status", 500, after=3, times=2),
        Fault("GET /cdn/acme/groups/*", "expired", after=4, times=1),
        Fault("GET /cdn/acme/odd/*", "expired", after=1, times=1),
        Fault("GET /cdn/acme/array/*", "slow", rate=1_000_000, after=2, times=2),
    ]
    ends = bench.same(*ALL)
    assert all(fault.hits == fault.times for fault in bench.hub.faults), bench.hub.faults
    assert [ends[name]["warned"] for name in ALL] == [[]] * len(ALL)


@pytest.mark.parametrize("cache", [10**9, 0], ids=["cached", "streamed"])
@pytest.mark.parametrize(("kind", "word"), [("tag", "changed"), ("shifted", "changed"), ("page", "text/html")])
def test_another_file_in_mid_file_is_one_sentence(bench: Bench, cache: int, kind: Any, word: str) -> None:
    bench.cache = cache
    bench.hub.faults = [Fault(f"GET /cdn/acme/{name}/1*", kind, after=2) for name in ("groups", "lines")]
    ends = bench.run("groups", "lines")
    for name in ("groups", "lines"):
        failure = ends[name]["failure"]
        assert failure["failure_class"] == "network"
        assert failure["sentence"].startswith(f"acme/{name}: 1.")
        assert word in failure["sentence"]
        assert bench.expected[name].startswith(samples(bench.home / "state", name))
    bench.hub.faults = []
    bench.same("groups", "lines")


def test_bytes_that_are_others_are_set_aside(bench: Bench) -> None:
    """As many as there should be, of the same file as told: the digest alone tells."""
    bench.hub.faults = [Fault("GET /cdn/acme/lines/0*", "garbled", after=2, times=1)]
    (end,) = bench.run("lines").values()
    assert end["failure"]["sentence"] == "acme/lines: 0.jsonl: the bytes that came are not those that the Hub lists"
    assert samples(bench.home / "state", "lines") == b""
    assert "starts anew" in end["warned"][0]
    assert all(data in bench.served("acme/lines") for data in bench.whole("acme/lines"))
    bench.same("lines")


# ---- others at the same cache


@pytest.mark.parametrize("name", ["groups", "lines"])
def test_two_workers_fill_a_file_once(bench: Bench, name: str) -> None:
    bench.hub.faults = [Fault(CDN, "slow", rate=2_000_000)]  # slowly enough for both to be at it
    workers = {state: bench.start(name, state=state) for state in ("one", "two")}
    for state, worker in workers.items():
        bench.is_same(bench.ended(worker), name, state)
    assert file_bytes(bench.hub.log.asked) == bench.size(f"acme/{name}")
    assert bench.whole(f"acme/{name}") == bench.served(f"acme/{name}")


def test_one_takes_over_what_a_killed_one_filled(bench: Bench) -> None:
    bench.hub.faults = [Fault(CDN, "slow", rate=2_000_000)]
    bench.code["first"] = AFTER.format(count=3, what="os.kill(os.getpid(), 9)")
    first = bench.start("lines", state="one", connections=1)
    bench.code["first"] = ""
    second = bench.start("lines", state="two")
    first.communicate()
    bench.is_same(bench.ended(second), "lines", "two")
    assert bench.whole("acme/lines") == bench.served("acme/lines")


# ---- a cache that is not as it should be


@pytest.mark.parametrize("change", ["cut", "longer", "gone"])
def test_a_damaged_file_of_the_cache_is_fetched_anew(bench: Bench, change: str) -> None:
    bench.same("lines")
    for pointer in Layout.of(bench.home / "hf/hub", "acme/lines").base.glob("snapshots/*/1.jsonl"):
        blob = pointer.resolve()
        data = blob.read_bytes()
        blob.unlink()
        if change != "gone":
            blob.write_bytes(data[:-5] if change == "cut" else data + b"more")
    bench.asked()
    bench.same("lines", state="again")
    assert {path.rpartition("/")[2] for path in bench.asked()} == {"1.jsonl"}
    assert bench.whole("acme/lines") == bench.served("acme/lines")


@pytest.mark.parametrize("name", ["groups", "lines"])
def test_a_cache_that_is_deleted_in_mid_run(bench: Bench, name: str) -> None:
    bench.code["first"] = AFTER.format(count=3, what=f"import shutil; shutil.rmtree({str(bench.home / 'hf')!r})")
    end = bench.same(name)[name]
    assert len(end["warned"]) <= 1
    assert all("the cache takes no more" in sentence for sentence in end["warned"])
    bench.code["first"] = ""
    bench.same(name, state="again")
    assert bench.whole(f"acme/{name}") == bench.served(f"acme/{name}")


def check_streamed(bench: Bench, why: str) -> None:
    for name in ("lines", "groups"):
        end = bench.same(name)[name]
        (sentence,) = end["warned"]
        assert sentence.startswith("the cache takes no more (")
        assert why in sentence
        assert sentence.endswith("; the rest is streamed and not retained")


def test_a_cache_that_cannot_be(bench: Bench) -> None:
    bench.environment = {"HF_HOME": "/dev/null/x"}
    check_streamed(bench, "/dev/null is no folder")


def test_a_disk_on_which_no_file_may_be_large(bench: Bench) -> None:
    bench.code["first"] = """
def refuse(place, size):
    raise OSError(27, os.strerror(27))
blocks.os = types.SimpleNamespace(**{**vars(os), "truncate": refuse})
"""
    check_streamed(bench, "File too large")


def test_a_disk_that_becomes_full(bench: Bench) -> None:
    bench.code["first"] = """
written, pwrite = [], os.pwrite
def full(handle, data, place):
    if sum(written) > 700_000:
        raise OSError(28, os.strerror(28))
    written.append(pwrite(handle, memoryview(data)[:1000], place))
    return written[-1]
os.pwrite = full
"""
    check_streamed(bench, "the disk is full")


def test_parts_on_another_disk_than_the_cache(bench: Bench, tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one disk")
    own = other / f"polecats-test-{os.getpid()}"
    bench.environment = {"HF_ASSETS_CACHE": str(own)}
    try:
        bench.same("lines")
        assert bench.whole("acme/lines") == bench.served("acme/lines")
        assert [path.suffix for path in (own / "polecats/parts").iterdir()] == []
    finally:
        shutil.rmtree(own, ignore_errors=True)


def test_a_cache_that_is_too_small(bench: Bench) -> None:
    bench.cache = max(path.stat().st_size for path in bench.hub.files("acme/lines")) + 10_000
    end = bench.same("lines")["lines"]
    assert end["warned"] == []
    assert len(bench.whole("acme/lines")) == 1


# ---- without the Hub


AWAY = {"offline": {"HF_HUB_OFFLINE": "1"}, "dead": {"HF_ENDPOINT": "http://127.0.0.1:9"}}


@pytest.mark.parametrize("how", AWAY)
def test_without_the_hub_what_is_there_is_read(bench: Bench, how: str) -> None:
    """What was committed counts as it is, what is in the cache is read, what is missing fails soon."""
    bench.same("lines", "groups")
    bench.asked()
    bench.environment = AWAY[how]
    began = time.monotonic()
    ends = bench.run("lines", "array")
    assert time.monotonic() - began < 5 + 5, "five seconds at most, besides those that a process takes to begin"
    assert (ends["lines"]["state"], ends["lines"]["reused"]) == ("DONE", True)
    assert ends["lines"]["warned"] == ["acme/lines: not compared with the Hub: offline"]
    fresh = bench.same("lines", "groups", state="fresh")
    assert [fresh[name]["warned"] for name in ("lines", "groups")] == [
        [f"acme/{name}: not compared with the Hub: offline"] for name in ("lines", "groups")
    ]
    assert (ends["array"]["state"], ends["array"]["failure"]["failure_class"]) == ("FAILED", "network")
    assert ends["array"]["failure"]["offline"] is True
    assert bench.asked() == []
