"""Parquet files by row groups, as Arrow batches; each file's columns are checked and named before its first row.

Of a file on the Hub the bytes that the loader's columns take are known from its footer beforehand, so that they come
ahead and nothing else does. Readers live in a function and are closed there: one that is alive at interpreter end can
hang the process in Arrow's thread pool.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...contract import HubSource
from ..failures import REMEDIES, SourceError
from .base import Batch, SourceFile
from .chunks import COLUMN_PIECE, chunks_of, in_reading_order, is_read_at_once, share_of, size_of
from .files import arrow_file, expect, passed
from .footers import Footers
from .tables import Table
from .telling import telling

if TYPE_CHECKING:
    from ..hub.spans import Range

BATCH_ROWS = 256
EXTENSION = b"ARROW:extension:name"
MOST_OPEN = 32
"""Files that are open at once."""


@dataclass(frozen=True, slots=True)
class Slice:
    """`rows` rows of a row group from its row `first` on, which is number `number` of its split."""

    file: int
    group: int
    first: int
    rows: int
    number: int


def is_odd(field: pa.Field) -> bool:
    """Whether a column is of an extension type, as the arrays and the JSON of `datasets` are, or holds such values."""
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType) or EXTENSION in (field.metadata or {}):
        return True
    return pa.types.is_nested(kind) and any(is_odd(kind.field(number)) for number in range(kind.num_fields))


class ParquetStream:
    """Rows of parquet files, in order. State: slices (here: row groups) that are done, rows of the next one that are.

    `wanted`: samples after which the reader has enough; 0 = it reads all.
    """

    def __init__(self, files: list[SourceFile], source: HubSource, wanted: int = 0) -> None:
        self.files, self.source, self.wanted = files, source, wanted
        self.bytes_read = self.replayed = 0
        self.rows_total: int | None = None
        self.footers = Footers(files, source.repo)
        self._columns: dict[int, list[str] | None] = {}

    def open(self) -> None:
        """Read all footers: checks every file's columns before the first row, and tells the total of rows."""
        self.footers.read_all()
        for index in range(len(self.files)):
            self.columns(index)
        self.rows_total = sum(self.footers[index].num_rows for index in range(len(self.files)))

    @property
    def plain(self) -> bool:
        """Whether Arrow alone decodes every column that is read."""
        return not any(map(self._is_odd, range(len(self.files))))

    def _is_odd(self, index: int) -> bool:
        schema = self.footers[index].schema.to_arrow_schema()
        return any(is_odd(schema.field(name)) for name in self.columns(index) or schema.names)

    def batches(self, state: dict[str, Any] | None) -> Iterator[Batch]:
        """See `Stream.batches`."""
        place = state or self.beginning()
        slices = self.slices(place)
        first, done = int(place["slice"]), int(place["row"])
        self._expect(slices, first)
        with ExitStack() as opened:
            readers = _Readers(self, opened)
            for index in range(first, len(slices)):
                part = slices[index]
                with telling(self.place(part.file)), closing(self._tables(readers, part, done)) as tables:
                    for table in tables:
                        at = {**place, "slice": index, "row": done}
                        yield Batch(Table(self.files[part.file].split, part.number + done, table), at)
                        done += table.num_rows
                passed(self.files[part.file], index)
                done = 0

    def beginning(self) -> dict[str, Any]:
        """The state before the first row."""
        return {"slice": 0, "row": 0}

    def slices(self, place: dict[str, Any]) -> list[Slice]:
        """What is read, in order, by a reader that began as `place` says: the row groups of all files."""
        found: list[Slice] = []
        number = 0
        for index, file in enumerate(self.files):
            if index and self.files[index - 1].split != file.split:
                number = 0
            footer = self.footers[index]
            for group in range(footer.num_row_groups):
                rows = footer.row_group(group).num_rows
                found += [Slice(index, group, 0, rows, number)] if rows else []
                number += rows
        return found

    # --- ahead

    def _expect(self, slices: list[Slice], first: int) -> None:
        if not any(file.remote for file in self.files):
            return
        total = 0 if self.wanted else sum(size_of(self._chunks(part)) for part in slices[first:])
        expect(self._ranges(slices, first), total)

    def _ranges(self, slices: list[Slice], first: int) -> Iterator[Range]:
        """The bytes of slices from number `first` on, in the order in which they are read."""
        from ..hub.spans import Range

        left = float(self.wanted) if self.wanted else float("inf")
        for index in range(first, len(slices)):
            part, chunks = slices[index], self._chunks(slices[index])
            total = self.footers[part.file].row_group(part.group).num_rows
            end = share_of(chunks, (part.first + part.rows) / total)
            sure = share_of(chunks, (part.first + min(part.rows, left)) / total) if left > 0 else 0.0
            remote = self.files[part.file].remote
            for share, start, stop in in_reading_order(chunks, end):
                if remote is not None and share < end:
                    yield Range(remote, start, stop, index, share < sure)
            left -= part.rows

    def _chunks(self, part: Slice) -> list[tuple[int, int]]:
        return chunks_of(self.footers[part.file], part.group, self.columns(part.file))

    # --- rows

    def _tables(self, readers: _Readers, part: Slice, done: int) -> Generator[pa.Table, None, None]:
        """The rows of a slice from its row `done` on; those before it in the row group are decoded and dropped."""
        skip, left = part.first + done, part.rows - done
        columns, chunks = self.columns(part.file), self._chunks(part)
        total = self.footers[part.file].row_group(part.group).num_rows
        bytes_a_row = size_of(chunks) / total
        share = share_of(chunks, (part.first + part.rows) / total)
        parquet = readers.of(part.file, is_read_at_once(chunks, share))
        for batch in parquet.iter_batches(BATCH_ROWS, row_groups=[part.group], columns=columns, use_threads=False):
            dropped = min(skip, batch.num_rows)
            skip -= dropped
            table = pa.Table.from_batches([batch.slice(dropped, left)])
            self.replayed += dropped
            self.bytes_read += int(bytes_a_row * (dropped + table.num_rows))
            left -= table.num_rows
            if table.num_rows:
                yield table
            if not left:
                return

    def place(self, index: int) -> str:
        """`org/name: path` of a file, as messages name it."""
        return f"{self.source.repo}: {self.files[index].path}"

    def columns(self, index: int) -> list[str] | None:
        """The columns to read of a file (None: all); raises `SourceError` where a needed one is absent."""
        if index not in self._columns:  # a file is asked about for each of its row groups
            self._columns[index] = self._found_columns(index)
        return self._columns[index]

    def _found_columns(self, index: int) -> list[str] | None:
        file, source = self.files[index], self.source
        schema = self.footers[index].schema.to_arrow_schema()
        missing = [name for name in source.columns if name not in schema.names]
        if missing:
            sentence = (
                f"{source.repo}: {file.path} has no column {', '.join(missing)}; it has {', '.join(schema.names)}"
            )
            raise SourceError("schema_cast", sentence, REMEDIES["schema_cast"])
        wanted = (*source.columns, *source.optional)
        if not wanted:
            return None
        found = [name for name in schema.names if name in wanted]
        if not found:
            sentence = f"{source.repo}: {file.path} has none of {', '.join(wanted)}; it has {', '.join(schema.names)}"
            raise SourceError("schema_cast", sentence, REMEDIES["schema_cast"])
        return found


class _Readers:
    """Arrow's readers of a stream's files, opened when they are first needed."""

    def __init__(self, stream: ParquetStream, opened: ExitStack) -> None:
        self._stream, self._opened = stream, opened
        self._readers: dict[tuple[int, bool], pq.ParquetFile] = {}

    def of(self, index: int, at_once: bool) -> pq.ParquetFile:
        """The reader of a file; `at_once`: column by column, else all columns side by side."""
        key = (index, at_once)
        if key not in self._readers:
            if len(self._readers) >= MOST_OPEN:
                self._opened.close()
                self._readers.clear()
            raw = self._opened.enter_context(arrow_file(self._stream.files[index]))
            footer, piece = self._stream.footers[index], 0 if at_once else COLUMN_PIECE
            self._readers[key] = self._opened.enter_context(
                pq.ParquetFile(raw, metadata=footer, buffer_size=piece, pre_buffer=False)
            )
        return self._readers[key]
