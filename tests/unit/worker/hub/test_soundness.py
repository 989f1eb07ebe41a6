"""A file of the cache that has other bytes than the Hub lists is none: it is fetched again, and takes its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coordinator.worker.hub import soundness
from coordinator.worker.hub.store import Store
from tests.caches import bring, remote


def overwritten(path: Path, data: bytes) -> None:
    """As by another program: the same size, later."""
    blob = Path(os.path.realpath(path))
    before = blob.stat()
    blob.write_bytes(data)
    os.utime(blob, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000))


def test_bytes_of_ours_that_were_changed_are_fetched_again(store: Store) -> None:
    file = remote()
    overwritten(bring(store, file), b"woes")
    assert store.find(file) is None
    assert bring(store, file).read_bytes() == b"rows"
    assert store.find(file) is not None


def brought_by_others(store: Store) -> Path:
    """As `hf download` leaves a file."""
    path = bring(store, remote())
    for record in (store.own / "files").iterdir():
        record.unlink()
    return path


def test_what_others_brought_is_looked_through_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = brought_by_others(store)
    assert store.find(remote()) == path
    monkeypatch.setattr(soundness, "_sha256", lambda path: pytest.fail("looked through again"))
    assert store.find(remote()) == path
    assert Store(store.limit, store.hub, store.own).find(remote()) == path, "nor in another process"


def test_what_others_brought_and_changed_is_not_used(store: Store) -> None:
    path = brought_by_others(store)
    assert store.find(remote()) == path
    overwritten(path, b"woes")
    assert store.find(remote()) is None
    assert Store(store.limit, store.hub, store.own).find(remote()) is None
