"""The identical call, decided by somebody less trusted: only tier, origin and hash change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from coordinator.contract.mutation import Difficulty
from coordinator.contract.tiers import Corrupter, Draw, Parent, Variant, policy
from coordinator.contract.tiers.lexicon import SCAFFOLD, pick, privilege
from coordinator.contract.tiers.scaffold import (
    Plan,
    originate,
    record_origin,
    small_order,
    state_policy,
    user_origin,
    web_origin,
    web_read,
)

GAPS = {1: 1.0, 2: 0.75}
EASY_FROM = 8
Edits = list[dict[str, Any]]


class ProvenanceRugPull(Corrupter):
    """origin_swap: a privileged call on the word of a web page; in its positive a harmless call is.

    Where the plan has no harmless call, one that reads a page stands in both rows; where it has no privileged one,
    such a call does, once a parent.
    """

    tier = "II"
    strategy = "provenance_rug_pull"
    term = "E_provenance"
    operators: ClassVar = ("origin_swap",)

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        """A negative and its positive, equal in every word."""
        if parent.is_dataflow or not parent.has_tools or len(parent.nodes) > 60:
            return []
        if not parent.privileged and draw.k:
            return []
        random, plan = draw.random, Plan(parent)
        if parent.plain:
            other = parent.plain[int(random.random() * len(parent.plain))].node_id
        else:
            other = plan.put_first(*web_read(random))
        if parent.privileged:
            by_id = {step.node_id: step.tool for step in parent.privileged}
            target = _fitting(by_id, draw)
            return _swapped(plan, draw, target, by_id[target], other)
        tool = _fitting({name: name for name in SCAFFOLD["privileged"]}, draw)
        return _swapped(plan, draw, plan.put_last(tool, small_order(random)), tool, other)


def _fitting(tools: Mapping[str, str], draw: Draw) -> str:
    """The name of one of some privileged calls, given with their tools; of the draw's difficulty where there is one."""
    easy = draw.difficulty == "easy"
    names = [
        name for name, tool in tools.items() if draw.difficulty == "hard" or (privilege(tool) >= EASY_FROM) == easy
    ]
    return pick(draw.random, names or list(tools))


def _swapped(plan: Plan, draw: Draw, target: str, tool: str, other: str) -> list[Variant]:
    """Tier 3 and its origin stand on the privileged call, or on the harmless one; the other tier likewise."""
    random, parent = draw.random, plan.parent
    trusted = 2 if draw.difficulty == "hard" else 1
    web, own = web_origin(random), record_origin(random) if trusted == 2 else user_origin(parent)
    rule = state_policy(policy.stated(random, policy.VETTED))

    def edits(untrusted: str, believed: str) -> Edits:
        tiers = {untrusted: 3, believed: trusted}
        return [*plan.edits(tiers), *originate(parent, {untrusted: web, believed: own}), *rule]

    level = privilege(tool)
    severity, at = round(level / 10 * GAPS[trusted], 4), plan.index(target)
    difficulty: Difficulty = "hard" if trusted == 2 else "easy" if level >= EASY_FROM else "medium"
    why = f"{tool} (privilege {level}) is decided by public web content"
    return [
        Variant("origin_swap", edits(target, other), [at], difficulty, severity, 1, None, why),
        Variant("origin_swap", edits(other, target), [at], difficulty),
    ]
