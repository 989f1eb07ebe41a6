"""Files that end in .gz: read as what they hold, resumed by reading again, never held whole."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator.contract import HubSource, Row
from coordinator.worker.failures import SourceError
from coordinator.worker.streams.array import ArrayStream
from coordinator.worker.streams.base import MAX_ROW_BYTES, SourceFile, Stream, Unreadable
from coordinator.worker.streams.lines import LineStream
from coordinator.worker.streams.opening import open_stream
from coordinator.worker.streams.roots import FolderRoot

ROWS = [{"id": n, "text": f"é{n * n}"} for n in range(700)]
TEXTS = {
    "x.jsonl": "\ufeff" + "\n\n".join(json.dumps(row) for row in ROWS),
    "x.json": json.dumps(ROWS),
}
Make = Callable[[bytes], Stream]


@pytest.fixture(params=sorted(TEXTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(tmp_path: Path, name: str) -> Make:
    """A stream over a packed file of the given bytes."""
    path = tmp_path / f"{name}.gz"

    def stream(data: bytes) -> Stream:
        path.write_bytes(data)
        files = [SourceFile("all", path.name, str(path), len(data))]
        return ArrayStream(files, "item") if name == "x.json" else LineStream(files)

    return stream


def ids(stream: Stream, state: dict[str, Any] | None = None) -> list[int]:
    return [row["id"] for batch in stream.batches(state) for row in batch.rows if isinstance(row, Row)]


def packed(name: str, pieces: int = 1) -> bytes:
    """The rows as gzip, in several members."""
    text = TEXTS[name].encode()
    size = len(text) // pieces + 1
    return b"".join(gzip.compress(text[at : at + size]) for at in range(0, len(text), size))


@pytest.mark.parametrize("pieces", [1, 2, 50])
def test_every_row_once_and_in_order(make: Make, name: str, pieces: int) -> None:
    assert ids(make(packed(name, pieces))) == [row["id"] for row in ROWS]


def test_resuming_reads_again_and_says_so(make: Make, name: str) -> None:
    batches = list(make(packed(name)).batches(None))
    assert len(batches) > 2
    done = 0
    for batch in batches:
        state = json.loads(json.dumps(batch.state))
        stream = make(packed(name))
        assert ids(stream, state) == [row["id"] for row in ROWS[done:]]
        assert stream.replayed == done
        done += len(batch.rows)


def damaged(name: str) -> dict[str, bytes]:
    whole = packed(name, 4)
    second = whole.index(gzip.compress(b"")[:3], 10)
    return {
        "cut off": whole[:-4],
        "in the middle": whole[: second + 60],
        "other bytes": whole[: second + 40] + bytes(200) + whole[second + 240 :],
        "another ending": whole[:-5] + b"xxxxx",
        "text behind": whole + b"plain text",
    }


@pytest.mark.parametrize("damage", ["cut off", "in the middle", "other bytes", "another ending", "text behind"])
def test_damage_is_a_parse_failure_behind_the_rows_before(make: Make, name: str, damage: str) -> None:
    found: list[Any] = []
    with pytest.raises(SourceError, match=rf"{name}\.gz: not a sound gzip file: ") as caught:
        found.extend(row for batch in make(damaged(name)[damage]).batches(None) for row in batch.rows)
    assert caught.value.failure_class == "parse"
    assert [row["id"] for row in found] == list(range(len(found)))
    assert len(found) > 150


def test_what_is_not_packed_is_told(make: Make, name: str) -> None:
    with pytest.raises(SourceError, match="not a sound gzip file"):
        ids(make(TEXTS[name].encode()))


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(b""))
    assert not list(LineStream([SourceFile("all", "x.jsonl.gz", str(tmp_path / "x.jsonl.gz"), 20)]).batches(None))


def test_a_bomb_costs_one_row_and_no_memory(make: Make, name: str) -> None:
    """200 MB of zeros in 200 KB, one row without an end: what is held is the longest row and no more."""
    head, tail = (b'{"id": 1}\n', b'\n{"id": 2}\n') if name == "x.jsonl" else (b'[{"id": 1}, "', b'", {"id": 2}]')
    data = gzip.compress(head) + gzip.compress(bytes(10**7)) * 20 + gzip.compress(tail)
    tracemalloc.start()
    rows = [row for batch in make(data).batches(None) for row in batch.rows]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row.code if isinstance(row, Unreadable) else row["id"] for row in rows] == [1, "E01", 2]
    assert peak < 3 * MAX_ROW_BYTES


@pytest.mark.slow
def test_a_bomb_of_ten_gigabytes_is_given_up(make: Make, name: str) -> None:
    head = b'{"id": 1}\n' if name == "x.jsonl" else b'[{"id": 1}, "'
    stream, found = make(gzip.compress(head) + gzip.compress(bytes(10**7)) * 1_000), []
    with pytest.raises(SourceError, match="without an end after"):
        found.extend(row for batch in stream.batches(None) for row in batch.rows)
    assert found == [{"id": 1}]
    assert stream.bytes_read < 1.1 * 2**30


def test_a_source_names_packed_files_by_their_globs(tmp_path: Path) -> None:
    folder = tmp_path / "acme" / "it"
    folder.mkdir(parents=True)
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(b'{"id": 1}\n'))
    (folder / "b.jsonl").write_bytes(b'{"id": 2}\n')
    source = HubSource(repo="acme/it", builder="lines", files={"train": "*.jsonl*"})
    assert ids(open_stream(source, FolderRoot(tmp_path).resolve(source))) == [1, 2]
