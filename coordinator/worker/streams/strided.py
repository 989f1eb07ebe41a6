"""Parquet files in slices from all over the source, so that the first rows that are read stand for all of them.

Row groups come in an order in which any number of them in a row lie about evenly over the whole source. Where at
least `PLACES` of them fit what is wanted, each is read whole, as a row costs its whole page and a row group is cheapest
to read at once; else each gives its first rows, equally many, then each its next ones. How many is decided when the
reader begins and kept in its state: a higher cap later goes on in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .parquet import ParquetStream, Slice

PLACES = 32
"""From so many places rows come at least, where so many row groups stand."""
GROWTH = 4
"""Slices grow by this from turn to turn: a source that is read to its end is decoded 2.4 times at most."""
GOLDEN = (5**0.5 - 1) / 2
"""Steps of this part of a circle leave no large gap on it, however many they are."""


def spread(count: int) -> list[int]:
    """0 to count - 1, each once; those at the beginning lie about evenly."""
    order = [0] * count
    for rank, step in enumerate(sorted(range(count), key=lambda step: step * GOLDEN % 1)):
        order[step] = rank
    return order


def rows_of_a_slice(groups: list[Slice], wanted: int) -> int:
    """Rows that each of the first slices has, for a reader that wants so many (0: all); 0 = the whole row group."""
    first = [groups[place].rows for place in spread(len(groups))[:PLACES]]
    whole = not wanted or (len(first) == PLACES and sum(first) <= wanted)
    return 0 if whole or not first else -(-wanted // len(first))


def slices_of(groups: list[Slice], rows: int) -> Iterator[Slice]:
    """The slices of row groups, in the order in which they are read; the first ones have `rows` (0: all)."""
    first, rows = 0, rows or max((group.rows for group in groups), default=0)
    while groups := [group for group in groups if group.rows > first]:
        for group in (groups[position] for position in spread(len(groups))):
            size = min(rows, group.rows - first)
            yield Slice(group.file, group.group, first, size, group.number + first)
        first, rows = first + rows, rows * GROWTH


class StridedParquet(ParquetStream):
    """Rows of parquet files, spread. State: rows of a first slice, slices done, rows done of the next one."""

    def beginning(self) -> dict[str, Any]:
        """See `ParquetStream.beginning`."""
        return {"rows": rows_of_a_slice(super().slices({}), self.wanted), "slice": 0, "row": 0}

    def slices(self, place: dict[str, Any]) -> list[Slice]:
        """See `ParquetStream.slices`."""
        return list(slices_of(super().slices(place), int(place["rows"])))
