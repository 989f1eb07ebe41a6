"""A tier published: committed parts -> drafts -> gates -> rows, pairs, manifest and card, or drafts and a reason.

What the gates say comes from outside (`Judge`). Nothing takes its final name unless they let it; what stood there
before is untouched until then.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..disk import DiskError
from ..errors import ExitCode, PolecatsError
from . import card, tier_output
from . import manifest as manifests
from .inputs import Input
from .merge import Merged
from .output import temporary
from .selection import Tally, parts_of
from .tier_files import Damaged, Drafts, Shard, write_drafts
from .tier_manifest import build
from .tier_output import draft_of, pairs_of


class Judgement(NamedTuple):
    """Whether the gates let a draft through, and what each of them says, as JSON values."""

    passed: bool
    gates: list[dict[str, Any]]


Judge = Callable[[Path, Path], Judgement]
"""Called with the draft and its Tier I file; exceptions stand in the draft's manifest afterwards."""


@dataclass(frozen=True, slots=True)
class Tier:
    """What is to be published. `inputs` are the strategies in the tier's order; `target` bounds negatives (0: none)."""

    number: int
    inputs: Sequence[Input]
    tier1: Path
    output: Path
    target: int = 0
    source: Mapping[str, str] = field(default_factory=dict)
    """Kind and key of the source of the Tier I file."""
    checkouts: Mapping[str, Any] = field(default_factory=dict)
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it. `file` is the published file or, where the gates refuse, the draft."""

    merged: Merged
    file: Path
    pairs: int
    bound: str
    judgement: Judgement


def publish(tier: Tier, judge: Judge) -> Outcome:
    """Make the drafts, ask the gates, publish. To be called with the folder locked (`output.alone`).

    Raises `PolecatsError` for damaged or missing parts, parents that are not those of the parts, nothing to publish,
    a disk that refuses; then, as where the gates refuse, what was published before stays.
    """
    try:
        tier_output.settle(tier.output)
        tier_output.check_replaceable(tier.output, tier.source.get("kind", ""), tier.replace)
        _check_inputs(tier)
        drafts = _write(tier)
        merged = _merged(tier, drafts)
        draft = draft_of(tier.output)
        judgement = judge(draft, tier.tier1)
        if not judgement.passed:
            return Outcome(merged, draft, drafts.pairs.lines, drafts.selected.bound, judgement)
        merged.notes += tier_output.publish(tier.output, _final(tier, judgement))
    except OSError as error:
        refused = error if isinstance(error, DiskError) else DiskError(error, tier.output)
        raise PolecatsError(f"{refused}. Mend that and merge again.", ExitCode.REFUSED) from None
    try:
        card.write(tier.output)
    except OSError as error:
        merged.notes.append(str(error if isinstance(error, DiskError) else DiskError(error, tier.output.parent)))
    return Outcome(merged, tier.output, drafts.pairs.lines, drafts.selected.bound, judgement)


def _check_inputs(tier: Tier) -> None:
    """All strategies are there, of the very Tier I file that stands. Raises `PolecatsError`."""
    again = f"Run it first: polecats run --tier {tier.number}."
    if not any(item.commits for item in tier.inputs):
        raise PolecatsError(
            f"Nothing to merge: no strategy of tier {tier.number} is made yet. {again}", ExitCode.NOTHING
        )
    for item in tier.inputs:
        if reason := item.cut or item.left_out or ("" if item.done else "not all parents are read yet"):
            raise PolecatsError(
                f"{item.name}: {reason}. Each strategy has its share in the tier. {again}", ExitCode.REFUSED
            )
    try:
        with tier.tier1.open("rb") as data:
            sha256 = hashlib.file_digest(data, "sha256").hexdigest()
    except OSError as error:
        raise PolecatsError(
            f"{tier.tier1}: cannot be read: {error.strerror}. Merge Tier I first.", ExitCode.REFUSED
        ) from None
    for item in tier.inputs:
        if item.fingerprint.get("revision") != sha256:
            raise PolecatsError(
                f"{item.name} was made from another Tier I file than {tier.tier1} is now. {again}", ExitCode.REFUSED
            )
        if item.fingerprint.get("seed") != tier.inputs[0].fingerprint.get("seed"):
            sentence = f"{item.name} was made with another seed than {tier.inputs[0].name}. {again}"
            raise PolecatsError(sentence, ExitCode.REFUSED)


def _shards(tier: Tier) -> list[Shard]:
    return [
        Shard(item.folder / part.name, item.folder / keys.name, place, (part.xxh3, keys.xxh3))
        for place, item in enumerate(tier.inputs)
        for _, part, keys in parts_of(item)
    ]


def _write(tier: Tier) -> Drafts:
    """Both drafts and their manifest, whole and on the disk."""
    draft, strategies = draft_of(tier.output), [item.loader for item in tier.inputs]
    with temporary(draft) as (rows, row_path), temporary(pairs_of(draft)) as (pairs, pair_path):
        try:
            drafts = write_drafts(_shards(tier), strategies, tier.target, rows, pairs)
        except Damaged as error:
            raise _damaged(tier, error.path) from None
        if not drafts.rows.lines:
            sentence = f"Nothing to publish in tier {tier.number}. What bounds it: {drafts.selected.bound}."
            raise PolecatsError(sentence, ExitCode.NOTHING)
        _sync(rows, row_path)
        _sync(pairs, pair_path)
        manifest = build(_merged(tier, drafts), tier.source, tier.checkouts, drafts, tier.number, tier.tier1, draft)
        manifest |= _exceptions(tier, drafts.rows.sha256)
        pair_path.replace(pairs_of(draft))
        row_path.replace(draft)
        manifests.write(draft, manifest)
    return drafts


def _sync(out: BinaryIO, path: Path) -> None:
    out.flush()
    os.fsync(out.fileno())
    path.chmod(0o644)


def _exceptions(tier: Tier, sha256: str) -> dict[str, Any]:
    """What was accepted for these very bytes before, as a draft or as the published file."""
    for file in (draft_of(tier.output), tier.output):
        standing = (manifests.read(file) or {}).get("exceptions")
        if isinstance(standing, dict) and standing.get("sha256") == sha256:
            return {"exceptions": standing}
    return {}


def _damaged(tier: Tier, path: Path) -> PolecatsError:
    """Moves the file aside, so that nothing takes it for sound and the next run makes its strategy anew."""
    with suppress(OSError):
        path.replace(path.with_name(f"{path.name}.damaged"))
    return PolecatsError(
        f"{path} is damaged; it is kept with the ending .damaged. Redo it with: polecats run --tier {tier.number}.",
        ExitCode.REFUSED,
    )


def _merged(tier: Tier, drafts: Drafts) -> Merged:
    """The draft in the terms of any merge: each strategy's rows, and those beyond its share."""
    merged = Merged(tier.inputs, rows=drafts.rows.lines, bytes=drafts.rows.bytes, sha256=drafts.rows.sha256)
    for item in tier.inputs:
        samples = sum(part.rows for _, part, _ in parts_of(item))
        kept = sum(rows for kind, rows in drafts.counts.items() if kind[0] == item.loader)
        merged.tallies[item.name] = Tally(samples, kept, beyond_quota=samples - kept)
    return merged


def _final(tier: Tier, judgement: Judgement) -> dict[str, Any]:
    """The draft's manifest, with what the gates said, under the final names."""
    draft = manifests.read(draft_of(tier.output))
    if draft is None:
        raise PolecatsError(f"{draft_of(tier.output)}: its manifest has gone. Merge again.", ExitCode.REFUSED)
    pairs = {**draft["pairs"], "file": pairs_of(tier.output).name}
    return {**draft, "file": tier.output.name, "pairs": pairs, "gates": judgement.gates}
