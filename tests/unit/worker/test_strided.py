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
from coordinator.worker.streams.parquet import Slice
from coordinator.worker.streams.strided import PLACES, StridedParquet, rows_of_a_slice, slices_of, spread

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


def opened(files: list[SourceFile], wanted: int = 0) -> StridedParquet:
    stream = open_stream(SOURCE, Resolved("local", files, {}), wanted)
    assert isinstance(stream, StridedParquet)
    return stream


def read(stream: StridedParquet) -> list[tuple[str, int]]:
    rows = [row for batch in stream.batches(None) for row in batch.rows]
    for row in rows:
        assert isinstance(row, Row)
        assert row == {"n": row.number}
    return [(row.split, row.number) for row in rows]


def groups(*rows: int) -> list[Slice]:
    """Row groups of so many rows, each at ten thousand times its number in its split."""
    return [Slice(0, group, 0, count, group * 10_000) for group, count in enumerate(rows)]


def largest_gap(places: list[int], count: int) -> int:
    """On a circle of `count` places."""
    seen = sorted(places)
    return max(b - a for a, b in zip(seen, [*seen[1:], seen[0] + count], strict=True))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 100, 200, 997, 1000, 1024])
def test_every_beginning_is_spread(count: int) -> None:
    order = spread(count)
    assert sorted(order) == list(range(count))
    for length in {ceil(count / part) for part in (2, 3, 5, 10, 40)} | {min(count, PLACES)}:
        assert largest_gap(order[:length], count) <= 3 * ceil(count / length)


@pytest.mark.parametrize(
    ("rows", "wanted", "expected"),
    [
        ([1_000] * 32, 32_000, 0),  # 32 whole row groups fit
        ([1_000] * 32, 31_999, 1_000),  # they do not, by a row
        ([1_000] * 500, 32_000, 0),
        ([1_000] * 500, 1_000, 32),  # equal slices from 32 places
        ([1_000] * 5, 1_000, 200),  # from every row group where fewer stand
        ([1_000] * 5, 1_001, 201),
        ([1_000] * 5, 10**9, 2 * 10**8),  # cut to what each has
        ([1_000] * 5, 0, 0),
        ([], 1_000, 0),
        ([], 0, 0),
    ],
)
def test_whole_row_groups_are_read_where_32_fit_and_else_equal_slices(
    rows: list[int], wanted: int, expected: int
) -> None:
    assert rows_of_a_slice(groups(*rows), wanted) == expected


@pytest.mark.parametrize("wanted", [0, 1, 31, 32, 33, 1_000, 50_000, 10**7])
@pytest.mark.parametrize("sizes", [[9_000, 100, 2_000], [1], [7] * 3, [1_000] * 64, [1, 50_000, 1] * 20])
def test_slices_hold_every_row_once(sizes: list[int], wanted: int) -> None:
    whole = groups(*sizes)
    found = list(slices_of(whole, rows_of_a_slice(whole, wanted)))
    for group in whole:
        parts = sorted((part for part in found if part.group == group.group), key=lambda part: part.first)
        assert [part.first for part in parts] == [0, *(part.first + part.rows for part in parts[:-1])]
        assert parts[-1].first + parts[-1].rows == group.rows
        assert all(part.rows and part.number == group.number + part.first for part in parts)


@pytest.mark.parametrize("wanted", [320, 1_000, 3_200])
def test_what_is_wanted_comes_from_at_least_32_places_in_equal_parts(wanted: int) -> None:
    whole = groups(*[1_000] * 200)
    left, places = wanted, list[tuple[int, int]]()
    for part in slices_of(whole, rows_of_a_slice(whole, wanted)):
        places.append((part.group, min(part.rows, left)))
        left -= part.rows
        if left <= 0:
            break
    assert len(places) == len({group for group, _ in places}) == PLACES
    assert max(rows for _, rows in places) - min(rows for _, rows in places[:-1]) == 0
    assert largest_gap([group for group, _ in places], 200) <= 3 * ceil(200 / PLACES)


def test_whole_row_groups_are_not_cut() -> None:
    whole = groups(*[1_000] * 200)
    found = list(slices_of(whole, rows_of_a_slice(whole, 40_000)))
    assert len(found) == 200
    assert all(part.rows == 1_000 for part in found)


def test_slices_grow_from_turn_to_turn() -> None:
    found = list(slices_of(groups(9_000, 100, 2_000), 256))
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


@pytest.mark.parametrize("wanted", [0, 300, 10_000])
def test_every_row_comes_once_under_its_own_number(tmp_path: Path, wanted: int) -> None:
    files = made(tmp_path, ("train", 3_000, 700), ("train", 0, 10), ("train", 500, 500), ("more", 1_300, 90))
    stream = opened(files, wanted)
    assert stream.rows_total == 4_800
    found = read(stream)
    assert len(found) == 4_800
    assert set(found) == {("train", n) for n in range(3_500)} | {("more", n) for n in range(1_300)}
    assert stream.replayed <= (1.34 * 4_800 if wanted else 0)


def test_a_huge_row_group_costs_no_more_than_its_beginning(tmp_path: Path) -> None:
    stream = opened(made(tmp_path, ("train", 20_000, 20_000), ("train", 20_000, 20_000)), wanted=400)
    batches = stream.batches(None)
    first, second = next(batches), next(batches)
    assert (first.rows[0].number, second.rows[0].number) == (0, 20_000)
    assert (len(first), len(second)) == (200, 200)


@pytest.mark.parametrize("cap", [100, 700, 0])
def test_it_goes_on_anywhere_also_with_another_cap(tmp_path: Path, cap: int) -> None:
    files = made(tmp_path, ("train", 1_500, 700), ("more", 900, 300))
    whole = [(batch.state, [row.number for row in batch.rows]) for batch in opened(files, 100).batches(None)]
    for at, (state, _) in enumerate(whole):
        rest = opened(files, cap).batches(json.loads(json.dumps(state)))
        assert [(batch.state, [row.number for row in batch.rows]) for batch in rest] == whole[at:]
