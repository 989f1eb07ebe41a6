"""The blocks of a tier in flat arrays, so that millions fit: some 20 bytes a block (40 while read), 12 a parent."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..contract.tiers.keys import DIFFICULTIES

Cell = tuple[int, str]
"""A strategy's place in the tier's order, and a difficulty."""
_PIECES = 256
"""In which long arrays are put in order: only one of them at a time stands in Python's own, larger, integers."""
_SHIFT = 64 - 8


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


class Table:
    """The blocks by number, and their numbers by cell, each cell in the order of its seeds."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self.tool, self.parent = array("I"), array("I")
        """Of each block, tool and parent as small numbers."""
        self.tools = self.parents = 0
        """How many of them there are."""
        self._first, self._rows, self._corrupter = array("I"), array("B"), array("B")
        self.cells = self._read(blocks)

    def _read(self, blocks: Iterable[Block]) -> dict[Cell, array[int]]:
        seeds, groups, tools = array("Q"), array("Q"), dict[int, int]()
        cells: dict[Cell, array[int]] = {}
        for number, block in enumerate(blocks):
            cells.setdefault((block.corrupter, DIFFICULTIES[block.difficulty]), array("I")).append(number)
            seeds.append(block.seed)
            self._first.append(block.first)
            self._rows.append(block.rows)
            self._corrupter.append(block.corrupter)
            self.tool.append(tools.setdefault(block.tool, len(tools)))
            groups.append(block.group)
        cells = {cell: self._ordered(found, seeds) for cell, found in cells.items()}
        del seeds
        distinct = _distinct(groups)
        self.parent.extend(bisect_left(distinct, group) for group in groups)
        self.tools, self.parents = len(tools), len(distinct)
        return cells

    def _ordered(self, numbers: array[int], seed: array[int]) -> array[int]:
        ordered, first = array("I"), self._first
        for piece in _pieces((seed[number] >> _SHIFT, number) for number in numbers):
            ordered.extend(sorted(piece, key=lambda number: (seed[number], first[number])))
        return ordered

    def applicable(self) -> Counter[int]:
        """Parents with a block, by strategy."""
        seen: dict[int, bytearray] = {}
        for parent, place in zip(self.parent, self._corrupter, strict=True):
            seen.setdefault(place, bytearray(self.parents))[parent] = 1
        return Counter({place: parents.count(1) for place, parents in seen.items()})

    def rows_of(self, numbers: Iterable[int]) -> array[int]:
        """The numbers of the rows of some blocks, ascending."""
        ends = (first + rows for first, rows in zip(self._first, self._rows, strict=True))
        marks = bytearray(max(ends, default=0))
        for number in numbers:
            first, rows = self._first[number], self._rows[number]
            marks[first : first + rows] = b"\1" * rows
        return array("I", (at for at, mark in enumerate(marks) if mark))


def _distinct(values: array[int]) -> array[int]:
    """The values of 64 bits, each once, ascending."""
    found = array("Q")
    for piece in _pieces(((value >> _SHIFT, value) for value in values), "Q"):
        found.extend(sorted(set(piece)))
    return found


def _pieces(values: Iterable[tuple[int, int]], kind: str = "I") -> Iterator[array[int]]:
    """Values by the piece, of `_PIECES`, that they belong to; one that was taken is held no longer."""
    pieces = [array(kind) for _ in range(_PIECES)]
    for piece, value in values:
        pieces[piece].append(value)
    pieces.reverse()
    while pieces:
        yield pieces.pop()
