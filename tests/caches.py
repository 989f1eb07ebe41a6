"""Files of the Hub in a cache of a test's own, as polecats or huggingface_hub brings them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download, try_to_load_from_cache

from coordinator.demo.hub import Hub, mark
from coordinator.worker.hub.remote_file import RemoteFile
from coordinator.worker.hub.store import Store

REPO = "inv/alpha-one"
FIRST, SECOND = "1" * 40, "2" * 40


def remote(path: str = "data/rows.jsonl", data: bytes = b"rows", commit: str = FIRST, repo: str = REPO) -> RemoteFile:
    return RemoteFile(repo, commit, path, len(data), sha256(data).hexdigest())


def bring(store: Store, file: RemoteFile, data: bytes = b"rows", revision: str = "") -> Path:
    """As a filler does it: parts first, then the whole file."""
    stem = store.parts_of(file)
    whole = stem.with_name(stem.name + ".data")
    whole.write_bytes(data)
    return store.take_in(file, whole, revision)


def fill(store: Store, file: RemoteFile, size: int) -> Path:
    stem = store.parts_of(file)
    data = stem.with_name(stem.name + ".data")
    data.write_bytes(bytes(size))
    return data


def listed(hub: Hub, path: str = "data/rows.jsonl", commit: str = "") -> RemoteFile:
    """As the Hub's listing has it."""
    return RemoteFile(REPO, commit or hub.sha(REPO), path, 4, mark(hub.root / REPO / path))


def download(store: Store, hub: Hub, path: str = "data/rows.jsonl") -> Path:
    return Path(hf_hub_download(REPO, path, repo_type="dataset", cache_dir=store.hub, endpoint=hub.url))


def cached(store: Store, file: RemoteFile, revision: str) -> Any:
    """What huggingface_hub has of it."""
    return try_to_load_from_cache(REPO, file.path, store.hub, revision, "dataset")


def left(folder: Path) -> list[str]:
    """What there is below a folder, but for locks and the tag, which stay."""
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    return sorted(str(path) for path in found if path.parts[0] not in (".locks", "CACHEDIR.TAG"))
