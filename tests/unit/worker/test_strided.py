"""Reading all over a source: every row once, any beginning spread over the whole, and going on anywhere."""

from __future__ import annotations

import json
from math import ceil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordinator.contract import HubSource, Row
from coordinator.worker.streams.base import Resolved, SourceFile
from coordinator.worker.streams.opening import open_stream
from coordinator.worker.streams.strided import Slice, StridedParquet, slices, spread

SOURCE = HubSource(repo="acme/it", builder="parquet", files={"train": "*", "more": "*"}, columns=("n",), strided=True)


def made(folder: Path, *files: tuple[str, int, int]) -> list[SourceFile]:
    """Files of (split, rows, rows a group); `n` is a row's number in its split."""
    found: list[SourceFile] = []
    begin: dict[str, int] = {}
    for index, (split, rows, group) in enumerate(files):
        path, first = folder / f"{index}.parquet", begin.get(split, 0)
        table = pa.table({"n": range(first, first + rows), "other": ["x"] * rows})
        pq.write_table(table, path, row_group_size=group)
        begin[split] = first + rows
        found.append(SourceFile(split, path.name, str(path), path.stat().st_size))
    return found


def opened(files: list[SourceFile]) -> StridedParquet:
    stream = open_stream(SOURCE, Resolved("local", files, {}))
    assert isinstance(stream, StridedParquet)
    return stream


def read(stream: StridedParquet) -> list[tuple[str, int]]:
    rows = [row for batch in stream.batches(None) for row in batch.rows]
    for row in rows:
        assert isinstance(row, Row)
        assert row == {"n": row.number}
    return [(row.split, row.number) for row in rows]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 100, 200, 997, 1000, 1024])
def test_every_beginning_is_spread(count: int) -> None:
    order = spread(count)
    assert sorted(order) == list(range(count))
    for length in {ceil(count / part) for part in (2, 3, 5, 10, 40)}:
        seen = sorted(order[:length])
        gaps = [b - a for a, b in zip(seen, [*seen[1:], seen[0] + count], strict=True)]
        assert max(gaps) <= 3 * ceil(count / length)


def test_every_row_comes_once_under_its_own_number(tmp_path: Path) -> None:
    files = made(tmp_path, ("train", 3_000, 700), ("train", 0, 10), ("train", 500, 500), ("more", 1_300, 90))
    stream = opened(files)
    assert stream.rows_total == 4_800
    found = read(stream)
    assert len(found) == 4_800
    assert set(found) == {("train", n) for n in range(3_500)} | {("more", n) for n in range(1_300)}
    assert stream.replayed <= 0.4 * 4_800


def test_a_huge_row_group_costs_no_more_than_its_beginning(tmp_path: Path) -> None:
    stream = opened(made(tmp_path, ("train", 20_000, 20_000), ("train", 20_000, 20_000)))
    batches = stream.batches(None)
    first, second = next(batches), next(batches)
    assert (first.rows[0].number, second.rows[0].number) == (0, 20_000)
    assert len(first) + len(second) <= 512


def test_slices_grow(tmp_path: Path) -> None:
    whole = [Slice(0, group, 0, rows, group * 10_000) for group, rows in enumerate((9_000, 100, 2_000))]
    found = list(slices(whole))
    assert [
        (part.group, part.first, part.rows) for part in sorted(found, key=lambda part: (part.group, part.first))
    ] == [
        (0, 0, 256),
        (0, 256, 1_024),
        (0, 1_280, 4_096),
        (0, 5_376, 3_624),
        (1, 0, 100),
        (2, 0, 256),
        (2, 256, 1_024),
        (2, 1_280, 720),
    ]
    assert [part.first for part in found] == sorted(part.first for part in found), "all groups, and again"


def test_it_goes_on_anywhere(tmp_path: Path) -> None:
    files = made(tmp_path, ("train", 1_500, 700), ("more", 900, 300))
    whole = [(batch.state, [row.number for row in batch.rows]) for batch in opened(files).batches(None)]
    for at, (state, _) in enumerate(whole):
        rest = opened(files).batches(json.loads(json.dumps(state)))
        assert [(batch.state, [row.number for row in batch.rows]) for batch in rest] == whole[at:]
