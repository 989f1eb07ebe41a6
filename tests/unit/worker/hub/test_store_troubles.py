"""A cache in trouble: damaged, read-only, on two disks, without links, with names that are none; and its facts."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from functools import partial
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants, scan_cache_dir

from coordinator.demo.hub import Hub
from coordinator.disk import DiskError
from coordinator.worker.hub import retained
from coordinator.worker.hub.remote_file import RemoteFile
from coordinator.worker.hub.store import Store
from tests.caches import FIRST, REPO, SECOND, bring, cached, download, left, listed, remote


def other_size(blob: Path, pointer: Path) -> None:
    blob.write_bytes(b"half a row")


def dangling(blob: Path, pointer: Path) -> None:
    blob.unlink()


def pointer_to_another(blob: Path, pointer: Path) -> None:
    blob.rename(blob.with_name("f" * 64))
    pointer.unlink()
    pointer.symlink_to(f"../../../blobs/{'f' * 64}")


def cut_off(blob: Path, pointer: Path) -> None:
    pointer.unlink()
    pointer.write_bytes(b"ro")
    blob.unlink()


def a_file_in_the_way(blob: Path, pointer: Path) -> None:
    blob.unlink()
    shutil.rmtree(pointer.parent)
    pointer.parent.write_bytes(b"no folder")


Damage = Callable[[Path, Path], None]


@pytest.mark.parametrize("damage", [other_size, dangling, pointer_to_another, cut_off, a_file_in_the_way])
def test_what_is_damaged_is_not_found_and_taken_in_anew(store: Store, damage: Damage) -> None:
    file = remote()
    pointer = bring(store, file)
    damage(pointer.resolve(), pointer)
    assert store.find(file) is None
    path = bring(store, file)
    assert path.read_bytes() == b"rows"
    assert store.find(file) == path
    if damage is not a_file_in_the_way:
        assert (path, not scan_cache_dir(store.hub).warnings) == (pointer, True)


def test_a_folder_where_the_bytes_should_be_is_a_sentence(store: Store) -> None:
    file = remote()
    blob = store.hub / "datasets--inv--alpha-one" / "blobs" / file.etag
    (blob / "x").mkdir(parents=True)
    assert store.find(file) is None
    assert store.find(RemoteFile(REPO, FIRST, file.path, blob.stat().st_size, file.etag)) is None
    with pytest.raises(DiskError, match=f"{file.etag} cannot be written: Is a directory"):
        bring(store, file)
    assert [path.name for path in blob.parent.iterdir()] == [file.etag]
    assert store.entries() == []


def test_a_folder_where_the_name_should_be_leaves_the_blob(store: Store) -> None:
    pointer = store.hub / "datasets--inv--alpha-one" / "snapshots" / FIRST / "data" / "rows.jsonl"
    pointer.mkdir(parents=True)
    path = bring(store, remote())
    assert path.read_bytes() == b"rows"
    assert store.find(remote()) == path
    assert pointer.is_dir()


def test_a_folder_that_was_removed_for_being_empty_is_made_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.symlink

    def removed_first(target: str, pointer: Path) -> None:
        monkeypatch.setattr(os, "symlink", link)
        pointer.parent.rmdir()
        link(target, pointer)

    monkeypatch.setattr(os, "symlink", removed_first)
    path = bring(store, remote())
    assert (path.is_symlink(), path.read_bytes()) == (True, b"rows")


def test_a_file_that_is_not_whole_is_refused(store: Store) -> None:
    with pytest.raises(DiskError, match="is not the whole file"):
        bring(store, remote(), b"row")
    assert left(store.hub) == []


def test_a_record_that_was_cut_short_goes_on(store: Store) -> None:
    path = bring(store, remote())
    (record,) = (store.own / "files").iterdir()
    record.write_bytes(record.read_bytes()[:-10])
    assert store.entries() == [], "what no record tells is not ours"
    assert store.find(remote()) == path
    path.resolve().unlink()
    bring(store, remote())
    assert [entry.size for entry in store.entries()] == [4]


@pytest.mark.parametrize("folder", ["hub", "own"])
def test_a_folder_that_cannot_be_written(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    places = {"hub": tmp_path / "hub", "own": tmp_path / "own", folder: tmp_path / "file" / "x"}
    store = Store(10_000, places["hub"], places["own"])
    with pytest.raises(DiskError, match=r"file/x.* cannot be written: .*(is no folder|Not a directory)"):
        store.parts_of(remote())
    whole = tmp_path / "whole"
    whole.write_bytes(b"rows")
    with pytest.raises(DiskError, match="cannot be written: Not a directory"):
        store.take_in(remote(), whole)
    store.remember("footer", "e" * 40, b"x")
    assert (store.find(remote()), store.entries(), store.clear()) == (None, [], [])
    assert store.make_room(5)
    with store.in_use(remote()):
        pass


def test_a_read_only_folder_is_used_and_not_filled(store: Store, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    path = download(store, hub)

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    allowed = os.access
    for name in ("mkdir", "symlink", "replace", "unlink", "rmdir", "utime"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and allowed(path, mode))
    assert store.find(listed(hub)) == path
    assert store.find(listed(hub, commit=SECOND)) == path.resolve()
    with pytest.raises(DiskError, match="hub cannot be written: permission denied"):
        store.parts_of(listed(hub))


def test_another_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Renames from our folder into huggingface_hub's fail, as they do where a mount lies between them."""
    within = os.replace

    def replace(source: Any, target: Any) -> None:
        if str(source).startswith(str(store.own)) != str(target).startswith(str(store.own)):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        within(source, target)

    monkeypatch.setattr(os, "replace", replace)
    file = remote()
    path = bring(store, file, revision="main")
    assert path.read_bytes() == b"rows"
    assert not list((store.own / "parts").glob("*.data"))
    assert not list(store.hub.rglob("*.incomplete"))
    assert [entry.path for entry in store.clear()] == [file.path]
    assert left(store.hub) == []


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no second disk to try it on")
def test_another_disk_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Path("/dev/shm") / f"polecats-{os.getpid()}"
    if os.stat("/dev/shm").st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("no second disk to try it on")
    store = Store(10_000, tmp_path / "hub", own)
    try:
        assert bring(store, remote()).read_bytes() == b"rows"
        assert [entry.path for entry in store.clear()] == ["data/rows.jsonl"]
        assert left(store.hub) == []
    finally:
        shutil.rmtree(own)


def test_without_links_the_file_stands_under_its_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "symlink", refuse)
    path = bring(store, remote(), revision="main")
    assert not path.is_symlink()
    assert cached(store, remote(), "main") == str(path)
    assert store.find(remote()) == path
    assert [entry.size for entry in store.entries()] == [4]
    assert not scan_cache_dir(store.hub).warnings
    assert len(store.clear()) == 1
    assert left(store.hub) == []


def test_without_links_the_blob_of_others_stays_where_it_is(
    store: Store, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = download(store, hub).resolve()

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "symlink", refuse)
    assert bring(store, listed(hub, commit=SECOND)) == blob
    assert blob.read_bytes() == b"rows"


@pytest.mark.parametrize(
    "file",
    [
        remote("../../../escaped"),
        remote("/etc/escaped"),
        remote("a//b"),
        remote("a/./b"),
        remote("a\0b"),
        remote("\ud800"),
        remote(""),
        remote(commit="../.."),
        remote(commit=""),
        remote(repo="../.."),
        remote(repo="inv/a/b"),
        remote(repo=f"inv/{'x' * 200}"),
        remote(repo="inv/a--b"),
        remote(repo=""),
    ],
)
def test_names_that_lead_out_of_the_cache_are_refused(store: Store, tmp_path: Path, file: RemoteFile) -> None:
    whole = tmp_path / "whole"
    whole.write_bytes(b"rows")
    assert store.find(file) is None
    for attempt in (partial(store.parts_of, file), partial(store.take_in, file, whole)):
        with pytest.raises(DiskError, match="a name of the Hub's does not fit into the cache"):
            attempt()
    with store.in_use(file):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


@pytest.mark.parametrize("etag", ["../../escaped", "", "W/x y", "x" * 5_000, "/etc/passwd"])
def test_an_etag_that_is_no_hex_word_is_hashed(store: Store, etag: str) -> None:
    file = RemoteFile(REPO, FIRST, "rows.jsonl", 4, etag)
    path = bring(store, file)
    assert store.find(file) == path
    (blob,) = (store.hub / "datasets--inv--alpha-one" / "blobs").iterdir()
    assert blob.name == sha256(etag.encode()).hexdigest()
    assert len(store.clear()) == 1


def test_a_lock_on_a_file_that_another_has_replaced_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    path.touch()
    with retained.alone_with(path) as alone, retained.alone_with(path) as also:
        assert (alone, also) == (True, False)
    lock = fcntl.flock

    def late(handle: int, how: int) -> None:
        path.rename(tmp_path / "old")
        path.touch()
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with retained.alone_with(path) as alone:
        assert not alone


# ---- facts


def test_facts_are_recalled_byte_by_byte(store: Store) -> None:
    keys = ("inv/x@main", "e" * 40, "../../x", "y" * 900, "\ud800")
    for key in keys:
        store.remember("listing", key, key.encode(errors="replace"))
    assert [store.recall("listing", key) for key in keys] == [key.encode(errors="replace") for key in keys]
    assert store.recall("footer", keys[0]) is None
    assert {path.parent.name for path in store.own.rglob("*") if path.is_file()} == {"facts"}
    for path in (store.own / "facts").iterdir():
        os.utime(path, (1, 1))
    store.recall("listing", keys[0])
    assert sorted(path.stat().st_mtime == 1 for path in (store.own / "facts").iterdir()) == [False, *[True] * 4]
    for path in (store.own / "facts").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert [store.recall("listing", key) for key in keys] == [None] * len(keys)


def test_the_usual_place_is_where_huggingface_hub_looks_and_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "assets"))
    store = Store.usual(5)
    assert (store.limit, store.hub, store.own) == (5, tmp_path / "hub", tmp_path / "assets" / "polecats")
    assert (store.find(remote()), store.entries(), store.clear()) == (None, [], [])
    assert list(tmp_path.iterdir()) == []


def test_a_git_blob_id_is_an_etag_too(store: Store) -> None:
    file = RemoteFile(REPO, FIRST, "README.md", 4, sha1(b"rows").hexdigest())
    assert bring(store, file) == store.find(file)
