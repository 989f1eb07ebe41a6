"""Opening a source's files, in a folder or on the Hub, and telling the Hub's readers what is read next."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from .base import SourceFile
from .telling import telling

if TYPE_CHECKING:
    from ..hub.remote_file import RemoteFile
    from ..hub.spans import Range

BUFFER = 2**20


def open_file(file: SourceFile) -> BinaryIO:
    """The file for reading bytes, buffered, seekable. It and its reads raise `SourceError`."""
    if file.remote is None:
        with telling(file.path):
            return open(file.url, "rb", buffering=BUFFER)
    from ..hub.access import hub

    return cast(BinaryIO, io.BufferedReader(hub().reading.open(file.remote), BUFFER))


def arrow_file(file: SourceFile) -> Any:
    """The file as Arrow reads it."""
    import pyarrow as pa

    if file.remote is None:
        return pa.OSFile(file.url)
    from ..hub.access import hub

    return pa.PythonFile(hub().reading.open(file.remote), mode="r")


def remote_bytes(file: RemoteFile, start: int, end: int) -> bytes:
    """The bytes of a file on the Hub from `start` to before `end`."""
    from ..hub.access import hub

    return hub().reading.read(file, start, end)


def ends_expected(files: list[SourceFile]) -> None:
    """The end of each file is about to be read."""
    remote = [file.remote for file in files if file.remote]
    if remote:
        from ..hub.access import hub

        hub().reading.expect_ends(remote)


def read_through(files: list[SourceFile], first: int, offset: int, wanted: int) -> None:
    """Files are about to be read from end to end, from an offset in number `first` on; `wanted`: samples, 0 = all."""
    remote = [file.remote for file in files[first:] if file.remote]
    if remote:
        from ..hub.spans import LEAST_PIECE, PIECE, in_pieces

        piece = LEAST_PIECE if wanted else PIECE
        starts = [offset, *[0] * len(remote)]
        ranges = (in_pieces(file, start, piece, not wanted) for file, start in zip(remote, starts, strict=False))
        expect(chain.from_iterable(ranges), 0 if wanted else sum(file.size for file in remote) - offset)


def expect(ranges: Iterator[Range], total: int = 0) -> None:
    """What is read from now on, in order; of files on the Hub. `total`: bytes, where that is known."""
    from ..hub.access import hub

    hub().reading.expect(ranges, total)


def passed(file: SourceFile, step: int) -> None:
    """What was expected for that step of reading, or earlier ones, is done with."""
    if file.remote is not None:
        from ..hub.access import hub

        hub().reading.passed(step)


def recalled(kind: str, key: str) -> bytes | None:
    """A small thing that was remembered of the Hub's files."""
    from ..hub.access import hub

    return hub().store.recall(kind, key)


def remembered(kind: str, key: str, data: bytes) -> None:
    """Remember a small thing of the Hub's files, for the next time."""
    from ..hub.access import hub

    hub().store.remember(kind, key, data)
