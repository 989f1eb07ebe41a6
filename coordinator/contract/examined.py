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
        of_text=scope.of_text,
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


def plan_json(
    told: Sequence[Examined],
    calls: Sequence[Planned],
    original_id: str,
    origins: Sequence[bytes],
    edges: Sequence[Sequence[int]],
) -> bytes:
    """The plan as JSON: of what `examine` said of each call, the canonical JSON of its origin, edges as index pairs.

    The calls' tiers are 1 to 3, `original_id` is a legal one, the edges are within the plan.
    """
    found = NotImplemented if NATIVE is None else NATIVE.plan(told, calls, original_id, origins, edges)
    return plan_in_python(told, calls, original_id, origins, edges) if found is NotImplemented else found


def plan_in_python(
    told: Sequence[Examined],
    calls: Sequence[Planned],
    original_id: str,
    origins: Sequence[bytes],
    edges: Sequence[Sequence[int]],
) -> bytes:
    """See `plan_json`."""
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
        for index, ((name, canonical, volume, sensitivity, written), (_, _, tier), origin) in enumerate(
            zip(told, calls, origins, strict=True)
        )
    ]
    pairs = [b'["%b_tool_%d","%b_tool_%d"]' % (row, start, row, end) for start, end in edges]
    return b'{"nodes":[%b],"edges":[%b]}' % (b",".join(nodes), b",".join(pairs))


def node_id(original_id: str, index: int) -> str:
    """The id of the node at a place."""
    return f"{original_id}_tool_{index}"
