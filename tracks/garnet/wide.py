"""Ten to seventy-five per cent over the budget."""

from __future__ import annotations

from typing import ClassVar

from coordinator.contract.tiers import Draw

from ._quantity import QuantityEdge


class Wide(QuantityEdge):
    """See the head of this file."""

    strategy = "wide"
    largest = 5_700
    operators: ClassVar = ("wide",)

    def beyond(self, draw: Draw, limit: int) -> int:
        """An amount just over `limit`."""
        return int(limit * draw.log_uniform(1.12, 1.74))
