"""JSON array files item by item: memory stays flat however long the array, and one bad item costs one row."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from ..failures import REMEDIES, SourceError
from .base import MAX_ROW_BYTES, Batch, Pieces, SourceFile
from .files import read_through
from .packed import open_text
from .splitter import Splitter

BATCH_ROWS = 128


class ArrayStream:
    """Items of array files at the path `item`. State: file index, items of it done, row number within the split.

    Resuming splits the file again from its start and drops the items that are done, unparsed. `wanted`: samples after
    which the reader has enough; 0 = it reads all. `keys`: those that it reads of an item, the first `needed` of
    which one is to have; none = all.
    """

    def __init__(
        self, files: list[SourceFile], item: str, wanted: int = 0, keys: Sequence[str] = (), needed: int = 0
    ) -> None:
        self.files = files
        self.keys, self.needed = tuple(keys), needed
        self.item = item
        self.rows_total: int | None = None
        self.bytes_read = 0
        self.replayed = 0
        self.wanted = wanted

    def batches(self, state: dict[str, Any] | None) -> Iterator[Batch]:
        """See `Stream.batches`."""
        place = state or {"file": 0, "item": 0, "number": 0}
        read_through(self.files, place["file"], 0, self.wanted)
        for index in range(place["file"], len(self.files)):
            number = yield from self._file(index, place)
            last = index + 1 == len(self.files) or self.files[index + 1].split != self.files[index].split
            place = {"file": index + 1, "item": 0, "number": 0 if last else number}

    def _file(self, index: int, place: dict[str, Any]) -> Generator[Batch, None, int]:
        """Batches of one file; returns the number of its split's next row."""
        file, done, number = self.files[index], int(place["item"]), int(place["number"])
        rows = Pieces(file.split, number, [], self.keys, self.needed)
        state = {"file": index, "item": done, "number": number}
        try:
            for position, (data, size) in enumerate(self._items(file)):
                if position < done:
                    self.replayed += 1
                    continue
                rows.pieces.append((data, size))
                number += 1
                if len(rows) == BATCH_ROWS:
                    yield Batch(rows, state)
                    rows = Pieces(file.split, number, [], self.keys, self.needed)
                    state = {"file": index, "item": position + 1, "number": number}
        except SourceError:
            if rows:
                yield Batch(rows, state)  # what stands before the damage counts
            raise
        if rows:
            yield Batch(rows, state)
        return number

    def _items(self, file: SourceFile) -> Iterator[tuple[bytes, int]]:
        with open_text(file) as text:

            def read(size: int) -> bytes:
                data = text.read1(size)
                self.bytes_read += len(data)  # a long value shows progress
                return data

            try:
                yield from Splitter(read, MAX_ROW_BYTES).items(self.item)
            except ValueError as error:
                where = f"{file.path} near byte {self.bytes_read:,}"
                raise SourceError("parse", f"{where}: not a JSON array: {error}", REMEDIES["parse"]) from None
