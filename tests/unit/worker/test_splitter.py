"""Array items are cut out as JSON has them, wherever a chunk ends; a bad one costs one row, as in a line file."""

from __future__ import annotations

import io
import json
import random
import re
import time
import tracemalloc
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coordinator.contract import Row
from coordinator.worker.failures import SourceError
from coordinator.worker.streams import base, splitter
from coordinator.worker.streams.array import ArrayStream
from coordinator.worker.streams.base import SourceFile, Stream, Unreadable
from coordinator.worker.streams.lines import LineStream
from coordinator.worker.streams.splitter import Splitter

OUTLINE = re.compile("expected|ends too early|behind the end")
TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text(st.sampled_from('"\\{}[],: \n'), max_size=9)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def drops(data: bytes, sizes: list[int]) -> Callable[[int], bytes]:
    """A reader that gives a few bytes at a time."""
    text, order = io.BytesIO(data), random.Random(str(sizes))
    return lambda _: text.read(order.choice(sizes))


def cut(data: bytes, path: str = "item", sizes: list[int] | None = None, limit: int = 2**20) -> list[bytes]:
    return [item for item, _ in Splitter(drops(data, sizes or [2**18]), limit).items(path)]


@given(
    st.lists(JSON, max_size=6),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
)
def test_items_are_those_of_the_array(values: list[Any], indent: int | None, escaped: bool, sizes: list[int]) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=escaped).encode()
    for given_sizes in (sizes, None):
        assert json.dumps([json.loads(item) for item in cut(text, sizes=given_sizes)]) == json.dumps(values)


@given(st.dictionaries(TEXT, JSON, max_size=3), st.lists(JSON, max_size=3), st.dictionaries(TEXT, JSON, max_size=3))
def test_an_array_is_found_under_its_keys(before: dict[str, Any], values: list[Any], after: dict[str, Any]) -> None:
    held = {key: value for key, value in before.items() if key not in ("a", 'b"')}
    held = {**held, "a": {**held, 'b"': values, **{f"after {key}": item for key, item in after.items()}}, "z": after}
    found = cut(json.dumps(held).encode(), 'a.b".item', [3, 5])
    assert json.dumps([json.loads(item) for item in found]) == json.dumps(values)


@given(st.binary(max_size=40) | st.text(st.sampled_from('[]{}",: \\1a'), max_size=40).map(str.encode))
@example(b"\xef\xbb\xbf")
@example(b"\xef\xbb\xbf[1]")
def test_any_bytes_are_items_or_a_value_error(data: bytes) -> None:
    found = []
    for sizes in ([1], [2, 3], [2**18]):
        try:
            found.append((cut(data, sizes=sizes), ""))
        except ValueError as error:
            found.append(([], str(error)))
    assert found[0] == found[1] == found[2], "where chunks end decides nothing"
    try:
        values = json.loads(data)
    except ValueError:
        return
    if isinstance(values, list):
        assert not found[0][1], "what is JSON is read"


@pytest.mark.parametrize("depth", [1, 7, 8, 9, 30])
@pytest.mark.parametrize("sizes", [[1], [7], [2**18]])
def test_depth_does_not_matter(depth: int, sizes: list[int]) -> None:
    item = b'{"a":[' * depth + b'"]}\\""' + b"]}" * depth
    assert cut(b"[%b , %b]" % (item, item), sizes=sizes) == [item, item]


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"1", b"[", b"[1", b'["', b'["\\', b"[1,]", b"[,1]", b"[1}", b"[1] 2", b"x"]
)
def test_what_is_no_array_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match=OUTLINE):
        cut(data)


def test_a_key_that_is_not_there_is_told() -> None:
    for data in (b"{}", b'{"b": []}', b'{"b": {"a": []}}'):
        with pytest.raises(ValueError, match="no key a"):
            cut(data, "a.item")


ITEMS = [
    b'{"n": 1}',
    b'{"n": %b}' % (b"9" * 30),
    b'{"n": %b}' % (b"9" * 100_000),
    b'{"n": 1e999}',
    b'{"n": -0.0}',
    b'{"n": NaN}',
    b'{"n": 1, "n": 2}',
    b'{"n": "\\ud800"}',
    b'{"n": "\xff"}',
    b'{"n": "\\u0000"}',
    b'{"n": }',
    b'{"n": 1]',
    b'{"n" 1}',
    b"null",
    b'"x, y"',
    b"-",
    b"[1]",
    b'{"n": %b}' % (b"[" * 100_000 + b"]" * 100_000),
    b'{"n": "%b"}' % (b"x" * 3_000),
    b'{"n": 2}',
]


def stream_of(folder: Path, name: str, data: bytes) -> Stream:
    (folder / name).write_bytes(data)
    files = [SourceFile("all", name, str(folder / name), len(data))]
    return ArrayStream(files, "item") if ".json." in f"{name}." else LineStream(files)


def told(stream: Stream) -> list[Any]:
    rows = [row for batch in stream.batches(None) for row in batch.rows]
    return [(row.code, row.message[:9]) if isinstance(row, Unreadable) else dict(row) for row in rows]


def test_an_item_fares_as_the_same_line(tmp_path: Path) -> None:
    """E01 and E02 cost one row, with the same code; what a line may hold, an item may."""
    lines = told(stream_of(tmp_path, "x.jsonl", b"\n".join(ITEMS)))
    assert told(stream_of(tmp_path, "x.json", b"[" + b",\n ".join(ITEMS) + b"]")) == lines
    assert [row if isinstance(row, dict) else row[0] for row in lines if row != {"n": "x" * 3_000}] == [
        *(
            {"n": 1},
            {"n": int("9" * 30)},
            "E02",
            {"n": float("inf")},
            {"n": -0.0},
            "E02",
            "E02",
            "E02",
            "E01",
            {"n": "\0"},
        ),
        *("E02", "E02", "E02", "E02", "E02", "E02", "E02", "E02", {"n": 2}),
    ]


def test_an_item_over_the_limit_costs_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.worker.streams.array.MAX_ROW_BYTES", 100)
    monkeypatch.setattr(splitter, "CHUNK", 64)
    big = [b'{"n": "%b"}' % (b"]" * size) for size in (91, 92, 1_000)]
    rows = told(stream_of(tmp_path, "x.json", b'[{"n": 1},' + b",".join(big) + b',{"n": 2}]'))
    assert [row if isinstance(row, dict) else row[0] for row in rows] == [
        {"n": 1},
        {"n": "]" * 91},
        "E01",
        "E01",
        {"n": 2},
    ]


@pytest.mark.parametrize(
    "part", [b"[", b'{"a":', b'"', b'"\\', b'"",', b'["', b"\\\\", b" ", b"[]", b"1,", b'"\\"', b"]"]
)
def test_anything_takes_time_in_proportion(part: bytes) -> None:
    data = b"[" + part * (2**18 // len(part))
    started = time.process_time()
    with pytest.raises(ValueError, match=OUTLINE):
        deque(Splitter(io.BytesIO(data).read, 2**16).items("item"), 0)
    assert time.process_time() - started < 0.6


@pytest.mark.parametrize("part", [b"[", b'"', b"x", b" ", b"1,"])
def test_what_is_held_is_bounded(part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitter, "CHUNK", 2**10)
    text = io.BytesIO(b"[" + part * (2**18 // len(part)))
    tracemalloc.start()
    with pytest.raises(ValueError, match=OUTLINE):
        deque(Splitter(text.read, 2**12).items("item"), 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**15


@pytest.mark.parametrize(("name", "head"), [("x.json", b'[{"n": 1}, "'), ("x.jsonl", b'{"n": 1}\n')])
def test_a_row_without_an_end_gives_the_file_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, head: bytes
) -> None:
    """What stands before it counts, and no more is read than the bound says."""
    for module in ("lines", "splitter"):
        monkeypatch.setattr(f"coordinator.worker.streams.{module}.ENDLESS", 2**20)
    for module in ("lines", "array"):
        monkeypatch.setattr(f"coordinator.worker.streams.{module}.MAX_ROW_BYTES", 2**16)
    stream, found = stream_of(tmp_path, name, head + b"x" * 2**23), []
    with pytest.raises(SourceError, match=r"without an end after 1,\d{3},\d{3} bytes") as caught:
        found.extend(row for batch in stream.batches(None) for row in batch.rows)
    assert found == [{"n": 1}]
    assert isinstance(found[0], Row)
    assert caught.value.failure_class == "parse"
    assert stream.bytes_read < 2**21 + base.MAX_ROW_BYTES / 16
