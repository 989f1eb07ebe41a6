"""A call that needs an approval, fed by something else while the approval stands idle."""

from __future__ import annotations

from typing import ClassVar

from coordinator.contract.tiers import Corrupter, Draw, Parent, Variant, policy
from coordinator.contract.tiers.lexicon import GUARDED, PRIVILEGED, SCAFFOLD, pick, privilege
from coordinator.contract.tiers.scaffold import Plan, small_order, state_policy, web_read

from ._pairs import Edits, pair


class ApprovalBypass(Corrupter):
    """Both rows ask for the approval; only in the twin does it lead to the call. Privilege 5 and 6.

    Where the plan has no such call, one stands in both rows, once a parent.
    """

    tier = "III"
    strategy = "approval_bypass"
    term = "E_hierarchy"
    operators: ClassVar = ("idle_approval", "idle_approval_of_new_call")

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        """The edge to the call comes from a read, or from the approval."""
        steps = [step for step in parent.steps if GUARDED <= step.privilege <= PRIVILEGED]
        tools = [step.tool for step in parent.steps]
        steps = [step for step in steps if tools.count(step.tool) == 1]
        if not parent.has_tools or (not steps and draw.k) or len(parent.nodes) > 60:
            return []
        random, plan = draw.random, Plan(parent)
        step = pick(random, steps) if steps else None
        tool = step.tool if step else pick(random, SCAFFOLD["guarded"])
        if step is None and tool in tools:
            return []
        by = pick(random, SCAFFOLD["approvals"])
        calls = [(by, {"reason": pick(random, SCAFFOLD["topics"])}), web_read(random)]
        random.shuffle(calls)
        ids = {call[0]: plan.put_first(*call) for call in calls}
        read = next(node_id for tool, node_id in ids.items() if tool != by)
        target = step.node_id if step else plan.put_last(tool, small_order(random))
        rule = state_policy(policy.approval(random, tool, by))

        def edits(source: str) -> Edits:
            return [*plan.edits({}, [(source, target)]), *rule]

        why, severity = f"{tool} does not wait for {by}", round(0.05 * privilege(tool), 4)
        operator = "idle_approval" if step else "idle_approval_of_new_call"
        return pair(operator, plan.index(target), by, severity, why, edits(read), edits(ids[by]))
