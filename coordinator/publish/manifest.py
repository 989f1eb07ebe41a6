"""The manifest beside a published file: what it was made from, row by row accounted for. No clock, no paths."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from ..errors import ExitCode, PolecatsError
from ..paths import manifest_path
from ..worker.fingerprint import contract_version
from .inputs import Input, fits_a_source
from .merge import Merged
from .output import holds, previous_of, write_text
from .selection import Tally

FORMAT = 1
_LOADER_KEYS = frozenset({"track", "loader", "source", "read", "kept", "balance_closes"})


def build(
    merged: Merged, output: Path, tier: str, source: Mapping[str, str], checkouts: Mapping[str, Any]
) -> dict[str, Any]:
    """The manifest's content. `source` is the run's {kind, key}; `checkouts` maps a track to its git state."""
    from ..contract.scope import LEXICON_VERSION  # reads the lexicon, which others here do without

    return {
        "format": FORMAT,
        "file": output.name,
        "tier": tier,
        "rows": merged.rows,
        "bytes": merged.bytes,
        "sha256": merged.sha256,
        "contract": contract_version(),
        "lexicon": LEXICON_VERSION,
        "source": dict(source),
        "checkouts": dict(checkouts),
        "loaders": [_loader(item, merged.tallies[item.name]) for item in merged.inputs],
        "notes": [
            f"{item.name}/{name} is damaged and was left out"
            for item in merged.inputs
            for name in merged.tallies[item.name].damaged_parts
        ],
    }


def _loader(item: Input, tally: Tally) -> dict[str, Any]:
    counts = item.counts
    return {
        "track": item.track,
        "loader": item.loader,
        "source": item.source,
        "exhausted": item.done,
        "left_out": item.left_out,
        "read": counts.read,
        "accepted": counts.accepted,
        "skipped": dict(sorted(counts.skipped.items())),
        "rejected": dict(sorted(counts.rejected.items())),
        "samples": tally.samples,
        "kept": tally.kept,
        "duplicates": tally.duplicates,
        "id_conflicts": tally.conflicts,
        "beyond_quota": tally.beyond_quota,
        "damaged": tally.damaged,
        "balance_closes": counts.closes() and tally.closes(),
    }


def prepare(output: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a file that is about to appear; `put` gives it its name."""
    write_text(_pending(output), _text(manifest))


def write(output: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a file that stands."""
    write_text(manifest_path(output), _text(manifest))


def _text(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"


def put(output: Path) -> None:
    """The prepared manifest is the file's from now on."""
    _pending(output).replace(manifest_path(output))


def settle(output: Path) -> None:
    """What a merge that ended too early left: its manifest, if its file came; it goes if the file never did."""
    pending = _read(_pending(output))
    if pending is not None and holds(output, pending["bytes"], pending["sha256"]):
        put(output)
    else:
        _pending(output).unlink(missing_ok=True)


def prepared(output: Path) -> dict[str, Any] | None:
    """The manifest of a file that is about to appear, if one is."""
    return _read(_pending(output))


def unsettled(output: Path) -> bool:
    """Whether a merge that ended too early left a manifest."""
    return _pending(output).exists()


def _pending(output: Path) -> Path:
    return output.with_name(f".{manifest_path(output).name}.next")


MAX_BYTES = 16 * 2**20
"""What is longer is no manifest: ours have some kilobytes a loader."""


def read(output: Path) -> dict[str, Any] | None:
    """The manifest of a published file, or None where there is none, or something else that is called so."""
    return _read(manifest_path(output))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        manifest = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return manifest if _is_ours(manifest) else None


def _is_ours(manifest: Any) -> bool:
    """Whether a JSON value has the shape that readers here rely on."""
    return (
        isinstance(manifest, dict)
        and manifest.get("format") == FORMAT
        and all(isinstance(manifest.get(key), str) for key in ("file", "tier", "sha256", "contract"))
        and all(isinstance(manifest.get(key), int) for key in ("rows", "bytes"))
        and isinstance(manifest.get("source"), dict)
        and isinstance(manifest.get("loaders"), list)
        and all(map(_is_loader, manifest["loaders"]))
    )


def _is_loader(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() >= _LOADER_KEYS
        and all(isinstance(entry[key], int) for key in ("read", "kept"))
        and isinstance(entry["source"], dict)
        and (not entry["kept"] or fits_a_source(entry["source"]))
    )


def check_replaceable(output: Path, kind: str, replace: bool) -> None:
    """Raises `PolecatsError` where `output` is something that a merge of this source kind must not replace."""
    if replace or not os.path.lexists(output):
        return
    known = [found for path in (manifest_path(output), _pending(output)) if (found := _read(path))]
    standing = next((found for found in known if _untouched(output, found)), None)
    if not known:
        what = "has no manifest, so it is not known to be polecats'"
    elif standing is None:
        what = f"is not what was merged: it was changed since, says {manifest_path(output).name}"
    elif standing["source"].get("kind") != kind:
        what = f"was made from {standing['source'].get('kind')}, not from {kind}"
    else:
        return
    raise PolecatsError(
        f"{output} {what}. Say --replace (it is then kept as {previous_of(output).name}), or choose another file with "
        "--output.",
        ExitCode.REFUSED,
    )


def _untouched(output: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether the file is what was merged. One written after its manifest is read and compared."""
    try:
        file, beside = output.stat(), manifest_path(output).stat()
    except OSError:
        return holds(output, manifest["bytes"], manifest["sha256"])
    if file.st_size == manifest["bytes"] and file.st_mtime_ns <= beside.st_mtime_ns:
        return True
    return holds(output, manifest["bytes"], manifest["sha256"])
