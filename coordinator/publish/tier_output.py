"""The published files of a tier, rows and pairs: how drafts take their places together, whenever a process is killed.

`tier2.draft.jsonl` and `tier2_pairs.draft.jsonl` become `tier2.jsonl` and `tier2_pairs.jsonl`. The manifest that is
prepared before the first rename holds both SHA-256s: from then on it is known what belongs together, and `settle`
finishes what was begun, or takes it back where a draft has gone since.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import ExitCode, PolecatsError
from ..paths import manifest_path
from . import manifest as manifests
from .output import holds, leftovers, previous_of, put, remove_abandoned, sync_folder


def draft_of(output: Path) -> Path:
    """tier2.draft.jsonl beside tier2.jsonl."""
    return output.with_name(f"{output.stem}.draft{output.suffix}")


def pairs_of(file: Path) -> Path:
    """tier2_pairs.jsonl beside tier2.jsonl, tier2_pairs.draft.jsonl beside tier2.draft.jsonl."""
    stem, dot, rest = file.name.partition(".")
    return file.with_name(f"{stem}_pairs{dot}{rest}")


def check_replaceable(output: Path, kind: str, replace: bool) -> None:
    """As the manifest's, for both files. Raises `PolecatsError`."""
    manifests.check_replaceable(output, kind, replace)
    pairs = pairs_of(output)
    told = (manifests.read(output) or {}).get("pairs")
    if replace or not os.path.lexists(pairs) or (told and _stands(pairs, told)):
        return
    raise PolecatsError(
        f"{pairs} is not what was merged. Say --replace (it is then kept as {previous_of(pairs).name}), or choose "
        "another file with --output.",
        ExitCode.REFUSED,
    )


def publish(output: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Give both drafts their final names and `manifest`, which tells of them. Returns what a person should know."""
    manifests.prepare(output, manifest)
    sync_folder(output.parent)
    return _finish(output, manifest)


def settle(output: Path) -> None:
    """Finish what a merge that was killed had begun; remove what it left."""
    for file in (output, draft_of(output), pairs_of(output), pairs_of(draft_of(output))):
        for path in leftovers(file):
            remove_abandoned(path)
    prepared = manifests.prepared(output)
    if prepared and "pairs" in prepared:
        if all(_stands(file, told) or _stands(draft, told) for draft, file, told in _moves(output, prepared)):
            _finish(output, prepared)
        else:
            _take_back(output, prepared["pairs"])
    manifests.settle(output)


def _moves(output: Path, manifest: Mapping[str, Any]) -> Iterator[tuple[Path, Path, Mapping[str, Any]]]:
    """(draft, file, its bytes and SHA-256), in the order of their renames."""
    draft = draft_of(output)
    yield pairs_of(draft), pairs_of(output), manifest["pairs"]
    yield draft, output, manifest


def _stands(file: Path, told: Mapping[str, Any]) -> bool:
    return holds(file, told["bytes"], told["sha256"])


def _finish(output: Path, manifest: Mapping[str, Any]) -> list[str]:
    notes = []
    for draft, file, told in _moves(output, manifest):
        if not _stands(file, told):
            notes.append(put(draft, file, file.with_name(f".{file.name}.previous.tmp")))
    manifests.put(output)
    sync_folder(output.parent)
    for draft, _, _ in _moves(output, manifest):
        draft.unlink(missing_ok=True)
    manifest_path(draft_of(output)).unlink(missing_ok=True)
    return [note for note in notes if note]


def _take_back(output: Path, told: Mapping[str, Any]) -> None:
    """Pairs whose rows will not come are a draft again, and the pairs before them return."""
    pairs = pairs_of(output)
    if not _stands(pairs, told) or _stands(output, manifests.prepared(output) or told):
        return
    pairs.replace(pairs_of(draft_of(output)))
    standing = (manifests.read(output) or {}).get("pairs")
    if standing and _stands(previous_of(pairs), standing):
        previous_of(pairs).replace(pairs)
