"""From a parent of Tier I to its rows in a tier: what a parent's rows share, and the blocks that draws give.

Pure: the rows depend on the parent, the corrupter and the master seed alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..contract.tiers import Corrupter, Family, Parent, group_of, holds_out_operators, make_draw, split_of, write
from ..contract.tiers.child import Made
from ..contract.tiers.keys import key_of


def family_of(parent: Parent) -> Family:
    """What the rows of a parent share."""
    group = group_of(parent.name)
    return Family(parent, group, split_of(group, parent.source, sorted({step.tool for step in parent.steps})))


def blocks_of(family: Family, corrupter: Corrupter, master_seed: int) -> Iterator[list[tuple[Made, bytes]]]:
    """The blocks that a corrupter's draws give of one parent, in order: rows with their packed keys.

    Raises `Reject` for a row that is not legal.
    """
    parent, held_out = family.parent, holds_out_operators(family.group_id)
    for k in range(corrupter.draws):
        draw = make_draw(master_seed, corrupter.strategy, parent.source, parent.original_id, k, held_out)
        block = corrupter.corrupt(parent, draw)
        if block:
            rows = write(family, corrupter, draw, block)
            yield [
                (row, key_of(corrupter, draw, variant, family.group_id, row))
                for variant, row in zip(block, rows, strict=True)
            ]
