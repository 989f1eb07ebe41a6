"""What a file of tracks/amber or tracks/garnet declares: a pure function from a parent and a draw to matched rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

from ..mutation import Difficulty, EnergyTerm
from .draw import Draw
from .parent import Parent


class Variant(NamedTuple):
    """One row to be made of a parent: the edits that make it, and what it is.

    A negative has a `severity` and names, by `positive`, the benign variant of its block that stands under the
    same anchor (query, policy, budget). A benign one has neither.
    """

    operator: str
    edits: Sequence[Mapping[str, Any]]
    targets: Sequence[int]
    """Indices, in the variant's own plan, of the nodes that the edits are about."""
    difficulty: Difficulty
    severity: float = 0.0
    positive: int | None = None
    factor: float | None = None
    explanation: str = ""
    limit: int | str | None = None


class Corrupter(ABC):
    """One strategy of a tier. It keeps no state: the same parent and draw always give the same block."""

    tier: ClassVar[Literal["II", "III"]]
    strategy: ClassVar[str]
    """snake_case; the loader name of its rows."""
    term: ClassVar[EnergyTerm]
    operators: ClassVar[tuple[str, ...]]
    held_out: ClassVar[tuple[str, ...]] = ()
    """Operators that no training row may show."""
    draws: ClassVar[int] = 3
    """Draws a parent; each gives one negative at most."""

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each operator, held-out ones behind."""
        return {operator: place for place, operator in enumerate((*self.operators, *self.held_out))}

    @abstractmethod
    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        """A block: one negative, its positive, and further benign controls; empty where nothing applies."""
