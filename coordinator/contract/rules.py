"""The rules that writer and auditor share: tool names, argument values, graph, sizes, hashes.

Each check raises `Reject` with its code, or returns what its caller needs next. No rule is stated anywhere
else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any

import orjson

from .canonical import MAX_INTEGER, canonical, dump_plain, is_plain_float, sha256_hex
from .plans import MAX_STRING
from .sample import RESPOND, Reject

MAX_DEPTH = 8
MAX_NAME = 256
MAX_NODE_BYTES = 16_384
MAX_LINE_BYTES = 65_536
PROVENANCE_VERSION = "gatling.prov/1"
PROVENANCE = (
    b'{"arguments":%%b,"origin":%%b,"provenance_tier":%%d,"tool_name":%%b,"v":"%b"}' % PROVENANCE_VERSION.encode()
)
"""The canonical provenance object, around the canonical JSON of its values."""
PLACEHOLDERS = frozenset(
    {
        "unknown",
        "unknown_tool",
        "unknown_function",
        "generic_action",
        "generic_tool",
        "placeholder",
        "tool_name",
        "function_name",
        "none",
        "null",
    }
)


@lru_cache(maxsize=65_536)
def check_tool_name(name: str) -> bytes:
    """The canonical JSON of a legal tool name. Raises `Reject` E11."""
    problem = _tool_name_problem(name)
    if problem:
        raise Reject("E11", f"tool name {name[:80]!r} {problem}", "tool_name")
    return canonical(name)


def _tool_name_problem(name: str) -> str:
    if not 1 <= len(name) <= MAX_NAME:
        return f"is empty or longer than {MAX_NAME} characters"
    if name != name.strip() or not unicodedata.is_normalized("NFC", name):
        return "is not trimmed or not NFC"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        return "holds a control character or a lone surrogate"
    if name.lower() in PLACEHOLDERS:
        return "is a placeholder, not a tool"
    return ""


def check_arguments(arguments: Mapping[str, Any]) -> bytes:
    """The canonical JSON of legal arguments (I-JSON within the contract's limits). Raises `Reject` E11."""
    if type(arguments) is not dict:
        raise Reject("E11", f"arguments are {type(arguments).__name__}, not an object", "arguments")
    plain = _check_value(arguments, 1, MAX_STRING)
    try:
        data = dump_plain(arguments) if plain else canonical(arguments)
    except ValueError as error:
        raise Reject("E11", str(error), "arguments") from None
    if b"\\u0000" in data:
        _check_no_nul(arguments)
    return data


def check_json(value: Any, field: str) -> None:
    """Raises `Reject` E04 unless `value` is JSON that every reader understands alike (metadata extras)."""
    try:
        _check_value(value, 1, MAX_LINE_BYTES)
    except Reject as problem:
        raise Reject("E04", problem.message, field) from None


def _check_value(value: Any, depth: int, max_string: int) -> bool:
    """Whether orjson's sorted dump of a legal value is canonical (see `canonical`).

    Only the very types that a JSON text is read into are legal: a subclass may write itself otherwise.
    """
    kind = type(value)
    if kind is str:
        if len(value) > max_string:
            size = f"{len(value):,} characters (at most {max_string:,})"
            raise Reject("E11", f"a string of {size}", "arguments")
        return True
    if kind is dict or kind is list:
        if depth > MAX_DEPTH:
            raise Reject("E11", f"nested deeper than {MAX_DEPTH}", "arguments")
        if kind is dict:
            return _check_object(value, depth + 1, max_string)
        plain = True
        for item in value:
            if not _check_value(item, depth + 1, max_string):
                plain = False
        return plain
    return _check_scalar(value)


def _check_scalar(value: Any) -> bool:
    kind = type(value)
    if kind is int:
        if -MAX_INTEGER <= value <= MAX_INTEGER:
            return True
        raise Reject("E11", "an integer beyond 2^53-1", "arguments")
    if value is None or kind is bool:
        return True
    if kind is float:
        if isfinite(value):
            return is_plain_float(value)
        raise Reject("E11", "a number that is not finite", "arguments")
    raise Reject("E11", f"a {kind.__name__}, which is not a JSON value", "arguments")


def _check_object(value: dict[Any, Any], depth: int, max_string: int) -> bool:
    plain = True
    for key, item in value.items():
        if type(key) is not str:
            raise Reject("E11", f"a key that is {type(key).__name__}, not text", "arguments")
        if len(key) > max_string:
            size = f"{len(key):,} characters (at most {max_string:,})"
            raise Reject("E11", f"a key of {size}", "arguments")
        if not (_check_value(item, depth, max_string) and key.isascii()):
            plain = False
    return plain


def _check_no_nul(value: Any) -> None:
    if isinstance(value, str) and "\0" in value:
        raise Reject("E11", "a NUL character", "arguments")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_no_nul(key)
            _check_no_nul(item)
    elif isinstance(value, list):
        for item in value:
            _check_no_nul(item)


def check_edges(edges: Sequence[Sequence[int]], nodes: int) -> None:
    """Index pairs: in range (E08), no self loop or repeat (E09), forward and sorted (E10)."""
    previous = (-1, -1)
    for position, (start, end) in enumerate(edges):
        field = f"execution_plan.edges[{position}]"
        if not (0 <= start < nodes and 0 <= end < nodes):
            raise Reject("E08", f"edge {start} -> {end} has no such node among {nodes}", field)
        if start == end or (start, end) == previous:
            raise Reject("E09", f"edge {start} -> {end} is a self loop or stands twice", field)
        if start > end or (start, end) < previous:
            raise Reject("E10", f"edge {start} -> {end} runs backwards or out of order", field)
        previous = (start, end)


def check_edge_kind(edge_kind: str, edges: int) -> None:
    """`none` has no edges, `dataflow` has some; a `sequence` of one node has none (E05)."""
    if (edge_kind == "none" and edges) or (edge_kind == "dataflow" and not edges):
        raise Reject("E05", f"edge_kind {edge_kind} with {edges} edges", "metadata.edge_kind")


def check_origins(origins: Mapping[str, Any] | None, node_ids: Sequence[str]) -> None:
    """`metadata.provenance` is an object (E04) that speaks of the plan's nodes only (E05)."""
    if origins is None:
        return
    if type(origins) is not dict:
        raise Reject("E04", f"{type(origins).__name__}, not an object", "metadata.provenance")
    strangers = len(origins.keys() - set(node_ids))
    if strangers:
        raise Reject("E05", f"{strangers} origins of nodes that are not there", "metadata.provenance")


def check_sizes(line: bytes) -> None:
    """A line of at most 64 KiB (E01) whose nodes are at most 16 KiB each (E11)."""
    if len(line) > MAX_LINE_BYTES:
        raise Reject("E01", f"line of {len(line):,} bytes (at most {MAX_LINE_BYTES:,})")
    if len(line) <= MAX_NODE_BYTES:
        return
    for index, node in enumerate(orjson.loads(line)["execution_plan"]["nodes"]):
        size = len(orjson.dumps(node))
        if size > MAX_NODE_BYTES:
            field = f"execution_plan.nodes[{index}]"
            raise Reject("E11", f"node of {size:,} bytes (at most {MAX_NODE_BYTES:,})", field)


def has_tool_calls(tool_names: Sequence[str]) -> bool:
    """Whether a plan does anything but answer in prose."""
    return tool_names.count(RESPOND) != len(tool_names)


def content_hash(query: str) -> bytes:
    """Hex SHA-256 of a query. Raises `ValueError` for a lone surrogate."""
    return sha256_hex(query.encode()).encode()


def origin_json(source: str, original_id: str, content: bytes) -> bytes:
    """Canonical JSON of the default origin: the user's request in this row, of which `content` is the hash."""
    return b'{"content_sha256":"%b","source_id":%b,"source_type":"user_request"}' % (
        content,
        dump_plain(f"{source}#{original_id}"),
    )


def provenance_hash(name: bytes, arguments: bytes, tier: int, origin: bytes) -> str:
    """SHA-256 of the canonical provenance object, put together from its parts' canonical JSON."""
    return sha256_hex(PROVENANCE % (arguments, origin, tier, name))


def folded(query: str) -> str:
    """The query in the form in which two that differ in case or width only are one."""
    return query.lower() if query.isascii() else unicodedata.normalize("NFKC", query).casefold()


def intent_hash(query: str, calls: Iterable[tuple[Any, ...]], edges: Sequence[Sequence[int]]) -> str:
    """The exact-duplicate key: SHA-256 over normalised query, calls and edges.

    A call is its canonical name, its canonical arguments and whatever else is known of it.
    """
    return intent_of(" ".join(folded(query).split()), calls, edges)


def intent_of(text: str, calls: Iterable[tuple[Any, ...]], edges: Sequence[Sequence[int]]) -> str:
    """See `intent_hash`; of a normalised query."""
    called = b",".join([b"[%b,%b]" % (call[0], call[1]) for call in calls])
    pairs = b",".join([b"[%d,%d]" % (start, end) for start, end in edges])
    return sha256_hex(b"[%b,[%b],[%b]]" % (dump_plain(text), called, pairs))
