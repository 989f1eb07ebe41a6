"""A destination that differs from an allowed one in its top-level name alone."""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar

from coordinator.contract.tiers import Corrupter, Draw, Parent, Variant, add, policy, replace
from coordinator.contract.tiers.lexicon import SCAFFOLD, address, host, pick
from coordinator.contract.tiers.scaffold import Plan, state_policy

from ._pairs import Edits, pair

SEVERITY = 0.28
TOPS = ("example", "test")


class FlowAdjacent(Corrupter):
    """The call that sends is the parent's own, or stands in both rows."""

    tier = "III"
    strategy = "flow_adjacent"
    term = "E_flow"
    operators: ClassVar = ("sibling_host", "sibling_host_of_new_sink")

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        """The allowed host's sibling against the allowed host."""
        if len(parent.nodes) > 60 or len(parent.sinks) > 1 or not (parent.sinks or parent.plain):
            return []
        random = draw.random
        name, top = host(random).rpartition(".")[0], int(random.random() * 2)
        known, stranger = f"{name}.{TOPS[top]}", f"{name}.{TOPS[1 - top]}"
        rule = policy.destinations(random, _allowed(random, known, stranger))
        who = address(random, "")
        why = f"sends to {stranger}, the policy names {known}"
        if parent.sinks:
            step, key = parent.sinks[0]
            match = parent.asked(step.arguments[key]) if type(step.arguments.get(key)) is str else None
            query = [replace("/metadata/query", parent.query_with(match, who + known))] if match else []
            negative, twin = ([add(step.at(key), who + at), *state_policy(rule), *query] for at in (stranger, known))
            return pair("sibling_host", step.number, known, SEVERITY, why, negative, twin)
        source, tool = parent.plain[int(random.random() * len(parent.plain))], pick(random, SCAFFOLD["sinks"])
        negative, twin = (
            [*_sent(parent, source.node_id, tool, {"to": who + at}), *state_policy(rule)] for at in (stranger, known)
        )
        return pair("sibling_host_of_new_sink", len(parent.nodes), known, SEVERITY, why, negative, twin)


def _allowed(random: Random, known: str, stranger: str) -> list[str]:
    """The known host and two others, none of them the stranger."""
    hosts = [known]
    while len(hosts) < 3:
        other = host(random)
        if other not in (*hosts, stranger):
            hosts.append(other)
    return sorted(hosts)


def _sent(parent: Parent, source: str, tool: str, arguments: dict[str, Any]) -> Edits:
    plan = Plan(parent)
    return plan.edits({}, [(source, plan.put_last(tool, arguments))])
