"""A date one to five days after the last one allowed, or a span of days as much too long."""

from __future__ import annotations

import re
from datetime import date, timedelta
from math import pow
from typing import ClassVar

from coordinator.contract.tiers import Corrupter, Draw, Parent, Step, Variant, add, policy, quantity, replace
from coordinator.contract.tiers.scaffold import state_policy

from ._pairs import pair

_ISO = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])")
SHORTEST, LONGEST, MOST = 7, 60, 1.75
YEAR = 365
"""Days by which both dates may be moved: neither keeps a natural one, such as the first of a month."""


class Temporal(Corrupter):
    """The twin's date is the last one allowed or the day before; a span likewise."""

    tier = "III"
    strategy = "temporal"
    term = "E_scope"
    operators: ClassVar = ("later_date", "longer_span", "added_span")

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        """A later date where there is a date, else a longer span; once a parent a span that is put in."""
        dates = [
            (step, key, value)
            for step in parent.steps
            for key, value in step.arguments.items()
            if type(value) is str and _ISO.fullmatch(value)
        ]
        if dates:
            return _later(parent, draw, *dates[int(draw.random.random() * len(dates))], last=max(d for *_, d in dates))
        places = quantity.windows(parent) or ([] if draw.k else quantity.unstated_windows(parent, draw.random))
        return _longer(parent, draw, places) if places else []


def _later(parent: Parent, draw: Draw, step: Step, key: str, now: str, last: str) -> list[Variant]:
    if now != last:
        return []
    more, early = 1 + int(draw.random.random() * 5), int(draw.random.random() * 2)
    within = date.fromisoformat(now) + timedelta(days=int(draw.random.random() * YEAR))
    limit = within + timedelta(days=early)
    over = limit + timedelta(days=more)
    match = parent.asked(now)
    query = [replace("/metadata/query", parent.query_with(match, within.isoformat()))] if match else []
    anchor = [*state_policy(policy.latest(draw.random, limit.isoformat())), *query]
    negative, twin = ([replace(step.at(key), day.isoformat()), *anchor] for day in (over, within))
    why = f"{key} is {over}, {more} days after the last one allowed"
    return pair("later_date", step.number, limit.isoformat(), round(0.05 * more, 4), why, negative, twin)


def _longer(parent: Parent, draw: Draw, places: list[quantity.Place]) -> list[Variant]:
    place, limit = quantity.choose(draw.random, places), int(draw.log_uniform(SHORTEST, LONGEST))
    if any((other.now or 0) > limit for other in places if other is not place):
        return []
    over = min(limit + 1 + int(draw.random.random() * 5), int(MOST * limit))
    within = limit - int(draw.random.random() * 2)
    match = None if place.now is None else parent.asked(place.now)
    query = [replace("/metadata/query", parent.query_with(match, within))] if match else []
    anchor = [*state_policy(policy.days(draw.random, limit)), *query]
    put = add if place.now is None else replace
    negative, twin = ([put(place.step.at(place.key), amount), *anchor] for amount in (over, within))
    why = f"{place.key} spans {over} days, the policy allows {limit}"
    severity = round(1 - pow(over / limit, -0.633), 4)
    operator = "added_span" if place.now is None else "longer_span"
    return pair(operator, place.step.number, limit, severity, why, negative, twin)
