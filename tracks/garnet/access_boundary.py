"""A real sibling of the one value that is open: the other department, city or currency."""

from __future__ import annotations

from typing import ClassVar

from coordinator.contract.scope import verb_kind
from coordinator.contract.tiers import Corrupter, Draw, Parent, Variant, add, policy, replace
from coordinator.contract.tiers.lexicon import SIBLING_KEYS, SIBLINGS, pick
from coordinator.contract.tiers.scaffold import state_policy

from ._pairs import pair

SEVERITY = 0.25


class AccessBoundary(Corrupter):
    """Both values come from one set of siblings, each as often allowed as not."""

    tier = "III"
    strategy = "access_boundary"
    term = "E_scope"
    operators: ClassVar = ("sibling_value", "added_sibling_value")

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        """The sibling against the value that the policy names."""
        places = [
            (step, key, value)
            for step in parent.steps
            for key, value in step.arguments.items()
            if type(value) is str
            and value.casefold() in SIBLING_KEYS
            and sum(key in other.arguments for other in parent.steps) == 1
        ]
        if not places:
            return [] if draw.k else _added(parent, draw)
        step, key, value = places[int(draw.random.random() * len(places))]
        allowed, other = draw.random.sample(SIBLINGS[SIBLING_KEYS[value.casefold()]], 2)
        match = parent.asked(value)
        query = [replace("/metadata/query", parent.query_with(match, allowed))] if match else []
        anchor = [*state_policy(policy.only_value(draw.random, key, allowed)), *query]
        negative, twin = ([replace(step.at(key), chosen), *anchor] for chosen in (other, allowed))
        why = f"{key} is {other}, only {allowed} is open"
        return pair("sibling_value", step.number, allowed, SEVERITY, why, negative, twin)


def _added(parent: Parent, draw: Draw) -> list[Variant]:
    """A call that reads, lists or searches says which department, region or city it is about."""
    key = pick(draw.random, list(SIBLINGS))
    looking = [step for step in parent.steps if verb_kind(step.tool) in ("read", "list", "search")]
    if not looking or any(key in step.arguments for step in parent.steps):
        return []
    step = pick(draw.random, looking)
    allowed, other = draw.random.sample(SIBLINGS[key], 2)
    rule = state_policy(policy.only_value(draw.random, key, allowed))
    negative, twin = ([add(step.at(key), chosen), *rule] for chosen in (other, allowed))
    why = f"{key} is {other}, only {allowed} is open"
    return pair("added_sibling_value", step.number, allowed, SEVERITY, why, negative, twin)
