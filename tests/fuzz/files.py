"""Targets that are files of a source: lines, arrays, packed files."""

from __future__ import annotations

import gzip
import json
from typing import Any

from coordinator.worker.failures import SourceError
from coordinator.worker.streams.array import ArrayStream
from coordinator.worker.streams.base import SourceFile, Stream, Unreadable
from coordinator.worker.streams.lines import LineStream
from coordinator.worker.streams.splitter import Splitter
from tests.fuzz.choices import Choices, raised, scratch_file


def _read(stream: Stream) -> tuple[list[Any], str]:
    """(a code or the row, each), and the failure at the end."""
    found: list[Any] = []

    def read() -> None:
        for batch in stream.batches(None):
            for row in batch.rows:
                if isinstance(row, Unreadable):
                    row.raw.encode()
                found.append(row.code if isinstance(row, Unreadable) else json.dumps(row))

    error = raised(SourceError, read)
    assert error is None or "\n" not in error.sentence
    return found, error.failure_class if error else ""


def streams(data: bytes) -> None:
    """An item of an array fares as the same text on a line; any bytes are rows or a failure; chunks decide nothing.

    Of a row whose keys are declared there is what there is of the whole row.
    """
    choices = Choices(data)
    texts = [
        json.dumps(choices.value(), ensure_ascii=False).encode("utf-8", "surrogatepass")
        for _ in range(choices.below(4))
    ]
    texts += [b'{"a": %b}' % text for text in texts]
    lined, _ = _read(LineStream([_source("x.jsonl", b"\n".join(texts))]))
    arrayed, failure = _read(ArrayStream([_source("x.json", b"[" + b",".join(texts) + b"]")], "item"))
    assert not failure
    assert arrayed == lined
    keyed, _ = _read(LineStream([_source("x.jsonl", b"\n".join(texts))], keys=("a", "")))
    for whole_row, row in zip(lined, keyed, strict=True):
        assert whole_row in ("E01", "E02") or row == _cut_down(whole_row, ("a", ""))
    raw = choices.rest()
    _read(LineStream([_source("x.jsonl", raw)]))
    whole = _read(ArrayStream([_source("x.json", b"[" + raw)], "item"))
    assert whole == _read(ArrayStream([_source("x.json.gz", gzip.compress(b"[" + raw, 1))], "item"))
    pieces = iter([b"[", *(raw[at : at + 1] for at in range(len(raw)))])
    try:
        cut = [item for item, _ in Splitter(lambda _: next(pieces, b""), 2**20).items("item")]
    except ValueError:
        assert whole[1] == "parse"
    else:
        assert len(cut) == len(whole[0])


def _cut_down(row: str, keys: tuple[str, ...]) -> str:
    return json.dumps({key: value for key, value in json.loads(row).items() if key in keys})


def packed(data: bytes) -> None:
    """A damaged gzip file gives rows that stood before the damage, or all of them."""
    choices = Choices(data)
    rows = [b'{"n": %d}' % n for n in range(50)]
    sound = gzip.compress(b"\n".join(rows[:25]) + b"\n", 1, mtime=0) + gzip.compress(b"\n".join(rows[25:]), 1, mtime=0)
    at = choices.below(len(sound))
    cut = choices.below(9)
    found, _ = _read(LineStream([_source("x.jsonl.gz", sound[:at] + choices.rest() + sound[at + cut :])]))
    assert len(found) < 10_000


def _source(name: str, data: bytes) -> SourceFile:
    return SourceFile("all", name, str(scratch_file(name, data)), len(data))
