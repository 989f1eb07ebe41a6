"""A whole tier in two files, by shards of its parents: what corrupters make, without workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from coordinator.contract.tiers import Corrupter, Parent
from coordinator.contract.tiers.keys import pack, unpack
from coordinator.worker.corrupt import blocks_of, family_of


def corrupt_file(
    tier1: Path, out: Path, corrupters: Sequence[Corrupter], master_seed: int, shard: tuple[int, int] = (0, 1)
) -> None:
    """Write the rows of shard k of n to `out` and their keys beside it (`<out>.keys`).

    A row's line belongs to the shard that its parent's first byte lies in.
    """
    with tier1.open("rb") as data, out.open("wb") as rows, out.with_name(f"{out.name}.keys").open("wb") as keys:
        for line in shard_lines(data, tier1.stat().st_size, *shard):
            family = family_of(Parent.parse(line))
            for place, corrupter in enumerate(corrupters):
                for block in blocks_of(family, corrupter, master_seed):
                    rows.writelines(made.line + b"\n" for made, _ in block)
                    keys.writelines(pack(*unpack(key)[0]._replace(corrupter=place)) for _, key in block)


def shard_lines(data: BinaryIO, size: int, k: int, n: int) -> Iterator[bytes]:
    """The lines of a file whose first byte lies in the k-th of n equal ranges of its bytes."""
    start, end = size * k // n, size * (k + 1) // n
    if start:
        data.seek(start - 1)
        data.readline()
    while data.tell() < end and (line := data.readline()):
        yield line
