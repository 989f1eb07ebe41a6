"""From a declared source to an open stream, by its builder; companions are read whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from ...contract import HubSource
from ..failures import REMEDIES, SourceError
from .array import ArrayStream
from .base import Resolved, SourceFile, Stream, Unreadable
from .lines import LineStream


def open_stream(source: HubSource, resolved: Resolved) -> Stream:
    """The stream of a source's files. Raises `SourceError` where they are not what the source declares."""
    if source.builder == "lines":
        return LineStream(resolved.files, resolved.rows)
    if source.builder == "array":
        return ArrayStream(resolved.files, source.item)
    from .parquet import ParquetStream
    from .strided import StridedParquet

    stream = (StridedParquet if source.strided else ParquetStream)(resolved.files, source)
    stream.open()
    return stream


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
