"""A file that fills the cache: whatever breaks off, its bytes are the Hub's in the end, or nothing of it stays."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator.disk import DiskError
from coordinator.worker.failures import AlteredFile
from coordinator.worker.hub.blocks import blocks_of
from coordinator.worker.hub.filling import Filling
from coordinator.worker.hub.store import Store
from tests.caches import left, remote
from tests.fillings import BLOCK, COUNT, DATA, FILE, TAIL, Scene, parts, refuse_after

pytestmark = pytest.mark.usefixtures("small_blocks")


# ---- blocks


@pytest.mark.parametrize("size", [0, 1, TAIL, BLOCK, BLOCK + TAIL, BLOCK + TAIL + 1, 3 * BLOCK, 3 * BLOCK + TAIL])
def test_blocks_hold_a_file_once_with_a_small_end(size: int) -> None:
    found = blocks_of(size)
    assert [start for start, _ in found] == [0, *(end for _, end in found[:-1])][: len(found)]
    assert sum(end - start for start, end in found) == size
    assert all(0 < end - start <= BLOCK for start, end in found) or size <= BLOCK + TAIL
    if size > BLOCK + TAIL:
        assert found[-1] == (size - TAIL, size)


# ---- filling


def test_a_file_is_read_while_it_fills_and_stands_whole_in_the_end(store: Store, scene: Scene) -> None:
    assert b"".join(scene.read(at, at + 77) for at in range(0, len(DATA) - 77, 77)) == DATA[: len(DATA) // 77 * 77]
    scene.settle()
    assert sorted(scene.asked) == [start for start, _ in blocks_of(len(DATA))]
    found = store.find(FILE)
    assert found == scene.filling.whole
    assert found is not None
    assert found.read_bytes() == DATA
    scene.filling.close()
    assert parts(store) == []


def test_what_is_waited_for_comes_first_then_what_is_behind_it(scene: Scene) -> None:
    assert scene.read(3_500, 3_600) == DATA[3_500:3_600]
    scene.work()
    assert scene.asked == [3_000, 4_000, 5_000, 5_221, 0, 1_000, 2_000]


def test_its_end_alone(scene: Scene) -> None:
    works = iter(lambda: scene.filling.take(end_only=True), None)
    for work in works:
        work()
    assert scene.asked == [len(DATA) - TAIL]
    assert scene.read(len(DATA) - TAIL) == DATA[-TAIL:]


def test_an_empty_file_is_whole_at_once(store: Store) -> None:
    scene = Scene(store, remote("data/empty.jsonl", b""), b"")
    assert scene.filling.settled()
    assert scene.filling.whole is not None
    assert scene.filling.whole.read_bytes() == b""


def test_a_block_is_asked_for_by_one_thread(scene: Scene) -> None:
    works = [work for _ in range(20) if (work := scene.filling.take()) is not None]
    assert len(works) == COUNT
    for work in reversed(works):
        work()
    assert scene.read() == DATA
    assert len(scene.asked) == COUNT


def test_an_error_is_the_readers_once_it_comes_there(store: Store, scene: Scene) -> None:
    def fault(start: int) -> None:
        if start == 2_000:
            raise ConnectionError("lost")

    scene.fault = fault
    scene.work()
    assert scene.read(0, 2_000) == DATA[:2_000]
    with pytest.raises(ConnectionError):
        scene.read(1_999, 2_001)
    with pytest.raises(ConnectionError):
        scene.filling.settled()
    scene.filling.close()
    again = Scene(store)
    again.settle()
    assert again.asked == [at for at in (0, 1_000, 2_000, 3_000, 4_000, 5_000, 5_221) if at not in (0, 1_000)]
    assert again.read() == DATA


# ---- what an earlier process has left


def begun(store: Store, count: int) -> None:
    """Another process has brought so many blocks, and is gone."""
    scene = Scene(store)
    scene.work(count)
    scene.filling.close()


def test_it_goes_on_where_an_earlier_process_was(store: Store) -> None:
    begun(store, 4)
    scene = Scene(store)
    assert scene.filling.missing == len(DATA) - 4_000
    assert scene.filling.was_here(3_999)
    assert not scene.filling.was_here(4_000)
    scene.settle()
    assert scene.asked == [4_000, 5_000, 5_221]
    assert scene.read() == DATA
    assert not scene.filling.was_here(4_000)


@pytest.mark.parametrize(
    ("what", "change", "anew"),
    [
        (".data", lambda data: data[:1_500] + bytes([data[1_500] ^ 1]) + data[1_501:], [1_000]),
        (".data", lambda data: data[:2_700], [2_000, 3_000]),
        (".data", lambda data: b"", [0, 1_000, 2_000, 3_000]),
        (".data", lambda data: data + b"more", []),
        (".have", lambda data: data[:40], [2_000, 3_000]),  # torn within an entry
        (".have", lambda data: b"", [0, 1_000, 2_000, 3_000]),
        (".have", lambda data: data[:16] + b"\xff" * 16 + data[32:], [1_000]),
        (".have", lambda data: data + b"\xff" * 99, []),
    ],
)
def test_what_is_torn_or_changed_is_fetched_anew(
    store: Store, what: str, change: Callable[[bytes], bytes], anew: list[int]
) -> None:
    begun(store, 4)
    (path,) = (store.own / "parts").glob(f"*{what}")
    path.write_bytes(change(path.read_bytes()))
    scene = Scene(store)
    scene.settle()
    assert sorted(scene.asked) == sorted([*anew, 4_000, 5_000, 5_221])
    assert scene.read() == DATA


def test_all_blocks_and_no_whole_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended between its last block and the check."""
    with monkeypatch.context() as patched:
        patched.setattr(Filling, "finish", lambda self: None)
        begun(store, COUNT)
    scene = Scene(store)
    assert scene.filling.settled()
    assert scene.asked == []
    assert store.find(FILE) is not None


# ---- bytes that are others


def test_other_bytes_are_told_and_nothing_of_them_stays(store: Store) -> None:
    scene = Scene(store, data=bytes([DATA[0] ^ 1]) + DATA[1:])
    scene.work()
    with pytest.raises(AlteredFile, match=r"data/rows\.jsonl: the bytes that came are not those that the Hub lists"):
        scene.settle()
    scene.filling.close()
    assert store.find(FILE) is None
    assert left(store.hub) == []
    assert {".data", ".have"}.isdisjoint(parts(store))
    again = Scene(store)
    again.settle()
    assert len(again.asked) == COUNT, "nothing is gone on with"


# ---- a disk that refuses


@pytest.mark.parametrize("room", [0, 1, 950, 2_999, 4_321])
def test_a_full_disk_is_told_and_leaves_nothing(
    store: Store, scene: Scene, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    refuse_after(monkeypatch, room)
    with pytest.raises(DiskError, match="the disk is full"):
        b"".join(scene.read(at, at + 100) for at in range(0, len(DATA), 100))
    with pytest.raises(DiskError):
        scene.filling.settled()
    scene.filling.close()
    assert {".data", ".have"}.isdisjoint(parts(store))


def test_a_write_that_takes_a_part_is_gone_on_with(store: Store, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda handle, data, place: write(handle, memoryview(data)[:7], place))
    assert scene.read() == DATA
    monkeypatch.undo()


def test_a_disk_that_does_not_let_it_begin(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    monkeypatch.setattr(os, "truncate", refuse)
    with pytest.raises(DiskError):
        Scene(store)
    if before:
        assert len(os.listdir("/proc/self/fd")) == before, "what was opened is closed"


def test_a_file_that_is_cut_short_by_others_is_an_error_and_no_end(store: Store, scene: Scene) -> None:
    scene.work(3)
    (path,) = (store.own / "parts").glob("*.data")
    os.truncate(path, 1_500)
    with pytest.raises(OSError, match="was cut short"):
        scene.read(0, 2_500)


# ---- the cache goes while it fills


def test_parts_that_are_removed_by_hand(store: Store, scene: Scene) -> None:
    scene.work(3)
    for path in (store.own / "parts").iterdir():
        path.unlink()
    assert scene.read() == DATA, "what is open goes on being written and read"
    with pytest.raises(DiskError):
        scene.settle()
    assert store.find(FILE) is None
    scene.filling.close()
    again = Scene(store)
    again.settle()
    assert again.read() == DATA


# ---- closing


def test_a_block_that_comes_late_is_written_to_no_other_file(store: Store, scene: Scene, tmp_path: Path) -> None:
    late = scene.filling.take()
    assert late is not None
    scene.filling.close()
    assert scene.filling.take() is None
    victims = [os.open(tmp_path / str(n), os.O_RDWR | os.O_CREAT) for n in range(20)]
    other = Scene(store)
    assert not other.filling.ours, "the lock is held while a block is under way"
    late()
    assert other.read() == DATA
    assert 0 not in other.asked, "the late block has come"
    for handle in victims:
        assert os.fstat(handle).st_size == 0
        os.close(handle)


def test_closing_twice_closes_once(store: Store, scene: Scene) -> None:
    scene.filling.close()
    handle = os.open(store.own, os.O_RDONLY)
    scene.filling.close()
    os.close(handle)  # fails if it was closed already
