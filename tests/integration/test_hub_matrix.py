"""What a Hub can do wrong, case by case, through the true clients: completed without loss, or told in a sentence.

All cases of one surrounding (an address, a token, a cache) run in one worker, each with a dataset of its own. Pauses
take no time but are added up; what never ends by itself is in `test_hangs`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordinator.demo.hub import TOKEN, Fault, Hub

HERE = Path(__file__).resolve().parents[2]
ROWS = 40
LONGEST_PAUSE = 90.0
"""Seconds that a case may pause in all, where the server does not ask for more: a loader that pauses fails before it
counts as stalled, and is tried again."""
LOADER = """
from coordinator.contract import Call, HubSource, JoinedLoader, Loader, Sample

class It({base}):
    source = HubSource(repo={repo!r}, {source})
    category = "function_calling"

    def prepare(self, companions):
        return companions["notes"]

    def transform(self, row, side=None):
        return Sample(f"Do {{row['n']}}.", [Call("act", {{"n": row["n"]}})])
"""
RUN = """
import json, os, sys, types
from coordinator.events import encode
from coordinator.worker.gate import Gate
from coordinator.worker.main import run
from coordinator.worker.spec import WorkerSpec
from coordinator.worker.hub import client as ours
from coordinator.worker.streams import roots
import huggingface_hub.utils._http as http
from huggingface_hub import constants
now = [0.0]
def sleep(seconds): now[0] += seconds
http.time = types.SimpleNamespace(sleep=sleep)
roots.LOOK_UP_TIMEOUT = ours.LONGEST_SILENCE = constants.HF_HUB_DOWNLOAD_TIMEOUT = 0.3
events = []
run(WorkerSpec.decode(json.loads(sys.argv[1])), lambda event: events.append({**encode(event), "at": now[0]}),
    lambda: False, gate=Gate("", lambda: now[0], sleep))
print(json.dumps(events), flush=True)
os._exit(0)
"""
FILE = "GET /datasets/acme/{name}/resolve/*/b*"
"""The second file of two."""
INFO = "GET /api/datasets/acme/{name}/revision/*"
TREE = "GET /api/datasets/acme/{name}/tree/*"
Make = Callable[[Path], None]


def lines(numbers: range) -> bytes:
    return b"".join(b'{"n": %d}\n' % number for number in numbers)


def two_line_files(folder: Path) -> None:
    (folder / "a.jsonl").write_bytes(lines(range(20)))
    (folder / "b.jsonl").write_bytes(lines(range(20, ROWS)))


def file(name: str, data: bytes) -> Make:
    """Two files of lines, one of which is another or which is added."""

    def make(folder: Path) -> None:
        two_line_files(folder)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)

    return make


def only(name: str, data: bytes) -> Make:
    """One file."""

    def make(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return make


def tables(*columns: dict[str, Any], names: str = "abcdefgh") -> Make:
    """A parquet file for each."""

    def make(folder: Path) -> None:
        for name, values in zip(names, columns, strict=False):
            pq.write_table(pa.table(values), folder / f"{name}.parquet", row_group_size=8)

    return make


FIRST, SECOND = {"n": list(range(20))}, {"n": list(range(20, ROWS))}
two_tables = tables(FIRST, SECOND)


def named(*names: str) -> Make:
    """Parquet files of ten rows with such names."""

    def make(folder: Path) -> None:
        for index, name in enumerate(names):
            pq.write_table(pa.table({"n": list(range(index * 10, index * 10 + 10))}), folder / name)

    return make


def damaged(change: Callable[[bytes], bytes], compression: str = "none") -> Make:
    """A sound parquet file, and one whose bytes are changed."""

    def make(folder: Path) -> None:
        tables(FIRST)(folder)
        path = folder / "b.parquet"
        table = pa.table({"n": [f"{n:05d}" * 40 for n in range(400)]})
        pq.write_table(table, path, compression=compression, use_dictionary=False, data_page_size=4_096)
        path.write_bytes(change(path.read_bytes()))

    return make


LINES = 'builder="lines", files={"a": "*.jsonl"}'
TABLES = 'builder="parquet", files={"a": "*.parquet"}, columns=("n",)'
EVERY = 'builder="parquet", files={"a": "*.parquet"}'
ARRAY = 'builder="array", files={"a": "*.json"}'
JOINED = 'builder="lines", files={"a": "*.jsonl"}, companions={"notes": "notes/*.jsonl"}'


@dataclass(frozen=True)
class Case:
    """A dataset, what goes wrong with it, and how that must end: a state, or a failure's class, and a word of it."""

    name: str
    ends: str = "DONE"
    word: str = ""
    make: Make = two_line_files
    source: str = LINES
    fault: tuple[str, str] | None = None
    more: dict[str, Any] = field(default_factory=dict)
    rows: int = ROWS
    rejected: int = 0
    repo: str = ""
    asked: float = 0.0
    """Seconds that the server asks to wait."""


def faulty(name: str, kind: str, ends: str, word: str = "", where: str = FILE, **more: Any) -> list[Case]:
    """The fault in a file of lines and in one of parquet, once, from which it recovers, and always."""
    asked = float(more.get("headers", {}).get("Retry-After", 0)) * 7
    found = []
    for form, make, source in (("lines", two_line_files, LINES), ("tables", two_tables, TABLES)):
        once = {**more, "times": 1}
        found.append(Case(f"{name}_{form}_once", "DONE", "", make, source, (where, kind), once, asked=asked))
        found.append(Case(f"{name}_{form}_always", ends, word, make, source, (where, kind), more, asked=asked))
    return found


def status(code: int, error: str = "", **headers: str) -> dict[str, Any]:
    return {"code": code, "headers": {**headers, **({"X-Error-Code": error} if error else {})}}


REFUSED = {"X-Error-Message": "Invalid credentials in Authorization header"}
NOTED = file("notes/n.jsonl", b"{}\n")
SNAPPY = damaged(lambda data: data[:60] + b"\xff" * 900 + data[960:], "snappy")
LATE = {"Retry-After": "3600"}
NOTES = "GET */notes_500/resolve/*/notes/*"
STRUCT, WIDER = {"m": [{"a": 1}] * 20}, {"m": [{"a": 1, "b": "x"}] * 20}
CASES = [
    Case("sound"),
    Case("sound_tables", make=two_tables, source=TABLES),
    # ---- what an answer is
    *faulty("info_429", "status", "rate_limited", "429", INFO, **status(429)),
    *faulty("info_500", "status", "network", "HTTP 500", INFO, **status(500)),
    *faulty("info_503", "status", "network", "HTTP 503", INFO, **status(503)),
    *faulty("tree_429", "status", "rate_limited", "429", TREE, **status(429)),
    *faulty("tree_500", "status", "network", "HTTP 500", TREE, **status(500)),
    *faulty("file_429", "status", "rate_limited", "429", **status(429, **{"Retry-After": "2"})),
    *faulty("file_500", "status", "network", "HTTP 500", **status(500)),
    *faulty("file_503", "status", "network", "HTTP 503", **status(503)),
    Case("file_401", "auth", "HTTP 401", fault=(FILE, "status"), more=status(401)),
    Case("file_403", "auth", "HTTP 403", two_tables, TABLES, (FILE, "status"), status(403)),
    Case("info_401", "auth", "HTTP 401", fault=(INFO, "status"), more=status(401, **REFUSED)),
    # ---- how it comes
    *faulty("reset", "reset", "network", "lost"),
    *faulty("cut", "cut", "network", "lost"),
    *faulty("lie", "lie", "DONE"),
    *faulty("stall", "stall", "network", "no answer in time"),
    *faulty("silent", "silent", "network", "no answer in time"),
    *faulty("info_reset", "reset", "network", "lost", INFO),
    Case("short", "network", "changed", fault=(FILE, "short")),
    Case("other_file", "network", "changed", fault=(FILE, "other")),
    Case("other_table", "network", "changed", two_tables, TABLES, (FILE, "other")),
    Case("page_for_a_file", "network", "text/html", fault=(FILE, "page")),
    Case("page_for_a_table", "network", "text/html", two_tables, TABLES, (FILE, "page")),
    Case("page_for_the_info", "network", "not the Hub's", fault=(INFO, "page")),
    Case("page_for_the_tree", "network", "not the Hub's", fault=(TREE, "page")),
    Case("moved", fault=(FILE, "moved")),
    Case("moved_table", "DONE", "", two_tables, TABLES, (FILE, "moved")),
    Case("info_stall", "network", "no answer in time", fault=(INFO, "stall")),
    Case("tree_stall", "network", "no answer in time", fault=(TREE, "stall")),
    Case("notes_500", "network", "notes/n.jsonl", NOTED, JOINED, (NOTES, "status"), status(500)),
    # ---- what is not there
    Case("gated", "gated", "gated"),
    Case("absent", "not_found", "no such dataset", repo="acme/nowhere"),
    Case("illegal", "not_found", "is no name", repo="acme/no--where"),
    Case("revision", "not_found", "at v9", source=f'{LINES}, revision="v9"'),
    Case("commit_gone", "not_found", "not this revision", fault=(FILE, "status"), more=status(404, "RevisionNotFound")),
    Case("file_gone", "not_found", "b.jsonl", fault=(FILE, "status"), more=status(404, "EntryNotFound")),
    Case("table_gone", "not_found", "b.parquet", two_tables, TABLES, (FILE, "status"), status(404, "EntryNotFound")),
    Case("no_file", "not_found", "*.parquet; the repository has a.jsonl", source=TABLES),
    Case("no_folder", "not_found", "the repository has a.jsonl", source='builder="lines", files={"a": "data/*.jsonl"}'),
    Case("no_split", source='builder="lines", files={"a": "*.jsonl", "b": "test/*.jsonl"}'),
    Case("script", "script_unsupported", "script.py", only("script.py", b"x")),
    Case("no_note", "DONE", source=JOINED),
    # ---- what is in it
    Case("no_column", "schema_cast", "no column n", tables({"m": [1]}), TABLES),
    Case("no_column_later", "schema_cast", "b.parquet has no column n", tables(FIRST, {"m": [1]}), TABLES),
    Case("more_columns_later", make=tables(FIRST, {**SECOND, "m": [1] * 20}), source=TABLES),
    Case("other_columns_later", make=tables(FIRST, {**SECOND, "m": [1] * 20}), source=EVERY),
    Case("other_type_later", make=tables(FIRST, {"n": [str(n) for n in range(20, ROWS)]}), source=EVERY),
    Case("null_then_text", make=tables({**FIRST, "m": [None] * 20}, {**SECOND, "m": ["x"] * 20}), source=EVERY),
    Case("wider_struct", make=tables({**FIRST, **STRUCT}, {**SECOND, **WIDER}), source=EVERY),
    Case("no_rows_first", make=tables({"n": pa.array([], pa.int64())}, FIRST, SECOND), source=TABLES),
    Case("no_rows", "empty_upstream", "hold no rows", tables({"n": pa.array([], pa.int64())}), TABLES),
    Case("bad_line", make=file("c.jsonl", b'{"n": \n'), rejected=1),
    Case("not_utf8", make=file("c.jsonl", b'{"n": "\xff"}\n'), rejected=1),
    Case("cut_line", make=file("c.jsonl", b'{"n": 9'), rejected=1),
    Case("empty_file", make=file("c.jsonl", b"")),
    Case("empty", "empty_upstream", "hold no rows", only("a.jsonl", b"")),
    Case("no_json", "contract", "rows rejected", only("a.jsonl", b"<p>\n" * 9)),
    Case("no_magic", "parse", "b.parquet", damaged(lambda data: data[:-4] + b"XXXX"), TABLES),
    Case("no_footer", "parse", "b.parquet", damaged(lambda data: data[:-60] + b"\xff" * 52 + data[-8:]), TABLES),
    Case("half_a_table", "parse", "b.parquet", damaged(lambda data: data[: len(data) // 2]), TABLES),
    Case("page_damaged", "parse", "b.parquet", damaged(lambda data: data[:4] + b"\xff" * 40 + data[44:]), TABLES),
    Case("snappy", "parse", "b.parquet", SNAPPY, TABLES),
    Case("not_a_table", "parse", "a.parquet", only("a.parquet", b"<html>"), TABLES),
    Case("half_an_array", "parse", "a.json", only("a.json", b'[{"n": 1}, {"n"'), ARRAY),
    Case("no_array", "parse", "a.json", only("a.json", b"<html>"), ARRAY),
    Case("bad_note", "parse", "notes/n.jsonl", file("notes/n.jsonl", b"{}\n{\n"), JOINED),
    Case("odd_names", make=named("[0].parquet", "a*b.parquet", "q?r.parquet", "s% é#.parquet"), source=TABLES),
    Case("two_colons", make=named("a::b.parquet"), source=TABLES, rows=10),
    # ---- last, as it holds for all that come after it
    Case("late", "rate_limited", "longest_wait", fault=(FILE, "status"), more=status(429, **LATE), asked=4_000),
]  # fmt: skip


class Bench:
    """A mirror with a dataset a case, and a track with a loader a case."""

    def __init__(self, root: Path) -> None:
        self.root, self.mirror, self.tracks = root, root / "mirror", root / "tracks"
        (self.tracks / "east").mkdir(parents=True)
        for case in CASES:
            folder = self.mirror / "acme" / case.name
            folder.mkdir(parents=True)
            case.make(folder)
            base = "JoinedLoader" if "companions" in case.source else "Loader"
            code = LOADER.format(base=base, repo=case.repo or f"acme/{case.name}", source=case.source)
            (self.tracks / "east" / f"{case.name}.py").write_text(code)

    def run(self, names: list[str], state: str, cache: int = 0, **environment: str) -> dict[str, dict[str, Any]]:
        """The last event of each loader; `pause`: the seconds it paused, `warned`: what it warned of."""
        home = self.root / state
        home.mkdir()
        spec = {"track": "east", "tracks": str(self.tracks), "loaders": [{"name": name} for name in names]}
        spec |= {"source": {"kind": "hub", "key": "hub", "folder": ""}, "state": str(home / "state"), "cache": cache}
        env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        env |= {"HF_HOME": str(home / "hf"), "HF_HUB_DISABLE_XET": "1"}
        env |= {"PYTHONPATH": str(HERE), **environment}
        command = [sys.executable, "-c", RUN, json.dumps(spec)]
        done = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, timeout=120)
        assert done.stdout, done.stderr[-3_000:]
        found: dict[str, dict[str, Any]] = {}
        before = 0.0
        for event in json.loads(done.stdout.splitlines()[-1]):
            entry = found.setdefault(event["loader"].partition("/")[2], {"warned": []})
            if event["kind"] == "loader_warned":
                entry["warned"].append(event["sentence"])
            if event["kind"] == "loader_finished":
                entry.update(event, pause=event["at"] - before)
                before = event["at"]
        return found


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module", params=[0, 10**9], ids=["streamed", "cached"])
def outcomes(bench: Bench, request: pytest.FixtureRequest) -> Iterator[dict[str, dict[str, Any]]]:
    """How all the cases ended, without a cache and by way of one."""
    with Hub(bench.mirror) as hub:
        hub.gated.add("acme/gated")
        hub.faults = [
            Fault(case.fault[0].format(name=case.name), case.fault[1], **case.more)  # type: ignore[arg-type]
            for case in CASES
            if case.fault
        ]
        names = [case.name for case in CASES]
        yield bench.run(names, f"all-{request.param}", request.param, HF_ENDPOINT=hub.url)


def told(end: dict[str, Any], failure_class: str, word: str, subject: str) -> None:
    """A failure of that class whose sentence a person can act on."""
    failure = end["failure"]
    assert failure is not None, end
    sentence = failure["sentence"]
    assert failure["failure_class"] == failure_class, failure
    assert word in sentence, sentence
    assert subject in sentence, sentence
    assert len(sentence) < 300, sentence
    assert not re.search(r"Traceback|https?://|\n|[Rr]equest ID|Errno|object at 0x|\bError\b", sentence), sentence
    assert failure["remedy"].endswith("."), failure
    assert failure["reproduce"].startswith("polecats check east/")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_case_ends_as_it_should(outcomes: dict[str, dict[str, Any]], case: Case) -> None:
    end = outcomes[case.name]
    assert end["pause"] <= LONGEST_PAUSE + case.asked
    if case.ends == "DONE":
        assert (end["state"], end["failure"]) == ("DONE", None)
        counts = end["counts"]
        assert (counts["accepted"], sum(counts["rejected"].values())) == (case.rows, case.rejected)
        return
    assert end["state"] == ("EMPTY" if case.ends == "empty_upstream" else "FAILED")
    of_all = case.ends == "contract" or case.name == "late"
    of_a_file = case.word.endswith((".json", ".jsonl"))
    told(end, case.ends, case.word, "" if of_all or of_a_file else (case.repo or f"acme/{case.name}"))


def test_a_split_without_a_file_and_a_companion_without_one_are_warned_of(outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes["no_split"]["warned"] == ["acme/no_split: no file matches test/*.jsonl (b)"]
    assert outcomes["no_note"]["warned"] == ["acme/no_note: no file matches notes/*.jsonl (notes)"]


def test_the_table_is_as_large_as_it_says() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 45


# ---- surroundings: each a process of its own, all at once


DEAD = "http://127.0.0.1:9"
AROUND: dict[str, tuple[str, str, dict[str, str]]] = {
    "down": ("network", "127.0.0.1 cannot be reached", {"HF_ENDPOINT": DEAD}),
    "no_name": ("network", "nowhere.invalid cannot be looked up", {"HF_ENDPOINT": "http://nowhere.invalid"}),
    "no_proxy": ("network", "127.0.0.1 cannot be reached", {"HTTP_PROXY": DEAD, "http_proxy": DEAD}),
    "offline": ("network", "HF_HUB_OFFLINE is set", {"HF_HUB_OFFLINE": "1"}),
    "no_tls": ("network", "no secure connection", {"HF_ENDPOINT": "https"}),
    "no_cache": ("DONE", "", {"HF_HUB_CACHE": "/dev/null/x", "HF_DATASETS_CACHE": "/dev/null/y"}),
    "shadowed": ("DONE", "", {}),
    "wrong_token": ("gated", "this token has not been given access", {"HF_TOKEN": "hf_other"}),
    "right_token": ("DONE", "", {"HF_TOKEN": TOKEN}),
}


@pytest.fixture(scope="module")
def surroundings(bench: Bench) -> Iterator[dict[str, dict[str, Any]]]:
    """How a sound dataset, or one that is gated where there is a token, ends in each."""
    with Hub(bench.mirror) as hub:
        hub.gated.add("acme/gated")

        def run(name: str) -> dict[str, Any]:
            environment = {"HF_ENDPOINT": hub.url, **AROUND[name][2]}
            if environment["HF_ENDPOINT"] == "https":
                environment["HF_ENDPOINT"] = hub.url.replace("http:", "https:")
            loader = "gated" if "token" in name else "sound_tables"
            shadow = bench.root / name / "acme" / loader
            if name == "shadowed":
                shadow.parent.parent.mkdir()
            return bench.run([loader], f"{name}-home", **environment)[loader]

        with ThreadPoolExecutor(2) as pool:
            yield dict(zip(AROUND, pool.map(run, AROUND), strict=True))


@pytest.mark.parametrize("name", AROUND)
def test_each_surrounding_ends_as_it_should(surroundings: dict[str, dict[str, Any]], name: str) -> None:
    ends, word, _ = AROUND[name]
    if ends == "DONE":
        assert (surroundings[name]["state"], surroundings[name]["counts"]["accepted"]) == ("DONE", ROWS)
        return
    told(surroundings[name], ends, word, "acme/")
