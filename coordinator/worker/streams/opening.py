"""From a declared source to an open stream, by its builder; companions are read whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ...contract import HubSource
from ..failures import REMEDIES, SourceError
from ..hub.remote_file import RemoteFile
from .array import ArrayStream
from .base import Resolved, SourceFile, Stream, Unreadable
from .lines import LineStream

if TYPE_CHECKING:
    from ..hub.access import Hub
    from ..hub.reading import Reading


def files_of(resolved: Resolved) -> tuple[list[RemoteFile], list[RemoteFile]]:
    """The companions and the files of a source on the Hub, in the order in which they are read."""
    companions = [file.remote for group in resolved.companions.values() for file in group if file.remote]
    return companions, [file.remote for file in resolved.files if file.remote]


def kept_files(resolved: Resolved, cap: int) -> list[RemoteFile]:
    """Those that go through the cache: all of a source that is read whole, of a sample of one its companions."""
    companions, files = files_of(resolved)
    return companions if cap else [*companions, *files]


def begin_reading(hub: Hub, source: HubSource, resolved: Resolved, cap: int) -> Reading:
    """Begin to fetch a source's files."""
    companions, files = files_of(resolved)
    return hub.begin([*companions, *files], source.revision, kept_files(resolved, cap))


def open_stream(source: HubSource, resolved: Resolved, wanted: int = 0) -> Stream:
    """The stream of a source's files. Raises `SourceError` where they are not what the source declares.

    `wanted`: samples after which the reader has enough; 0 = it reads all.
    """
    keys, needed = (*source.columns, *source.optional), len(source.columns)
    if source.builder == "lines":
        return LineStream(resolved.files, resolved.rows, wanted, keys, needed)
    if source.builder == "array":
        return ArrayStream(resolved.files, source.item, wanted, keys, needed)
    return _parquet_stream(source, resolved, wanted)


def _parquet_stream(source: HubSource, resolved: Resolved, wanted: int) -> Stream:
    """Its columns are decoded by Arrow, or, where one is of a type that only `datasets` knows, by that."""
    from .parquet import ParquetStream
    from .strided import StridedParquet

    stream = (StridedParquet if source.strided else ParquetStream)(resolved.files, source, wanted)
    stream.open()
    if stream.plain:
        return stream
    from .odd_parquet import OddParquetStream

    odd = OddParquetStream(resolved.files, source, wanted)
    odd.open()
    return odd


def read_companions(
    resolved: Resolved, follow: Callable[[Stream], None] = lambda stream: None
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Each companion's files by stem, each file's rows; `follow` is told of each stream before it is read.

    Raises `SourceError` for a row that cannot be read.
    """
    return {
        name: {PurePosixPath(file.path).stem: _all_rows(file, follow) for file in files}
        for name, files in resolved.companions.items()
    }


def _all_rows(file: SourceFile, follow: Callable[[Stream], None]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    stream = LineStream([file])
    follow(stream)
    for batch in stream.batches(None):
        for row in batch.rows:
            if isinstance(row, Unreadable):
                sentence = f"{file.path}: row {row.number}: {row.message}"
                raise SourceError("parse", sentence, REMEDIES["parse"])
            rows.append(row)
    return rows
