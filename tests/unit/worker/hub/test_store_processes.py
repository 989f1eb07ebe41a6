"""Several processes at one cache: polecats' own, and huggingface_hub's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from huggingface_hub import scan_cache_dir

from coordinator.demo.hub import Hub, mark
from coordinator.worker.hub.hub_layout import Layout
from coordinator.worker.hub.remote_file import RemoteFile
from coordinator.worker.hub.store import Store
from tests.caches import FIRST, REPO, bring, remote

ROOT = Path(__file__).parents[4]
DATA = b"rows" * 50_000
BEGIN = """
import fcntl, os, sys
from pathlib import Path
from coordinator.worker.hub.remote_file import RemoteFile
from coordinator.worker.hub.store import Store
store = Store(10_000_000, Path(sys.argv[1]), Path(sys.argv[2]))
def file(path, data, commit="1" * 40):
    from hashlib import sha256
    return RemoteFile("inv/alpha-one", commit, path, len(data), sha256(data).hexdigest())
def ready():
    print("ready", flush=True)
    sys.stdin.readline()
"""


Child = subprocess.Popen[str]
Start = Callable[..., Child]


@pytest.fixture
def start(store: Store) -> Iterator[Start]:
    """Another process with a `store`, and a `file`; at `ready()` it waits until it is told to go on."""
    with ExitStack() as stack:

        def call(code: str, *arguments: str) -> Child:
            command = [sys.executable, "-c", BEGIN + code, str(store.hub), str(store.own), *arguments]
            child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.callback(child.wait)
            stack.callback(child.kill)
            return child

        yield call


def wait_for(child: Child) -> None:
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"


def go_on(child: Child) -> str:
    """Let it go on to its end; what it says."""
    said, _ = child.communicate("\n", timeout=60)
    assert child.returncode == 0
    return said


def test_what_another_process_reads_is_passed_over(store: Store, start: Start) -> None:
    file = remote("rows.jsonl", DATA)
    path = bring(store, file, DATA)
    child = start(f"with store.in_use(file('rows.jsonl', b'rows' * {len(DATA) // 4})): ready()")
    wait_for(child)
    store.limit = len(DATA) + 5
    assert not store.make_room(10)
    assert store.clear() == []
    assert path.read_bytes() == DATA
    go_on(child)
    assert store.make_room(10)
    assert store.find(file) is None


def test_parts_that_another_process_fills_are_passed_over(store: Store, start: Start) -> None:
    child = start(
        """
stem = store.parts_of(file("rows.jsonl", b"rows"))
data = stem.with_name(stem.name + ".data")
data.write_bytes(bytes(1_000))
lock = os.open(stem.with_name(stem.name + ".lock"), os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
ready()
print(data.exists())
"""
    )
    wait_for(child)
    assert [(entry.path, entry.size, entry.whole) for entry in store.entries()] == [("rows.jsonl", 1_000, False)]
    store.limit = 1_500
    assert not store.make_room(1_000), "they count"
    assert store.clear() == []
    assert go_on(child) == "True\n"
    assert store.make_room(1_000), "once nobody fills them, they go"
    assert store.entries() == []


def test_all_processes_that_bring_a_file_end_with_it(store: Store, start: Start, tmp_path: Path) -> None:
    code = f"""
data = b"rows" * {len(DATA) // 4}
whole = Path(sys.argv[3])
whole.write_bytes(data)
ready()
for turn in range(20):
    found = store.take_in(file("rows.jsonl", data, str(turn % 3 + 1) * 40), whole, "main")
    found.resolve().unlink(missing_ok=True)
    whole.write_bytes(data)
"""
    children = [start(code, str(tmp_path / f"{number}")) for number in range(3)]
    for child in children:
        wait_for(child)
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        go_on(child)
    path = bring(store, remote("rows.jsonl", DATA), DATA)
    assert path.read_bytes() == DATA
    assert not scan_cache_dir(store.hub).warnings
    assert [entry.size for entry in store.entries()] == [len(DATA)]
    assert len(store.clear()) == 1
    assert [path.name for path in store.hub.iterdir() if path.name != ".locks"] == ["CACHEDIR.TAG"]


def test_hf_download_at_the_same_time(store: Store, start: Start, tmp_path: Path) -> None:
    """Whoever is first, both have the bytes, and what huggingface_hub has a name of its own for is not removed."""
    served = tmp_path / "served" / REPO
    served.mkdir(parents=True)
    names = [f"{n}.jsonl" for n in range(20)]
    for name in names:
        (served / name).write_bytes(name.encode() * 1_000)
    with Hub(tmp_path / "served") as hub:
        child = start(
            """
import os
os.environ["HF_HUB_DISABLE_XET"] = "1"
from huggingface_hub import hf_hub_download
ready()
for n in range(20):
    where = {"repo_type": "dataset", "cache_dir": store.hub, "endpoint": sys.argv[3]}
    path = hf_hub_download("inv/alpha-one", f"{n}.jsonl", **where)
    print(Path(path).read_bytes() == f"{n}.jsonl".encode() * 1_000)
""",
            hub.url,
        )
        wait_for(child)
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        for name in names:
            data = (served / name).read_bytes()
            file = RemoteFile(REPO, FIRST, name, len(data), mark(served / name))
            assert bring(store, file, data).read_bytes() == data
        assert go_on(child).split() == ["True"] * len(names)
        commit = hub.sha(REPO)
    assert store.clear() == [], "each has a name that huggingface_hub gave it"
    base = Layout.of(store.hub, REPO).base
    assert sorted(path.name for path in (base / "snapshots" / commit).iterdir()) == sorted(names)
    assert all((base / "snapshots" / commit / name).read_bytes() == name.encode() * 1_000 for name in names)
    assert not scan_cache_dir(store.hub).warnings


def test_a_lock_that_huggingface_hub_holds_for_long_is_not_waited_for(
    store: Store, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.worker.hub.store.PATIENCE", 0.1)
    file = remote("rows.jsonl", DATA)
    child = start(
        """
from huggingface_hub.utils import WeakFileLock
path = store.hub / ".locks" / "datasets--inv--alpha-one" / f"{sys.argv[3]}.lock"
path.parent.mkdir(parents=True)
with WeakFileLock(path): ready()
""",
        file.etag,
    )
    wait_for(child)
    path = bring(store, file, DATA)
    assert path.read_bytes() == DATA
    assert store.clear() == [], "somebody is at it"
    go_on(child)
    assert len(store.clear()) == 1
