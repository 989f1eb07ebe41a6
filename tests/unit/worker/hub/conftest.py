"""A cache, and a Hub that huggingface_hub downloads into it from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from coordinator.demo.hub import Hub
from coordinator.worker.hub.store import Store
from tests.caches import REPO


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
