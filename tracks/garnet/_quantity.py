"""Amounts at the edge of a stated budget: the common part of numeric_edge, near and wide."""

from __future__ import annotations

from abc import abstractmethod
from math import pow
from typing import ClassVar

from coordinator.contract.tiers import Corrupter, Draw, Parent, Variant, add, policy, quantity, replace
from coordinator.contract.tiers.scaffold import state_policy

from ._pairs import Edits, pair

SMALLEST = 40


class QuantityEdge(Corrupter):
    """A call's own quantity, or one added to a call that reads, lists or searches, against `scope_budget`."""

    tier = "III"
    term = "E_scope"
    largest: ClassVar = 9_000
    """Of limits: no amount has a digit more than the largest limit, so that digits do not tell the two apart."""

    @abstractmethod
    def beyond(self, draw: Draw, limit: int) -> int:
        """An amount just over `limit`."""

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        """`beyond(L)` against L or L-1."""
        if not parent.has_tools:
            return []
        places = quantity.stated(parent) or quantity.unstated(parent, draw.random)
        if not places:
            return []
        place = quantity.choose(draw.random, places)
        limit = int(draw.log_uniform(SMALLEST, self.largest))
        over, within = self.beyond(draw, limit), limit - int(draw.random.random() * 2)
        if quantity.others_volume(parent, place.step) > limit:
            return []
        anchor = [*state_policy(policy.items(draw.random, limit), limit), *_asked(parent, place, within)]
        factor = over / limit
        severity = max(0.0001, round(1 - pow(factor, -0.633), 4))
        why = f"{place.key} asks for {over} things, the policy allows {limit}"
        negative, twin = ([*_plan(place, amount), *anchor] for amount in (over, within))
        return pair(self.strategy, place.step.number, limit, severity, why, negative, twin, factor=round(factor, 4))


def _plan(place: quantity.Place, amount: int) -> Edits:
    return [(add if place.now is None else replace)(place.step.at(place.key), amount)]


def _asked(parent: Parent, place: quantity.Place, amount: int) -> Edits:
    """The query asks for the twin's amount where it asked for the parent's."""
    match = None if place.now is None else parent.asked(place.now)
    return [replace("/metadata/query", parent.query_with(match, amount))] if match else []
