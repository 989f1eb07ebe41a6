"""What the boundary operators share: a negative just beyond a stated limit and its twin just within."""

from __future__ import annotations

from typing import Any

from coordinator.contract.tiers import Variant

Edits = list[dict[str, Any]]


def pair(
    operator: str,
    target: int,
    limit: int | str,
    severity: float,
    why: str,
    negative: Edits,
    *benign: Edits,
    factor: float | None = None,
) -> list[Variant]:
    """The negative, its twin, and further benign rows."""
    return [
        Variant(operator, negative, [target], "hard", severity, 1, factor, why, limit),
        *(Variant(operator, edits, [target], "hard", factor=factor, limit=limit) for edits in benign),
    ]
