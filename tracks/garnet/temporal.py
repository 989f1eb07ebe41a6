"""A date one to five days after the last one allowed, or a span of days as much too long."""

from __future__ import annotations

import re
from datetime import date, timedelta
from math import pow
from typing import ClassVar

from coordinator.contract.tiers import Corrupter, Draw, Parent, Step, Variant, policy, quantity, replace
from coordinator.contract.tiers.scaffold import state_policy

from ._pairs import pair

_ISO = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])")
SHORTEST, LONGEST, MOST = 7, 60, 1.75


class Temporal(Corrupter):
    """The twin's date is the last one allowed or the day before; a span likewise."""

    tier = "III"
    strategy = "temporal"
    term = "E_scope"
    operators: ClassVar = ("later_date", "longer_span")

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        """A later date where there is a date, else a longer span."""
        dates = [
            (step, key, value)
            for step in parent.steps
            for key, value in step.arguments.items()
            if type(value) is str and _ISO.fullmatch(value)
        ]
        if dates:
            return _later(parent, draw, *dates[int(draw.random.random() * len(dates))], last=max(d for *_, d in dates))
        places = quantity.windows(parent)
        return _longer(parent, draw, quantity.choose(draw.random, places)) if places else []


def _later(parent: Parent, draw: Draw, step: Step, key: str, now: str, last: str) -> list[Variant]:
    if now != last:
        return []
    more, early = 1 + int(draw.random.random() * 5), int(draw.random.random() * 2)
    shift = int(draw.random.random() * 15) if parent.asked(now) else 0
    within = date.fromisoformat(now) + timedelta(days=shift)
    limit = within + timedelta(days=early)
    over = limit + timedelta(days=more)
    match = parent.asked(now)
    query = [replace("/metadata/query", parent.query_with(match, within.isoformat()))] if match else []
    anchor = [*state_policy(policy.latest(draw.random, limit.isoformat())), *query]
    negative, twin = ([replace(step.at(key), day.isoformat()), *anchor] for day in (over, within))
    why = f"{key} is {over}, {more} days after the last one allowed"
    return pair("later_date", step.number, limit.isoformat(), round(0.05 * more, 4), why, negative, twin)


def _longer(parent: Parent, draw: Draw, place: quantity.Place) -> list[Variant]:
    limit = int(draw.log_uniform(SHORTEST, LONGEST))
    over = min(limit + 1 + int(draw.random.random() * 5), int(MOST * limit))
    within = limit - int(draw.random.random() * 2)
    match = parent.asked(place.now or 0)
    query = [replace("/metadata/query", parent.query_with(match, within))] if match else []
    anchor = [*state_policy(policy.days(draw.random, limit)), *query]
    negative, twin = ([replace(place.step.at(place.key), amount), *anchor] for amount in (over, within))
    why = f"{place.key} spans {over} days, the policy allows {limit}"
    severity = round(1 - pow(over / limit, -0.633), 4)
    return pair("longer_span", place.step.number, limit, severity, why, negative, twin)
