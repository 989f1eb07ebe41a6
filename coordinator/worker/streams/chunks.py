"""Where the bytes of a row group's columns stand in a parquet file, and in which order they are read."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pyarrow.parquet as pq

AT_ONCE = 16 * 2**20
"""Bytes of a row group up to which each column is read at once; of a larger one all are read side by side."""
COLUMN_PIECE = 2**20
"""Bytes of a column that are read at once of such a row group, or of one that is not read to its end."""
PAGE = 2**19
"""Bytes that a page has about, compressed: a row costs the pages that it stands in, whole."""
NEARLY_ALL = 0.8
"""Share of a row group's bytes from which on all of it is read: one request, and no guess where pages end."""
Chunk = tuple[int, int]
"""Start and end of a column's bytes in the file."""


def chunks_of(footer: pq.FileMetaData, group: int, columns: Collection[str] | None) -> list[Chunk]:
    """The chunks of a row group's columns, `columns` being names of the schema's top level (None: all)."""
    row_group = footer.row_group(group)
    found = []
    for number in range(row_group.num_columns):
        chunk = row_group.column(number)
        if columns is None or chunk.path_in_schema.split(".")[0] in columns:
            first = min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
            found.append((first, first + chunk.total_compressed_size))
    return found


def is_read_at_once(chunks: list[Chunk], share: float) -> bool:
    """Whether each chunk is read at once, in order, where `share` of it is needed."""
    return share >= NEARLY_ALL and size_of(chunks) <= AT_ONCE


def in_reading_order(chunks: list[Chunk], share: float) -> Iterator[tuple[float, int, int]]:
    """The parts of a row group's chunks as they are read, where `share` of it is needed: which share of its chunk
    stands before a part, its start, its end."""
    if is_read_at_once(chunks, share):
        yield from ((0.0, start, end) for start, end in chunks)
        return
    pieces = [
        ((begin - start) / (end - start), begin, min(begin + COLUMN_PIECE, end))
        for start, end in chunks
        for begin in range(start, end, COLUMN_PIECE)
    ]
    yield from sorted(pieces)


def share_of(chunks: list[Chunk], rows: float) -> float:
    """The share of each chunk that holds the first `rows` (a share of its row group), with the last page's rest."""
    largest = max((end - start for start, end in chunks), default=0)
    return rows + PAGE / largest if largest else 1.0


def size_of(chunks: list[Chunk]) -> int:
    """Bytes in all."""
    return sum(end - start for start, end in chunks)
