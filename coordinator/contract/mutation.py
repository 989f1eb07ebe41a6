"""What a Tier II or III row says beyond a Tier I row, and the line of a pair file, as strict models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, Len
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

EnergyTerm = Literal["E_scope", "E_hierarchy", "E_provenance", "E_flow"]
Difficulty = Literal["hard", "medium", "easy"]
Kind = Literal["control", "mutant"]
Split = Literal["train", "validation", "test", "test_ood"]

TERMS: tuple[EnergyTerm, ...] = ("E_scope", "E_hierarchy", "E_provenance", "E_flow")
"""The order in which every row lists its four labels."""
DELTA_PER_SEVERITY = 2.0
MAX_BOUNDARY_SEVERITY = 0.30
MAX_EDITS = 64

Key16 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
PairId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}-[0-9]{1,2}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Pointer = Annotated[str, StringConstraints(pattern=r"^(/([^~/]|~[01])*)+$"), Len(1, 512)]
RowId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Put(_Strict):
    """RFC 6902 `add` or `replace`."""

    op: Literal["add", "replace"]
    path: Pointer
    value: Any


class Remove(_Strict):
    """RFC 6902 `remove`."""

    op: Literal["remove"]
    path: Pointer


Edit = Annotated[Put | Remove, Field(discriminator="op")]


class Mutation(_Strict):
    """How the row was made from its parent; `edits` apply to the parent's whole row."""

    strategy: Name
    operator: Name
    difficulty: Difficulty
    factor: Annotated[float, Ge(1)] | None
    """How many times the stated limit is exceeded, where the operator works by a factor."""
    target_node_ids: Annotated[list[str], Len(0, 64)]
    """Ids of this row's nodes that the edits are about."""
    seed: Key16
    """The 64-bit seed in hex: as a JSON number it would not survive every reader."""
    edits: Annotated[list[Edit], Len(0, MAX_EDITS)]
    limit: int | str | None = None
    """Tier III: the stated limit at whose edge the row stands."""
    twin: RowId | None = None
    """Tier III: the `original_id` of the row on the other side of the limit."""


class ViolationLabel(_Strict):
    """One energy term's label. `delta_estimate` is severity x 2.0."""

    energy_term: EnergyTerm
    violated: bool
    severity: Annotated[float, Ge(0), Le(1)]
    delta_estimate: Annotated[float, Ge(0), Le(2)]
    explanation: Annotated[str, Len(0, 512)]


class Anchor(_Strict):
    """What both plans of a pair answer to."""

    query: Annotated[str, Len(1)]
    policy: str | None = None
    scope_budget: Annotated[int, Ge(1)] | None = None


class Pair(_Strict):
    """One line of a pair file: a negative against the positive under the same anchor."""

    schema_version: Annotated[str, StringConstraints(pattern=r"^1\.[0-9]+$")]
    pair_id: PairId
    group_id: Key16
    split: Split
    energy_term: EnergyTerm
    anchor: Anchor
    positive_id: RowId
    negative_id: RowId
    control_ids: list[RowId]
    difficulty: Difficulty
    severity: Annotated[float, Ge(0), Le(1)]
    margin: Annotated[float, Ge(0), Le(2)]
    """The negative's `delta_estimate`."""
