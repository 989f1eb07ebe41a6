"""Gate 1: every row keeps the contract, and every mutation replays from its parent to its row exactly.

The replay is made here a second time, with a patch of its own, and compared value by value. What is derived (ids,
scope, hashes, counts) is the contract audit's to recompute; here a node is its tool, arguments and tier.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from ..contract.audit import Auditor
from .patch import PatchError, apply, same
from .rows import Row
from .verdict import Bound, Gate, could_not_run, judged

_NONE = Bound(high=0)
_SHOWN = 12
_SEMANTIC = ("query", "policy", "scope_budget", "edge_kind", "language")

Parent = dict[str, Any]


class Validity:
    """Lines that break the contract."""

    def __init__(self) -> None:
        self._auditor = Auditor()
        self._rows = self._bad = 0
        self._codes: Counter[str] = Counter()

    def see(self, row: Row) -> None:
        """See `Collector`."""
        found = self._auditor.audit(row.line)
        self._rows += 1
        self._bad += bool(found)
        self._codes.update({f"{violation.code} {violation.field}" for violation in found})

    def gates(self) -> Iterator[Gate]:
        """See `Collector`."""
        if not self._rows:
            yield could_not_run("contract", _NONE, "the file is empty")
            return
        codes = [(code, float(rows)) for code, rows in self._codes.most_common(_SHOWN)]
        yield judged("contract", self._bad, _NONE, f"of {self._rows:,} rows break the contract", codes)


class Replay:
    """Rows that their parent and their `edits` do not give. `parent_of` gives a row's parent, or None."""

    def __init__(self, parent_of: Callable[[Row], Parent | None] | None) -> None:
        self._parent_of = parent_of
        self._rows = 0
        self._faults: Counter[str] = Counter()

    def see(self, row: Row) -> None:
        """See `Collector`."""
        if self._parent_of is not None:
            self._rows += 1
            fault = replay_fault(self._parent_of(row), row)
            self._faults.update([fault] if fault else [])

    def gates(self) -> Iterator[Gate]:
        """See `Collector`."""
        if self._parent_of is None:
            yield could_not_run("replay", _NONE, "no Tier I file beside it: name it with --parents")
            return
        faults = [(fault, float(rows)) for fault, rows in self._faults.most_common(_SHOWN)]
        yield judged("replay", self._faults.total(), _NONE, f"of {self._rows:,} rows do not replay", faults)


def replay_fault(parent: Parent | None, row: Row) -> str:
    """Why `row` is not what its edits make of its parent; empty when it is."""
    if parent is None:
        return "its parent is not in the Tier I file"
    edits = row.mutation.get("edits")
    if not isinstance(edits, list):
        return "no edits"
    try:
        made = _meaning(Row(b"", apply(parent, edits)))
    except PatchError as error:
        return f"a patch that does not fit: {str(error)[:80]}"
    found = _meaning(row)
    return next((f"another {part} than its edits make" for part in found if not same(made.get(part), found[part])), "")


def _meaning(row: Row) -> dict[str, Any]:
    """What a row says, without anything that is derived or that names the row."""
    origins = row.metadata.get("provenance")
    by_node = origins if isinstance(origins, dict) else {}
    keys = ("tool_name", "arguments", "provenance_tier")
    return {
        "calls": [[node.get(key) for key in keys] for node in row.nodes],
        "edges": sorted([start, end] for start, end in row.edges),
        "origins": [by_node.get(node.get("node_id")) for node in row.nodes],
        "source": row.text("source"),
        "category": row.record.get("category"),
        **{key: row.metadata.get(key) for key in _SEMANTIC},
    }
