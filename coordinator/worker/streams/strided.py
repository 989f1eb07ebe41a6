"""Parquet files in slices from all over the source, so that the first rows that are read stand for all of them.

Every row group gives its first rows, then every row group its next ones, and each time the row groups come in an order
in which any number of them in a row lie about evenly over the whole source. Slices grow from turn to turn: a source
that is read to its end is not decoded more than 1.4 times. The order depends on the files alone, so that a cap, or a
higher one later, only decides how far it is followed.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .base import Batch
from .parquet import BATCH_ROWS, ParquetStream
from .roots import open_file
from .tables import Table
from .telling import telling

GROWTH = 4
GOLDEN = (5**0.5 - 1) / 2
"""Steps of this part of a circle leave no large gap on it, however many they are."""
READ_AHEAD = 2**18
"""Bytes that are read at once: the first rows of a row group do not cost all of it, nor what lies behind it."""


@dataclass(frozen=True, slots=True)
class Slice:
    """`rows` rows of a row group from its row `first` on, which is number `number` of its split."""

    file: int
    group: int
    first: int
    rows: int
    number: int


def spread(count: int) -> list[int]:
    """0 to count - 1, each once; those at the beginning lie about evenly."""
    order = [0] * count
    for rank, step in enumerate(sorted(range(count), key=lambda step: step * GOLDEN % 1)):
        order[step] = rank
    return order


def slices(groups: list[Slice]) -> Iterator[Slice]:
    """The slices of row groups, in the order in which they are read."""
    first, rows = 0, BATCH_ROWS
    while groups := [group for group in groups if group.rows > first]:
        for group in (groups[position] for position in spread(len(groups))):
            size = min(rows, group.rows - first)
            yield Slice(group.file, group.group, first, size, group.number + first)
        first, rows = first + rows, rows * GROWTH


class StridedParquet(ParquetStream):
    """Rows of parquet files, spread. State: slices that are done, rows of the next one that are."""

    def batches(self, state: dict[str, Any] | None) -> Iterator[Batch]:
        """See `Stream.batches`."""
        place = state or {"slice": 0, "row": 0}
        for index, part in enumerate(slices(self._groups())):
            if index < place["slice"]:
                continue
            done = int(place["row"]) if index == place["slice"] else 0
            for table in self._tables(part, done):
                split = self.files[part.file].split
                yield Batch(Table(split, part.number + done, table), {"slice": index, "row": done})
                done += table.num_rows

    def _groups(self) -> list[Slice]:
        """All row groups, whole, in the source's order."""
        found: list[Slice] = []
        number = 0
        for index, file in enumerate(self.files):
            if index and self.files[index - 1].split != file.split:
                number = 0
            footer = self._footer(index)
            for group in range(footer.num_row_groups):
                rows = footer.row_group(group).num_rows
                found.append(Slice(index, group, 0, rows, number))
                number += rows
        return found

    def _tables(self, part: Slice, done: int) -> Iterator[pa.Table]:
        """The rows of a slice from its row `done` on; those before it in the row group are decoded and dropped."""
        file, footer = self.files[part.file], self._footer(part.file)
        skip, left = part.first + done, part.rows - done
        bytes_a_row = file.size / footer.num_rows
        with (
            telling(self._place(part.file)),
            open_file(file, READ_AHEAD) as raw,
            pq.ParquetFile(raw, metadata=footer, buffer_size=READ_AHEAD, pre_buffer=False) as parquet,
            closing(self._decoded(parquet, part)) as tables,
        ):
            for table in tables:
                dropped = min(skip, table.num_rows)
                table = table.slice(dropped, left)
                skip -= dropped
                self.replayed += dropped
                self.bytes_read += int(bytes_a_row * (dropped + table.num_rows))
                left -= table.num_rows
                if table.num_rows:
                    yield table
                if not left:
                    return

    def _decoded(self, parquet: pq.ParquetFile, part: Slice) -> Generator[pa.Table, None, None]:
        columns = self._columns(part.file)
        for batch in parquet.iter_batches(BATCH_ROWS, row_groups=[part.group], columns=columns, use_threads=False):
            yield pa.Table.from_batches([batch])
