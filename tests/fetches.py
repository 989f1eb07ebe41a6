"""Loaders of large files for `polecats fetch`, and what it tells and leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from coordinator.demo.hub import Hub
from tests.clones import Repository

FILES = "GET /datasets/*/resolve/*"
"""Requests for files, as a fault matches them."""
BIG = 9_000_000
"""Bytes of a file of four blocks."""
OFFLINE = {"HF_HUB_OFFLINE": "1"}


def big(repository: Repository, name: str, size: int = BIG) -> int:
    """A loader of a file of about so many bytes; the file's true size."""
    rows = [json.dumps({"n": n, "pad": "x" * 9_000}) for n in range(size // 9_020)]
    track, _, stem = name.partition("/")
    folder = repository.root / "sources" / "inv" / f"{track}-{stem}"
    folder.mkdir(parents=True)
    (folder / "rows.jsonl").write_text("\n".join(rows) + "\n")
    repository.loader(name)
    return (folder / "rows.jsonl").stat().st_size


def size_of(hub: Hub, *repos: str) -> int:
    return sum(file.stat().st_size for repo in repos for file in hub.files(f"inv/{repo}"))


def told(stdout: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stdout.splitlines()]


def layout(home: Path) -> list[str]:
    """The files and links in huggingface_hub's folder, but for locks and the tag."""
    found = (path.relative_to(home / "hub") for path in (home / "hub").rglob("*") if not path.is_dir())
    return sorted(str(path) for path in found if path.parts[0] not in (".locks", "CACHEDIR.TAG"))
