"""Five to ten per cent over the budget."""

from __future__ import annotations

from typing import ClassVar

from coordinator.contract.tiers import Draw

from ._quantity import QuantityEdge


class Near(QuantityEdge):
    """See the head of this file."""

    strategy = "near"
    operators: ClassVar = ("near",)

    def beyond(self, draw: Draw, limit: int) -> int:
        """An amount just over `limit`."""
        return int(limit * (1.06 + 0.03 * draw.random.random()) + 0.5)
