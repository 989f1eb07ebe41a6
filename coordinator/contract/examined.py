"""What is found of a plan's calls, and the nodes that it makes: in C where that could be compiled, else in Python.

A line is put together from these texts; the calls are never copied into dictionaries of nodes. Both ways give the
same bytes (property tests), so it is nobody's business which one it was: only `doctor` tells.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import rules, scope, walk
from .canonical import MAX_INTEGER
from .compiled import MODULE
from .plans import MAX_STRING
from .walk import Examined, Planned

if TYPE_CHECKING:
    from ._native import Plans

_NODE = (
    b'{"tool_name":%b,"arguments":%b,"provenance_tier":%d,"provenance_hash":"%b",'
    b'"scope_volume":%d,"scope_sensitivity":%d,"node_id":"%b_tool_%d"}'
)


def _plans() -> Plans | None:
    if MODULE is None:
        return None
    made: Plans = MODULE.Plans(
        tools=walk.TOOLS,
        arguments=walk.ARGUMENTS,
        stated=walk.stated,
        by_rules=walk.by_rules,
        node=_around(_NODE),
        provenance=_around(rules.PROVENANCE),
        sha256=hashlib.sha256,
        max_bytes=MAX_STRING,
        max_depth=rules.MAX_DEPTH,
        max_integer=MAX_INTEGER,
        max_volume=scope.MAX_VOLUME,
        default_level=scope.DEFAULT_SENSITIVITY,
    )
    return made


def _around(template: bytes) -> tuple[bytes, ...]:
    """What stands around the values of a template."""
    return tuple(re.split(rb"%[bd]", template))


NATIVE = _plans()
"""The way in C, or None."""


def examine(calls: Sequence[Planned]) -> list[Examined]:
    """What rules and scope say of each call of a plan.

    Raises `Reject` E11 for a call that is not legal, with its place in the plan.
    """
    return walk.examine(calls) if NATIVE is None else NATIVE.examine(calls)


def are_plain(calls: Sequence[Any], kind: type) -> bool:
    """Whether each is a `kind` of an ASCII name, a dictionary and a tier from 1 to 3."""
    if NATIVE is not None:
        return NATIVE.are_plain(calls, kind)
    for call in calls:
        if not isinstance(call, tuple) or type(call) is not kind:
            return False
        if type(call[0]) is not str or not call[0].isascii() or type(call[1]) is not dict:
            return False
        if type(call[2]) is not int or not 1 <= call[2] <= 3:
            return False
    return True


def intent_hash(folded: str, told: list[Examined], edges: Sequence[tuple[int, int]]) -> str:
    """See `rules.intent_hash`; of what `rules.folded` gives of a query."""
    found = NotImplemented if NATIVE is None else NATIVE.intent_hash(folded, told, edges)
    return rules.intent_of(" ".join(folded.split()), told, edges) if found is NotImplemented else found


def nodes_json(told: list[Examined], tiers: list[int], original_id: str, origins: list[bytes]) -> bytes:
    """The nodes as JSON: of each call what `examine` said, its tier (1 to 3), the canonical JSON of its origin.

    `original_id` is a legal one.
    """
    make = nodes_in_python if NATIVE is None else NATIVE.nodes
    return make(told, tiers, original_id, origins)


def nodes_in_python(told: list[Examined], tiers: list[int], original_id: str, origins: list[bytes]) -> bytes:
    """See `nodes_json`."""
    row = original_id.encode()
    nodes = [
        _NODE
        % (
            name,
            written,
            tier,
            rules.provenance_hash(name, canonical, tier, origin).encode(),
            volume,
            sensitivity,
            row,
            index,
        )
        for index, ((name, canonical, volume, sensitivity, written), tier, origin) in enumerate(
            zip(told, tiers, origins, strict=True)
        )
    ]
    return b"[%b]" % b",".join(nodes)


def node_ids(original_id: str, count: int) -> list[str]:
    """The nodes' ids."""
    return [f"{original_id}_tool_{index}" for index in range(count)]


def plan_json(nodes: bytes, edges: Sequence[Sequence[int]], original_id: str) -> bytes:
    """The plan as JSON, of its nodes' JSON and its edges as index pairs."""
    pairs = [f'["{original_id}_tool_{start}","{original_id}_tool_{end}"]' for start, end in edges]
    return b'{"nodes":%b,"edges":[%b]}' % (nodes, ",".join(pairs).encode())
