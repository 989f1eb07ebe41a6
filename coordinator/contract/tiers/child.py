"""From a parent and a variant to one line: edits applied, then everything that is derived made anew.

After any edit node ids, edges, scope, hashes and counts follow from the plan again: a stale hash would be a label.
`replay` does the same from a published row's own `edits` and compares.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from .. import patch, rules
from ..canonical import canonical
from ..compiled import MODULE
from ..examined import examine, intent_hash, node_id, plan_json
from ..mutation import DELTA_PER_SEVERITY, TERMS, Split
from ..sample import SCHEMA_VERSION, Reject
from ..violations import check_schema
from ..walk import Examined, Planned
from .corrupter import Corrupter, Variant
from .draw import Draw
from .parent import Parent
from .soundness import is_sound

Known = dict[int, tuple[Any, str, Examined]]
"""Arguments, tool and what rules and scope say of the two, by the `id` of the arguments, which it keeps alive."""
_content_hash = lru_cache(64)(rules.content_hash)  # rows of a parent share queries
_folded = lru_cache(64)(rules.folded)
_ID_ROOM = 110
_NO_ORIGINS: Mapping[str, Any] = {}
_LABELS = {"II": "adversarial", "III": "boundary"}
_STAMPED = ("parent", "pair_id", "group_id", "variant", "split", "mutation", "violation_labels")
_NODE = ("node_id", "tool_name", "arguments", "provenance_tier")
_CARRIED = ("language", "source_label", "policy", "scope_budget")


@dataclass(frozen=True, slots=True)
class Family:
    """What the rows of one parent share."""

    parent: Parent
    group_id: str
    split: Split


def child_id(original_id: str, seed: int, number: int) -> str:
    """The `original_id` of a draw's n-th variant: the parent's and a suffix that says nothing of the label."""
    text = f"{original_id}|{seed}|{number}".encode()
    return f"{original_id[:_ID_ROOM]}.{hashlib.sha256(text).hexdigest()[:12]}"


class Made(NamedTuple):
    """One line without its newline, and the tool of the first node that its edits are about."""

    line: bytes
    tool: str


def write(family: Family, corrupter: Corrupter, draw: Draw, block: Sequence[Variant]) -> list[Made]:
    """The rows of a block, in its order. Raises `Reject` for a row that breaks the contract."""
    parent, seed = family.parent, f"{draw.seed:016x}"
    known: Known = {}
    names = [child_id(parent.original_id, draw.seed, number) for number in range(len(block))]
    made = []
    for number, (variant, pair) in enumerate(zip(block, _pairs(block), strict=True)):
        stamp = {
            "parent": parent.name,
            "pair_id": f"{seed}-{pair}",
            "group_id": family.group_id,
            "variant": "control" if variant.positive is None else "mutant",
            "split": family.split,
            "mutation": _mutation(corrupter, variant, seed, names, number, pair),
            "violation_labels": labels(corrupter.term, variant.severity, variant.explanation),
        }
        line, calls, metadata = derive(
            parent, variant.edits, names[number], corrupter.tier, corrupter.strategy, stamp, known
        )
        if not is_sound(variant, corrupter, len(calls), metadata):
            check_schema(line)
        rules.check_sizes(line)
        made.append(Made(line, calls[variant.targets[0]][0] if variant.targets else ""))
    return made


def _pairs(block: Sequence[Variant]) -> list[int]:
    """Of each variant the negative whose pair it belongs to: itself, the first that names it, else the first of all."""
    pairs = [-1] * len(block)
    first = 0
    for number in range(len(block) - 1, -1, -1):
        positive = block[number].positive
        if positive is not None:
            pairs[positive] = first = number
    for number, variant in enumerate(block):
        if variant.positive is not None:
            pairs[number] = number
        elif pairs[number] < 0:
            pairs[number] = first
    return pairs


def _mutation(
    corrupter: Corrupter, variant: Variant, seed: str, names: list[str], number: int, pair: int
) -> dict[str, Any]:
    mutation = {
        "strategy": corrupter.strategy,
        "operator": variant.operator,
        "difficulty": variant.difficulty,
        "factor": variant.factor,
        "target_node_ids": [node_id(names[number], index) for index in variant.targets],
        "seed": seed,
        "edits": list(variant.edits),
    }
    if corrupter.tier == "III":
        twin = pair if variant.positive is None else variant.positive
        mutation |= {"limit": variant.limit, "twin": names[twin]}
    return mutation


@lru_cache(256, typed=True)
def labels(term: str, severity: float, explanation: str) -> orjson.Fragment:
    """The four labels in fixed order, `term` violated where there is a severity, as JSON.

    All benign rows of a term have the same.
    """
    said = [_label(name, severity, explanation) if name == term else _NOT_VIOLATED[name] for name in TERMS]
    return orjson.Fragment(orjson.dumps(said))


def _label(name: str, severity: float = 0.0, explanation: str = "") -> dict[str, Any]:
    return {
        "energy_term": name,
        "violated": severity > 0,
        "severity": severity,
        "delta_estimate": severity * DELTA_PER_SEVERITY,
        "explanation": explanation,
    }


_NOT_VIOLATED = {name: orjson.Fragment(orjson.dumps(_label(name))) for name in TERMS}


def derive(
    parent: Parent,
    edits: Sequence[Mapping[str, Any]],
    original_id: str,
    tier: str,
    loader: str,
    stamp: Mapping[str, Any],
    known: Known | None = None,
) -> tuple[bytes, list[Planned], dict[str, Any]]:
    """The parent's row after `edits`, all that follows from it made anew, stamped; not shown to the schema.

    Returned are its line, and the calls and the metadata that went into that.

    `known` remembers what was found of the calls that are put in, for the other rows of a block.
    Raises `Reject` E16 for edits that do not fit the parent, and the plan's own codes for what they make of it.
    """
    try:
        edited = patch.apply(parent.record, edits)
    except ValueError as error:
        raise Reject("E16", str(error), "metadata.mutation.edits") from None
    metadata, plan = edited["metadata"], edited["execution_plan"]
    index, calls, told, edges = _looked_at(parent, plan, {} if known is None else known)
    query, source = metadata["query"], metadata["source"]
    origins = [rules.origin_json(source, original_id, _content_hash(query))] * len(calls)
    stated: dict[int, Any] = {}
    for name, origin in (metadata.get("provenance") or _NO_ORIGINS).items():
        at = _place(index, name)
        stated[at], origins[at] = origin, canonical(origin)
    rules.check_edge_kind(metadata["edge_kind"], len(edges))
    out = {
        "schema_version": SCHEMA_VERSION,
        "tier": tier,
        "source": source,
        "loader": loader,
        "query": query,
        "num_tools": len(calls),
        "has_tool_calls": rules.has_tool_calls([name for name, _, _ in calls]),
        "edge_kind": metadata["edge_kind"],
        "intent_hash": intent_hash(_folded(query), told, edges),
    }
    for key in _CARRIED:
        if (value := metadata.get(key)) is not None:
            out[key] = value
    if stated:
        out["provenance"] = {node_id(original_id, at): origin for at, origin in stated.items()}
    out |= stamp
    record = {
        "execution_plan": orjson.Fragment(plan_json(told, calls, original_id, origins, edges)),
        "label": _LABELS[tier] if stamp["variant"] == "mutant" else "benign",
        "original_id": original_id,
        "category": edited["category"],
        "metadata": out,
    }
    try:
        return orjson.dumps(record), calls, out
    except TypeError as error:  # an integer over 64 bits, or a lone surrogate
        raise Reject("E11", f"cannot be written as JSON: {error}") from None


Looked = tuple[dict[str, int], list[Planned], list[Examined], list[tuple[int, int]]]
"""Of an edited plan: where each node stands, their calls, what rules and scope say of these, the edges in order."""


def _looked_at(parent: Parent, plan: Mapping[str, Any], known: Known) -> Looked:
    """Most calls are the parent's, which was looked at already. Raises `Reject`."""
    nodes, edges = plan["nodes"], plan["edges"]
    found = NotImplemented if MODULE is None else MODULE.look_at_plan(nodes, edges, parent.examined, _NODE)
    index, calls, told, pairs = _looked_at_in_python(parent, nodes, edges) if found is NotImplemented else found
    return index, calls, [_examined(calls[at], known) if said is None else said for at, said in enumerate(told)], pairs


def _looked_at_in_python(
    parent: Parent, nodes: Sequence[Mapping[str, Any]], edges: Sequence[Sequence[str]]
) -> tuple[dict[str, int], list[Planned], list[Examined | None], list[tuple[int, int]]]:
    """As `_looked_at`, but that a call may be one of which nothing is known."""
    index: dict[str, int] = {}
    calls: list[Planned] = []
    told: list[Examined | None] = []
    parents = parent.examined
    for at, node in enumerate(nodes):
        index[node["node_id"]] = at
        name, arguments, tier = node["tool_name"], node["arguments"], node["provenance_tier"]
        if type(tier) is not int or not 1 <= tier <= 3:
            field = f"execution_plan.nodes[{at}].provenance_tier"
            raise Reject("E05", "a provenance tier other than 1, 2 and 3", field)
        found = parents.get(id(arguments))
        calls.append((name, arguments, tier))
        told.append(found[1] if found is not None and found[0] == name else None)
    pairs = sorted((_place(index, start), _place(index, end)) for start, end in edges)
    rules.check_edges(pairs, len(calls))
    return index, calls, told, pairs


def _place(index: Mapping[str, int], name: str) -> int:
    try:
        return index[name]
    except KeyError:
        raise Reject("E16", f"{name[:80]!r} is no node of the edited plan", "metadata.mutation.edits") from None


def _examined(call: Planned, known: Known) -> Examined:
    """What rules and scope say of a call that is not the parent's: another row's of the block, or found now."""
    name, arguments, _ = call
    found = known.get(id(arguments))
    if found is None or found[1] != name:
        found = known[id(arguments)] = arguments, name, examine([call])[0]
    return found[2]


def replay(parent_record: Mapping[str, Any], child_record: Mapping[str, Any]) -> None:
    """Raises `Reject` E16 unless the child is exactly what its own `edits` make of the parent."""
    metadata = child_record["metadata"]
    parent = Parent(parent_record)
    if metadata["parent"] != parent.name:
        raise Reject("E16", f"is a child of {metadata['parent'][:120]}, not of {parent.name}", "metadata.parent")
    stamp = {key: metadata[key] for key in _STAMPED}
    edits = metadata["mutation"]["edits"]
    line, _, _ = derive(parent, edits, child_record["original_id"], metadata["tier"], metadata["loader"], stamp)
    again = orjson.loads(line)
    if again != child_record:
        where = next((key for key in again["metadata"] if again["metadata"][key] != metadata.get(key)), "plan")
        raise Reject("E16", f"the edits do not make this row of its parent ({where})", "metadata.mutation.edits")
