"""What a loader says about one row: a plan (`Sample`), a `Skip`, or, raised, a `Reject`.

These are plain values. Ids, hashes, scope and counts are derived from them by `build`, never by a loader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

SCHEMA_VERSION = "1.0"
EdgeKind = Literal["none", "sequence", "dataflow"]
Label = Literal["benign", "adversarial", "boundary"]
Category = Literal[
    "function_calling",
    "multi_step_agent",
    "instruction_following",
    "math_reasoning",
    "conversation",
    "code_api",
    "safety_baseline",
]

RESPOND = "respond"
"""The tool name of an answer in prose; a plan of nothing else has `has_tool_calls=false`."""


class Call(NamedTuple):
    """One tool call. `provenance_tier`: 1 user, 2 internal record, 3 public web (see `schema.Node`)."""

    tool_name: str
    arguments: Mapping[str, Any] = {}
    provenance_tier: int = 1


@dataclass(slots=True)
class Sample:
    """The plan of one row.

    `edges` are index pairs (from, to) with from < to; `edge_kind` says what they rest on.
    `upstream_id` becomes `original_id` where the source declares its ids unique and the text is a legal id;
    otherwise it is kept as `metadata.upstream_id`. `extras` go into `metadata` as they are (JSON values only).
    `category` and `label` override the loader's own.
    """

    query: str
    calls: Sequence[Call]
    edges: Sequence[tuple[int, int]] = ()
    edge_kind: EdgeKind = "none"
    upstream_id: str | int | None = None
    language: str | None = None
    category: Category | None = None
    label: Label | None = None
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skip:
    """The row holds no plan. `reason` is a short snake_case word that is counted and shown; not a failure."""

    reason: str


class Reject(Exception):
    """The row should convert and does not: counted under `code`, its raw row kept in quarantine.

    `code` is one of the contract's reject codes (`audit.CODES`), `field` where it went wrong.
    """

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(code, message, field)
        self.code = code
        self.message = message
        self.field = field

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


Outcome = Sample | Skip | list[Sample]
