"""Exceptions that a person accepts by name with a reason, kept in the manifest beside a draft.

`<stem>.manifest.json` is the merge's: only its key `exceptions` is read and written here, everything else stays as
it stands. An exception counts for the very file it was given for: other bytes need a new one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson

from ..disk import write_whole
from ..errors import ExitCode, PolecatsError
from ..paths import manifest_path
from .verdict import Report, Verdict

KEY = "exceptions"


def accepted_before(file: Path, sha256: str) -> dict[str, str]:
    """Gate by gate the reasons that were given for these bytes of `file`."""
    manifest = _read(file) or {}
    standing = manifest.get(KEY)
    if not isinstance(standing, dict) or standing.get("sha256") != sha256:
        return {}
    return {gate: str(entry["why"]) for gate, entry in standing.get("gates", {}).items()}


def record(file: Path, report: Report) -> None:
    """Write the accepted gates that are not green into the manifest of `file`. Raises `PolecatsError`."""
    manifest = _read(file)
    if manifest is None:
        raise PolecatsError(
            f"{manifest_path(file)} is no manifest, and exceptions are kept there: merge the tier again.",
            ExitCode.REFUSED,
        )
    gates = {
        gate.name: {"why": report.accepted[gate.name], "verdict": gate.verdict.value, "figure": gate.figure}
        for gate in report.gates
        if gate.name in report.accepted and gate.verdict is not Verdict.GREEN
    }
    told = {**manifest, KEY: {"sha256": report.sha256, "gates": gates}}
    write_whole(manifest_path(file), f"{json.dumps(told, indent=1, ensure_ascii=False)}\n".encode())


def tier1_of(file: Path) -> Path | None:
    """The Tier I file that a tier's manifest names (`parents.file`, beside it), else tier1.jsonl beside it, if any."""
    parents = (_read(file) or {}).get("parents")
    named = parents.get("file") if isinstance(parents, dict) else None
    found = file.with_name(named if isinstance(named, str) else "tier1.jsonl")
    return found if found.is_file() else None


def _read(file: Path) -> dict[str, Any] | None:
    try:
        manifest = orjson.loads(manifest_path(file).read_bytes())
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None
