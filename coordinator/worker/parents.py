"""A Tier I file as a source: the parents that corrupters read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from ..contract import HubSource
from ..paths import manifest_path
from .failures import SourceError
from .fingerprint import contract_version
from .spec import SourceSpec
from .streams.base import Resolved, SourceFile

SPLIT = "tier1"
PARENTS = "parents.jsonl"
"""The invented parents in a track's samples."""
_AGAIN = "Make it with polecats run or polecats merge, or name another file with --source."


def parents_of(file: Path) -> tuple[HubSource, Resolved]:
    """A Tier I file as a source, as its manifest describes it.

    Raises `SourceError` for a file that is not there, was changed since it was merged, or is of another contract.
    """
    if not file.is_file():
        raise SourceError("not_found", f"there is no Tier I file {file}", _AGAIN)
    manifest = _manifest(file)
    if manifest["contract"] != contract_version():
        sentence = f"{file} was made under contract {manifest['contract']}, and this is {contract_version()}"
        raise SourceError("parse", sentence, "Run Tier I again: what it redoes is what the contract changed.")
    if not _as_merged(file, manifest):
        sentence = f"{file} is not the file that its manifest describes: it was changed since"
        raise SourceError("parse", sentence, "Merge it again with polecats merge --replace.")
    return _source(file.name, manifest["loaders"]), _resolved(file, manifest["sha256"], manifest["rows"])


def resolve(source: SourceSpec, tracks: Path, track: str, corrupts: bool = True) -> tuple[HubSource, Resolved]:
    """The parents that a track's corrupters read. Raises `SourceError`, also where loader and source do not fit."""
    if corrupts and source.kind == "tier1":
        return parents_of(Path(source.folder))
    if corrupts and source.kind == "samples":
        return _sample_parents(tracks, track)
    what = "a corrupter reads a Tier I file" if corrupts else "a loader of Tier I does not read a Tier I file"
    raise SourceError("loader_bug", what, "Keep corrupters in tracks/amber and tracks/garnet, loaders in the others.")


def _sample_parents(tracks: Path, track: str) -> tuple[HubSource, Resolved]:
    file = tracks / track / "samples" / PARENTS
    if not file.is_file():
        raise SourceError("not_found", f"there is no {file}", "Put some Tier I rows there, or name a Tier I file.")
    return _source(file.name, []), _resolved(file, hashlib.sha256(file.read_bytes()).hexdigest())


def _manifest(file: Path) -> Mapping[str, Any]:
    path = manifest_path(file)
    kinds = {"tier": str, "rows": int, "bytes": int, "sha256": str, "contract": str, "loaders": list}
    try:
        found = orjson.loads(path.read_bytes())
        sound = all(isinstance(found[key], kind) for key, kind in kinds.items())
    except FileNotFoundError:
        raise SourceError("not_found", f"{file} has no manifest ({path.name}) beside it", _AGAIN) from None
    except (OSError, ValueError, LookupError, TypeError):
        sound = False
    if not sound:
        raise SourceError("parse", f"{path} cannot be read as a manifest", _AGAIN)
    if found["tier"] != "I":
        raise SourceError("parse", f"{file} is of Tier {found['tier']}; tiers are made from Tier I", _AGAIN)
    return dict(found)


def _as_merged(file: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether it holds what was merged. Its bytes are read only where it is younger than its manifest."""
    status = file.stat()
    if status.st_size != manifest["bytes"]:
        return False
    if status.st_mtime_ns <= manifest_path(file).stat().st_mtime_ns:
        return True
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest() == str(manifest["sha256"])


def _source(name: str, loaders: list[Any]) -> HubSource:
    """Children are bound by what binds the sources of their parents."""
    kept = [item.get("source", {}) for item in loaders if item.get("kept")]
    return HubSource(
        repo=name,
        builder="lines",
        files={SPLIT: name},
        unique_ids=True,
        licence="as its sources",
        evaluation_only=any(source.get("evaluation_only") for source in kept),
        redistributable=all(source.get("redistributable", True) for source in kept),
    )


def _resolved(file: Path, sha256: str, rows: int | None = None) -> Resolved:
    """The stamp is left at 0: the digest says more, and a file merged anew with the same bytes is the same."""
    return Resolved(sha256, [SourceFile(SPLIT, file.name, str(file), file.stat().st_size)], {}, rows=rows)
