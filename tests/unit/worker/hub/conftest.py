"""A cache, and a Hub that huggingface_hub downloads into it from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from coordinator.demo.hub import Hub
from coordinator.worker.hub import blocks
from coordinator.worker.hub.store import Store
from tests.caches import REPO
from tests.fillings import BLOCK, TAIL, Scene


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(10_000, tmp_path / "hub", tmp_path / "assets" / "polecats")


@pytest.fixture
def hub(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The Hub that huggingface_hub downloads from, into the store's folder."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    served = tmp_path / "served" / REPO / "data"
    served.mkdir(parents=True)
    (served / "rows.jsonl").write_bytes(b"rows")
    (served / "more.jsonl").write_bytes(b"more")
    with Hub(tmp_path / "served") as running:
        yield running


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", BLOCK)
    monkeypatch.setattr(blocks, "TAIL", TAIL)


@pytest.fixture
def scene(store: Store, small_blocks: None) -> Scene:
    """A file that begins to fill the store."""
    return Scene(store)
