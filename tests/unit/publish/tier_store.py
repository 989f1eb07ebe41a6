"""Committed parts of a tier, made by the corrupters on the invented parents, and gates that say what a test wants."""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from coordinator.contract.tiers import Corrupter, Parent
from coordinator.events import Counts
from coordinator.paths import TIER_OF, loader_names
from coordinator.publish.inputs import Choice, collect
from coordinator.publish.tiering import Judgement, Tier
from coordinator.worker import discovery
from coordinator.worker.corrupt import blocks_of, family_of
from coordinator.worker.fingerprint import code_of, contract_version
from coordinator.worker.parts import PartWriter
from coordinator.worker.streams.base import Cursor

TRACKS = Path(__file__).parents[3] / "tracks"
TRACK = {number: track for track, number in TIER_OF.items()}
SOURCE = {"kind": "samples", "key": "samples"}
PARENTS_A_PART = 4


@cache
def rows_of(track: str, strategy: str, seed: int) -> list[list[tuple[bytes, bytes]]]:
    """A strategy's lines and keys, parent by parent."""
    discovery.install(TRACKS)
    module = importlib.import_module(f"tracks.{track}.{strategy}")
    made: Any = next(
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Corrupter) and item.__module__ == module.__name__
    )
    corrupter: Corrupter = made()
    parents = (TRACKS / track / "samples" / "parents.jsonl").read_bytes().splitlines()
    return [
        [(row.line, key) for block in blocks_of(family_of(Parent.parse(line)), corrupter, seed) for row, key in block]
        for line in parents
    ]


def make(root: Path, number: int = 2, seed: int = 0, strategies: list[str] | None = None, **source: Any) -> Tier:
    """A tier whose parts lie below `root`/state; its parents are `root`/data/tier1.jsonl."""
    track = TRACK[number]
    tier1 = root / "data" / "tier1.jsonl"
    tier1.parent.mkdir(parents=True, exist_ok=True)
    tier1.write_bytes((TRACKS / track / "samples" / "parents.jsonl").read_bytes())
    sha256 = hashlib.sha256(tier1.read_bytes()).hexdigest()
    names = loader_names(TRACKS, track)
    for name in names if strategies is None else strategies:
        _commit(root / "state" / "tracks" / track / name, track, name, seed, {"revision": sha256, **source})
    inputs = collect(root / "state", [(track, name) for name in names], {track: TRACKS}, Choice())
    return Tier(number, inputs, tier1, root / "data" / f"tier{number}.jsonl", source=SOURCE)


def again(tier: Tier, root: Path, **changes: Any) -> Tier:
    """The same tier as its folders are now."""
    names = [(item.track, item.loader) for item in tier.inputs]
    return replace(tier, inputs=collect(root / "state", names, {names[0][0]: TRACKS}, Choice()), **changes)


def _commit(folder: Path, track: str, name: str, seed: int, made_from: dict[str, Any]) -> None:
    writer = PartWriter(folder, sync=lambda handle: None)
    source = {"id": "tier1.jsonl", "kind": "tier1", "revision": made_from["revision"], "licence": "as its sources"}
    source |= {"evaluation_only": False, "redistributable": True, "unique_ids": True}
    mark = {"code": code_of(TRACKS, track, name), "contract": contract_version(), "seed": seed, **made_from}
    writer.open({"fingerprint": mark, "source": source})
    parents = rows_of(track, name, seed)
    counts = Counts()
    for at, rows in enumerate(parents, 1):
        counts.read += 1
        counts.accepted += bool(rows)
        counts.samples += len(rows)
        if not rows:
            counts.skipped["not_applicable"] = counts.skipped.get("not_applicable", 0) + 1
        for line, key in rows:
            writer.add(1, line, key)
        if at % PARENTS_A_PART == 0 or at == len(parents):
            writer.commit(Cursor(None, at), counts, at == len(parents))


def green(draft: Path, tier1: Path) -> Judgement:
    """Gates that let everything through."""
    return Judgement(True, [{"name": "all", "verdict": "green", "accepted": False, "says": ""}])


def red(draft: Path, tier1: Path) -> Judgement:
    """Gates that let nothing through."""
    return Judgement(False, [{"name": "all", "verdict": "red", "accepted": False, "says": "no"}])
