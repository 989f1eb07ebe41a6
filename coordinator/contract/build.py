"""From a loader's `Sample` to one line: ids, scope, hashes and counts derived, every rule checked once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from . import rules
from .canonical import canonical
from .plans import MAX_NODES, MAX_STRING
from .sample import Call, Category, Label, Reject, Sample, Skip
from .schema import ORIGINAL_ID, SCHEMA_VERSION, Record
from .scope import derive as derive_scope
from .tier_rules import check_tier
from .violations import first_violation, shown_key

_ORIGINAL_ID = re.compile(ORIGINAL_ID)
_VALIDATE = Record.__pydantic_validator__.validate_python
_TIERS = {"benign": "I", "adversarial": "II", "boundary": "III"}


@dataclass(frozen=True, slots=True)
class Identity:
    """What all samples of a loader have in common."""

    source: str
    loader: str
    category: Category
    label: Label = "benign"
    unique_ids: bool = False


class Line(NamedTuple):
    """One line without its newline, and the 16-byte key by which exact duplicates are found."""

    data: bytes
    key: bytes


def build(sample: Sample, identity: Identity, position: str) -> Line | Skip:
    """The line of `sample`; `position` (`<split>-<row>`) names it where upstream has no legal unique id.

    Raises `Reject` for a sample that breaks the contract. An answer in prose that is too big for a line is
    not a broken row: it is skipped `too_long`, as a long turn is.
    """
    _check_types(sample)
    if _is_long_prose(sample.calls):
        return Skip("too_long")
    record = _derive(sample, identity, position)
    try:
        _VALIDATE(record)
        check_tier(record)
        line = _dump(record)
        rules.check_sizes(line, record["execution_plan"]["nodes"])
    except ValidationError as error:
        raise first_violation(error) from None
    except Reject as problem:
        if not record["metadata"]["has_tool_calls"] and problem.code in ("E01", "E11"):
            return Skip("too_long")
        raise
    return Line(line, bytes.fromhex(record["metadata"]["intent_hash"])[:16])


def derive(sample: Sample, identity: Identity, position: str) -> dict[str, Any]:
    """The record of `sample` as plain JSON values, not yet checked against the schema."""
    _check_types(sample)
    return _derive(sample, identity, position)


def _derive(sample: Sample, identity: Identity, position: str) -> dict[str, Any]:
    calls, edges = sample.calls, sample.edges
    if not 1 <= len(calls) <= MAX_NODES:
        raise Reject("E06", f"{len(calls)} calls (1 to {MAX_NODES})", "execution_plan.nodes")
    rules.check_edges(edges, len(calls))
    rules.check_edge_kind(sample.edge_kind, len(edges))
    label = _own(sample.label, identity.label)
    if label not in _TIERS:
        raise Reject("E05", f"label {label[:80]!r} is not one of the contract's", "label")
    original_id, upstream_id = _ids(sample.upstream_id, identity.unique_ids, position)
    nodes, parts = _nodes(sample, identity.source, original_id)
    metadata = {
        "schema_version": SCHEMA_VERSION,
        "tier": _TIERS[label],
        "source": identity.source,
        "loader": identity.loader,
        "query": sample.query,
        "num_tools": len(nodes),
        "has_tool_calls": rules.has_tool_calls([node["tool_name"] for node in nodes]),
        "edge_kind": sample.edge_kind,
        "intent_hash": rules.intent_hash(sample.query, parts, edges),
    }
    _add_extras(metadata, sample, upstream_id)
    return {
        "execution_plan": {
            "nodes": nodes,
            "edges": [[nodes[start]["node_id"], nodes[end]["node_id"]] for start, end in edges],
        },
        "label": label,
        "original_id": original_id,
        "category": _own(sample.category, identity.category),
        "metadata": metadata,
    }


def _own(value: Any, default: Any) -> Any:
    """`value` unless there is none: an empty one is a wrong value, not a wish for the default."""
    return default if value is None else value


def _ids(upstream: str | int | None, unique: bool, position: str) -> tuple[str, str | None]:
    """(original_id, upstream_id to keep in metadata)."""
    if upstream is None or upstream == "":
        return position, None
    try:
        text = str(upstream)
    except ValueError:  # Python writes no integer of more than some thousand digits
        raise Reject("E05", "an integer too long to be an id", "metadata.upstream_id") from None
    if unique and _ORIGINAL_ID.fullmatch(text):
        return text, None
    return position, text


def _check_calls(calls: Sequence[Call]) -> None:
    if not isinstance(calls, list | tuple):
        raise Reject("E04", f"calls are {type(calls).__name__}, not a list", "execution_plan.nodes")
    for index, call in enumerate(calls):
        at = f"execution_plan.nodes[{index}]"
        if not isinstance(call, Call):
            raise Reject("E04", f"{type(call).__name__}, not a call", at)
        if type(call.tool_name) is not str:
            raise Reject("E04", f"{type(call.tool_name).__name__}, not text", f"{at}.tool_name")
        if type(call.provenance_tier) is not int:
            kind = type(call.provenance_tier).__name__
            raise Reject("E04", f"{kind}, not an integer", f"{at}.provenance_tier")
        if not isinstance(call.arguments, Mapping):
            raise Reject("E04", f"{type(call.arguments).__name__}, not an object", f"{at}.arguments")


def _check_types(sample: Sample) -> None:
    """A row may decide what a loader hands over: E04 for a value of another type than it is declared with."""
    _check_calls(sample.calls)
    for field, value in (
        ("metadata.query", sample.query),
        ("metadata.edge_kind", sample.edge_kind),
        ("label", _own(sample.label, "")),
        ("category", _own(sample.category, "")),
        ("metadata.language", _own(sample.language, "")),
    ):
        if type(value) is not str:
            raise Reject("E04", f"{type(value).__name__}, not text", field)
    if sample.upstream_id is not None and type(sample.upstream_id) not in (str, int):
        kind = type(sample.upstream_id).__name__
        raise Reject("E04", f"{kind}, neither text nor an integer", "metadata.upstream_id")
    if not isinstance(sample.extras, dict):
        raise Reject("E04", f"extras are {type(sample.extras).__name__}, not an object", "metadata")
    if not _are_pairs(sample.edges):
        raise Reject("E04", "edges are not a list of index pairs", "execution_plan.edges")


def _are_pairs(edges: Any) -> bool:
    return isinstance(edges, list | tuple) and all(
        isinstance(edge, list | tuple) and len(edge) == 2 and type(edge[0]) is type(edge[1]) is int for edge in edges
    )


def _is_long_prose(calls: Sequence[Call]) -> bool:
    """Whether a plan of nothing but answers has too many, or one that is too long."""
    if rules.has_tool_calls([call.tool_name for call in calls]):
        return False
    answers = (value for call in calls for value in call.arguments.values() if type(value) is str)
    return len(calls) > MAX_NODES or any(len(answer) > MAX_STRING for answer in answers)


def _nodes(sample: Sample, source: str, original_id: str) -> tuple[list[dict[str, Any]], list[tuple[bytes, bytes]]]:
    """The nodes, and of each call the canonical JSON of its name and arguments."""
    try:
        origin = rules.origin_json(source, original_id, sample.query)
    except ValueError:
        raise Reject("E05", "query holds a lone surrogate", "metadata.query") from None
    node_ids = [f"{original_id}_tool_{index}" for index in range(len(sample.calls))]
    origins = _origins(sample.extras.get("provenance"), node_ids)
    nodes, parts = [], []
    for index, (call, node_id) in enumerate(zip(sample.calls, node_ids, strict=True)):
        try:
            node, part = _node(call, node_id, origins.get(node_id, origin))
        except Reject as problem:
            field = f"execution_plan.nodes[{index}].{problem.field}"
            raise Reject(problem.code, problem.message, field) from None
        nodes.append(node)
        parts.append(part)
    return nodes, parts


def _origins(provenance: Any, node_ids: Sequence[str]) -> dict[str, bytes]:
    """The canonical JSON of the origins that a loader states itself, by node id."""
    if provenance is None:
        return {}
    rules.check_json(provenance, "metadata.provenance")
    rules.check_origins(provenance, node_ids)
    try:
        return {node_id: canonical(origin) for node_id, origin in provenance.items()}
    except ValueError:
        raise Reject("E05", "provenance holds a lone surrogate", "metadata.provenance") from None


def _node(call: Call, node_id: str, origin: bytes) -> tuple[dict[str, Any], tuple[bytes, bytes]]:
    name = call.tool_name
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
    arguments = dict(call.arguments)
    name_json = rules.check_tool_name(name)
    arguments_json = rules.check_arguments(arguments)
    volume, sensitivity = derive_scope(name, arguments)
    node = {
        "tool_name": name,
        "arguments": arguments,
        "provenance_tier": call.provenance_tier,
        "provenance_hash": rules.provenance_hash(name_json, arguments_json, call.provenance_tier, origin),
        "scope_volume": volume,
        "scope_sensitivity": sensitivity,
        "node_id": node_id,
    }
    return node, (name_json, arguments_json)


def _add_extras(metadata: dict[str, Any], sample: Sample, upstream_id: str | None) -> None:
    if upstream_id is not None:
        metadata["upstream_id"] = upstream_id
    if sample.language is not None:
        metadata["language"] = sample.language
    for key, value in sample.extras.items():
        if type(key) is not str:
            raise Reject("E04", f"a key that is {type(key).__name__}, not text", "metadata")
        if key in metadata:
            raise Reject("E03", "is derived and cannot be set by a loader", f"metadata.{key}")
        rules.check_json(value, f"metadata.{shown_key(key)}")
        metadata[key] = value


def _dump(record: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(record)
    except TypeError as error:
        raise Reject("E05", f"cannot be written as JSON: {error}", "metadata") from None
