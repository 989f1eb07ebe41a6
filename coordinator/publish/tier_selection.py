"""Which rows of a tier are published: whole blocks, by the tier's shares and caps, in the order of their hashes.

Reads light keys alone (32 bytes a row). Nothing is ever taken twice; where parents are too few, the tier is
smaller, and the report says which strategy and difficulty bound it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..contract.tiers.keys import DIFFICULTIES, Key

MAX_PER_STRATEGY = 3
MAX_PER_PARENT = 8
MAX_TOOL_SHARE = 0.03
SHARES: Mapping[str, float] = {"hard": 0.50, "medium": 0.35, "easy": 0.15}


class Block(NamedTuple):
    """The rows of one draw: `rows` of them from row number `first` on, one of them negative."""

    seed: int
    corrupter: int
    difficulty: int
    operator: int
    group: int
    tool: int
    first: int
    rows: int


@dataclass(slots=True)
class Selected:
    """What is published, and why no more."""

    rows: array[int]
    """Row numbers, ascending, over all shards in order."""
    per_strategy: int = 0
    """Negatives of each strategy."""
    supply: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Negatives that there are, by strategy and difficulty."""
    applicable: Counter[int] = field(default_factory=Counter)
    """Parents with a negative, by strategy."""
    bound: str = ""
    """The sentence that says what bounds the tier."""


def blocks(keys: Iterable[Key]) -> list[Block]:
    """The blocks of a tier's keys, which stand one behind the other in row order."""
    found: list[Block] = []
    start, rows = 0, list[Key]()
    for position, key in enumerate(keys):
        if rows and (key.seed, key.corrupter) != (rows[0].seed, rows[0].corrupter):
            found.append(_block(rows, start))
            start, rows = position, []
        rows.append(key)
    return [*found, _block(rows, start)] if rows else found


def _block(rows: Sequence[Key], start: int) -> Block:
    key = next((row for row in rows if row.is_mutant), rows[0])
    return Block(key.seed, key.corrupter, key.difficulty, key.operator, key.group, key.tool, start, len(rows))


def select(
    candidates: Sequence[Block], strategies: Sequence[str], target: int, shares: Mapping[str, float] = SHARES
) -> Selected:
    """The largest tier of equal strategies and fixed difficulty shares that the blocks and caps allow.

    `target` bounds the negatives in all (0: no bound).
    """
    chosen = Selected(array("Q"))
    cells: dict[tuple[int, str], list[Block]] = {}
    parents: set[tuple[int, int]] = set()
    for block in sorted(candidates):
        cells.setdefault((block.corrupter, DIFFICULTIES[block.difficulty]), []).append(block)
        parents.add((block.corrupter, block.group))
    chosen.supply.update({cell: len(found) for cell, found in cells.items()})
    chosen.applicable.update(corrupter for corrupter, _ in parents)
    size, chosen.bound = _upper_bound(chosen, strategies, target, shares)
    taken = _fill(cells, size, len(strategies), shares)
    if taken is None:
        size, taken = _largest(cells, size, len(strategies), shares)
        chosen.bound += f"; then at most {MAX_PER_PARENT} a parent and {MAX_TOOL_SHARE:.0%} a tool"
    chosen.per_strategy = size
    chosen.rows.extend(sorted(row for block in taken for row in range(block.first, block.first + block.rows)))
    return chosen


def _largest(
    cells: Mapping[tuple[int, str], list[Block]], too_large: int, strategies: int, shares: Mapping[str, float]
) -> tuple[int, list[Block]]:
    """The largest size below `too_large` that the caps let fill, by bisection, and its blocks."""
    size, best = 0, list[Block]()
    while too_large - size > 1:
        middle = (size + too_large) // 2
        taken = _fill(cells, middle, strategies, shares)
        if taken is None:
            too_large = middle
        else:
            size, best = middle, taken
    return size, best


def _upper_bound(
    chosen: Selected, strategies: Sequence[str], target: int, shares: Mapping[str, float]
) -> tuple[int, str]:
    bounds: list[tuple[int, str]] = []
    if target:
        bounds.append((target // len(strategies), f"the target of {target:,}"))
    for place, name in enumerate(strategies):
        parents = chosen.applicable[place]
        bounds.append((MAX_PER_STRATEGY * parents, f"{name}: {parents:,} parents, {MAX_PER_STRATEGY} negatives each"))
        for difficulty, share in shares.items():
            there = chosen.supply[place, difficulty]
            bounds.append((int(there / share), f"{name}, {difficulty}: {there:,} negatives for {share:.0%}"))
    return min(bounds)


def _quotas(size: int, shares: Mapping[str, float]) -> dict[str, int]:
    """How many of each difficulty make `size`: rounded down, the rest by largest fraction."""
    exact = {name: size * share for name, share in shares.items()}
    quotas = {name: int(value) for name, value in exact.items()}
    rest = sorted(exact, key=lambda name: (quotas[name] - exact[name], name))
    for name in rest[: size - sum(quotas.values())]:
        quotas[name] += 1
    return quotas


def _fill(
    cells: Mapping[tuple[int, str], list[Block]], size: int, strategies: int, shares: Mapping[str, float]
) -> list[Block] | None:
    """Blocks that fill every quota of `size`, the scarcest first, each in hash order; None where the caps forbid it."""
    quotas = _quotas(size, shares)
    most_of_a_tool = max(1, int(MAX_TOOL_SHARE * size * strategies))
    tools, parents, pairs = Counter[int](), Counter[int](), Counter[tuple[int, int]]()
    taken: list[Block] = []
    wanted = [(place, name) for place in range(strategies) for name in shares if quotas[name]]
    for cell in sorted(wanted, key=lambda cell: (len(cells.get(cell, ())) / quotas[cell[1]], cell)):
        left = quotas[cell[1]]
        for block in cells.get(cell, ()):
            own = block.group, block.corrupter
            if tools[block.tool] >= most_of_a_tool or parents[block.group] >= MAX_PER_PARENT:
                continue
            if pairs[own] >= MAX_PER_STRATEGY:
                continue
            tools[block.tool] += 1
            parents[block.group] += 1
            pairs[own] += 1
            taken.append(block)
            left -= 1
            if not left:
                break
        if left:
            return None
    return taken
