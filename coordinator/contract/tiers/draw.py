"""Everything random in Tiers II and III, as pure functions of names: the same row gives the same draw anywhere."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from random import Random
from typing import NamedTuple

from ..mutation import Difficulty, Split
from .lexicon import HELD_OUT_OPERATOR_SHARE, HELD_OUT_SOURCES, HELD_OUT_TOOL_SHARE, NEVER_HELD_OUT

DIFFICULTY_SHARES: tuple[tuple[Difficulty, float], ...] = (("hard", 0.50), ("medium", 0.35), ("easy", 0.15))
FACTORS: dict[Difficulty, tuple[float, float]] = {"hard": (2.0, 5.0), "medium": (5.0, 20.0), "easy": (20.0, 100.0)}


def number(*parts: str) -> int:
    """The first 8 bytes of SHA-256 over the parts, joined by `|`."""
    return int.from_bytes(hashlib.sha256("|".join(parts).encode()).digest()[:8], "big")


def group_of(parent: str) -> str:
    """The group of all rows made from one parent (`<source>#<original_id>`)."""
    return f"{number('group', parent):016x}"


class Draw(NamedTuple):
    """One draw of a strategy from one parent: its place in the row of draws, its seed, its private `Random`."""

    k: int
    seed: int
    held_out: bool
    """The group is kept out of training for its operators: use the held-out ones where they apply."""
    random: Random
    difficulty: Difficulty

    def factor(self) -> float:
        """A factor of this draw's difficulty, log-uniform, of three digits."""
        low, high = FACTORS[self.difficulty]
        return self.log_uniform(low, high)

    def log_uniform(self, low: float, high: float) -> float:
        """A number of [low, high), uniform in its logarithm."""
        return low * math.exp(self.random.random() * math.log(high / low))


def make_draw(master: int, strategy: str, source: str, original_id: str, k: int, held_out: bool) -> Draw:
    """The k-th draw of `strategy` from a parent: seeded by SHA-256(master|strategy|source|original_id|k)."""
    seed = number(str(master), strategy, source, original_id, str(k))
    random = Random(seed)
    share, difficulty = random.random(), DIFFICULTY_SHARES[-1][0]
    for name, size in DIFFICULTY_SHARES:
        if share < size:
            difficulty = name
            break
        share -= size
    return Draw(k, seed, held_out, random, difficulty)


def holds_out_operators(group_id: str) -> bool:
    """Whether a group is one of those in which held-out operators are drawn."""
    return number("operators", group_id) % 1000 < 1000 * HELD_OUT_OPERATOR_SHARE


@lru_cache(65_536)
def holds_out_tool(tool: str) -> bool:
    """Whether a tool is one of the tenth that no training row may hold."""
    return tool not in NEVER_HELD_OUT and number("tool", tool) % 1000 < 1000 * HELD_OUT_TOOL_SHARE


def split_of(group_id: str, source: str, tools: list[str]) -> Split:
    """The split of a group: 80/10/10 by its hash, or out of distribution by operator, tool or source."""
    if source in HELD_OUT_SOURCES or holds_out_operators(group_id) or any(map(holds_out_tool, tools)):
        return "test_ood"
    place = number("split", group_id) % 10
    return "train" if place < 8 else "validation" if place == 8 else "test"
