"""The independent audit of a published line: everything is recomputed from its bytes, nothing is believed.

A line that is, byte for byte, what the rules make of its calls, its edges and its texts breaks none of them; that is
quick to find out. Any other line goes through the rules one by one, which say what is wrong with it, if anything is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, Protocol, get_args

import orjson
from pydantic import ValidationError

from . import rules
from .canonical import canonical
from .examined import examine, intent_hash, plan_json
from .plans import MAX_NODES
from .reading import strict_json
from .sample import Category, Reject
from .schema import ORIGINAL_ID, REQUIRED_METADATA, Metadata, Record
from .scope import derive as derive_scope
from .tier_rules import TIER_FIELDS, check_tier
from .tiers import replay
from .violations import Violation, shown_key, violations
from .walk import Planned

_BOM = b"\xef\xbb\xbf"
_CONSTANT = ("schema_version", "tier", "source", "loader", "edge_kind", "language")
_CATEGORIES, _ORIGINAL_ID = frozenset(get_args(Category)), re.compile(ORIGINAL_ID)


class Ids(Protocol):
    """What must be unique within a file, as keys of 16 bytes."""

    def add(self, key: bytes) -> bool:
        """Remember a key; whether it is new."""
        ...


class _Set:
    """Keys in a set: about 100 bytes each."""

    def __init__(self) -> None:
        self._keys: set[bytes] = set()

    def add(self, key: bytes) -> bool:
        before = len(self._keys)
        self._keys.add(key)
        return len(self._keys) > before


class Auditor:
    """Audits the lines of one file; `ids` remembers what must be unique within it.

    With `parent_of`, which finds a Tier I record by `<source>#<original_id>` (None where there is none), the
    edits of tiers II and III are replayed too (E16). `first_split` is called with each row's group (its id in 8
    bytes) and split, and gives the split that the group stood in first (E17).
    """

    def __init__(
        self,
        ids: Ids | None = None,
        parent_of: Callable[[str], dict[str, Any] | None] | None = None,
        first_split: Callable[[bytes, str], str] | None = None,
    ) -> None:
        self._ids = _Set() if ids is None else ids
        self._parent_of = parent_of
        self._first_split = dict[bytes, str]().setdefault if first_split is None else first_split

    def audit(self, line: bytes) -> list[Violation]:
        """All rules that `line` (without its newline) breaks; empty for a good line."""
        if record := sound(line):
            return self._repeated(record)
        try:
            record = parse(line)
        except Reject as problem:
            return [_violation(problem)]
        try:
            Record.__pydantic_validator__.validate_python(record)
        except ValidationError as error:
            return violations(error)
        found = [*broken_rules(record, line), *self._repeated(record), *self._group(record["metadata"])]
        return found or list(self._replayed(record))

    def _repeated(self, record: dict[str, Any]) -> list[Violation]:
        name = name_of(record)
        if self._ids.add(hashlib.sha256(name.encode()).digest()[:16]):
            return []
        return [repeated(name)]

    def _group(self, metadata: dict[str, Any]) -> Iterator[Violation]:
        if metadata["tier"] == "I" or not metadata.get("group_id") or not metadata.get("split"):
            return
        first = self._first_split(bytes.fromhex(metadata["group_id"]), metadata["split"])
        if first != metadata["split"]:
            yield another_split(metadata["split"], first)

    def _replayed(self, record: dict[str, Any]) -> Iterator[Violation]:
        if self._parent_of is None or record["metadata"]["tier"] == "I":
            return
        name = record["metadata"]["parent"]
        parent = self._parent_of(name)
        if parent is None:
            yield Violation("E16", "metadata.parent", f"{shown_key(name)} is no row of the Tier I file")
        else:
            yield from _caught(lambda: replay(parent, record))


def name_of(record: dict[str, Any]) -> str:
    """What no other line of a file may be called."""
    return f"{record['metadata']['source']}#{record['original_id']}"


def repeated(name: str) -> Violation:
    """What is wrong with a line whose name stood before."""
    return Violation("E18", "original_id", f"{name} stands twice")


def another_split(split: str, first: str) -> Violation:
    """What is wrong with a line whose group stood in split `first` before."""
    return Violation("E17", "metadata.split", f"is {split}, its group stands in {first}")


def sound(line: bytes) -> dict[str, Any] | None:
    """The record of a line that is what its own claims come to; None where `broken_rules` must look at it."""
    if len(line) > rules.MAX_NODE_BYTES:  # a node of it may be too big
        return None
    try:
        record: dict[str, Any] = orjson.loads(line)
        return record if orjson.dumps(_remade(record)) == line else None
    except (Reject, ValueError, TypeError, LookupError, AttributeError):
        return None


def _remade(record: dict[str, Any]) -> dict[str, Any]:
    """The record that the rules make of what only a row can say.

    Raises whatever odd values make it raise. What is right in the result is so by its very bytes: there is a type
    check here where a value is handed on, and none where it is made.
    """
    plan, original_id, metadata = record["execution_plan"], record["original_id"], record["metadata"]
    if not _ORIGINAL_ID.fullmatch(original_id) or record["category"] not in _CATEGORIES:
        raise ValueError("not an id or a category")
    _check_metadata(metadata)
    edges = _index_pairs(plan["edges"], plan["nodes"]) if plan["edges"] else []
    calls = _calls_of(plan["nodes"])
    told = examine(calls)
    origin = rules.origin_json(metadata["source"], original_id, rules.content_hash(metadata["query"]))
    rules.check_edges(edges, len(told))
    rules.check_edge_kind(metadata["edge_kind"], len(edges))
    if metadata["tier"] != "I" or record["label"] != "benign" or not metadata.keys().isdisjoint(TIER_FIELDS):
        raise ValueError("not a row of tier I")
    made = {
        "num_tools": len(told),
        "has_tool_calls": rules.has_tool_calls([node["tool_name"] for node in plan["nodes"]]),
        "intent_hash": intent_hash(rules.folded(metadata["query"]), told, edges),
    }
    return {
        "execution_plan": orjson.Fragment(plan_json(told, calls, original_id, [origin] * len(calls), edges)),
        "label": record["label"],
        "original_id": original_id,
        "category": record["category"],
        "metadata": metadata | made,
    }


def _check_metadata(metadata: dict[str, Any]) -> None:
    """Raises `ValueError` for what does not fit the schema, but for the values that are made anew."""
    if len(metadata) == len(REQUIRED_METADATA) + ("language" in metadata):
        _check_constants(*map(metadata.get, _CONSTANT))
        if type(metadata["query"]) is not str or not metadata["query"]:
            raise ValueError("not a query")
        return
    Metadata.__pydantic_validator__.validate_python(metadata)
    if "provenance" in metadata:
        raise ValueError("calls with origins of their own")
    for key, value in metadata.items():
        if type(value) is not str and key not in REQUIRED_METADATA:
            rules.check_json(value, key)


@lru_cache(maxsize=1024)
def _check_constants(*values: str | None) -> None:
    """The metadata that are the same on line after line. Only texts are equal to a text: a cached answer is right."""
    others = {"query": "-", "num_tools": 1, "has_tool_calls": True, "intent_hash": "0" * 64}
    Metadata.__pydantic_validator__.validate_python(others | dict(zip(_CONSTANT, values, strict=True)))


def _calls_of(nodes: list[dict[str, Any]]) -> list[Planned]:
    if not 1 <= len(nodes) <= MAX_NODES:
        raise ValueError("too few or too many nodes")
    calls = [(node["tool_name"], node["arguments"], node["provenance_tier"]) for node in nodes]
    for name, arguments, tier in calls:
        if type(name) is not str or type(arguments) is not dict or type(tier) is not int or not 1 <= tier <= 3:
            raise TypeError("not a call")
    return calls


def parse(line: bytes) -> dict[str, Any]:
    """The object on a line. Raises `Reject` E01 or E02."""
    if len(line) > rules.MAX_LINE_BYTES:
        raise Reject("E01", f"line of {len(line):,} bytes (at most {rules.MAX_LINE_BYTES:,})")
    if line.startswith(_BOM):
        raise Reject("E01", "byte order mark")
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise Reject("E01", f"not UTF-8: {error.reason} at byte {error.start}") from None
    try:
        record = _loads(line)
    except ValueError as error:
        raise Reject("E02", str(error)) from None
    if not isinstance(record, dict):
        raise Reject("E02", f"{type(record).__name__}, not an object")
    return record


def _loads(line: bytes) -> Any:
    """A line that orjson writes back byte for byte has no duplicate key and no number out of its range."""
    value = orjson.loads(line)
    try:
        if orjson.dumps(value) == line:
            return value
    except TypeError:  # deeper than orjson writes
        pass
    return strict_json(line)


def _violation(problem: Reject, at: str = "") -> Violation:
    field = f"{at}.{problem.field}" if at and problem.field else at or problem.field
    return Violation(problem.code, field, problem.message)


def broken_rules(record: dict[str, Any], line: bytes) -> Iterator[Violation]:
    """The rules beyond the schema, for a record that fits the schema."""
    plan, metadata = record["execution_plan"], record["metadata"]
    nodes = plan["nodes"]
    yield from _caught(lambda: rules.check_sizes(line))
    yield from _caught(lambda: check_tier(record))
    yield from _metadata_values(metadata)
    yield from _counts(metadata, nodes)
    parts: list[tuple[bytes, bytes]] = []
    yield from _nodes(record, parts)
    try:
        edges = _index_pairs(plan["edges"], nodes)
        rules.check_edges(edges, len(nodes))
        rules.check_edge_kind(metadata["edge_kind"], len(edges))
    except Reject as problem:
        yield _violation(problem)
        return
    if len(parts) == len(nodes) and rules.intent_hash(metadata["query"], parts, edges) != metadata["intent_hash"]:
        yield Violation("E12", "metadata.intent_hash", "is not the recomputed one")


def _caught(check: Callable[[], None], at: str = "") -> Iterator[Violation]:
    try:
        check()
    except Reject as problem:
        yield _violation(problem, at)


def _metadata_values(metadata: dict[str, Any]) -> Iterator[Violation]:
    for key, value in metadata.items():
        yield from _caught(partial(rules.check_json, value, f"metadata.{shown_key(key)}"))


def _counts(metadata: dict[str, Any], nodes: list[dict[str, Any]]) -> Iterator[Violation]:
    if metadata["num_tools"] != len(nodes):
        yield Violation("E15", "metadata.num_tools", f"is {metadata['num_tools']} for {len(nodes)} nodes")
    if metadata["has_tool_calls"] != rules.has_tool_calls([node["tool_name"] for node in nodes]):
        yield Violation("E15", "metadata.has_tool_calls", "disagrees with the nodes")


def _nodes(record: dict[str, Any], parts: list[tuple[bytes, bytes]]) -> Iterator[Violation]:
    """Audits each node; appends the canonical (name, arguments) of the sound ones to `parts`."""
    metadata, original_id = record["metadata"], record["original_id"]
    nodes = record["execution_plan"]["nodes"]
    default = rules.origin_json(metadata["source"], original_id, rules.content_hash(metadata["query"]))
    origins = metadata.get("provenance") or {}
    yield from _caught(lambda: rules.check_origins(origins, [node["node_id"] for node in nodes]))
    for index, node in enumerate(nodes):
        at = f"execution_plan.nodes[{index}]"
        if node["node_id"] != f"{original_id}_tool_{index}":
            yield Violation("E07", f"{at}.node_id", f"{node['node_id']!r} is not {original_id}_tool_{index}")
        try:
            part = (rules.check_tool_name(node["tool_name"]), rules.check_arguments(node["arguments"]))
        except Reject as problem:
            yield _violation(problem, at)
            continue
        parts.append(part)
        own = origins.get(node["node_id"])
        origin = default if own is None else canonical(own)
        if node["provenance_hash"] != rules.provenance_hash(*part, node["provenance_tier"], origin):
            yield Violation("E12", f"{at}.provenance_hash", "is not the recomputed one")
        yield from _scope(node, at)


def _scope(node: dict[str, Any], at: str) -> Iterator[Violation]:
    derived = derive_scope(node["tool_name"], node["arguments"])
    for name, value in zip(("scope_volume", "scope_sensitivity"), derived, strict=True):
        if node[name] != value:
            yield Violation("E13", f"{at}.{name}", f"is {node[name]}, derived is {value}")


def _index_pairs(edges: list[list[str]], nodes: list[dict[str, Any]]) -> list[tuple[int, int]]:
    index = {node["node_id"]: position for position, node in enumerate(nodes)}
    for position, edge in enumerate(edges):
        for end in edge:
            if end not in index:
                raise Reject("E08", f"{end[:80]!r} is no node", f"execution_plan.edges[{position}]")
    return [(index[start], index[end]) for start, end in edges]
