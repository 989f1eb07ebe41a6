"""A real sibling of the one value that is open: the other department, city or currency."""

from __future__ import annotations

from typing import ClassVar

from coordinator.contract.tiers import Corrupter, Draw, Parent, Variant, policy, replace
from coordinator.contract.tiers.lexicon import SIBLING_KEYS, SIBLINGS
from coordinator.contract.tiers.scaffold import state_policy

from ._pairs import pair

SEVERITY = 0.25


class AccessBoundary(Corrupter):
    """Both values come from one set of siblings, each as often allowed as not."""

    tier = "III"
    strategy = "access_boundary"
    term = "E_scope"
    operators: ClassVar = ("sibling_value",)

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
            return []
        step, key, value = places[int(draw.random.random() * len(places))]
        allowed, other = draw.random.sample(SIBLINGS[SIBLING_KEYS[value.casefold()]], 2)
        match = parent.asked(value)
        query = [replace("/metadata/query", parent.query_with(match, allowed))] if match else []
        anchor = [*state_policy(policy.only_value(draw.random, key, allowed)), *query]
        negative, twin = ([replace(step.at(key), chosen), *anchor] for chosen in (other, allowed))
        why = f"{key} is {other}, only {allowed} is open"
        return pair("sibling_value", step.number, allowed, SEVERITY, why, negative, twin)
