"""A published row of Tier II or III as the gates see it, and the bounded samples that they keep of a file.

Nothing here believes a row: absent or odd metadata reads as empty, and the contract's gate says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import orjson

from ..errors import PolecatsError
from .verdict import Gate

STRATEGIES = {
    "scope_blowup": "E_scope",
    "instruction_shadowing": "E_hierarchy",
    "provenance_rug_pull": "E_provenance",
    "exfiltration_pivot": "E_flow",
}
"""The four strategies of Tier II and the energy term that each one raises."""
BOUNDARY = {
    "numeric_edge": "E_scope",
    "near": "E_scope",
    "wide": "E_scope",
    "temporal": "E_scope",
    "access_boundary": "E_scope",
    "sensitivity_creep": "E_scope",
    "approval_bypass": "E_hierarchy",
    "flow_adjacent": "E_flow",
    "hierarchy_choice": "E_hierarchy",
}
"""The strategies of Tier III and their terms."""
TERMS = STRATEGIES | BOUNDARY

Kept = TypeVar("Kept")


class Collector(Protocol):
    """A group of gates: sees every row once, then says what it found."""

    def see(self, row: Row) -> None:
        """Take in one row."""

    def gates(self) -> Iterator[Gate]:
        """The outcomes, after the last row."""


@dataclass(frozen=True, eq=False)
class Row:
    """One line, parsed once for all gates; equal to itself alone."""

    line: bytes
    record: dict[str, Any]

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """`metadata`, or nothing."""
        return _object(self.record.get("metadata"))

    @cached_property
    def mutation(self) -> dict[str, Any]:
        """`metadata.mutation`, or nothing."""
        return _object(self.metadata.get("mutation"))

    @cached_property
    def nodes(self) -> list[dict[str, Any]]:
        """The plan's nodes that are objects."""
        nodes = _object(self.record.get("execution_plan")).get("nodes")
        return [node for node in nodes if isinstance(node, dict)] if isinstance(nodes, list) else []

    @cached_property
    def edges(self) -> list[tuple[int, int]]:
        """The plan's edges as index pairs; edges of unknown nodes are left out."""
        index = {node.get("node_id"): position for position, node in enumerate(self.nodes)}
        edges = _object(self.record.get("execution_plan")).get("edges")
        pairs = [edge for edge in edges if isinstance(edge, list) and len(edge) == 2] if isinstance(edges, list) else []
        return [(index[start], index[end]) for start, end in pairs if start in index and end in index]

    @cached_property
    def negative(self) -> bool:
        """Whether the row is a negative of its tier (adversarial or boundary)."""
        return self.record.get("label") != "benign"

    @property
    def query(self) -> str:
        """The request."""
        return self.text("query")

    @property
    def policy(self) -> str:
        """What the row's policy says, or nothing."""
        return self.text("policy")

    @cached_property
    def strategy(self) -> str:
        """The strategy that made the row, for negatives and controls alike."""
        return str(self.mutation.get("strategy") or "")

    def text(self, key: str) -> str:
        """A text of the metadata, or nothing."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def read_rows(path: Path, seen: Callable[[bytes], None] = lambda line: None) -> Iterator[Row]:
    """The rows of a file in order; every byte goes to `seen`. A line that is no object reads as an empty row."""
    try:
        with path.open("rb") as data:
            for line in data:
                seen(line)
                yield Row(line.removesuffix(b"\n"), _parsed(line))
    except OSError as error:
        raise PolecatsError(f"{path}: cannot be read: {error.strerror}.") from None


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        return _object(orjson.loads(line))
    except ValueError:
        return {}


def key64(text: str) -> int:
    """A 64-bit key of a text, the same on every machine and in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class GroupSample(Generic[Kept]):
    """A bounded sample of whole groups, chosen by the hash of a group's name: the same for every order of rows.

    Once more than `most` rows are kept, the share of groups that stay is halved; so between half of `most` and
    `most` rows stand at the end of a long file.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._below = 1 << 64
        self.rows: list[tuple[int, Kept]] = []

    def wants(self, group: int) -> bool:
        """Whether rows of this group (its `key64`) are kept for now."""
        return group < self._below

    def add(self, group: int, row: Kept) -> None:
        """Keep a row of a wanted group."""
        self.rows.append((group, row))
        while len(self.rows) > self._most:
            self._below >>= 1
            self.rows = [kept for kept in self.rows if kept[0] < self._below]
