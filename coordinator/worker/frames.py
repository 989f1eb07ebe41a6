"""What a worker and its shards say to each other: frames of a length, a JSON header and bytes.

To a shard goes an order (what to convert with) and then tasks (rows as a file gives them); from it come answers (what
became of some rows of a task, in order). Nothing is pickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import orjson

from ..contract import Row, Skip
from ..events import Failure
from .pipeline import Lines, Outcome, Rejected
from .streams.base import Pieces, Raw, Unreadable

HEAD = 16
"""Bytes before a frame's content: the length of its header, then that of its bytes."""


def frame(header: dict[str, Any], data: bytes = b"") -> bytes:
    """The frame of a header and bytes."""
    text = orjson.dumps(header)
    return b"".join((len(text).to_bytes(8), len(data).to_bytes(8), text, data))


def length(head: bytes | bytearray) -> int:
    """Bytes of the whole frame that begins so."""
    return HEAD + int.from_bytes(head[:8]) + int.from_bytes(head[8:HEAD])


def opened(whole: bytes | bytearray | memoryview) -> tuple[dict[str, Any], bytes]:
    """The header and the bytes of a whole frame."""
    data = HEAD + int.from_bytes(whole[:8])
    return orjson.loads(whole[HEAD:data]), bytes(whole[data:])


def task(number: int, rows: Raw | list[Row | Unreadable], done: int) -> bytes:
    """A task of the rows of a batch, of which so many are done."""
    assert not isinstance(rows, list), "rows of load() have no form in which they are sent on"
    header, data = rows.packed()
    return frame({"task": number, "done": done, **header}, data)


def rows_of(header: dict[str, Any], data: bytes) -> list[Row | Unreadable]:
    """The rows of a task that are not done."""
    if header["kind"] == "pieces":
        return Pieces.unpacked(header, data).parse()[header["done"] :]
    from .streams.tables import Table  # Arrow, which lines do without

    return Table.unpacked(header, data).parse()[header["done"] :]


def answer(number: int, outcomes: list[Outcome], last: bool, failure: Failure | None = None) -> bytes:
    """What became of the next rows of a task; `last`: no more comes of it."""
    ends: list[Any] = []
    data: list[bytes] = []
    for outcome in outcomes:
        if isinstance(outcome, Skip):
            ends.append(outcome.reason)
        elif isinstance(outcome, Rejected):
            ends.append({"code": outcome.code, "message": outcome.message, "raised": outcome.raised})
            ends[-1]["size"] = len(outcome.record)
            data.append(outcome.record)
        else:
            ends.append([outcome.number, len(outcome.data), len(outcome.keys)])
            data += outcome.data, outcome.keys
    told = asdict(failure) if failure else None
    header = {"task": number, "ends": ends, "last": last, "failure": told}
    return frame(header, b"".join(data))


def outcomes_of(header: dict[str, Any], data: bytes) -> Iterator[Outcome]:
    """The outcomes in an answer."""
    at = 0
    for end in header["ends"]:
        if isinstance(end, str):
            yield Skip(end)
        elif isinstance(end, dict):
            size = end["size"]
            yield Rejected(end["code"], end["message"], data[at : at + size], end["raised"])
            at += size
        else:
            number, size, keys = end
            middle, after = at + size, at + size + keys
            yield Lines(number, data[at:middle], data[middle:after])
            at = after
