"""Calls, edges and origins that operators put into both rows of a pair, so that only a relation tells them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from ..canonical import sha256_hex
from ..patch import add, replace
from ..scope import derive
from . import lexicon
from .parent import Parent, Step

Edits = list[dict[str, Any]]


@dataclass(slots=True)
class Plan:
    """A parent's plan under construction: calls put before and after its own, and the edges that are wanted.

    Nodes are named by their `node_id` until the row is written: a parent's node keeps its own.
    """

    parent: Parent
    before: Edits = field(default_factory=list)
    after: Edits = field(default_factory=list)

    def put_first(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """A call in front of all others; its node id."""
        return self._put(self.before, tool, arguments)

    def put_last(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """A call behind all others; its node id."""
        return self._put(self.after, tool, arguments)

    def _put(self, where: Edits, tool: str, arguments: Mapping[str, Any]) -> str:
        node_id = f"{self.parent.original_id}_new_{len(self.before) + len(self.after)}"
        where.append({"tool_name": tool, "arguments": dict(arguments), "provenance_tier": 1, "node_id": node_id})
        return node_id

    def index(self, node_id: str) -> int:
        """Where a node stands in the row to be written."""
        return self.ids().index(node_id)

    def ids(self) -> list[str]:
        """All node ids in order."""
        return [node["node_id"] for node in (*self.before, *self.parent.nodes, *self.after)]

    def tool(self, node_id: str) -> str:
        """The tool of a node."""
        return str(self._node(node_id)["tool_name"])

    def sensitivity(self, node_id: str) -> int:
        """How sensitive what a node touches is."""
        node = self._node(node_id)
        return derive(node["tool_name"], node["arguments"])[1]

    def _node(self, node_id: str) -> dict[str, Any]:
        return next(n for n in (*self.before, *self.parent.nodes, *self.after) if n["node_id"] == node_id)

    def edits(self, tiers: Mapping[str, int], edges: Sequence[tuple[str, str]] = ()) -> Edits:
        """The edits that put the calls in, set the tiers and make `edges`, where there are any, the plan's dataflow."""
        edits = [add(f"/execution_plan/nodes/{at}", _tiered(node, tiers)) for at, node in enumerate(self.before)]
        edits += [add("/execution_plan/nodes/-", _tiered(node, tiers)) for node in self.after]
        shift = len(self.before)
        for at, node in enumerate(self.parent.nodes if tiers else ()):
            tier = tiers.get(node["node_id"], node["provenance_tier"])
            if tier != node["provenance_tier"]:
                edits.append(replace(f"/execution_plan/nodes/{at + shift}/provenance_tier", tier))
        if edges:
            edits.append(replace("/execution_plan/edges", [list(edge) for edge in edges]))
        if edges and self.parent.metadata["edge_kind"] != "dataflow":
            edits.append(replace("/metadata/edge_kind", "dataflow"))
        return edits


def _tiered(node: Mapping[str, Any], tiers: Mapping[str, int]) -> dict[str, Any]:
    return {**node, "provenance_tier": tiers.get(node["node_id"], node["provenance_tier"])}


def _page(random: Random) -> str:
    return f"https://{lexicon.host(random)}/{lexicon.pick(random, lexicon.SCAFFOLD['topics'])}"


def web_origin(random: Random) -> dict[str, str]:
    """The origin of what a public web page decided."""
    return _origin("web_page", _page(random))


def record_origin(random: Random) -> dict[str, str]:
    """The origin of what a first-party record decided."""
    return _origin(
        "internal_record", f"https://{lexicon.host(random)}/{lexicon.pick(random, lexicon.SCAFFOLD['topics'])}"
    )


def user_origin(parent: Parent) -> dict[str, str]:
    """The origin of what the user's request itself decided, stated where a pair needs it stated."""
    return {
        "source_type": "user_request",
        "source_id": parent.name,
        "content_sha256": sha256_hex(parent.query.encode()),
    }


def _origin(kind: str, source_id: str) -> dict[str, str]:
    return {"source_type": kind, "source_id": source_id, "content_sha256": sha256_hex(source_id.encode())}


def originate(parent: Parent, origins: Mapping[str, Mapping[str, str]]) -> Edits:
    """The edit that states who decided some calls, by node id, beside what the row says already."""
    return [add("/metadata/provenance", {**parent.origins, **origins})]


def state_policy(policy: str, budget: int | None = None) -> Edits:
    """The edits that state a policy and, with it, the scope budget."""
    return [add("/metadata/policy", policy), *([] if budget is None else [add("/metadata/scope_budget", budget)])]


def small_order(random: Random) -> dict[str, Any]:
    """The arguments of a call that is put in because a plan changes nothing by itself."""
    return {"reference": f"{lexicon.pick(random, lexicon.SCAFFOLD['topics'])}-{int(random.random() * 900) + 100}"}


def web_read(random: Random) -> tuple[str, dict[str, Any]]:
    """A call that reads a page."""
    return lexicon.pick(random, lexicon.SCAFFOLD["reads"]), {"url": _page(random)}


def two_readers(plan: Plan, random: Random, before: Step | None, own: bool = True) -> tuple[str, str]:
    """Ids of two harmless calls in random order: the parent's that stand before a call (or anywhere), else put in.

    Without `own` both are put in.
    """
    steps = plan.parent.plain if own else []
    limit = len(plan.parent.steps) if before is None else before.number
    found = [step.node_id for step in steps if step.number < limit]
    random.shuffle(found)
    while len(found) < 2:
        found.append(plan.put_first(*web_read(random)))
    if random.random() < 0.5:
        found[:2] = found[1], found[0]
    return found[0], found[1]
