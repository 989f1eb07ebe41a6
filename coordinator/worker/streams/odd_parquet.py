"""Parquet files with columns of types that Arrow alone does not decode: read through `datasets`, which knows them.

Nothing stands between its stream and the checkpoint: no map, filter or shuffle, whose resume loses rows.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any

from ..failures import SourceError
from .base import Batch
from .files import passed
from .parquet import BATCH_ROWS, ParquetStream, Slice
from .tables import Table
from .telling import telling

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


def _is_before(group: Slice, place: dict[str, Any]) -> bool:
    """Whether the rows of a row group are done with."""
    at = int(place["file"])
    return group.file < at or (group.file == at and group.number + group.rows <= int(place["number"]))


class OddParquetStream(ParquetStream):
    """Rows of parquet files, in order. State: file index, `datasets` state within it, row number within the split."""

    def batches(self, state: dict[str, Any] | None) -> Iterator[Batch]:
        """See `Stream.batches`."""
        place = state or {"file": 0, "reader": None, "number": 0}
        groups = super().slices({})
        self._expect(groups, sum(_is_before(group, place) for group in groups))
        for index in range(place["file"], len(self.files)):
            number = yield from self._file(index, place)
            passed(self.files[index], sum(group.file <= index for group in groups) - 1)
            last = index + 1 == len(self.files) or self.files[index + 1].split != self.files[index].split
            place = {"file": index + 1, "reader": None, "number": 0 if last else number}

    def _file(self, index: int, place: dict[str, Any]) -> Generator[Batch, None, int]:
        """Batches of one file; returns the number of its split's next row."""
        file, number, rows = self.files[index], int(place["number"]), self.footers[index].num_rows
        if not rows:
            return number
        dataset = self._dataset(index)
        if place["reader"] is not None:
            dataset.load_state_dict(place["reader"])
        state = {"file": index, "reader": place["reader"], "number": number}
        with telling(self.place(index)), closing(dataset.iter(BATCH_ROWS)) as tables:
            for table in tables:
                yield Batch(Table(file.split, number, table), state)
                number += table.num_rows
                self.bytes_read += int(file.size / rows * table.num_rows)
                state = {"file": index, "reader": dataset.state_dict(), "number": number}
        return number

    def _dataset(self, index: int) -> Any:
        """The file as `datasets` streams it. Its builder is given the file itself: `load_dataset` takes patterns."""
        from datasets import Features
        from datasets.data_files import DataFilesDict, DataFilesList
        from datasets.packaged_modules.parquet.parquet import Parquet

        file, footer = self.files[index], self.footers[index]
        if "::" in file.url:
            sentence = f"{self.place(index)}: `datasets` cannot read a file with :: in its name"
            raise SourceError("not_found", sentence, "Rename the file, or leave it out of the loader's HubSource.")
        if file.remote is not None:
            from ..hub.access import hub
            from ..hub.file_system import ListedFileSystem

            ListedFileSystem.serve(hub(), {one.url: one.remote for one in self.files if one.remote})
        with _without_scipy():
            builder = Parquet(
                cache_dir=NO_CACHE,
                data_files=DataFilesDict({"train": DataFilesList([file.url], [(file.url,)])}),
                columns=self.columns(index),
                # by the file's own types: what else it says of its columns names code of `datasets`, and may be any
                features=Features.from_arrow_schema(footer.schema.to_arrow_schema().remove_metadata()),
                # a row group at once, as by default, which fails for one without rows
                batch_size=max(footer.row_group(group).num_rows for group in range(footer.num_row_groups)),
            )
        with telling(self.place(index)):
            # The state is kept by the object that is iterated, so the format is part of it.
            return builder.as_streaming_dataset("train").reshard().with_format("arrow")
