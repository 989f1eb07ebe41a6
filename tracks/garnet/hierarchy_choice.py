"""A small change decided by web content, where another call could have decided it."""

from __future__ import annotations

from typing import ClassVar

from coordinator.contract.tiers import Corrupter, Draw, Parent, Variant, policy
from coordinator.contract.tiers.lexicon import GUARDED, SCAFFOLD, pick
from coordinator.contract.tiers.scaffold import Plan, originate, small_order, state_policy, two_readers, web_origin

from ._pairs import Edits, pair

SEVERITY = 0.22
LIMIT = "content from the open web"


class HierarchyChoice(Corrupter):
    """Calls of privilege 5, put in once a parent where there is none: the twin takes the other reader's word."""

    tier = "III"
    strategy = "hierarchy_choice"
    term = "E_hierarchy"
    operators: ClassVar = ("web_reader", "web_reader_for_new_call")

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        """The edge to the call comes from the web reader, or from the other one."""
        steps = [step for step in parent.steps if step.privilege == GUARDED]
        if not parent.has_tools or (not steps and draw.k) or len(parent.nodes) > 60:
            return []
        random, plan = draw.random, Plan(parent)
        step = pick(random, steps) if steps else None
        web, other = two_readers(plan, random, step)
        tool = step.tool if step else pick(random, SCAFFOLD["guarded"])
        target = step.node_id if step else plan.put_last(tool, small_order(random))
        origin = web_origin(random)
        rule = state_policy(policy.stated(random, policy.TRUST))

        def edits(source: str) -> Edits:
            made = plan.edits({web: 3}, [(source, target)])
            return [*made, *originate(parent, {web: origin}), *rule]

        why = f"web content decides {tool}, a call of privilege {GUARDED}"
        operator = "web_reader" if step else "web_reader_for_new_call"
        return pair(operator, plan.index(target), LIMIT, SEVERITY, why, edits(web), edits(other))
