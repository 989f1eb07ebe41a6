"""JSON-lines files by bytes: one bad line costs one row, and resuming seeks instead of reading again.

A packed file cannot be sought in: what is done of it is read again and dropped.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any, BinaryIO

from ..failures import REMEDIES, SourceError
from .base import BOM, ENDLESS, MAX_ROW_BYTES, Batch, Pieces, SourceFile
from .files import read_through
from .packed import is_packed, open_text

BATCH_ROWS = 256
BATCH_BYTES = 2**20


class LineStream:
    """Rows of line files, in order. State: file index, byte offset (of the text), row number within the split.

    `wanted`: samples after which the reader has enough; 0 = it reads all. `keys`: those that it reads, of which a row
    is to have the first `needed`; none = all.
    """

    def __init__(
        self,
        files: list[SourceFile],
        rows: int | None = None,
        wanted: int = 0,
        keys: Sequence[str] = (),
        needed: int = 0,
    ) -> None:
        self.files = files
        self.keys, self.needed = tuple(keys), needed
        self.rows_total = rows
        self.bytes_read = 0
        self.replayed = 0
        self.wanted = wanted

    def batches(self, state: dict[str, Any] | None) -> Iterator[Batch]:
        """See `Stream.batches`."""
        place = state or {"file": 0, "offset": 0, "number": 0}
        read_through(self.files, place["file"], self._start(place), self.wanted)
        for index in range(place["file"], len(self.files)):
            number = yield from self._file(self.files[index], dict(place))
            last = index + 1 == len(self.files) or self.files[index + 1].split != self.files[index].split
            place = {"file": index + 1, "offset": 0, "number": 0 if last else number}

    def _start(self, place: dict[str, Any]) -> int:
        """The byte of its file at which reading begins."""
        within = place["file"] < len(self.files) and not is_packed(self.files[place["file"]])
        return int(place["offset"]) if within else 0

    def _file(self, file: SourceFile, place: dict[str, Any]) -> Generator[Batch, None, int]:
        """Batches of one file from `place`, which goes along; returns the number of its split's next row."""
        with open_text(file) as text:
            self._go_to(text, file, place["offset"])
            while True:
                state, rows = dict(place), Pieces(file.split, place["number"], [], self.keys, self.needed)
                try:
                    self._fill(rows, text, file, place)
                except SourceError:
                    if rows:
                        yield Batch(rows, state)  # what stands before the damage counts
                    raise
                if rows:
                    yield Batch(rows, state)
                if place["offset"] == state["offset"]:
                    return int(place["number"])

    def _go_to(self, text: BinaryIO, file: SourceFile, offset: int) -> None:
        if not is_packed(file):
            text.seek(offset)
            return
        while offset > 0:
            line, size = self._read_line(text, file.path)
            if not size:
                return
            offset -= size
            self.replayed += bool(line.strip())

    def _fill(self, rows: Pieces, text: BinaryIO, file: SourceFile, place: dict[str, Any]) -> None:
        """Rows of about one batch, from `place` on."""
        end = place["offset"] + BATCH_BYTES
        while len(rows) < BATCH_ROWS and place["offset"] < end:
            line, size = self._read_line(text, file.path)
            if not size:
                return
            beyond = size - len(line)
            if place["offset"] == 0:
                line = line.removeprefix(BOM)
            place["offset"] += size
            if line.strip():
                rows.pieces.append((line, len(line) + beyond))
                place["number"] += 1

    def _read_line(self, text: BinaryIO, path: str) -> tuple[bytes, int]:
        """The next line, cut at the limit, and the bytes that it takes in the text; (b"", 0) at the end."""
        line = part = text.readline(MAX_ROW_BYTES + 1)
        size = len(line)
        self.bytes_read += size
        while size > MAX_ROW_BYTES and part and not part.endswith(b"\n"):
            part = text.readline(BATCH_BYTES)
            size += len(part)
            self.bytes_read += len(part)
            if size > ENDLESS:
                sentence = f"{path}: a line without an end after {size:,} bytes"
                raise SourceError("parse", sentence, REMEDIES["parse"])
        return line[:MAX_ROW_BYTES], size
