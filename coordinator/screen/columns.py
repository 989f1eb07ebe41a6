"""The tree's columns, by width and by the longest name. Pure: numbers in, cells out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

GUTTER = 5
STATE, SAMPLES, WAITS, PERCENT, RATE, SPARK, REJECTED, ETA = 9, 9, 9, 4, 7, 10, 8, 7
LEAST_NAME, LEAST_BAR, MOST_BAR = 14, 10, 26
GAP = 2


@dataclass(frozen=True, slots=True)
class Columns:
    """Cells of each column; zero where it has no room. What follows `samples` gives way to a row's reason."""

    name: int
    samples: int
    waits: int
    bar: int
    percent: int
    rate: int
    spark: int
    rejected: int
    eta: int

    @property
    def reason(self) -> int:
        """Where a reason begins."""
        return GUTTER + self.name + GAP + STATE + (GAP + self.samples if self.samples else 0) + GAP


@lru_cache(maxsize=64)
def columns(width: int, longest: int, waits: bool = False) -> Columns:
    """The columns for rows of `width`; narrow ones drop spark, bar, rejected, per cent, then what is left.

    `waits`: whether there is anything to say of what loaders wait for; that column takes only what others can spare.
    """
    samples = SAMPLES if width >= 40 else 0
    percent = PERCENT if width >= 60 else 0
    rate, eta = (RATE if width >= 48 else 0), (ETA if width >= 56 else 0)
    rejected = REJECTED if width >= 74 else 0
    spark = SPARK if width >= 104 else 0
    fixed = [STATE, samples, percent, rate, spark, rejected, eta]
    free = width - GUTTER - 1 - sum(one + GAP for one in fixed if one)
    least_bar = GAP + LEAST_BAR if width >= 96 else 0
    waiting = WAITS if waits and free - least_bar - max(LEAST_NAME, longest) >= WAITS + GAP else 0
    free -= waiting + GAP if waiting else 0
    if width < 96:
        return Columns(max(1, free), samples, waiting, 0, percent, rate, spark, rejected, eta)
    name = max(LEAST_NAME, min(longest, free - GAP - LEAST_BAR))
    bar = min(MOST_BAR, free - GAP - name)
    return Columns(free - GAP - bar, samples, waiting, bar, percent, rate, spark, rejected, eta)
