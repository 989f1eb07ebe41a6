"""A small Tier I file, as a merge of the sample parents would leave it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from coordinator.worker.fingerprint import contract_version

PARENTS = Path(__file__).parents[1] / "tracks" / "amber" / "samples" / "parents.jsonl"


def write_tier1(path: Path, copies: int = 1, **changes: Any) -> Path:
    """The sample parents, each so many times under another id, and their manifest with `changes`."""
    lines = []
    for copy in range(copies):
        for line in PARENTS.read_text().splitlines():
            name = json.loads(line)["original_id"]
            other = line.replace(f'"{name}_tool', f'"{name}x{copy}_tool').replace(f'"{name}"', f'"{name}x{copy}"')
            lines.append(f"{other}\n")
    data = "".join(lines).encode()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    told = {"format": 1, "file": path.name, "tier": "I", "rows": len(lines), "bytes": len(data)}
    told |= {"sha256": hashlib.sha256(data).hexdigest(), "contract": contract_version(), "lexicon": "1"}
    told |= {"source": {"kind": "dir", "key": "dir-000000000000"}, "loaders": []}
    path.with_name(f"{path.stem}.manifest.json").write_text(json.dumps(told | changes))
    return path
