"""A tier's draft files from its shards: the selected lines in order, and the pair rows of the blocks they form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ..contract.tiers.keys import Key, unpack
from ..contract.tiers.pairs import pair_rows
from .tier_selection import Selected, blocks, select

_CHUNK = 32 * 65_536


class Published(NamedTuple):
    """Rows and pairs written, and the selection behind them."""

    rows: int
    pairs: int
    selected: Selected


def read_keys(shards: Sequence[Path]) -> Iterator[Key]:
    """The keys of all shards, in order (`<shard>.keys`)."""
    for shard in shards:
        with shard.with_name(f"{shard.name}.keys").open("rb") as data:
            while piece := data.read(_CHUNK):
                yield from unpack(piece)


def selected_lines(shards: Sequence[Path], selected: Selected) -> Iterator[tuple[Key, bytes]]:
    """The chosen lines, each with its newline and key, in row order; a key says how long its line is."""
    wanted, position = iter(selected.rows), 0
    goal = next(wanted, None)
    for shard in shards:
        offset = 0
        with shard.open("rb") as data:
            for key in read_keys([shard]):
                if position == goal:
                    data.seek(offset)
                    yield key, data.read(key.line_bytes)
                    goal = next(wanted, None)
                offset += key.line_bytes
                position += 1


def write_drafts(shards: Sequence[Path], strategies: Sequence[str], target: int, rows: Path, pairs: Path) -> Published:
    """Select from the shards and write both drafts; the caller fsyncs and renames them after the gates."""
    selected = select(blocks(read_keys(shards)), strategies, target)
    row_count = pair_count = 0
    with rows.open("wb") as row_file, pairs.open("wb") as pair_file:
        for block in selected_blocks(shards, selected):
            row_file.writelines(block)
            row_count += len(block)
            for pair in pair_rows(block):
                pair_file.write(pair + b"\n")
                pair_count += 1
    return Published(row_count, pair_count, selected)


def selected_blocks(shards: Sequence[Path], selected: Selected) -> Iterator[list[bytes]]:
    """The chosen lines, block by block."""
    lines = selected_lines(shards, selected)
    for _, block in groupby(lines, key=lambda item: (item[0].seed, item[0].corrupter)):
        yield [line for _, line in block]
