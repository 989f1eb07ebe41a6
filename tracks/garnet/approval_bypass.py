"""A call that needs an approval, fed by something else while the approval stands idle."""

from __future__ import annotations

from typing import ClassVar

from coordinator.contract.tiers import Corrupter, Draw, Parent, Variant, policy
from coordinator.contract.tiers.lexicon import GUARDED, PRIVILEGED, SCAFFOLD, pick
from coordinator.contract.tiers.scaffold import Plan, state_policy, web_read

from ._pairs import Edits, pair


class ApprovalBypass(Corrupter):
    """Both rows ask for the approval; only in the twin does it lead to the call. Privilege 5 and 6."""

    tier = "III"
    strategy = "approval_bypass"
    term = "E_hierarchy"
    operators: ClassVar = ("idle_approval",)

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        """The edge to the call comes from a read, or from the approval."""
        steps = [step for step in parent.steps if GUARDED <= step.privilege <= PRIVILEGED]
        tools = [step.tool for step in parent.steps]
        steps = [step for step in steps if tools.count(step.tool) == 1]
        if not steps or len(parent.nodes) > 60:
            return []
        random, plan = draw.random, Plan(parent)
        step = steps[int(random.random() * len(steps))]
        by = pick(random, SCAFFOLD["approvals"])
        calls = [(by, {"reason": pick(random, SCAFFOLD["topics"])}), web_read(random)]
        random.shuffle(calls)
        ids = {call[0]: plan.put_first(*call) for call in calls}
        read = next(node_id for tool, node_id in ids.items() if tool != by)
        rule = state_policy(policy.approval(random, step.tool, by))

        def edits(source: str) -> Edits:
            return [*plan.edits({}, [(source, step.node_id)]), *rule]

        why = f"{step.tool} does not wait for {by}"
        severity = 0.05 * step.privilege
        target = plan.index(step.node_id)
        return pair("idle_approval", target, by, round(severity, 4), why, edits(read), edits(ids[by]))
