"""One thing more than the budget."""

from __future__ import annotations

from typing import ClassVar

from coordinator.contract.tiers import Draw

from ._quantity import QuantityEdge


class NumericEdge(QuantityEdge):
    """See the head of this file."""

    strategy = "numeric_edge"
    operators: ClassVar = ("numeric_edge",)

    def beyond(self, draw: Draw, limit: int) -> int:
        """An amount just over `limit`."""
        return limit + 1
