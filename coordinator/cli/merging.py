"""`polecats merge` of a tier: its figures before, its files, and both as JSON in the shape of any merge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import ExitCode, PolecatsError
from ..publish import manifest
from ..publish.inputs import Input
from ..publish.merge import Merged
from ..publish.selection import Tally, parts_of
from ..publish.tier_output import draft_of
from .context import Context
from .publishing import Order, inputs_of, say, tell_json
from .tiers import TierOrder, publish_tier


def tier_order(tier: int, order: Order, target: int, accepted: dict[str, str] | None = None) -> TierOrder:
    """The order of a tier from that of a merge."""
    tier1 = Path(order.source.folder)
    return TierOrder(
        tier, order.source, tier1, order.output, target, accepted or {}, order.replace, choice=order.choice
    )


def merge_tier(
    context: Context, order: Order, target: int, accept: Sequence[str], why: str, as_json: bool, dry: bool
) -> ExitCode:
    """Publish a tier from what is committed, or say what there is. Raises `PolecatsError`."""
    if accept and not why.strip():
        raise PolecatsError('An exception needs its reason: --accept GATE --why "...".')
    if dry:
        _tell_supply(context, order, as_json)
        return ExitCode.OK
    code = publish_tier(context, tier_order(context.tier, order, target, dict.fromkeys(accept, why.strip())))
    if as_json and code == ExitCode.REFUSED:  # for who reads one sentence only
        again = f'polecats merge --tier {context.tier} --accept GATE --why "..."'
        raise PolecatsError(
            f"Gates refuse it; it stays a draft, {draft_of(order.output)}. Which and why: polecats gates on the draft. "
            f"What you can live with is accepted by name: {again}.",
            code,
        )
    if as_json:
        tell_json(context, order, _published(inputs_of(context, order.source, order.choice), order.output))
    return code


def _tell_supply(context: Context, order: Order, as_json: bool) -> None:
    """What the selection would draw from: which of it is in the file only the selection itself says."""
    inputs = inputs_of(context, order.source, order.choice)
    merged = Merged(inputs, notes=["shares, caps and gates decide which of these rows are in the file"])
    for item in inputs:
        rows = 0 if item.left_out else sum(part.rows for _, part, _ in parts_of(item))
        merged.tallies[item.name] = Tally(rows, rows)
        merged.rows += rows
        merged.bytes += 0 if item.left_out else sum(part.bytes for _, part, _ in parts_of(item))
    if as_json:
        tell_json(context, order, merged, dry=True)
        return
    say(f"Would select from {merged.rows:,} rows for {order.output}:")
    for name, tally in merged.tallies.items():
        say(f"  {name}: {tally.samples:,} rows")


def _published(inputs: Sequence[Input], output: Path) -> Merged:
    """The merge that a published file's manifest tells of."""
    told = manifest.read(output)
    if told is None:
        raise PolecatsError(f"{output}: its manifest has gone. Merge again.", ExitCode.REFUSED)
    merged = Merged(inputs, rows=told["rows"], bytes=told["bytes"], sha256=told["sha256"])
    for entry in told["loaders"]:
        tally = Tally(entry["samples"], entry["kept"], beyond_quota=entry["beyond_quota"])
        merged.tallies[f"{entry['track']}/{entry['loader']}"] = tally
    return merged
