"""A tier from a Tier I file: a byte range of it, each row through each corrupter, to lines and light keys.

Pure but for reading and writing the two files: the rows depend on the parent, the corrupter and the master seed
alone, so n shards put one behind the other are what one shard writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ..contract.rules import MAX_LINE_BYTES
from ..contract.sample import Reject
from ..contract.tiers import Corrupter, Family, Parent, group_of, holds_out_operators, make_draw, split_of, write
from ..contract.tiers.child import Made
from ..contract.tiers.keys import Key, key_of

BUFFER = 2**20


@dataclass(slots=True)
class Yield:
    """What became of the parents of one shard. `applicable` counts parents that gave at least one block."""

    parents: int = 0
    rows: int = 0
    applicable: Counter[str] = field(default_factory=Counter)
    negatives: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    """Blocks that broke the contract (a line grown too long, say), by strategy and code."""

    def __add__(self, other: Yield) -> Yield:
        return Yield(
            self.parents + other.parents,
            self.rows + other.rows,
            self.applicable + other.applicable,
            self.negatives + other.negatives,
            self.rejected + other.rejected,
        )


def corrupt_file(
    tier1: Path, out: Path, corrupters: Sequence[Corrupter], master_seed: int, shard: tuple[int, int] = (0, 1)
) -> Yield:
    """Write the rows of shard k of n to `out` and their keys beside it (`<out>.keys`).

    A row's line belongs to the shard that its parent's first byte lies in.
    """
    found = Yield()
    keys_path = out.with_name(f"{out.name}.keys")
    with tier1.open("rb") as data, out.open("wb", BUFFER) as rows, keys_path.open("wb", BUFFER) as keys:
        for line in shard_lines(data, tier1.stat().st_size, *shard):
            for made, key in corrupt_row(Parent.parse(line), corrupters, master_seed, found):
                rows.write(made)
                rows.write(b"\n")
                keys.write(key.pack())
    return found


def shard_lines(data: BinaryIO, size: int, k: int, n: int) -> Iterator[bytes]:
    """The lines of a file whose first byte lies in the k-th of n equal ranges of its bytes."""
    start, end = size * k // n, size * (k + 1) // n
    if start:
        data.seek(start - 1)
        data.readline(MAX_LINE_BYTES + 2)
    while data.tell() < end and (line := data.readline()):
        yield line


def corrupt_row(
    parent: Parent, corrupters: Sequence[Corrupter], master_seed: int, found: Yield
) -> Iterator[tuple[bytes, Key]]:
    """All rows of one parent, in the order of the corrupters and their draws, each with its key."""
    found.parents += 1
    family = family_of(parent)
    for number, corrupter in enumerate(corrupters):
        applied = False
        for block in blocks_of(family, corrupter, master_seed, number, found.rejected):
            applied = True
            found.rows += len(block)
            found.negatives[corrupter.strategy] += sum(key.is_mutant for _, key in block)
            for made, key in block:
                yield made.line, key
        found.applicable[corrupter.strategy] += applied


def family_of(parent: Parent) -> Family:
    """What the rows of a parent share."""
    group = group_of(parent.name)
    return Family(parent, group, split_of(group, parent.source, sorted({step.tool for step in parent.steps})))


def blocks_of(
    family: Family, corrupter: Corrupter, master_seed: int, place: int = 0, rejected: Counter[str] | None = None
) -> Iterator[list[tuple[Made, Key]]]:
    """The blocks of one parent that a corrupter's draws give, in order; `place` is the corrupter's in the keys.

    A block that breaks the contract is counted in `rejected` and left out; without a counter it raises its `Reject`.
    """
    parent, held_out = family.parent, holds_out_operators(family.group_id)
    for k in range(corrupter.draws):
        draw = make_draw(master_seed, corrupter.strategy, parent.source, parent.original_id, k, held_out)
        block = corrupter.corrupt(parent, draw)
        if not block:
            continue
        try:
            rows = write(family, corrupter, draw, block)
        except Reject as problem:
            if rejected is None:
                raise
            rejected[f"{corrupter.strategy} {problem.code}"] += 1
            continue
        yield [
            (row, key_of(place, corrupter, draw, variant, family.group_id, row))
            for variant, row in zip(block, rows, strict=True)
        ]
