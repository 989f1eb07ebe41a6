"""Parquet files through `datasets` (streaming, resharded to row groups), read as Arrow batches.

Nothing stands between the stream and the checkpoint: no map, filter or shuffle, whose resume loses rows. Each
file is opened by itself, so that its columns can be checked and named, and a missing one fails clearly instead of
arriving as None. The iterator lives in a function and is closed there: one that is alive at interpreter end can
hang the process in Arrow's thread pool.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow.parquet as pq
from datasets import Features
from datasets.data_files import DataFilesDict, DataFilesList
from datasets.packaged_modules.parquet.parquet import Parquet

from ...contract import HubSource
from ..failures import REMEDIES, SourceError
from .base import Batch, SourceFile
from .roots import open_file
from .tables import Table
from .telling import telling

BATCH_ROWS = 256
NO_CACHE = "hf://nowhere"
"""A cache on a server is never looked at; one on the disk would be made, locked and not used."""


@contextmanager
def _without_scipy() -> Iterator[None]:
    """Hides it: `datasets` asks whether a builder reads by `scipy.io`, importing it, a tenth of a second a worker."""
    hidden = {} if "scipy" in sys.modules else {"scipy": None}
    sys.modules.update(hidden)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


class ParquetStream:
    """Rows of parquet files. State: file index, `datasets` state within it, row number within the split."""

    def __init__(self, files: list[SourceFile], source: HubSource) -> None:
        self.files = files
        self.source = source
        self.bytes_read = 0
        self.replayed = 0
        self._footers: dict[int, pq.FileMetaData] = {}
        self.rows_total: int | None = None

    def open(self) -> None:
        """Read all footers: checks every file's columns before the first row, and tells the total of rows."""
        for index in range(len(self.files)):
            self._columns(index)
        self.rows_total = sum(footer.num_rows for footer in self._footers.values())

    def batches(self, state: dict[str, Any] | None) -> Iterator[Batch]:
        """See `Stream.batches`."""
        place = state or {"file": 0, "reader": None, "number": 0}
        for index in range(place["file"], len(self.files)):
            number = yield from self._file(index, place)
            last = index + 1 == len(self.files) or self.files[index + 1].split != self.files[index].split
            place = {"file": index + 1, "reader": None, "number": 0 if last else number}

    def _file(self, index: int, place: dict[str, Any]) -> Generator[Batch, None, int]:
        """Batches of one file; returns the number of its split's next row."""
        file, number = self.files[index], int(place["number"])
        footer = self._footer(index)
        self._columns(index)
        if not footer.num_rows:
            return number
        dataset = self._dataset(index)
        if place["reader"] is not None:
            dataset.load_state_dict(place["reader"])
        state = {"file": index, "reader": place["reader"], "number": number}
        bytes_a_row = file.size / footer.num_rows
        tables = dataset.iter(BATCH_ROWS)
        try:
            with telling(self._place(index)):
                for table in tables:
                    yield Batch(Table(file.split, number, table), state)
                    number += table.num_rows
                    self.bytes_read += int(bytes_a_row * table.num_rows)
                    state = {"file": index, "reader": dataset.state_dict(), "number": number}
        finally:
            tables.close()
        return number

    def _dataset(self, index: int) -> Any:
        """The file as `datasets` streams it. Its builder is given the file itself: `load_dataset` takes patterns."""
        file, footer = self.files[index], self._footer(index)
        if "::" in file.url:
            sentence = f"{self._place(index)}: `datasets` cannot read a file with :: in its name"
            raise SourceError("not_found", sentence, "Rename the file, or leave it out of the loader's HubSource.")
        with _without_scipy():
            builder = Parquet(
                cache_dir=NO_CACHE,
                data_files=DataFilesDict({"train": DataFilesList([file.url], [(file.url,)])}),
                columns=self._columns(index),
                # by the file's own types: what else it says of its columns names code of `datasets`, and may be any
                features=Features.from_arrow_schema(footer.schema.to_arrow_schema().remove_metadata()),
                # a row group at once, as by default, which fails for one without rows
                batch_size=max(footer.row_group(group).num_rows for group in range(footer.num_row_groups)),
            )
        with telling(self._place(index)):
            # The state is kept by the object that is iterated, so the format is part of it.
            return builder.as_streaming_dataset("train").reshard().with_format("arrow")

    def _place(self, index: int) -> str:
        return f"{self.source.repo}: {self.files[index].path}"

    def _columns(self, index: int) -> list[str] | None:
        """The columns to read of a file (None: all); raises `SourceError` where a needed one is absent."""
        file, source = self.files[index], self.source
        schema = self._footer(index).schema.to_arrow_schema()
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

    def _footer(self, index: int) -> pq.FileMetaData:
        if index not in self._footers:
            file = self.files[index]
            with telling(self._place(index)), open_file(file) as raw:
                self._footers[index] = pq.ParquetFile(raw).metadata
        return self._footers[index]
