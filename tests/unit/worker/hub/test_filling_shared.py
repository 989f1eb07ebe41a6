"""Several that fill the same file, in one process or in two: one fetches, all read, all end with the Hub's bytes."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from coordinator.worker.failures import AlteredFile
from coordinator.worker.hub.store import Store
from tests.fillings import BLOCK, COUNT, DATA, FILE, TAIL, Scene, parts, refuse_after

ROOT = Path(__file__).parents[4]
pytestmark = pytest.mark.usefixtures("small_blocks")


def test_one_fills_and_the_other_reads_what_comes(store: Store, scene: Scene) -> None:
    other = Scene(store)
    assert (scene.filling.ours, other.filling.ours) == (True, False)
    other.filling.read(0, 2_500, lambda: scene.work(1))
    assert other.filling.read(0, 2_500, lambda: None) == DATA[:2_500]
    assert other.asked == []
    scene.settle()
    assert other.filling.settled() is False, "the lock is held until the file is closed"
    assert other.read() == DATA
    scene.filling.close()
    assert other.filling.settled()
    assert other.filling.whole == scene.filling.whole
    other.filling.close()
    assert parts(store) == []


def test_the_other_goes_on_where_the_first_has_ended(store: Store, scene: Scene) -> None:
    other = Scene(store)
    scene.work(2)
    scene.filling.close()
    assert other.read() == DATA
    assert other.asked == [2_000, 3_000, 4_000, 5_000, 5_221]
    other.settle()


def test_who_comes_as_it_is_given_its_place_reads_that(
    store: Store, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own parts are new and empty, and nobody will ever fill them."""
    others: list[Scene] = []
    take_in = store.take_in

    def late(*arguments: Any) -> Path:
        found = take_in(*arguments)
        others.append(Scene(store))
        return found

    monkeypatch.setattr(store, "take_in", late)
    scene.settle()
    scene.filling.close()
    (other,) = others
    assert other.read() == DATA
    assert other.filling.settled()
    assert other.asked == []
    other.filling.close()


@pytest.mark.parametrize("read", [0, 2_000])
def test_when_the_first_finds_no_room_the_others_bytes_are_not_called_false(
    store: Store, scene: Scene, monkeypatch: pytest.MonkeyPatch, read: int
) -> None:
    other = Scene(store)
    scene.work(2)
    if read:
        assert other.read(0, read) == DATA[:read]
    with monkeypatch.context() as patched:
        refuse_after(patched, 10)
        scene.work()
    scene.filling.close()
    with pytest.raises(OSError, match="was removed while it was filled"):
        other.read()


def test_when_the_bytes_were_others_whoever_read_them_is_told(store: Store) -> None:
    scene = Scene(store, data=bytes([DATA[0] ^ 1]) + DATA[1:])
    other = Scene(store)
    scene.work(COUNT - 1)
    assert other.read(0, 10) != DATA[:10]
    scene.work()
    scene.filling.close()
    with pytest.raises(AlteredFile):
        other.filling.settled()


def test_both_ends_of_a_race_to_finish(store: Store, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane has the last block, checks the file and gives it its place; the reader, done with reading, settles."""
    taken: list[int] = []
    take_in, begun, go = store.take_in, threading.Event(), threading.Event()

    def slowly(*arguments: Any) -> Path:
        taken.append(1)
        begun.set()
        assert go.wait(10)
        return take_in(*arguments)

    monkeypatch.setattr(store, "take_in", slowly)
    lane = threading.Thread(target=scene.work)
    lane.start()
    assert begun.wait(10)
    assert scene.read() == DATA
    reader = threading.Thread(target=scene.filling.settled)
    reader.start()
    go.set()
    lane.join(10)
    reader.join(10)
    assert taken == [1]
    assert scene.filling.settled()


# ---- processes

CHILD = f"""
import os, random, sys, threading
from pathlib import Path
from coordinator.worker.hub import blocks
from coordinator.worker.hub.filling import Filling
from coordinator.worker.hub.store import Store
from tests.caches import remote
blocks.BLOCK, blocks.TAIL = {BLOCK}, {TAIL}
data = random.Random(7).randbytes({len(DATA)})
store = Store(10_000, Path(sys.argv[1]), Path(sys.argv[2]))
change = threading.Condition()
def fetch(file, start, end, take):
    print(start, flush=True)
    if sys.stdin.readline() == "half\\n":
        take(data[start : start + 10])
        print("half", flush=True)
        sys.stdin.readline()
    take(data[start:end])
filling = Filling(remote("data/rows.jsonl", data), store, fetch, change, "main")
print("ours" if filling.ours else "another's", flush=True)
while (work := filling.take()) is not None:
    work()
print(filling.settled(), flush=True)
os._exit(0)
"""


@pytest.fixture
def child(store: Store) -> Any:
    command = [sys.executable, "-c", CHILD, str(store.hub), str(store.own)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def heard(child: Any) -> str:
    return str(child.stdout.readline()).strip()


def say(child: Any, what: str = "go") -> None:
    child.stdin.write(what + "\n")
    child.stdin.flush()


def test_when_the_one_that_fills_is_killed_another_takes_over(store: Store, child: Any) -> None:
    assert heard(child) == "ours"
    scene = Scene(store)
    assert not scene.filling.ours
    for start in ("0", "1000"):
        assert heard(child) == start
        say(child)
    assert heard(child) == "2000"
    assert scene.filling.read(0, 2_000, lambda: None) == DATA[:2_000]
    say(child, "half")
    assert heard(child) == "half"
    child.kill()
    child.wait()
    assert scene.read() == DATA
    assert scene.asked == [2_000, 3_000, 4_000, 5_000, 5_221], "half a block is none"
    scene.settle()
    assert store.find(FILE) is not None


def test_another_process_reads_what_one_brings(store: Store, child: Any) -> None:
    assert heard(child) == "ours"
    scene = Scene(store)

    def wait() -> None:
        assert heard(child).isdigit()
        say(child)

    assert scene.filling.read(0, 5_000, wait) == DATA[:5_000]
    while (said := heard(child)).isdigit():
        say(child)
    assert said == "True"
    child.wait()
    assert scene.filling.settled()
    assert scene.read() == DATA
    assert scene.asked == []
