"""What one loader reads: each file from where it is, the cache filled in order, and a way on when the disk is none."""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coordinator.worker.failures import SourceError
from coordinator.worker.gate import Interrupted
from coordinator.worker.hub import places, reading
from coordinator.worker.hub.filling import Filling
from coordinator.worker.hub.places import WholeFile
from coordinator.worker.hub.ranges import Latency, Sink
from coordinator.worker.hub.reading import Reading
from coordinator.worker.hub.remote_file import RemoteFile
from coordinator.worker.hub.spans import Range
from coordinator.worker.hub.store import Store
from tests.caches import bring, remote
from tests.fillings import BLOCK, TAIL

SIZE = 3 * BLOCK + TAIL
PATHS = [f"{number:03}.jsonl" for number in range(100)]
DATA = {path: random.Random(path).randbytes(SIZE) for path in PATHS}
FILES = [remote(path, DATA[path]) for path in PATHS]
pytestmark = pytest.mark.usefixtures("small_blocks")


class Scene:
    """A Hub whose one lane works whenever it is woken, so much as it is let."""

    def __init__(self, store: Store) -> None:
        self.store, self.asked, self.warned = store, list[tuple[str, int]](), list[str]()
        self.idle = self.stop = False
        self.lost: set[str] = set()
        self.otherwise = None
        self.latency, self.gate = Latency(), SimpleNamespace(stopping=lambda: self.stop)
        self.reading: Reading | None = None
        self._works = False

    def begin(
        self, files: Sequence[RemoteFile], keep: Collection[RemoteFile] | None = None, ahead: int = 2**63
    ) -> Reading:
        hub: Any = self
        self.reading = Reading(hub, files, "main", files if keep is None else keep, ahead)
        self.reading.places.warn = self.warned.append
        return self.reading

    def fetcher(self, file: RemoteFile) -> Any:
        def fetch(start: int, end: int, take: Sink) -> None:
            self.asked.append((file.path, start))
            if file.path in self.lost:
                raise SourceError("network", "lost", "")
            take(DATA[file.path][start:end])

        return SimpleNamespace(fetch=fetch)

    def wake(self) -> None:
        if self._works or self.idle:
            return
        self._works = True
        while self.reading is not None and (work := self.reading.take()) is not None:
            work()
        self._works = False

    def work(self, most: int) -> int:
        """Let the lane do so much; how much there was."""
        assert self.reading is not None
        self._works = True
        for count in range(most):
            if (work := self.reading.take()) is None:
                self._works = False
                return count
            work()
        self._works = False
        return most

    def read(self, file: RemoteFile, start: int = 0, end: int = SIZE) -> None:
        assert self.reading is not None
        assert self.reading.read(file, start, end) == DATA[file.path][start:end]


@pytest.fixture
def scene(store: Store, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(reading, "LOOK", 0.001)
    monkeypatch.setattr(reading, "TAIL", TAIL)
    store.limit = 10**6
    return Scene(store)


def opened() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_files_are_filled_in_order_read_and_settled(scene: Scene) -> None:
    scene.begin(FILES[:3])
    assert scene.reading is not None
    assert scene.reading.to_fetch == 3 * SIZE
    for file in FILES[:3]:
        scene.read(file)
    scene.reading.settle()
    assert [path for path, _ in scene.asked] == [path for path in PATHS[:3] for _ in range(4)]
    assert (scene.reading.wire, scene.reading.cached, scene.reading.to_fetch) == (3 * SIZE, 0, 0)
    scene.reading.close()
    scene.begin(FILES[:3])
    for file in FILES[:3]:
        scene.read(file)
    assert (scene.reading.wire, scene.reading.cached) == (0, 3 * SIZE)


def test_what_the_reader_leaves_out_of_a_file_comes_before_the_end(scene: Scene) -> None:
    """A file is whole and checked before its last row counts, though some columns of it are never read."""
    scene.begin(FILES[:2])
    assert scene.reading is not None
    scene.idle = True
    scene.work(1)  # the first file is begun
    scene.work(1)
    scene.read(FILES[0], 0, 10)
    assert scene.reading.to_fetch == 2 * SIZE - BLOCK
    scene.idle = False
    scene.read(FILES[1])
    assert scene.reading.to_fetch == 0, "the lane came back to it"
    scene.reading.settle()
    assert all(scene.store.find(file) for file in FILES[:2])


def test_files_before_the_one_that_is_read_are_not_begun(scene: Scene) -> None:
    scene.begin(FILES[:3])
    scene.read(FILES[1])
    scene.read(FILES[2])
    assert {path for path, _ in scene.asked} == set(PATHS[1:3])


def test_no_more_is_fetched_ahead_than_is_allowed(scene: Scene) -> None:
    scene.begin(FILES[:10], ahead=2 * SIZE)
    scene.work(100)
    assert {path for path, _ in scene.asked} == set(PATHS[:2])


def test_ends_come_first(scene: Scene) -> None:
    scene.begin(FILES[:3])
    assert scene.reading is not None
    scene.reading.expect_ends(FILES[:3])
    assert scene.asked == [(path, SIZE - TAIL) for path in PATHS[:3]]
    scene.read(FILES[2], SIZE - TAIL)
    scene.reading.expect(iter(()))
    scene.wake()
    assert [path for path, _ in scene.asked[3:]] == [path for path in PATHS[:3] for _ in range(3)]


def test_one_lane_looks_ahead_and_the_others_wait(scene: Scene) -> None:
    made = scene.begin(FILES[:2])
    look = made.take()
    assert look is not None
    assert [made.take() for _ in range(5)] == [None] * 5, "they would spin"
    scene.idle = True
    look()
    assert made.take() is not None


def test_few_files_are_open_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST_OPEN", 5)
    made = scene.begin(FILES)
    before = opened()
    scene.wake()
    assert opened() <= before + 3, "what is fetched ahead is closed once it is whole"
    for file in FILES:
        scene.read(file)
    assert opened() <= before + 2 * 5 + 3
    made.close()
    assert opened() == before


def test_the_file_that_is_read_stays_open(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST_OPEN", 2)
    for file in FILES[:3]:
        bring(scene.store, file, DATA[file.path])
    made = scene.begin(FILES[:3])
    for file in FILES[:2]:
        scene.read(file)
    scene.read(FILES[0])
    place = made.places.read_at(FILES[0])
    assert isinstance(place, WholeFile)
    made.places._whole(FILES[2])  # another thread looks at another file
    assert place.read(0, 10) == DATA[PATHS[0]][:10]


# ---- a cache that takes no more


def full(monkeypatch: pytest.MonkeyPatch) -> None:
    def pwrite(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", pwrite)


def test_a_full_disk_costs_a_sentence_and_no_byte(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    made = scene.begin(FILES[:5])
    made.expect(Range(file, 0, SIZE) for file in FILES[:5])
    scene.idle = True
    scene.work(7)  # the first file and half of the next
    scene.idle = False
    full(monkeypatch)
    for file in FILES[:5]:
        scene.read(file, 0, 500)
        scene.read(file, 500)
    made.settle()
    (sentence,) = scene.warned
    assert sentence.startswith("the cache takes no more (")
    assert "the disk is full" in sentence
    assert scene.store.find(FILES[0]) is not None
    assert [file.path for file in FILES[:5] if scene.store.find(file)] == PATHS[:1]


def test_what_is_begun_fills_though_nothing_more_is_begun(scene: Scene) -> None:
    """The disk has refused another file: nobody waits for ever for this one."""
    made = scene.begin(FILES[:3])
    scene.idle = True
    scene.work(2)
    made.places._give_up(OSError("no more"))
    scene.idle = False
    for file in FILES[:3]:
        scene.read(file)
    made.settle()
    assert [file.path for file in FILES[:3] if scene.store.find(file)] == PATHS[:1]
    assert scene.warned == ["the cache takes no more (no more); the rest is streamed and not retained"]


def test_what_another_process_gives_up_after_it_was_read_costs_a_sentence(scene: Scene, store: Store) -> None:
    hub: Any = scene.fetcher(FILES[0])
    change = threading.Condition()
    other = Filling(FILES[0], store, lambda file, *part: hub.fetch(*part), change, "main")
    work = other.take()
    assert work is not None
    work()
    made = scene.begin(FILES[:1])
    scene.read(FILES[0], 0, BLOCK)
    other._blocks.remove()
    other.close()
    made.settle()
    assert "was removed while it was filled" in scene.warned[0]


def test_a_cache_without_room_streams_without_a_word(scene: Scene) -> None:
    scene.store.limit = SIZE + 1
    scene.begin(FILES[:3])
    scene.idle = True
    for file in FILES[:3]:
        scene.idle = False
        scene.read(file)
    assert scene.warned == []


def test_what_an_earlier_run_has_left_of_a_file_makes_no_room_for_it(scene: Scene) -> None:
    """Its parts are within its size, and are gone on with."""
    scene.store.limit = SIZE + 100
    made = scene.begin(FILES[:1])
    scene.idle = True
    scene.work(3)
    made.close()
    had = len(scene.asked)
    assert had == 2
    scene.idle = False
    scene.begin(FILES[:1])
    scene.read(FILES[0])
    assert len(scene.asked) == 4


def test_a_file_that_is_cut_in_mid_run_is_streamed_on(scene: Scene) -> None:
    path = bring(scene.store, FILES[0], DATA[PATHS[0]])
    scene.begin(FILES[:1])
    scene.read(FILES[0], 0, 100)
    os.truncate(path, 1_000)
    scene.read(FILES[0], 100)
    assert "was cut short" in scene.warned[0]


@pytest.mark.parametrize("ends_first", [True, False])
def test_a_file_that_was_there_and_is_evicted_is_filled_again(scene: Scene, ends_first: bool) -> None:
    bring(scene.store, FILES[1], DATA[PATHS[1]])
    made = scene.begin(FILES[:2])
    scene.wake()  # it is known to be there
    assert scene.store.clear()
    made.places.ends_first = ends_first
    for file in FILES[:2]:
        scene.read(file, SIZE - TAIL)
    made.places.ends_first = False
    made.settle()
    assert scene.store.find(FILES[1]) is not None


def test_an_error_ahead_is_the_readers_in_its_turn(scene: Scene) -> None:
    scene.lost = {PATHS[1]}
    made = scene.begin(FILES[:2])
    scene.read(FILES[0])
    with pytest.raises(SourceError, match="lost"):
        scene.read(FILES[1])
    made.close()
    assert scene.store.find(FILES[0]) is not None


def test_what_is_not_kept_is_streamed(scene: Scene, store: Store) -> None:
    made = scene.begin(FILES[:2], keep=[])
    made.expect(Range(file, 0, SIZE) for file in FILES[:2])
    for file in FILES[:2]:
        scene.read(file, 0, 1_000)
        scene.read(file, 1_000)
    assert (len(scene.asked), made.cached, made.wire) == (2, 0, 2 * SIZE)
    assert not Path(store.own).exists()


def test_a_reader_that_is_to_stop_waits_no_longer(scene: Scene) -> None:
    scene.begin(FILES[:1])
    scene.idle = scene.stop = True
    with pytest.raises(Interrupted):
        scene.read(FILES[0])


def test_nothing_is_fetched_for_one_that_is_closed(scene: Scene) -> None:
    made = scene.begin(FILES[:2])
    scene.work(2)
    made.close()
    assert made.take() is None
    assert isinstance(made.places._places[FILES[0]], Filling)
