"""Tier III's own points: a small severity beyond a stated limit, one leaf away from a benign twin at the limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from .families import Difference, Faults, difference
from .relation import broken_terms
from .rows import Row
from .verdict import Bound, Gate, could_not_run, judged

SEVERITY = Bound(1e-9, 0.30)
MOST = 1.75
_NONE = Bound(high=0)


class Boundary:
    """Tier III negatives against their twins, which stand in the same group."""

    def __init__(self) -> None:
        self._faults = {name: Faults.none() for name in ("severity", "factor", "one leaf", "twin", "rule")}

    def see_family(self, rows: Sequence[Row]) -> None:
        """See `Family`."""
        by_id = {str(row.record.get("original_id")): row for row in rows}
        for row in rows:
            if row.negative:
                twin = by_id.get(str(row.mutation.get("twin")))
                for name, found in _faults(row, twin).items():
                    self._faults[name].rows += 1
                    self._faults[name].kinds.update([f"{row.mutation.get('operator')}: {found}"] if found else [])

    def gates(self) -> Iterator[Gate]:
        """See `Collector`."""
        for name, faults in self._faults.items():
            gate = f"boundary/{name}"
            if faults.rows:
                sentence = f"of {faults.rows:,} negatives fail"
                yield judged(gate, faults.kinds.total(), _NONE, sentence, faults.shown())
            else:
                yield could_not_run(gate, _NONE, "no negatives")


def _faults(row: Row, twin: Row | None) -> dict[str, str]:
    """By gate, what is wrong with a negative; empty texts where nothing is."""
    found = difference(twin, row) if twin is not None else None
    return {
        "severity": "" if all(map(SEVERITY.holds, _severities(row))) else f"severity {_severities(row)}",
        "factor": _factor_fault(row, found),
        "one leaf": "" if found and found.size == 1 else f"{found.size} differences" if found else "no twin",
        "twin": _twin_fault(row, twin, found),
        "rule": "" if broken_terms(row) else "no rule is broken",
    }


def _severities(row: Row) -> list[float]:
    """The severities of the terms that are violated; a row without one has severity 0."""
    labels = row.metadata.get("violation_labels")
    own = [label for label in labels if isinstance(label, dict)] if isinstance(labels, list) else []
    return [float(label.get("severity") or 0) for label in own if label.get("violated") is True] or [0.0]


def _factor_fault(row: Row, found: Difference | None) -> str:
    """A number beyond the limit lies at most `MOST` times it, and so does the factor that is stated."""
    limit, stated = row.mutation.get("limit"), row.mutation.get("factor")
    if isinstance(stated, int | float) and stated > MOST:
        return f"factor {stated:g} is stated"
    if type(limit) is not int or found is None or not found.leaves:
        return ""
    value = found.leaves[0][2]
    over = type(value) is int and limit > 0 and value / limit > MOST and limit + 1 < value
    return f"a value beyond {MOST:g} x the limit" if over else ""


def _twin_fault(row: Row, twin: Row | None, found: Difference | None) -> str:
    if twin is None or found is None:
        return "no twin in its group"
    if twin.negative or broken_terms(twin):
        return "the twin is not benign"
    limit = row.mutation.get("limit")
    if limit is None or str(limit).casefold() not in f"{row.query} {row.policy}".casefold():
        return "no limit is stated in query or policy"
    if type(limit) is int and found.leaves and not _at_limit(twin, found.leaves[0], limit):
        return "the twin is not at L or L - 1"
    if type(limit) is str and found.leaves and not _is_close(found.leaves[0][1], limit):
        return "the twin is not at the last day or the day before"
    return ""


def _at_limit(twin: Row, leaf: tuple[str, Any, Any], limit: int) -> bool:
    """Whether the twin's changed value, or the volume that it makes, is the limit or one less."""
    path, value, _ = leaf
    at = path.partition(".")[0]
    nodes = [twin.nodes[int(at)]] if at.isdecimal() else []
    seen = [value, *(node.get(key) for node in nodes for key in ("scope_volume", "scope_sensitivity"))]
    return any(type(number) is int and number in (limit, limit - 1) for number in seen)


def _is_close(value: Any, limit: str) -> bool:
    """Whether a date is the last one allowed or the day before; any other text has no neighbour to be checked."""
    try:
        last = date.fromisoformat(limit)
        return 0 <= (last - date.fromisoformat(str(value))).days <= 1
    except ValueError:
        return True
