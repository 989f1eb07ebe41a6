"""Streams: every row once and in order, however often reading is interrupted; a bad row costs itself alone."""

from __future__ import annotations

import datetime
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordinator.contract import HubSource, Row
from coordinator.worker.failures import SourceError
from coordinator.worker.streams import lines as lines_module
from coordinator.worker.streams.array import ArrayStream
from coordinator.worker.streams.base import Cursor, SourceFile, Stream, Unreadable
from coordinator.worker.streams.lines import LineStream
from coordinator.worker.streams.parquet import ParquetStream
from coordinator.worker.streams.roots import FolderRoot

Make = Callable[[], Stream]
SIZES = (("a", 300), ("a", 0), ("a", 1), ("b", 257), ("c", 700))
"""(split, rows) a file: across batches and splits, with an empty file between."""


def source(builder: Any = "parquet", **more: Any) -> HubSource:
    return HubSource(repo="acme/it", builder=builder, files={}, **more)


def listed(paths: list[tuple[str, Path]]) -> list[SourceFile]:
    return [SourceFile(split, path.name, str(path), path.stat().st_size) for split, path in paths]


def written(folder: Path, kind: str) -> Make:
    """Files of SIZES; ids run through all of them."""
    paths, begin = [], 0
    for index, (split, size) in enumerate(SIZES):
        path = folder / f"{index}.{kind}"
        rows = [{"id": begin + n, "text": "é" * (n % 40)} for n in range(size)]
        if kind == "jsonl":
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        elif kind == "json":
            path.write_text(json.dumps({"behaviors": rows}))
        else:
            schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
            pq.write_table(pa.Table.from_pylist(rows, schema), path, row_group_size=70 + 60 * index)
        paths.append((split, path))
        begin += size
    files = listed(paths)
    if kind == "jsonl":
        return lambda: LineStream(files)
    if kind == "json":
        return lambda: ArrayStream(files, "behaviors.item")
    return lambda: ParquetStream(files, source())


def positions() -> list[tuple[str, int]]:
    """Where each row of SIZES stands: numbers run through a split and begin anew with the next."""
    counts: dict[str, int] = {}
    found = []
    for split, size in SIZES:
        start = counts.get(split, 0)
        found += [(split, start + n) for n in range(size)]
        counts[split] = start + size
    return found


def walk(stream: Stream, cursor: Cursor) -> Iterator[tuple[Row | Unreadable, Cursor]]:
    """Rows after the cursor, each with the cursor behind it, as JSON would bring it back."""
    skip = cursor.taken
    for batch in stream.batches(cursor.state):
        for index in range(skip, len(batch.rows)):
            yield batch.rows[index], Cursor(*json.loads(json.dumps([batch.state, index + 1])))
        skip = max(0, skip - len(batch.rows))


def everything(stream: Stream) -> list[Row | Unreadable]:
    return [row for row, _ in walk(stream, Cursor(None, 0))]


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
class TestExact:
    """One law for every builder."""

    def test_rows_stand_where_they_stand(self, tmp_path: Path, kind: str) -> None:
        rows = everything(written(tmp_path, kind)())
        assert [row["id"] for row in rows if isinstance(row, Row)] == list(range(1258))
        assert [(row.split, row.number) for row in rows] == positions()

    @pytest.mark.parametrize("every", [37, 128, 256, 257, 1000])
    def test_reading_that_is_interrupted_again_and_again_is_exact(self, tmp_path: Path, kind: str, every: int) -> None:
        make = written(tmp_path, kind)
        cursor, found, at_end = Cursor(None, 0), [], False
        while not at_end:
            at_end, rows = True, walk(make(), cursor)
            for count, (row, behind) in enumerate(rows, 1):
                cursor = behind
                assert isinstance(row, Row)
                found.append((row["id"], row.split, row.number))
                if count == every:
                    at_end = False
                    break
            rows.close()  # type: ignore[attr-defined]
        assert found == [(index, *position) for index, position in enumerate(positions())]

    def test_after_any_row_the_next_one_comes(self, tmp_path: Path, kind: str) -> None:
        make = written(tmp_path, kind)
        step = 97 if kind == "parquet" else 13
        cursors = [cursor for _, cursor in walk(make(), Cursor(None, 0))]
        for done in [*range(0, 1257, step), 298, 299, 300, 555, 557]:
            rows = walk(make(), cursors[done])
            row, _ = next(rows)
            assert isinstance(row, Row)
            assert (row["id"], row.split, row.number) == (done + 1, *positions()[done + 1])
            rows.close()  # type: ignore[attr-defined]
        assert list(walk(make(), cursors[-1])) == []

    def test_bytes_grow(self, tmp_path: Path, kind: str) -> None:
        stream = written(tmp_path, kind)()
        everything(stream)
        assert stream.bytes_read > 1_000
        assert stream.replayed == 0


def line_stream(path: Path, data: bytes) -> list[Row | Unreadable]:
    path.write_bytes(data)
    return everything(LineStream(listed([("train", path)])))


def test_a_bad_line_costs_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "MAX_ROW_BYTES", 100)
    data = b"\n".join(
        [
            b'\xef\xbb\xbf{"n": 0}',
            b'{"n": "\xff"}',
            b"{bad",
            b"",
            b"  \t\r",
            b"[1]",
            b'{"n": "' + b"x" * 100 + b'"}',
            b'{"n": "' + b"y" * 300 + b'"}',
            b'{"n": NaN}',
            b'{"n": 1, "n": 2}',
            b'{"n": "\\ud800"}',
            b"null",
            b'{"n": "' + b"z" * 90 + b'"}',
            b'{"n": 9}\r',
            b'{"n": 10}',
        ]
    )
    rows = line_stream(tmp_path / "x.jsonl", data)
    assert [row.number for row in rows] == list(range(13))
    codes = [row.code if isinstance(row, Unreadable) else row["n"] for row in rows]
    assert codes == [0, "E01", "E02", "E02", "E01", "E01", "E02", "E02", "E02", "E02", "z" * 90, 9, 10]
    for row in rows:
        if isinstance(row, Unreadable):
            row.raw.encode()


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b" " * 5000 + b"\n"])
def test_a_file_without_rows_has_none(tmp_path: Path, data: bytes) -> None:
    assert line_stream(tmp_path / "x.jsonl", data) == []


def test_a_blank_desert_longer_than_a_batch_is_crossed(tmp_path: Path) -> None:
    rows = line_stream(tmp_path / "x.jsonl", b"\n" * (lines_module.BATCH_BYTES + 7) + b'{"n": 1}')
    assert len(rows) == 1


def array_stream(path: Path, data: bytes, item: str = "item") -> ArrayStream:
    path.write_bytes(data)
    return ArrayStream(listed([("all", path)]), item)


@pytest.mark.parametrize("size", [10, 128, 300])
@pytest.mark.parametrize("end", [b', {"n": ', b', {"n": "x}]', b"", b"] x", b' {"n": 1}]', b",]", b"}", b', {"n": [1}'])
def test_a_broken_array_gives_the_rows_before_it(tmp_path: Path, size: int, end: bytes) -> None:
    data = b"[" + b",".join(b'{"n": %d}' % n for n in range(size)) + end
    stream = array_stream(tmp_path / "broken.json", data)
    found: list[Any] = []
    with pytest.raises(SourceError) as caught:
        found.extend(row["n"] for row, _ in walk(stream, Cursor(None, 0)) if isinstance(row, Row))
    assert found == list(range(size))
    assert caught.value.failure_class == "parse"
    assert "broken.json" in caught.value.sentence
    assert "\n" not in caught.value.sentence


def test_array_items_that_are_no_objects_cost_one_row_each(tmp_path: Path) -> None:
    rows = everything(array_stream(tmp_path / "x.json", b'\xef\xbb\xbf[1, {"n": 1}, null, ["x"], {"n": 0.5}]'))
    assert [row.code if isinstance(row, Unreadable) else row["n"] for row in rows] == ["E02", 1, "E02", "E02", 0.5]


def test_an_array_elsewhere_in_the_file_is_not_read(tmp_path: Path) -> None:
    data = b'{"about": [{"n": 0}], "behaviors": [{"n": 1, "behaviors": [{"n": 2}]}]}'
    assert everything(array_stream(tmp_path / "x.json", data, "behaviors.item")) == [{"n": 1, "behaviors": [{"n": 2}]}]


def test_an_array_resumes_by_reading_again_and_says_so(tmp_path: Path) -> None:
    stream = array_stream(tmp_path / "x.json", json.dumps([{"n": n} for n in range(500)]).encode())
    assert len(list(stream.batches({"file": 0, "item": 300, "number": 300}))) == 2
    assert stream.replayed == 300


TABLE = pa.table(
    {
        "id": [1, 2],
        "at": pa.array([datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), None], pa.timestamp("us", tz="UTC")),
        "given": [{"a": 1, "b": None}, {"a": None, "b": "x"}],
        "many": [["x"], None],
        "bulk": ["x" * 1000, "y"],
    }
)


def parquet(tmp_path: Path, *tables: Any, **more: Any) -> ParquetStream:
    paths = []
    for index, table in enumerate(tables):
        path = tmp_path / f"{index}.parquet"
        path.write_bytes(table) if isinstance(table, bytes) else pq.write_table(table, path)
        paths.append(("train", path))
    return ParquetStream(listed(paths), source(**more))


def test_parquet_values_are_python_values_and_other_columns_are_not_read(tmp_path: Path) -> None:
    stream = parquet(tmp_path, TABLE, columns=("id", "at"), optional=("given", "many", "elsewhere"))
    stream.open()
    assert stream.rows_total == 2
    assert everything(stream) == TABLE.drop_columns(["bulk"]).to_pylist()


def test_a_missing_column_is_told_before_the_first_row(tmp_path: Path) -> None:
    stream = parquet(tmp_path, TABLE, TABLE.drop_columns(["many"]), columns=("id", "many"))
    with pytest.raises(SourceError) as caught:
        stream.open()
    assert caught.value.failure_class == "schema_cast"
    assert "1.parquet has no column many; it has id, at, given, bulk" in caught.value.sentence


def test_files_whose_optional_columns_differ_are_read(tmp_path: Path) -> None:
    stream = parquet(tmp_path, TABLE, TABLE.select(["id"]), columns=("id",), optional=("bulk",))
    assert [sorted(row) for row in everything(stream) if isinstance(row, Row)] == [["bulk", "id"]] * 2 + [["id"]] * 2


def test_none_of_the_optional_columns_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has none of elsewhere"):
        parquet(tmp_path, TABLE, optional=("elsewhere",)).open()


@pytest.mark.parametrize("data", [b"", b"PAR1", b"not parquet at all" * 9])
def test_what_is_no_parquet_is_a_parse_failure(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SourceError, match=r"1\.parquet") as caught:
        parquet(tmp_path, TABLE, data).open()
    assert caught.value.failure_class == "parse"


def test_a_damaged_page_is_a_parse_failure_after_the_files_before(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": range(5000)}), tmp_path / "x", compression="zstd")
    data = bytearray((tmp_path / "x").read_bytes())
    data[4:400] = b"\xff" * 396
    stream = parquet(tmp_path, TABLE.select(["id"]), bytes(data))
    stream.open()
    found: list[Any] = []
    with pytest.raises(SourceError, match=r"1\.parquet") as caught:
        found.extend(row for row, _ in walk(stream, Cursor(None, 0)))
    assert caught.value.failure_class == "parse"
    assert len(found) == 2


def test_a_row_that_python_cannot_hold_costs_one_row(tmp_path: Path) -> None:
    raw = pa.array([b"a", b"\xff\xfe", b"c"])
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    rows = everything(parquet(tmp_path, pa.table({"text": text})))
    assert [row.code if isinstance(row, Unreadable) else row["text"] for row in rows] == ["a", "E01", "c"]
    assert [row.number for row in rows] == [0, 1, 2]


def test_row_groups_without_rows_are_passed(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2]})
    with pq.ParquetWriter(tmp_path / "0.parquet", table.schema) as writer:
        for part in (table.slice(0, 0), table, table.slice(0, 0), table):
            writer.write_table(part)
    stream = ParquetStream(listed([("train", tmp_path / "0.parquet")]), source())
    assert [row["id"] for row in everything(stream) if isinstance(row, Row)] == [1, 2, 1, 2]


def test_a_folder_hides_what_is_not_data(tmp_path: Path) -> None:
    folder = tmp_path / "acme" / "it" / "data"
    (folder / ".cache").mkdir(parents=True)
    for name in ("b.parquet", "a.parquet", "a.parquet.jsonl", ".cache/c.parquet", ".d.parquet"):
        (folder / name).write_text("x")
    declared = HubSource(repo="acme/it", builder="lines", files={"t": "**/*.parquet*", "u": "*.parquet"})
    resolved = FolderRoot(tmp_path).resolve(declared)
    assert [file.path for file in resolved.files] == ["data/a.parquet", "data/b.parquet"]
    assert resolved.warnings == ["acme/it: no file matches *.parquet (u)"]
    with pytest.raises(SourceError, match="there is no folder"):
        FolderRoot(tmp_path).resolve(HubSource(repo="acme/other", builder="lines", files={"t": "*"}))


def peak(stream: Stream) -> int:
    """Bytes at most held while reading all."""
    tracemalloc.start()
    try:
        count = sum(len(batch.rows) for batch in stream.batches(None))
        assert count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def big_array(path: Path, rows: int) -> ArrayStream:
    with path.open("w") as out:
        out.write("[" + ",".join(json.dumps({"n": n, "text": "x" * 1_000}) for n in range(rows)) + "]")
    return ArrayStream(listed([("all", path)]), "item")


@pytest.mark.parametrize("rows", [50_000, pytest.param(250_000, marks=pytest.mark.slow)])
def test_the_memory_of_an_array_is_flat(tmp_path: Path, rows: int) -> None:
    small = peak(big_array(tmp_path / "small.json", rows // 10))
    assert peak(big_array(tmp_path / "big.json", rows)) < 1.2 * small + 200_000
    assert small < 4_000_000


def test_the_memory_of_lines_is_flat(tmp_path: Path) -> None:
    def stream(rows: int) -> LineStream:
        path = tmp_path / f"{rows}.jsonl"
        path.write_text("".join(f'{{"n": {n}, "text": "{"x" * 100}"}}\n' for n in range(rows)))
        return LineStream(listed([("all", path)]))

    assert peak(stream(100_000)) < 1.2 * peak(stream(10_000)) + 200_000
