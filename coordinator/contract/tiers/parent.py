"""A Tier I row as operators look at it: its calls with what follows from them, read once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import orjson

from ..examined import examine
from ..patch import escape
from ..sample import RESPOND
from ..walk import Examined
from . import lexicon

_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


class Step(NamedTuple):
    """One call of the parent's plan."""

    number: int
    tool: str
    arguments: Mapping[str, Any]
    tier: int
    volume: int
    sensitivity: int
    privilege: int
    sink_risk: int
    node_id: str

    @property
    def path(self) -> str:
        """The JSON pointer to the node."""
        return f"/execution_plan/nodes/{self.number}"

    def at(self, key: str) -> str:
        """The JSON pointer to an argument."""
        return f"{self.path}/arguments/{escape(key)}"


class Parent:
    """A parsed Tier I row. Nothing here changes it."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.record = record
        self.metadata: Mapping[str, Any] = record["metadata"]
        self.original_id: str = record["original_id"]
        self.source: str = self.metadata["source"]
        self.name = f"{self.source}#{self.original_id}"
        """`<source>#<original_id>`, as `metadata.parent` of its children says."""
        self.query: str = self.metadata["query"]
        self.nodes: list[dict[str, Any]] = record["execution_plan"]["nodes"]
        self.steps = [_step(index, node) for index, node in enumerate(self.nodes)]

    @classmethod
    def parse(cls, line: bytes) -> Parent:
        """The row on a line that is known to be valid."""
        return cls(orjson.loads(line))

    @property
    def is_dataflow(self) -> bool:
        """Whether the plan's edges say which result is used where."""
        return bool(self.metadata["edge_kind"] == "dataflow")

    @cached_property
    def has_tools(self) -> bool:
        """Whether the plan does anything but answer in prose."""
        return bool(self.metadata["has_tool_calls"])

    @property
    def origins(self) -> dict[str, Any]:
        """Who decided which call, where the row says so itself."""
        return dict(self.metadata.get("provenance") or {})

    @cached_property
    def privileged(self) -> list[Step]:
        """The calls that lower-trust content may not decide."""
        return [step for step in self.steps if step.privilege >= lexicon.PRIVILEGED]

    @cached_property
    def plain(self) -> list[Step]:
        """Tool calls of small privilege that carry nothing out."""
        return [s for s in self.steps if s.tool != RESPOND and s.privilege < lexicon.GUARDED and not s.sink_risk]

    @cached_property
    def sinks(self) -> list[tuple[Step, str]]:
        """The calls that carry data out, with the argument that says where to (`to` where none does yet)."""
        found = []
        for step in self.steps:
            if step.sink_risk:
                keys = [k for k, v in step.arguments.items() if lexicon.is_destination(k) and _is_address(v)]
                found.append((step, keys[0] if keys else "to"))
        return found

    @cached_property
    def destinations(self) -> list[tuple[Step, str]]:
        """Every argument of a sink that says where to."""
        return [
            (step, key)
            for step, _ in self.sinks
            for key, value in step.arguments.items()
            if lexicon.is_destination(key) and _is_address(value)
        ]

    def integers(self) -> Iterator[tuple[Step, str, int]]:
        """Every integer argument of the plan's calls."""
        for step in self.steps:
            for key, value in step.arguments.items():
                if type(value) is int:
                    yield step, key, value

    @cached_property
    def examined(self) -> dict[int, tuple[str, Examined]]:
        """Each call's tool and what rules and scope say of it, by the `id` of its arguments."""
        told = examine([(step.tool, step.arguments, step.tier) for step in self.steps])
        return {id(step.arguments): (step.tool, one) for step, one in zip(self.steps, told, strict=True)}

    def asked(self, value: int | str) -> re.Match[str] | None:
        """Where the query names a value as a whole word: once, in digits or, up to twelve, in letters."""
        words = [str(value)]
        if type(value) is int and 0 <= value < len(_WORDS):
            words.append(_WORDS[value])
        pattern = rf"(?<![\w.,-])(?:{'|'.join(map(re.escape, words))})(?![\w-]|[.,]\d)"
        found = list(re.finditer(pattern, self.query, re.IGNORECASE))
        return found[0] if len(found) == 1 else None

    def query_with(self, match: re.Match[str], value: int | str) -> str:
        """The query with what `asked` found replaced."""
        return f"{self.query[: match.start()]}{value}{self.query[match.end() :]}"


def _step(index: int, node: Mapping[str, Any]) -> Step:
    tool = node["tool_name"]
    return Step(
        index,
        tool,
        node["arguments"],
        node["provenance_tier"],
        node["scope_volume"],
        node["scope_sensitivity"],
        lexicon.privilege(tool),
        lexicon.sink_risk(tool),
        node["node_id"],
    )


def _is_address(value: Any) -> bool:
    return (type(value) is str and bool(value.strip())) or (
        type(value) is list and bool(value) and all(type(item) is str for item in value)
    )
