"""The stand-in with a CDN is enough of a Hub for the true clients, and no token comes to the CDN."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordinator.demo.hub import TOKEN, Hub
from coordinator.demo.network import Network, file_bytes

REPO, TABLE = "acme/tables", "data/a.parquet"
ROWS = 3_000
DOWNLOAD = f"""
import json
from huggingface_hub import hf_hub_download, snapshot_download
found = [hf_hub_download({REPO!r}, name, repo_type="dataset") for name in ({TABLE!r}, "README.md")]
print(json.dumps([*found, snapshot_download({REPO!r}, repo_type="dataset")]))
"""
STREAM = f"""
import json, os
from datasets import load_dataset
rows = load_dataset({REPO!r}, data_files={TABLE!r}, split="train", streaming=True)
print(json.dumps(sum(row["n"] for row in rows)), flush=True)
os._exit(0)
"""
"""Arrow's threads may abort an interpreter that ends in the ordinary way."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "served" / REPO
    (folder / "data").mkdir(parents=True)
    table = pa.table({"n": list(range(ROWS)), "text": [f"row {n} {hash(n):040d}" for n in range(ROWS)]})
    pq.write_table(table, folder / TABLE, row_group_size=500)
    (folder / "README.md").write_text("A card.\n")
    return tmp_path / "served"


def run(hub: Hub, script: str, home: Path) -> object:
    """What a script prints, with a token and a cache of its own."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    env |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout.splitlines()[-1])


def check_the_cdn_saw_no_token(hub: Hub) -> None:
    """It refuses one with 400."""
    there = [one.status for one in hub.log.asked if one.cdn]
    assert there
    assert set(there) <= {200, 206}


def test_files_are_downloaded(root: Path, tmp_path: Path) -> None:
    with Hub(root, Network(lfs=True)) as hub:
        hub.gated.add(REPO)
        found = run(hub, DOWNLOAD, tmp_path / "home")
    assert isinstance(found, list)
    for path, name in zip(found, (TABLE, "README.md"), strict=False):
        assert Path(path).read_bytes() == (root / REPO / name).read_bytes()
    blob = Path(found[0]).resolve().name
    assert blob == hashlib.sha256((root / REPO / TABLE).read_bytes()).hexdigest()
    check_the_cdn_saw_no_token(hub)
    assert file_bytes(hub.log.asked) == sum(path.stat().st_size for path in hub.files(REPO))


def test_rows_are_streamed(root: Path, tmp_path: Path) -> None:
    with Hub(root, Network(lfs=True)) as hub:
        hub.gated.add(REPO)
        assert run(hub, STREAM, tmp_path / "home") == sum(range(ROWS))
    check_the_cdn_saw_no_token(hub)
