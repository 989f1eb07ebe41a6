"""The worker against the Hub's real protocol: what comes is what lies in the folder, and each fault has a class.

The clients read HF_ENDPOINT when they are imported, so each worker runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordinator.demo.hub import TOKEN, Fault, Hub

HERE = Path(__file__).resolve().parents[2]
LOADER = """
from coordinator.contract import Call, HubSource, JoinedLoader, Loader, Sample

class It({base}):
    source = HubSource({source})
    category = "function_calling"
    {prepare}
    def transform(self, row, side=None):
        return Sample(f"Do {{row['n']}}.", [Call("act", {{"n": row["n"], "side": (side or {{}}).get(str(row["n"]))}})])
"""
PREPARE = """def prepare(self, companions):
        return {row["id"]: row["text"] for rows in companions["notes"].values() for row in rows}
"""
SOURCES = {
    "columns": 'repo="acme/columns", builder="parquet", files={"train": "data/*.parquet"}, columns=("n",)',
    "lines": 'repo="acme/lines", builder="lines", files={"a": "a/*.jsonl", "b": "b.jsonl"}',
    "array": 'repo="acme/array", builder="array", files={"all": "deep/er/*.json"}, item="rows.item"',
    "joined": 'repo="acme/joined", builder="lines", files={"q": "q.jsonl"}, companions={"notes": "notes/*.jsonl"}',
    "absent": 'repo="acme/absent", builder="lines", files={"a": "a.jsonl"}',
    "unmatched": 'repo="acme/lines", builder="lines", files={"a": "nowhere/*.jsonl"}',
    "half": 'repo="acme/lines", builder="lines", files={"b": "b.jsonl", "c": "nowhere/*.jsonl"}',
    "revised": 'repo="acme/lines", builder="lines", files={"b": "b.jsonl"}, revision="v9"',
}
RUN = """
import json, sys, types
from coordinator.events import encode
from coordinator.worker.gate import Gate
from coordinator.worker.main import run
from coordinator.worker.spec import WorkerSpec
import huggingface_hub.utils._http as http
now = [0.0]
def sleep(seconds): now[0] += seconds
http.time = types.SimpleNamespace(sleep=sleep)
events, gate = [], Gate("", lambda: now[0], sleep)
spec = WorkerSpec.decode(json.loads(sys.argv[1]))
run(spec, lambda event: events.append(encode(event)), lambda: False, gate=gate)
print(json.dumps(events), flush=True)
import os; os._exit(0)
"""
"""The clients and we try as often as in earnest; only the pauses in between take no time."""


TOLD = {"Retry-After": "0", "X-Error-Message": "Invalid credentials in Authorization header"}


def lines(numbers: range) -> str:
    return "".join(json.dumps({"n": number}) + "\n" for number in numbers)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four datasets in Hub layout."""
    root = tmp_path_factory.mktemp("mirror")
    for folder in ("columns/data", "lines/a", "array/deep/er", "joined/notes"):
        (root / "acme" / folder).mkdir(parents=True)
    acme = root / "acme"
    for index in range(2):
        table = pa.table({"n": range(index * 500, index * 500 + 500), "other": ["x" * 50] * 500})
        pq.write_table(table, acme / "columns/data" / f"{index}.parquet", row_group_size=120)
        (acme / "lines/a" / f"{index}.jsonl").write_text(lines(range(index * 400, index * 400 + 400)))
    (acme / "lines/b.jsonl").write_text(lines(range(2_000, 2_100)))
    (acme / "array/deep/er/x.json").write_text(json.dumps({"rows": [{"n": n} for n in range(300)]}))
    (acme / "joined/q.jsonl").write_text(lines(range(30)))
    (acme / "joined/notes/n.jsonl").write_text(
        "".join(json.dumps({"id": str(n), "text": f"t{n}"}) + "\n" for n in range(30))
    )
    return root


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A track with a loader a source."""
    folder = tmp_path_factory.mktemp("checkout") / "tracks"
    (folder / "east").mkdir(parents=True)
    for name, source in SOURCES.items():
        joined = name == "joined"
        code = LOADER.format(
            source=source, base="JoinedLoader" if joined else "Loader", prepare=PREPARE if joined else ""
        )
        (folder / "east" / f"{name}.py").write_text(code)
    return folder


@pytest.fixture
def hub(mirror: Path) -> Iterator[Hub]:
    with Hub(mirror) as server:
        yield server


class Runner:
    """Runs loaders in a fresh process, over HTTP or from the folder."""

    def __init__(self, tracks: Path, home: Path) -> None:
        self.tracks, self.home = tracks, home

    def __call__(
        self, where: Hub | Path, *loaders: str, state: str = "state", token: str = "", cwd: Path | None = None
    ) -> dict[str, dict[str, Any]]:
        """The last event of each loader, and the sentences of its warnings."""
        hub = isinstance(where, Hub)
        source = (
            {"kind": "hub", "key": "hub", "folder": ""} if hub else {"kind": "dir", "key": "d", "folder": str(where)}
        )
        spec: dict[str, Any] = {
            "track": "east",
            "tracks": str(self.tracks),
            "loaders": [{"name": name} for name in loaders],
        }
        spec |= {"source": source, "state": str(self.home / state)}
        env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        env |= {"HF_HOME": str(self.home / "hf"), **({"HF_ENDPOINT": where.url} if isinstance(where, Hub) else {})}
        env |= {"PYTHONPATH": str(HERE), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "5"}
        env |= {"HF_TOKEN": token} if token else {}
        done = subprocess.run(
            [sys.executable, "-c", RUN, json.dumps(spec)],
            env=env,
            cwd=cwd or self.home,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout, done.stderr
        found: dict[str, dict[str, Any]] = {}
        for event in json.loads(done.stdout.splitlines()[-1]):
            entry = found.setdefault(event["loader"].partition("/")[2], {"warned": []})
            if event["kind"] == "loader_warned":
                entry["warned"].append(event["sentence"])
            if event["kind"] == "loader_finished":
                entry.update(event)
        return found

    def samples(self, name: str, state: str) -> bytes:
        """All committed lines of a loader."""
        folder = self.home / state / "tracks" / "east" / name
        return b"".join(path.read_bytes() for path in sorted(folder.glob("part-*.jsonl")))


@pytest.fixture
def runner(tracks: Path, tmp_path: Path) -> Runner:
    return Runner(tracks, tmp_path)


def failure(event: dict[str, Any]) -> str:
    """The class of a failure that says what to do and how to see it again."""
    assert event["state"] == "FAILED", event
    assert event["failure"]["sentence"]
    assert event["failure"]["remedy"]
    assert event["failure"]["reproduce"].startswith("polecats check east/")
    return str(event["failure"]["failure_class"])


def test_the_hub_gives_what_the_folder_gives(hub: Hub, mirror: Path, runner: Runner, tmp_path: Path) -> None:
    shadow = tmp_path / "cwd" / "acme" / "columns" / "data"  # would shadow the repository, were it looked up by name
    shadow.mkdir(parents=True)
    pq.write_table(pa.table({"n": [-1]}), shadow / "0.parquet")
    names = ("columns", "lines", "array", "joined", "half")
    counts = {"columns": 1_000, "lines": 900, "array": 300, "joined": 30, "half": 100}
    remote = runner(hub, *names, state="remote", cwd=tmp_path / "cwd")
    local = runner(mirror, *names, state="local")
    for name in names:
        assert remote[name]["state"] == local[name]["state"] == "DONE", remote[name]
        assert remote[name]["counts"]["accepted"] == counts[name]
        assert runner.samples(name, "remote") == runner.samples(name, "local")
        header = json.loads((tmp_path / "remote" / "tracks" / "east" / name / "header.json").read_text())
        assert header["source"]["revision"] == header["fingerprint"]["revision"] == hub.sha(header["source"]["id"])
    assert b'"side":"t7"' in runner.samples("joined", "remote")
    assert any("nowhere" in sentence for sentence in remote["half"]["warned"])
    again = runner(hub, "columns", state="remote")
    assert again["columns"]["reused"] is True


def test_a_gated_source_says_so_and_opens_with_a_token(hub: Hub, runner: Runner) -> None:
    hub.gated.add("acme/lines")
    closed = runner(hub, "lines")["lines"]
    assert failure(closed) == "gated"
    assert "HF_TOKEN" in closed["failure"]["remedy"]
    assert "acme/lines" in closed["failure"]["sentence"]
    assert failure(runner(hub, "lines", token="hf_other")["lines"]) == "gated"
    assert runner(hub, "lines", token=TOKEN)["lines"]["state"] == "DONE"


def test_what_is_not_there_is_not_found(hub: Hub, runner: Runner) -> None:
    found = runner(hub, "absent", "unmatched", "revised", "array")
    assert [failure(found[name]) for name in ("absent", "unmatched", "revised")] == ["not_found"] * 3
    assert "acme/absent" in found["absent"]["failure"]["sentence"]
    assert "nowhere/*.jsonl" in found["unmatched"]["failure"]["sentence"]
    assert found["array"]["state"] == "DONE"


@pytest.mark.parametrize(
    ("name", "code", "failure_class"),
    [("lines", 401, "auth"), ("lines", 429, "rate_limited"), ("columns", 403, "auth"), ("columns", 500, "network")],
)
def test_a_status_in_mid_run_has_its_class(hub: Hub, runner: Runner, name: str, code: int, failure_class: str) -> None:
    path, after = {"lines": ("GET *lines/resolve/*/a/1.jsonl", 0), "columns": ("GET *data/1.parquet", 0)}[name]
    hub.faults.append(Fault(path, "status", code, TOLD, after=after))
    failed = runner(hub, name)[name]
    assert failure(failed) == failure_class
    assert hub.faults[0].hits
    hub.faults.clear()
    again = runner(hub, name)[name]
    assert again["state"] == "DONE"
    assert again["counts"]["accepted"] == {"lines": 900, "columns": 1_000}[name]


def test_a_status_at_the_look_up_has_its_class(hub: Hub, runner: Runner) -> None:
    expected = {"lines": (401, "auth"), "array": (500, "network"), "columns": (429, "rate_limited")}
    for name, (code, _) in expected.items():
        hub.faults.append(Fault(f"GET /api/datasets/acme/{name}*", "status", code, TOLD))
    found = runner(hub, *expected)
    assert {name: failure(found[name]) for name in expected} == {name: cls for name, (_, cls) in expected.items()}


@pytest.mark.parametrize("kind", ["reset", "cut"])
def test_one_lost_connection_loses_no_row(hub: Hub, mirror: Path, runner: Runner, kind: Any) -> None:
    names = ("lines", "columns", "array")
    hub.faults += [Fault(f"GET /datasets/acme/{name}/resolve/*", kind, times=1) for name in names]
    remote = runner(hub, *names, state="remote")
    assert [remote[name]["state"] for name in names] == ["DONE"] * 3
    assert [fault.hits for fault in hub.faults] == [1] * 3
    runner(mirror, *names, state="local")
    for name in names:
        assert runner.samples(name, "remote") == runner.samples(name, "local") != b""


def test_a_connection_that_is_always_lost_is_the_network(hub: Hub, runner: Runner) -> None:
    hub.faults.append(Fault("GET *data/1.parquet", "reset"))
    hub.faults.append(Fault("GET *lines/resolve/*/a/1.jsonl", "cut"))
    found = runner(hub, "columns", "lines")
    assert [failure(found[name]) for name in ("columns", "lines")] == ["network"] * 2
    assert found["lines"]["counts"]["accepted"] == 400  # what came before is kept
