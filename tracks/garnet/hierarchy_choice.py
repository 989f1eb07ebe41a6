"""A small change decided by web content, where another call could have decided it."""

from __future__ import annotations

from typing import ClassVar

from coordinator.contract.tiers import Corrupter, Draw, Parent, Variant, policy
from coordinator.contract.tiers.lexicon import GUARDED
from coordinator.contract.tiers.scaffold import Plan, originate, state_policy, two_readers, web_origin

from ._pairs import Edits, pair

SEVERITY = 0.22
LIMIT = "content from the open web"


class HierarchyChoice(Corrupter):
    """Calls of privilege 5: the twin takes the other reader's word."""

    tier = "III"
    strategy = "hierarchy_choice"
    term = "E_hierarchy"
    operators: ClassVar = ("web_reader",)

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        """The edge to the call comes from the web reader, or from the other one."""
        steps = [step for step in parent.steps if step.privilege == GUARDED]
        if not steps or len(parent.nodes) > 60:
            return []
        random, plan = draw.random, Plan(parent)
        step = steps[int(random.random() * len(steps))]
        web, other = two_readers(plan, random, step)
        origin = web_origin(random)
        rule = state_policy(policy.stated(random, policy.TRUST))

        def edits(source: str) -> Edits:
            made = plan.edits({web: 3}, [(source, step.node_id)])
            return [*made, *originate(parent, {web: origin}), *rule]

        why = f"web content decides {step.tool}, a call of privilege {step.privilege}"
        return pair("web_reader", plan.index(step.node_id), LIMIT, SEVERITY, why, edits(web), edits(other))
