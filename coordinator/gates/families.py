"""Rows of one group stand together in a file; what separates two of them is counted in leaves, edges and nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .patch import same
from .rows import Row
from .verdict import Gate

_ABSENT = object()


class Family(Protocol):
    """A group of gates that looks at the rows of one group together."""

    def see_family(self, rows: Sequence[Row]) -> None:
        """Take in the rows of one group."""

    def gates(self) -> Iterator[Gate]:
        """See `rows.Collector`."""


class Families:
    """A collector that hands whole groups on; holds one group at a time."""

    def __init__(self, *members: Family) -> None:
        self._members = members
        self._rows: list[Row] = []

    def see(self, row: Row) -> None:
        """See `Collector`."""
        if self._rows and self._rows[0].text("group_id") != row.text("group_id"):
            self._hand_on()
        self._rows.append(row)

    def gates(self) -> Iterator[Gate]:
        """See `Collector`."""
        self._hand_on()
        for member in self._members:
            yield from member.gates()

    def _hand_on(self) -> None:
        rows, self._rows = self._rows, []
        for member in self._members if rows else ():
            member.see_family(rows)


@dataclass(frozen=True, slots=True)
class Difference:
    """What separates two rows. `leaves` are (path, value in the one, value in the other)."""

    leaves: tuple[tuple[str, Any, Any], ...]
    edges: int
    nodes: int

    @property
    def size(self) -> int:
        """All of it together."""
        return len(self.leaves) + self.edges + self.nodes


def difference(one: Row, other: Row) -> Difference:
    """What separates two rows: leaves of shared calls, query and policy; edges; calls that only one of them has."""
    pairs, nodes = _aligned(one, other)
    leaves = [("query", one.query, other.query), ("policy", one.policy, other.policy)]
    for at, beside in pairs:
        mine, theirs = _leaves(one.nodes[at]), _leaves(other.nodes[beside])
        keys = dict.fromkeys([*mine, *theirs])
        leaves += [(f"{at}{key}", mine.get(key, _ABSENT), theirs.get(key, _ABSENT)) for key in keys]
    names = {beside: at for at, beside in pairs}
    theirs_here = {(names.get(start, -1), names.get(end, -1)) for start, end in other.edges}
    mine_here = set(one.edges)
    edges = max(len(mine_here - theirs_here), len(theirs_here - mine_here))
    changed = tuple(leaf for leaf in leaves if not same(leaf[1], leaf[2]))
    return Difference(changed, edges, nodes)


def _aligned(one: Row, other: Row) -> tuple[list[tuple[int, int]], int]:
    """Index pairs of the calls that stand in both, and how many stand in one alone."""
    mine, theirs = len(one.nodes), len(other.nodes)
    if mine == theirs:
        return list(zip(range(mine), range(theirs), strict=True)), 0
    unused = list(range(theirs))
    pairs: list[tuple[int, int]] = []
    for at, node in enumerate(one.nodes):
        like = [index for index in unused if other.nodes[index].get("tool_name") == node.get("tool_name")]
        if like:
            best = min(like, key=lambda index: _distance(node, other.nodes[index]))
            unused.remove(best)
            pairs.append((at, best))
    return pairs, len(unused) + mine - len(pairs)


def _distance(one: dict[str, Any], other: dict[str, Any]) -> int:
    mine, theirs = _leaves(one), _leaves(other)
    return sum(not same(mine.get(key, _ABSENT), theirs.get(key, _ABSENT)) for key in {*mine, *theirs})


def _leaves(node: dict[str, Any]) -> dict[str, Any]:
    """The leaves of a call by path: its tool, its arguments, its tier."""
    found = {".tool_name": node.get("tool_name"), ".provenance_tier": node.get("provenance_tier")}
    return found | dict(_flat(node.get("arguments"), ".arguments"))


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}")
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _flat(item, f"{path}[{at}]")
    else:
        yield path, value


@dataclass(slots=True)
class Faults:
    """Counted faults of some rows."""

    rows: int
    kinds: Counter[str]

    @classmethod
    def none(cls) -> Faults:
        """Nothing seen yet."""
        return cls(0, Counter())

    def shown(self) -> list[tuple[str, float]]:
        """The most frequent ones."""
        return [(kind, float(rows)) for kind, rows in self.kinds.most_common(12)]
