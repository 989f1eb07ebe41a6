"""From a loader's `Sample` to one line: ids, scope, hashes and counts derived, every rule checked once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple, get_args

import orjson

from . import rules
from .canonical import canonical
from .examined import are_plain, examine, intent_hash, node_id, plan_json
from .plans import MAX_NODES, MAX_STRING
from .sample import SCHEMA_VERSION, Call, Category, EdgeKind, Label, Reject, Sample, Skip
from .schema import LANGUAGE, METADATA_FIELDS, ORIGINAL_ID
from .violations import check_schema, shown_key

_ORIGINAL_ID = re.compile(ORIGINAL_ID)
_CATEGORIES, _EDGE_KINDS = frozenset(get_args(Category)), frozenset(get_args(EdgeKind))
_LANGUAGE = re.compile(LANGUAGE)
_NONE = type(None)
_ORDINARY_TYPES = frozenset(
    product([str], [str], [_NONE, str], [_NONE, str], [_NONE, str], [_NONE, str, int], [dict], [tuple, list])
)
"""Of a sample's query, edge_kind, label, category, language, upstream_id, extras and calls."""
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
    calls = _checked_types(sample)
    acts = rules.has_tool_calls([name for name, _, _ in calls])
    if not acts and _is_long_prose(calls):
        return Skip("too_long")
    if len(sample.query) > rules.MAX_LINE_BYTES:  # said before it is hashed: the normal form takes time
        if not acts:
            return Skip("too_long")
        raise Reject("E01", f"a query of {len(sample.query):,} characters (a line: {rules.MAX_LINE_BYTES:,} bytes)")
    line = _line(sample, calls, acts, identity, position)
    try:
        rules.check_sizes(line.data)
    except Reject:
        if not acts:
            return Skip("too_long")
        raise
    return line


def _line(sample: Sample, calls: Sequence[Call], acts: bool, identity: Identity, position: str) -> Line:
    """The line, of any size; `acts`: whether its plan does anything but answer. Raises `Reject`."""
    edges = sample.edges
    if not 1 <= len(calls) <= MAX_NODES:
        raise Reject("E06", f"{len(calls)} calls (1 to {MAX_NODES})", "execution_plan.nodes")
    rules.check_edges(edges, len(calls))
    rules.check_edge_kind(sample.edge_kind, len(edges))
    label = _own(sample.label, identity.label)
    if label not in _TIERS:
        raise Reject("E05", f"label {label[:80]!r} is not one of the contract's", "label")
    original_id, upstream_id = _ids(sample.upstream_id, identity.unique_ids, position)
    origins = _origins(sample, identity.source, original_id, len(calls))
    told = examine(calls)
    plan = plan_json(told, calls, original_id, origins, edges)
    intent = intent_hash(rules.folded(sample.query), told, edges)
    metadata = {
        "schema_version": SCHEMA_VERSION,
        "tier": _TIERS[label],
        "source": identity.source,
        "loader": identity.loader,
        "query": sample.query,
        "num_tools": len(calls),
        "has_tool_calls": acts,
        "edge_kind": sample.edge_kind,
        "intent_hash": intent,
    }
    _add_extras(metadata, sample, upstream_id)
    record = {
        "execution_plan": orjson.Fragment(plan),
        "label": label,
        "original_id": original_id,
        "category": _own(sample.category, identity.category),
        "metadata": metadata,
    }
    line = _dump(record)
    if not _is_sound(sample, record):
        check_schema(line)
    return Line(line, bytes.fromhex(intent)[:16])


def _is_sound(sample: Sample, record: dict[str, Any]) -> bool:
    """Whether the schema surely takes the record: all that a loader may set freely is of a proven form.

    The rest is derived within the schema's bounds: nodes and edges, ids, hashes, scope and counts. A property test
    holds lines that were not shown to the schema to those that it takes.
    """
    return (
        record["label"] == "benign"
        and record["category"] in _CATEGORIES
        and sample.edge_kind in _EDGE_KINDS
        and bool(sample.query)
        and (sample.language is None or _is_language(sample.language))
        and METADATA_FIELDS.isdisjoint(sample.extras)
    )


@lru_cache(1_024)
def _is_language(code: str) -> bool:
    return _LANGUAGE.fullmatch(code) is not None


def _own(value: Any, default: Any) -> Any:
    """`value` unless there is none: an empty one is a wrong value, not a wish for the default."""
    return default if value is None else value


def _ids(upstream: str | int | None, unique: bool, position: str) -> tuple[str, str | None]:
    """(original_id, upstream_id to keep in metadata). Raises `Reject` E05 where neither id nor position is legal."""
    text = None if upstream is None or upstream == "" else _text_of(upstream)
    if text is not None and unique and _ORIGINAL_ID.fullmatch(text):
        return text, None
    if _ORIGINAL_ID.fullmatch(position) is None:
        raise Reject("E05", f"{position[:80]!r} does not match {ORIGINAL_ID}", "original_id")
    return position, text


def _text_of(upstream: str | int) -> str:
    try:
        return str(upstream)
    except ValueError:  # Python writes no integer of more than some thousand digits
        raise Reject("E05", "an integer too long to be an id", "metadata.upstream_id") from None


def _checked_types(sample: Sample) -> Sequence[Call]:
    """The calls, their names in NFC.

    A row may decide what a loader hands over: E04 for a value of another type than it is declared with.
    """
    kinds = (
        type(sample.query),
        type(sample.edge_kind),
        type(sample.label),
        type(sample.category),
        type(sample.language),
        type(sample.upstream_id),
        type(sample.extras),
        type(sample.calls),
    )
    if kinds not in _ORDINARY_TYPES:
        _refuse_types(sample)
    if not _are_pairs(sample.edges):
        raise Reject("E04", "edges are not a list of index pairs", "execution_plan.edges")
    if are_plain(sample.calls, Call):
        return sample.calls
    return [_checked_call(call, f"execution_plan.nodes[{index}]") for index, call in enumerate(sample.calls)]


def _refuse_types(sample: Sample) -> None:
    """Say which field of a sample has a type of its own; a list or an object may be of a kind of its own."""
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
    if not isinstance(sample.calls, list | tuple):
        raise Reject("E04", f"calls are {type(sample.calls).__name__}, not a list", "execution_plan.nodes")


def _checked_call(call: Any, at: str) -> Call:
    """The call with its name in NFC and its arguments in a dictionary. Raises `Reject` E04 or E05."""
    if type(call) is not Call:
        raise Reject("E04", f"{type(call).__name__}, not a call", at)
    name, arguments, tier = call
    if type(name) is not str:
        raise Reject("E04", f"{type(name).__name__}, not text", f"{at}.tool_name")
    if type(tier) is not int:
        raise Reject("E04", f"{type(tier).__name__}, not an integer", f"{at}.provenance_tier")
    if not 1 <= tier <= 3:
        raise Reject("E05", "a provenance tier other than 1, 2 and 3", f"{at}.provenance_tier")
    if not isinstance(arguments, Mapping):
        raise Reject("E04", f"{type(arguments).__name__}, not an object", f"{at}.arguments")
    return Call(_normal(name), dict(arguments), tier)


def _are_pairs(edges: Any) -> bool:
    return isinstance(edges, list | tuple) and all(
        isinstance(edge, list | tuple) and len(edge) == 2 and type(edge[0]) is type(edge[1]) is int for edge in edges
    )


def _is_long_prose(calls: Sequence[Call]) -> bool:
    """Whether answers, and nothing else, are too many, or one of them too long."""
    answers = (value for call in calls for value in call.arguments.values() if type(value) is str)
    return len(calls) > MAX_NODES or any(len(answer) > MAX_STRING for answer in answers)


def _normal(name: str) -> str:
    """The name in NFC. One that no form makes short enough is left alone: a long run of accents takes time."""
    return unicodedata.normalize("NFC", name) if len(name) <= 4 * rules.MAX_NAME else name


def _origins(sample: Sample, source: str, original_id: str, count: int) -> list[bytes]:
    """The canonical JSON of who decided each call: the user's request, unless the loader states another origin."""
    try:
        asked = rules.origin_json(source, original_id, rules.content_hash(sample.query))
    except ValueError:
        raise Reject("E05", "query holds a lone surrogate", "metadata.query") from None
    provenance = sample.extras.get("provenance")
    if provenance is None:
        return [asked] * count
    names = [node_id(original_id, index) for index in range(count)]
    rules.check_json(provenance, "metadata.provenance")
    rules.check_origins(provenance, names)
    try:
        return [canonical(provenance[name]) if name in provenance else asked for name in names]
    except ValueError:
        raise Reject("E05", "provenance holds a lone surrogate", "metadata.provenance") from None


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
