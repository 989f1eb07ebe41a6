"""Whole files by hf_xet: its public call is made as it is to be, and its file is read; what it does is untested."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest

from coordinator.worker.hub import xet
from coordinator.worker.hub.meter import METER
from coordinator.worker.hub.places import Places, WholeFile
from coordinator.worker.hub.remote_file import RemoteFile
from coordinator.worker.hub.store import Store

FILE = RemoteFile("acme/it", "a" * 40, "data/x.jsonl", 6, "b" * 64)


def test_a_whole_file_comes_by_the_public_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(10**6, tmp_path / "hub", tmp_path / "own")
    asked: list[tuple[Any, ...]] = []

    def download(repo: str, path: str, *, repo_type: str, revision: str, tqdm_class: Any) -> str:
        asked.append((repo, path, repo_type, revision))
        whole = tmp_path / "whole"
        whole.write_bytes(b"abcdef")
        with tqdm_class(total=6) as bar:
            bar.update(6)
        return str(store.take_in(FILE, whole))

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    before = METER.told
    hub: Any = SimpleNamespace(store=store, otherwise=xet.brought)
    places = Places(hub, [FILE], "main", [FILE], 2**30, lambda *part: pytest.fail("by blocks"), threading.Condition())
    place = places.read_at(FILE)
    assert isinstance(place, WholeFile)
    assert place.read(2, 4) == b"cd"
    assert asked == [("acme/it", "data/x.jsonl", "dataset", "a" * 40)]
    assert METER.told == before + 6, "bytes that come are progress"
    places.close()
