"""The rows that were rejected, as the commits of a loader name them: each with its reason and its raw row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..worker.parts import read_commits

MOST_BYTES = 8 * 2**20
"""Of one loader's quarantine, for those who look at a few rows."""


def rejected_rows(folder: Path, most_bytes: int | None = None) -> Iterator[dict[str, Any]]:
    """The quarantine records of a loader, in order; of the first `most_bytes` where there is such a limit.

    What is damaged is passed over: it can be looked at no more, and nothing is made from it.
    """
    commits, _ = read_commits(folder)
    for commit in commits:
        path = folder / commit.rejects.name if commit.rejects else None
        if path is None or not path.is_file():
            continue
        with path.open("rb") as lines:
            for line in lines:
                if most_bytes is not None:
                    most_bytes -= len(line)
                    if most_bytes < 0:
                        return
                if (record := _record(line)) is not None:
                    yield record


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    texts = isinstance(record, dict) and all(isinstance(record.get(key), str) for key in ("code", "message", "split"))
    return record if texts and isinstance(record.get("number"), int) and "raw" in record else None


def sampled(folder: Path, each: int, most_bytes: int = MOST_BYTES) -> list[dict[str, Any]]:
    """The first `each` records of every code, in order, from a bounded part of the quarantine."""
    seen: dict[str, int] = {}
    found = []
    for record in rejected_rows(folder, most_bytes):
        code = str(record["code"])
        seen[code] = seen.get(code, 0) + 1
        if seen[code] <= each:
            found.append(record)
    return found
