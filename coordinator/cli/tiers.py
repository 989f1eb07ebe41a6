"""A tier's merge as a command: drafts, gates, files, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import ordered_loaders
from ..engine.recorder import harmless
from ..engine.repository import checkout_state
from ..errors import ExitCode
from ..publish import manifest, tiering
from ..publish.inputs import Choice, collect
from ..publish.output import alone
from ..publish.place import check_place
from ..worker.spec import SourceSpec
from .context import Context
from .publishing import ended_by_a_person, say

if TYPE_CHECKING:
    from ..gates import Gate, Report


@dataclass(frozen=True, slots=True)
class TierOrder:
    """A tier that is asked for. `source` names the state folder of its strategies, `tier1` the file of its parents.

    `target` bounds the negatives (0: all there is); `accepted` maps gates to the reason why one lives with them.
    """

    number: int
    source: SourceSpec
    tier1: Path
    output: Path
    target: int = 0
    accepted: Mapping[str, str] = field(default_factory=dict)
    replace: bool = False
    choice: Choice = field(default_factory=Choice)
    """Refused where it leaves a strategy out: each has its share."""


def publish_tier(context: Context, order: TierOrder) -> ExitCode:
    """Make the drafts, run the gates, publish, tell it on stderr; 4 where gates refuse. Raises `PolecatsError`."""
    check_place(order.output)
    folder = order.output.parent
    with (
        ended_by_a_person(order.output),
        alone(folder, lambda: say(f"Another merge writes to {folder}; this one waits.")),
    ):
        outcome = tiering.publish(_tier(context, order), lambda draft, tier1: _judge(draft, tier1, order.accepted))
    _tell(order, outcome)
    return ExitCode.OK if outcome.judgement.passed else ExitCode.REFUSED


def _tier(context: Context, order: TierOrder) -> tiering.Tier:
    loaders = ordered_loaders(context.paths, context.config, not context.inline, order.number)
    checkouts = {track: context.checkout(track) for track, _ in loaders}
    parents = manifest.read(order.tier1)
    return tiering.Tier(
        order.number,
        collect(context.paths.source_state(order.source.key), loaders, checkouts, order.choice),
        order.tier1,
        order.output,
        order.target,
        parents["source"] if parents else {"kind": order.source.kind, "key": order.source.key},
        {track: checkout_state(checkout) for track, checkout in checkouts.items()},
        order.replace,
    )


def _judge(draft: Path, tier1: Path, accepted: Mapping[str, str]) -> tiering.Judgement:
    from ..gates import record, verdicts

    say(f"Gates: reading {draft} …")
    report = verdicts(draft, tier1, accepted)
    if accepted:
        record(draft, report)
    return tiering.Judgement(report.passed, [_values(gate, report) for gate in report.gates])


def _values(gate: Gate, report: Report) -> dict[str, Any]:
    from .gating import bound_values

    return {
        "name": gate.name,
        "figure": gate.figure if gate.figure is not None and isfinite(gate.figure) else None,
        "bound": bound_values(gate.bound),
        "verdict": gate.verdict.value,
        "says": gate.sentence,
        "accepted": gate.verdict != "green" and gate.name in report.accepted,
    }


def _tell(order: TierOrder, outcome: tiering.Outcome) -> None:
    merged, file = outcome.merged, _short(outcome.file)
    negatives = f"{outcome.pairs:,} negatives, each in a pair; bounded by {outcome.bound}"
    if outcome.judgement.passed:
        say(f"Wrote {merged.rows:,} rows to {file} ({negatives}, SHA-256 {merged.sha256[:16]}…).")
    else:
        refusing = [gate for gate in outcome.judgement.gates if gate["verdict"] != "green" and not gate["accepted"]]
        red = [gate for gate in refusing if gate["verdict"] == "red"]
        for gate in red:
            figure = "" if gate["figure"] is None else f"{gate['figure']:.4g}, "
            say(f"Gate {gate['name']} is red: {figure}{harmless(gate['says'])}.")
        idle = [gate for gate in refusing if gate not in red]
        if idle:
            say(f"Could not run: {', '.join(gate['name'] for gate in idle)}. The first: {harmless(idle[0]['says'])}.")
        gates = f"{len(refusing)} of {len(outcome.judgement.gates)} gates"
        say(f"Not published: {gates} refuse {file} ({merged.rows:,} rows, {negatives}).")
        say(f"Look at it with: polecats gates {file}")
        say(f'Accept by name what you can live with: polecats merge --tier {order.number} --accept GATE --why "..."')
    for note in merged.notes:
        say(f"Note: {note}.")


def _short(path: Path) -> Path:
    """As it is typed from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
