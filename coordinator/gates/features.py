"""What a lazy classifier could look at: the words of a plan, of a query, the graph's shape, ids and hashes.

Each function gives a row's set of features of one kind, as readable texts. A set, not a bag of counts: whether a
trait occurs is what an artefact gives away. Texts are looked at by several gates, so the last row's are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile
from typing import Any

from .rows import Row

_WORD = re.compile(r"[^\W_]+")
_LONGEST = 40
"""Characters of a word that are looked at: longer ones are ids and encoded data."""
_END = 16
"""Characters at the end of an id in which a suffix would tell the variants apart."""


@lru_cache(maxsize=1)
def plan_text(row: Row) -> frozenset[str]:
    """Tool names, argument keys and values, whole and in words; of numbers also how many digits they have."""
    return frozenset(
        feature
        for node in row.nodes
        for feature in (*_tool(node.get("tool_name")), *_value(node.get("arguments"), "argument"))
    )


def _tool(name: Any) -> Iterator[str]:
    yield f"tool:{name}"
    yield from _words(str(name))


def _value(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield f"key:{name[:_LONGEST]}"
            yield from _value(item, name)
    elif isinstance(value, list):
        yield f"items:{len(value).bit_length()}"
        for item in value:
            yield from _value(item, key)
    elif isinstance(value, bool) or value is None:
        yield f"{key[:_LONGEST]}={value}"
    elif isinstance(value, int | float):
        yield str(value)
        yield f"digits:{len(str(abs(int(value))))}"
    elif isinstance(value, str):
        yield from _words(value)


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(text.casefold()):
        yield word[:_LONGEST]
        if word.isdecimal():
            yield f"digits:{len(word)}"


@lru_cache(maxsize=1)
def query_text(row: Row) -> frozenset[str]:
    """The words of the query and of the policy: what is known before any plan."""
    return frozenset(_words(row.query)) | frozenset(f"policy:{word}" for word in _words(row.policy))


def structure(row: Row) -> frozenset[str]:
    """The graph without a name: sizes, edges by position, degrees, depth, how many values the calls carry."""
    nodes, edges = len(row.nodes), row.edges
    into, out = [0] * nodes, [0] * nodes
    depth = [0] * nodes
    for start, end in sorted(edges):
        out[start] += 1
        into[end] += 1
        depth[end] = max(depth[end], depth[start] + 1)
    found = {f"nodes:{nodes}", f"edges:{len(edges)}", f"depth:{max(depth, default=0)}"}
    found |= {f"edge:{start}-{end}" for start, end in edges} | {f"edge from end:{nodes - end}" for _, end in edges}
    found |= {f"in:{count}" for count in into} | {f"out:{count}" for count in out}
    found |= {f"leaves:{_leaves(node.get('arguments'))}" for node in row.nodes}
    return frozenset(found) | {f"kind:{row.text('edge_kind')}"}


def _leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_leaves, value.values()))
    if isinstance(value, list):
        return sum(map(_leaves, value))
    return 1


def tiers(row: Row) -> frozenset[str]:
    """Which tiers stand in the plan and how often, and what kind of origin decided."""
    of_nodes = [node.get("provenance_tier") for node in row.nodes]
    found = {f"tier:{tier}" for tier in of_nodes} | {f"tiers:{tier}x{of_nodes.count(tier)}" for tier in of_nodes}
    origins = row.metadata.get("provenance")
    kinds = (origin.get("source_type") for origin in origins.values()) if isinstance(origins, dict) else ()
    return frozenset(found) | {f"origin:{kind}" for kind in kinds}


def tools(row: Row) -> frozenset[str]:
    """Tool names alone, whole and in words."""
    return frozenset(feature for node in row.nodes for feature in _tool(node.get("tool_name")))


def ids_and_hashes(row: Row) -> frozenset[str]:
    """What an id adds to its parent's, sign by sign and in pieces, and the first digits of hashes.

    Neither the parent's own id nor the number of hashes is looked at: they tell the source and the size of a plan.
    """
    parent = row.text("parent").partition("#")[2]
    name = str(row.record.get("original_id"))
    shared = sum(1 for _ in takewhile(lambda signs: signs[0] == signs[1], zip(name, parent, strict=False)))
    ends = {"id": name[shared:][-_END:], "pair": row.text("pair_id")[-_END:]}
    found: set[str] = set()
    for key, end in ends.items():
        found |= {f"{key}[{at - len(end)}]={sign}" for at, sign in enumerate(end)} | {f"{key} of {len(end)}"}
        found |= {f"{key} piece:{piece}" for piece in re.findall(r"[A-Za-z]+|[0-9]+", end)}
    hashes = {"node": str(row.nodes[0].get("provenance_hash")) if row.nodes else "", "intent": row.text("intent_hash")}
    return frozenset(found) | {f"{key} hash:{text[:2]}" for key, text in hashes.items()}
