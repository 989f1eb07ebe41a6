"""Which rows of a tier are published: whole blocks, by the tier's shares and caps, in the order of their hashes.

Reads light keys alone (32 bytes a row), and holds at most 40 bytes a block (`tier_table`). Nothing is ever taken
twice; where parents are too few, the tier is smaller, and the report says which strategy and difficulty bound it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..contract.tiers.keys import Key
from ..contract.tiers.shares import BOUNDARY_SHARES, DIFFICULTY_SHARES, MAX_TOOL_SHARE
from .tier_table import Block, Cell, Table

MAX_PER_STRATEGY = 3
MAX_PER_PARENT = 8


def shares_of(strategies: Sequence[str]) -> dict[Cell, float]:
    """Each cell's share of all negatives: Tier III's own table, else equal strategies by difficulty."""
    if set(strategies) <= BOUNDARY_SHARES.keys():
        whole = sum(BOUNDARY_SHARES[name] for name in strategies)
        return {(place, "hard"): BOUNDARY_SHARES[name] / whole for place, name in enumerate(strategies)}
    return {
        (place, difficulty): share / len(strategies)
        for place in range(len(strategies))
        for difficulty, share in DIFFICULTY_SHARES.items()
    }


@dataclass(slots=True)
class Selected:
    """What is published, and why no more."""

    rows: array[int]
    """Row numbers, ascending, over all shards in order."""
    negatives: int = 0
    supply: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Negatives that there are, by strategy and difficulty."""
    applicable: Counter[int] = field(default_factory=Counter)
    """Parents with a negative, by strategy."""
    bound: str = ""
    """The sentence that says what bounds the tier."""


def blocks(keys: Iterable[Key]) -> Iterator[Block]:
    """The blocks of a tier's keys, which stand one behind the other in row order."""
    start, rows = 0, list[Key]()
    for position, key in enumerate(keys):
        if rows and (key.seed, key.corrupter) != (rows[0].seed, rows[0].corrupter):
            yield _block(rows, start)
            start, rows = position, []
        rows.append(key)
    if rows:
        yield _block(rows, start)


def _block(rows: Sequence[Key], start: int) -> Block:
    key = next((row for row in rows if row.is_mutant), rows[0])
    return Block(key.seed, key.corrupter, key.difficulty, key.operator, key.group, key.tool, start, len(rows))


def select(candidates: Iterable[Block], strategies: Sequence[str], target: int) -> Selected:
    """The largest tier in fixed shares that the blocks and caps allow; `target` bounds its negatives (0: no bound)."""
    chosen, shares = Selected(array("I")), shares_of(strategies)
    table = Table(candidates)
    chosen.supply.update({cell: len(found) for cell, found in table.cells.items()})
    chosen.applicable.update(table.applicable())
    size, chosen.bound = _upper_bound(chosen, strategies, target, shares)
    taken = _fill(table, size, shares)
    if taken is None:
        size, taken = _largest(table, size, shares)
        chosen.bound += f"; then at most {MAX_PER_PARENT} a parent and {MAX_TOOL_SHARE:.0%} a tool"
    chosen.negatives, chosen.rows = size, table.rows_of(taken)
    return chosen


def _upper_bound(
    chosen: Selected, strategies: Sequence[str], target: int, shares: Mapping[Cell, float]
) -> tuple[int, str]:
    bounds: list[tuple[int, str]] = [(target, f"the target of {target:,}")] if target else []
    for place, name in enumerate(strategies):
        parents = chosen.applicable[place]
        whole = sum(share for cell, share in shares.items() if cell[0] == place)
        most = int(MAX_PER_STRATEGY * parents / whole)
        bounds.append((most, f"{name}: {parents:,} parents, {MAX_PER_STRATEGY} negatives each"))
    for (place, difficulty), share in shares.items():
        there = chosen.supply[place, difficulty]
        reason = f"{strategies[place]}, {difficulty}: {there:,} negatives for {share:.2%}"
        bounds.append((int(there / share), reason))
    return min(bounds)


def _largest(table: Table, too_large: int, shares: Mapping[Cell, float]) -> tuple[int, array[int]]:
    """The largest size below `too_large` that the caps let fill, by bisection, and its blocks."""
    size, best = 0, array("I")
    while too_large - size > 1:
        middle = (size + too_large) // 2
        taken = _fill(table, middle, shares)
        if taken is None:
            too_large = middle
        else:
            size, best = middle, taken
    return size, best


def quotas(size: int, shares: Mapping[Cell, float]) -> dict[Cell, int]:
    """How many of each cell make `size`: rounded down, the rest by largest fraction."""
    exact = {cell: size * share for cell, share in shares.items()}
    found = {cell: int(value) for cell, value in exact.items()}
    rest = sorted(exact, key=lambda cell: (found[cell] - exact[cell], cell))
    for cell in rest[: size - sum(found.values())]:
        found[cell] += 1
    return found


def _fill(table: Table, size: int, shares: Mapping[Cell, float]) -> array[int] | None:
    """Blocks that fill every quota of `size`, the scarcest first, each in hash order; None where the caps forbid it."""
    wanted = {cell: quota for cell, quota in quotas(size, shares).items() if quota}
    most_of_a_tool = max(1, int(MAX_TOOL_SHARE * size))
    tools, parents = array("I", bytes(4 * table.tools)), bytearray(table.parents)
    by_strategy = {place: bytearray(table.parents) for place, _ in wanted}
    taken = array("I")
    for cell in sorted(wanted, key=lambda cell: (len(table.cells.get(cell, ())) / wanted[cell], cell)):
        left, pairs = wanted[cell], by_strategy[cell[0]]
        for block in table.cells.get(cell, ()):
            tool, parent = table.tool[block], table.parent[block]
            if tools[tool] >= most_of_a_tool or parents[parent] >= MAX_PER_PARENT or pairs[parent] >= MAX_PER_STRATEGY:
                continue
            tools[tool] += 1
            parents[parent] += 1
            pairs[parent] += 1
            taken.append(block)
            left -= 1
            if not left:
                break
        if left:
            return None
    return taken
