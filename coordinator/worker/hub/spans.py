"""From the bytes that are read of files to the requests for them: neighbours are asked for together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .remote_file import RemoteFile

PIECE = 4 * 2**20
"""Bytes that are asked for at once at most: several connections share what memory may hold."""
LEAST_PIECE = 2**20
"""Bytes that are asked for at once of a file whose reader may have enough at any row."""
FASTEST = 40e6
"""Bytes a second that one connection is taken to bring."""
LEAST_GAP, LARGEST_GAP = 2**16, 2**22


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a file that are read, from `start` to before `end`, in the step of reading of that number.

    `sure`: they are; else the reader may have enough before.
    """

    file: RemoteFile
    start: int
    end: int
    step: int = 0
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file that are asked for at once; `needed` of them are read. Behind step `last` it is of no use."""

    file: RemoteFile
    start: int
    end: int
    needed: int
    last: int
    sure: bool


def gap_of(latency: float) -> int:
    """Bytes between two ranges up to which they are asked for together, at `latency` seconds to an answer's first byte.

    To read them takes no longer than to ask anew. A power of two, so that it is the same from run to run.
    """
    most = max(LEAST_GAP, min(int(latency * FASTEST), LARGEST_GAP))
    return 1 << (most.bit_length() - 1)


def spans_of(ranges: Iterable[Range], gap: int) -> Iterator[Span]:
    """The requests for ranges that are read in this order."""
    joined: list[Range] = []
    for one in (one for one in ranges if one.start < one.end):
        if joined and not _together(joined, one, gap):
            yield from _cut(joined)
            joined = []
        joined.append(one)
    if joined:
        yield from _cut(joined)


def _together(joined: list[Range], one: Range, gap: int) -> bool:
    first, last = joined[0], joined[-1]
    near = last.file == one.file and 0 <= one.start - last.end <= gap
    return near and one.end - first.start <= PIECE and first.sure == one.sure


def _cut(joined: list[Range]) -> Iterator[Span]:
    """One span, or several where a single range is larger than a piece."""
    first, last = joined[0], joined[-1]
    if last.end - first.start <= PIECE:
        needed = sum(one.end - one.start for one in joined)
        yield Span(first.file, first.start, last.end, needed, last.step, first.sure)
        return
    for start in range(first.start, first.end, PIECE):
        end = min(start + PIECE, first.end)
        yield Span(first.file, start, end, end - start, first.step, first.sure)


def in_pieces(file: RemoteFile, start: int, piece: int, sure: bool) -> Iterator[Range]:
    """A file from `start` to its end."""
    for begin in range(start, file.size, piece):
        yield Range(file, begin, min(begin + piece, file.size), sure=sure)
