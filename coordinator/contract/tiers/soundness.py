"""Whether a row just made surely keeps schema and tier rules, seen from what its operator may set freely.

All else of a row follows from its parent, which is valid, within the schema's bounds. A property test holds rows
that were not shown to the schema to those that it takes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, get_args

from ..compiled import MODULE
from ..mutation import MAX_BOUNDARY_SEVERITY, MAX_EDITS, Difficulty
from ..patch import NAMES
from ..plans import MAX_NODES
from ..sample import EdgeKind
from ..scope import Vocabulary
from ..tier_rules import may_edit
from .corrupter import Corrupter, Variant

_DIFFICULTIES, _EDGE_KINDS = frozenset(get_args(Difficulty)), frozenset(get_args(EdgeKind))
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_POINTER = re.compile(r"(/([^~/\n]|~[01])*)+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_SEVERE = {"II": 1.0, "III": MAX_BOUNDARY_SEVERITY}
_ORIGIN = {"source_type", "source_id", "content_sha256"}


def is_sound(variant: Variant, corrupter: Corrupter, nodes: int, metadata: Mapping[str, Any]) -> bool:
    """Whether schema and tier rules surely take the row of so many nodes that was made of a variant."""
    return (
        _is_named(corrupter.strategy, variant.operator)
        and _is_labelled(variant, corrupter.tier)
        and 1 <= nodes <= MAX_NODES
        and len(variant.targets) <= MAX_NODES
        and _are_within(variant.targets, 0, nodes - 1)
        and len(variant.edits) <= MAX_EDITS
        and _are_edits(variant.edits)
        and _are_texts(metadata)
        and all(map(_is_origin, metadata.get("provenance", {}).values()))
    )


def _are_within(numbers: Sequence[Any], least: int, most: int) -> bool:
    """Whether all are integers from `least` to `most`: a loop, as it is asked of each row."""
    for number in numbers:  # noqa: SIM110
        if type(number) is not int or not least <= number <= most:
            return False
    return True


def _is_labelled(variant: Variant, tier: str) -> bool:
    severity, factor, limit = variant.severity, variant.factor, variant.limit
    return (
        type(severity) is float
        and (severity == 0 if variant.positive is None else 0 < severity <= _MOST_SEVERE[tier])
        and variant.difficulty in _DIFFICULTIES
        and (factor is None or (type(factor) is float and 1 <= factor < float("inf")))
        and (type(limit) in (int, str) if tier == "III" else limit is None)
        and type(variant.explanation) is str
        and len(variant.explanation) <= 512
    )


def _are_edits(edits: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all put a value at a legal place, as `patch` makes them."""
    if MODULE is not None and MODULE.are_puts(edits, NAMES, _PLACES):
        return True
    return all(
        tuple(edit) == NAMES[:3] and edit["op"] in NAMES[3:] and type(edit["path"]) is str and _PLACES[edit["path"]]
        for edit in edits
    )


def _are_texts(metadata: Mapping[str, Any]) -> bool:
    """Whether what edits may put into the metadata is of the declared types; the rest is the parent's."""
    budget = metadata.get("scope_budget", 1)
    return (
        type(metadata["query"]) is str
        and bool(metadata["query"])
        and type(metadata.get("policy", "")) is str
        and type(budget) is int
        and budget >= 1
        and metadata["edge_kind"] in _EDGE_KINDS
    )


def _is_origin(origin: Any) -> bool:
    if type(origin) is not dict or origin.keys() != _ORIGIN:
        return False
    kind, source, digest = origin["source_type"], origin["source_id"], origin["content_sha256"]
    return (
        type(kind) is type(source) is type(digest) is str
        and 1 <= len(kind) <= 64
        and 1 <= len(source) <= 512
        and _SHA256.fullmatch(digest) is not None
    )


@lru_cache(4_096)
def _is_named(strategy: str, operator: str) -> bool:
    return all(_NAME.fullmatch(name) is not None for name in (strategy, operator))


def _is_place(pointer: str) -> bool:
    return len(pointer) <= 512 and _POINTER.fullmatch(pointer) is not None and may_edit(pointer)


_PLACES: dict[str, bool] = Vocabulary(_is_place)
"""Of pointers, whether an edit may go there."""
