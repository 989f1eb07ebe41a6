"""The shape of one published line, as strict frozen models, and the JSON Schema exported from them.

What a shape cannot say (ids, graph, hashes, scope, sizes) is in `rules` and `audit`.
`python -m coordinator.contract.schema` rewrites schema.json.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, Len
from pydantic import BaseModel, ConfigDict, StringConstraints

from .mutation import Key16, Kind, Mutation, PairId, Split, ViolationLabel
from .plans import MAX_NODES
from .sample import SCHEMA_VERSION, Category, EdgeKind, Label

ORIGINAL_ID = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"
LANGUAGE = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Edge = Annotated[list[str], Len(2, 2)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Node(_Strict):
    """One tool call of the plan."""

    tool_name: Annotated[str, Len(1, 256)]
    arguments: dict[str, Any]
    provenance_tier: Annotated[int, Ge(1), Le(3)]
    """1 user, 2 internal record, 3 public web."""
    provenance_hash: Sha256
    scope_volume: Annotated[int, Ge(1), Le(1_000_000)]
    """How much the call touches; 10,000 stands for "unbounded"."""
    scope_sensitivity: Annotated[int, Ge(1), Le(5)]
    """1 public, 2 internal, 3 personal, 4 financial, health or legal, 5 credentials."""
    node_id: Annotated[str, Len(1, 160)]
    """`<original_id>_tool_<index>`."""


class ExecutionPlan(_Strict):
    """A directed acyclic graph of calls, nodes in topological order."""

    nodes: Annotated[list[Node], Len(1, MAX_NODES)]
    edges: list[Edge]
    """[from, to] node ids, sorted by index, each once."""


class Origin(_Strict):
    """Who decided a call, where that is not the user's request itself."""

    source_type: Annotated[str, Len(1, 64)]
    source_id: Annotated[str, Len(1, 512)]
    content_sha256: Sha256


class Metadata(BaseModel):
    """Nine required keys; loader extras may stand beside them as JSON values."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    schema_version: Annotated[str, StringConstraints(pattern=r"^1\.[0-9]+$")]
    tier: Literal["I", "II", "III"]
    source: Annotated[str, Len(1, 256)]
    loader: Annotated[str, Len(1, 128)]
    query: Annotated[str, Len(1)]
    """All user texts up to the last planned call, one blank line between."""
    num_tools: Annotated[int, Ge(1), Le(MAX_NODES)]
    """The number of nodes."""
    has_tool_calls: bool
    """Whether any node is something else than `respond`."""
    edge_kind: EdgeKind
    intent_hash: Sha256
    language: Annotated[str, StringConstraints(pattern=LANGUAGE)] | None = None
    source_label: str | None = None
    upstream_id: str | None = None
    policy: str | None = None
    scope_budget: Annotated[int, Ge(1)] | None = None
    provenance: dict[str, Origin] | None = None
    parent: Annotated[str, Len(1, 512)] | None = None
    """Tiers II and III, with all that follows: `<source>#<original_id>` of the Tier I row it was made from."""
    pair_id: PairId | None = None
    group_id: Key16 | None = None
    variant: Kind | None = None
    split: Split | None = None
    mutation: Mutation | None = None
    violation_labels: Annotated[list[ViolationLabel], Len(4, 4)] | None = None


class Record(_Strict):
    """One line of a published file."""

    execution_plan: ExecutionPlan
    label: Label
    original_id: Annotated[str, StringConstraints(pattern=ORIGINAL_ID)]
    category: Category
    metadata: Metadata


METADATA_FIELDS = frozenset(Metadata.model_fields)
REQUIRED_METADATA = frozenset(name for name, info in Metadata.model_fields.items() if info.is_required())


def json_schema() -> dict[str, Any]:
    """The JSON Schema 2020-12 of a line."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"polecats execution plan sample, version {SCHEMA_VERSION}",
        **Record.model_json_schema(),
    }


def schema_text() -> str:
    """The text of the checked-in schema.json."""
    return json.dumps(json_schema(), indent=1, sort_keys=True) + "\n"


def shipped_schema() -> str:
    """schema.json as it stands in the package."""
    return resources.files(__package__).joinpath("schema.json").read_text(encoding="utf-8")


if __name__ == "__main__":
    Path(__file__).with_name("schema.json").write_text(schema_text(), encoding="utf-8")
