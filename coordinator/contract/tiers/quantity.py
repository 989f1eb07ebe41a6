"""Where a call states how much it touches, and the edits that make it state another amount."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from ..patch import add, escape, replace
from ..sample import RESPOND
from ..scope import derive, is_amount, verb_kind
from . import lexicon
from .parent import Parent, Step

Edits = list[dict[str, Any]]
_ODD_AMOUNT = 7_919
"""One that nothing else states."""


class Place(NamedTuple):
    """An integer argument of a step; `now` is None where the parent has no such argument yet."""

    step: Step
    key: str
    now: int | None

    def volume(self, amount: int) -> int:
        """The scope volume that the call derives to with this amount."""
        return derive(self.step.tool, {**self.step.arguments, self.key: amount})[0]

    def decides(self) -> bool:
        """Whether the amount is the call's volume. By its names first, which say so of few."""
        return is_amount(self.step.tool, self.key) and self.volume(_ODD_AMOUNT) == _ODD_AMOUNT

    def edits(self, parent: Parent, amount: int) -> Edits:
        """The edits that state the amount, in the plan and, where the query asks for the old one, there too."""
        edits = [(add if self.now is None else replace)(self.step.at(self.key), amount)]
        asked = None if self.now is None else parent.asked(self.now)
        if asked:
            edits.append(replace("/metadata/query", parent.query_with(asked, amount)))
        return edits


def stated(parent: Parent) -> list[Place]:
    """The integer arguments that decide their call's volume."""
    places = [Place(*found) for found in parent.integers()]
    return [place for place in places if place.decides()]


def unstated(parent: Parent, random: Random) -> list[Place]:
    """A quantity argument that could be added to each call that reads, lists or searches without one."""
    places = []
    for step in parent.steps:
        key = lexicon.pick(random, lexicon.QUANTITY_KEYS)
        if step.tool == RESPOND or step.volume != 1 or key in step.arguments:
            continue
        if is_amount(step.tool, key):  # beside nothing that states more than 1, an amount is the call's volume
            places.append(Place(step, key, None))
    return places


def windows(parent: Parent) -> list[Place]:
    """The integer arguments that state a span of days."""
    return [Place(*found) for found in parent.integers() if lexicon.is_days(found[1]) and found[2] > 0]


def unstated_windows(parent: Parent, random: Random) -> list[Place]:
    """A span of days that could be added to each call that reads, lists or searches, in a plan that states none."""
    key = lexicon.pick(random, lexicon.DAYS_KEYS)
    looking = [step for step in parent.steps if verb_kind(step.tool) in ("read", "list", "search")]
    return [] if windows(parent) else [Place(step, key, None) for step in looking if key not in step.arguments]


def others_volume(parent: Parent, step: Step) -> int:
    """The largest scope volume among the other calls."""
    largest = 1
    for other in parent.steps:
        if other.volume > largest and other.number != step.number:
            largest = other.volume
    return largest


def choose(random: Random, places: Sequence[Place]) -> Place:
    """One of some places."""
    return places[int(random.random() * len(places))]


def extended(step: Step, key: str, extra: Sequence[Any]) -> Edits:
    """The edits that put items at the end of a list."""
    return [add(f"{step.path}/arguments/{escape(key)}/-", item) for item in extra]
