"""Loaders written elsewhere: any class with `load()` that yields mappings in the contract's shape.

What is absent is derived; what is given must be what would have been derived. Resuming skips the rows done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import orjson

from ..contract import Call, HubSource, Reject, Row, Sample
from ..contract.build import Line, build
from .pipeline import Converter
from .streams.base import Batch, Unreadable, make_row

BATCH_ROWS = 128
_DERIVED = ("schema_version", "tier", "source", "loader", "query", "num_tools", "has_tool_calls", "edge_kind")


def foreign_source(loader: Any, name: str) -> HubSource:
    """A stand-in source for the manifest: the loader's `source` text if it has one, else its own name."""
    declared = getattr(loader, "source", None)
    repo = declared if isinstance(declared, str) and declared else name
    return HubSource(repo=repo, builder="lines", files={}, unique_ids=True)


class ForeignStream:
    """What `load()` yields, in batches. State: rows done."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.rows_total: int | None = None
        self.bytes_read = 0
        self.replayed = 0

    def batches(self, state: dict[str, Any] | None) -> Iterator[Batch]:
        """See `Stream.batches`."""
        number = state["number"] if state else 0
        items = iter(self.loader.load())
        for _ in islice(items, number):
            self.replayed += 1
        while chunk := list(islice(items, BATCH_ROWS)):
            yield Batch([_row(item, number + i) for i, item in enumerate(chunk)], {"number": number})
            number += len(chunk)


def _row(item: Any, number: int) -> Row | Unreadable:
    dump = getattr(item, "model_dump", None)
    value = dump(mode="json") if callable(dump) else item
    if isinstance(value, Mapping):
        return make_row(dict(value), "load", number)
    return Unreadable("load", number, "E02", f"load() gave {type(item).__name__}, not a mapping", repr(item)[:65_536])


class ForeignConverter(Converter):
    """Rows are samples in contract shape already."""

    def _lines(self, row: Row, position: str) -> list[Line]:
        sample = sample_of(row)
        line = build(sample, self.identity, position)
        if not isinstance(line, Line):
            raise Reject("E11", "an answer too long for a line")
        _check_given(row, orjson.loads(line.data))
        return [line]


def sample_of(row: Mapping[str, Any]) -> Sample:
    """The sample that a mapping in contract shape describes. Raises `Reject` E03, E04 or E08."""
    plan, metadata = row.get("execution_plan"), row.get("metadata") or {}
    if not isinstance(plan, Mapping) or not isinstance(plan.get("nodes"), list) or not isinstance(metadata, Mapping):
        raise Reject("E03", f"no execution_plan with nodes; the mapping has {sorted(row)}", "execution_plan")
    nodes = plan["nodes"]
    query = metadata.get("query", row.get("query"))
    if not isinstance(query, str):
        raise Reject("E03", "no metadata.query", "metadata.query")
    edges = _edges(plan.get("edges") or [], nodes)
    extras = {key: value for key, value in metadata.items() if key not in (*_DERIVED, "intent_hash", "language")}
    return Sample(
        query,
        [Call(node["tool_name"], node.get("arguments") or {}, node.get("provenance_tier", 1)) for node in nodes],
        edges,
        metadata.get("edge_kind") or ("sequence" if edges else "none"),
        row.get("original_id"),
        metadata.get("language"),
        row.get("category"),
        row.get("label"),
        extras,
    )


def _edges(edges: list[Any], nodes: list[Any]) -> list[tuple[int, int]]:
    """Edges as index pairs; they may name nodes by id or by index."""
    index = {node.get("node_id", position): position for position, node in enumerate(nodes)}
    try:
        return sorted((_end(start, index), _end(end, index)) for start, end in edges)
    except (KeyError, TypeError, ValueError):
        raise Reject("E08", "an edge names no node", "execution_plan.edges") from None


def _end(name: Any, index: dict[Any, int]) -> int:
    return name if isinstance(name, int) and name not in index else index[name]


def _check_given(row: Mapping[str, Any], record: dict[str, Any]) -> None:
    """Raises `Reject` where the mapping states something else than what is derived."""
    tier = (row.get("metadata") or {}).get("tier", record["metadata"]["tier"])
    if tier != record["metadata"]["tier"]:
        raise Reject("E14", f"tier {str(tier)[:20]!r} is not that of label {record['label']}", "metadata.tier")
    given = row["execution_plan"]["nodes"]
    for index, (stated, node) in enumerate(zip(given, record["execution_plan"]["nodes"], strict=True)):
        for key, code in (("provenance_hash", "E12"), ("scope_volume", "E13"), ("scope_sensitivity", "E13")):
            if key in stated and stated[key] != node[key]:
                raise Reject(code, f"{key} is not the derived one", f"execution_plan.nodes[{index}].{key}")
