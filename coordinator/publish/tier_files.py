"""A tier's draft files from its shards: the selected lines in order, and the pair rows of the blocks they form."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from ..contract.tiers.keys import Key, unpack
from ..contract.tiers.pairs import pairs_of
from ..worker.parts import checksum
from .tier_selection import Selected, blocks, select


class Damaged(Exception):
    """A file of a shard is not what was committed, or not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


class Shard(NamedTuple):
    """Some rows in order and their keys: two files that are read as a whole, so a shard is as small as a part."""

    lines: Path
    keys: Path
    place: int | None = None
    """The strategy's place in the tier's order, where the keys do not tell."""
    checksums: tuple[str, str] = ("", "")
    """Of the lines and of the keys; verified whenever one of them is read."""


class File(NamedTuple):
    """A file that was written: lines, bytes, SHA-256."""

    lines: int
    bytes: int
    sha256: str


class Drafts(NamedTuple):
    """What was written, the selection behind it, and its rows by what they are."""

    rows: File
    pairs: File
    selected: Selected
    counts: Counter[tuple[str, str, str, str, str]]
    """Rows by (strategy, operator, difficulty, split, variant)."""


class _Out:
    """Writes lines and keeps count of them."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self._digest = out, hashlib.sha256()
        self._lines = self._bytes = 0

    def write(self, line: bytes) -> None:
        self._out.write(line)
        self._digest.update(line)
        self._lines += 1
        self._bytes += len(line)

    @property
    def file(self) -> File:
        return File(self._lines, self._bytes, self._digest.hexdigest())


def read_keys(shards: Sequence[Shard]) -> Iterator[Key]:
    """The keys of all shards, in order. Raises `Damaged`."""
    for shard in shards:
        keys = unpack(_whole(shard.keys, shard.checksums[1]))
        if shard.place is None:
            yield from keys
        else:
            yield from (Key(*key[:3], shard.place, *key[4:]) for key in keys)


def selected_lines(shards: Sequence[Shard], selected: Selected) -> Iterator[tuple[Key, bytes]]:
    """The chosen lines, each with its newline and key, in row order; a key says how long its line is."""
    wanted, position = iter(selected.rows), 0
    goal = next(wanted, None)
    for shard in shards:
        keys = list(read_keys([shard]))
        data = _lines(shard, keys) if goal is not None and goal < position + len(keys) else b""
        offset = 0
        for key in keys:
            if position == goal:
                yield key, data[offset : offset + key.line_bytes]
                goal = next(wanted, None)
            offset += key.line_bytes
            position += 1


def _lines(shard: Shard, keys: Sequence[Key]) -> bytes:
    data = _whole(shard.lines, shard.checksums[0])
    if sum(key.line_bytes for key in keys) != len(data):
        raise Damaged(shard.keys)
    return data


def _whole(path: Path, committed: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError:
        raise Damaged(path) from None
    if committed and checksum(data).hexdigest() != committed:
        raise Damaged(path)
    return data


def write_drafts(
    shards: Sequence[Shard], strategies: Sequence[str], target: int, rows: BinaryIO, pairs: BinaryIO
) -> Drafts:
    """Select from the shards and write both drafts; syncing and renaming them is the caller's.

    Raises `Damaged`, and `OSError` where they cannot be written.
    """
    selected = select(blocks(read_keys(shards)), strategies, target)
    row_out, pair_out = _Out(rows), _Out(pairs)
    counts: Counter[tuple[str, str, str, str, str]] = Counter()
    for block in selected_blocks(shards, selected):
        records = [orjson.loads(line) for line in block]
        for line, record in zip(block, records, strict=True):
            row_out.write(line)
            counts[_kind(record["metadata"])] += 1
        for pair in pairs_of(records):
            pair_out.write(pair + b"\n")
    return Drafts(row_out.file, pair_out.file, selected, counts)


def _kind(metadata: dict[str, Any]) -> tuple[str, str, str, str, str]:
    made = metadata["mutation"]
    return made["strategy"], made["operator"], made["difficulty"], metadata["split"], metadata["variant"]


def selected_blocks(shards: Sequence[Shard], selected: Selected) -> Iterator[list[bytes]]:
    """The chosen lines, block by block."""
    lines = selected_lines(shards, selected)
    for _, block in groupby(lines, key=lambda item: (item[0].seed, item[0].corrupter)):
        yield [line for _, line in block]
