"""Rows in Arrow's columns: read by one process, parsed by that or another, which needs no `datasets` for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ...contract import Row
from .base import Unreadable, make_row


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a parquet file, in Arrow's columns. `number` is the first one's."""

    split: str
    number: int
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def parse(self) -> list[Row | Unreadable]:
        """See `Raw.parse`."""
        return _rows(self.table, self.split, self.number)

    def packed(self) -> tuple[dict[str, Any], bytes]:
        """See `Raw.packed`."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.table.schema) as out:
            out.write_table(self.table)
        return {"kind": "table", "split": self.split, "number": self.number}, sink.getvalue().to_pybytes()

    @staticmethod
    def unpacked(header: dict[str, Any], data: bytes) -> Table:
        """What `packed` gave."""
        with pa.ipc.open_stream(data) as stream:
            return Table(header["split"], header["number"], stream.read_all())


def _rows(table: pa.Table, split: str, number: int) -> list[Row | Unreadable]:
    names = table.column_names
    try:
        columns = [table.column(name).to_pylist() for name in names]
    except ValueError as error:  # not UTF-8, or a date that Python cannot hold: costs the one row
        if table.num_rows > 1:
            return [row for at in range(table.num_rows) for row in _rows(table.slice(at, 1), split, number + at)]
        code = "E01" if isinstance(error, UnicodeDecodeError) else "E05"
        return [Unreadable(split, number, code, str(error), f"a row with the columns {', '.join(names)}")]
    return [
        make_row(dict(zip(names, values, strict=True)), split, number + position)
        for position, values in enumerate(zip(*columns, strict=True))
    ]
