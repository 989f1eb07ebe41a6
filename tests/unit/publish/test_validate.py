"""The audit of a file: it names line, code and field, whatever the file is, in bounded memory."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.errors import ExitCode, PolecatsError
from coordinator.paths import manifest_path
from coordinator.publish import manifest, ranges
from coordinator.publish.merge import merge
from coordinator.publish.validate import SHOWN, Report, validate
from tests.clones import eventually, is_alive

if TYPE_CHECKING:
    from .conftest import Store

A = "opal/a"


@pytest.fixture
def published(store: Store) -> Path:
    """A good file of five lines with its manifest."""
    store.rows(A, range(5))
    merged = merge(store.inputs(), store.output)
    content = manifest.build(merged, store.output, "I", {"kind": "dir", "key": "dir"}, {})
    manifest.prepare(store.output, content)
    manifest.put(store.output)
    assert validate(store.output).ok
    return store.output


def alone(path: Path) -> Path:
    """The file without its manifest."""
    manifest_path(path).unlink()
    return path


def found(report: Report) -> list[tuple[int, str, str]]:
    return [(line, violation.code, violation.field) for line, violation in report.first]


def change(path: Path, number: int, old: bytes, new: bytes) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new, 1)
    path.write_bytes(b"".join(lines))


def test_line_code_and_field_are_named(published: Path) -> None:
    change(published, 2, b'"scope_volume":1', b'"scope_volume":2')
    change(published, 4, b'"label":"benign"', b'"label":"adversarial"')
    change(published, 5, b'"original_id":"train-4"', b'"original_id":"train-3"')
    report = validate(alone(published))
    assert not report.ok
    assert (report.lines, report.bad_lines) == (5, 3)
    assert found(report)[:3] == [
        (2, "E13", "execution_plan.nodes[0].scope_volume"),
        (4, "E14", "label"),
        (5, "E07", "execution_plan.nodes[0].node_id"),
    ]
    assert (5, "E18", "original_id") in found(report)
    assert report.by_code["E13"] == 1
    assert report.sha256 == hashlib.sha256(published.read_bytes()).hexdigest()


@pytest.mark.parametrize("rest", [1, 2, 300])
def test_a_cut_off_last_line(published: Path, rest: int) -> None:
    published.write_bytes(published.read_bytes()[:-rest])
    report = validate(published)
    assert (report.lines, report.bad_lines) == (5, 1)
    assert found(report)[-1] == (5, "E02", "")
    assert "cut off" in report.first[-1][1].message
    assert len(report.manifest_problems) == 1
    assert "another SHA-256" in report.manifest_problems[0]


def test_a_file_cut_between_lines_is_told_by_its_manifest_alone(published: Path) -> None:
    published.write_bytes(b"".join(published.read_bytes().splitlines(keepends=True)[:4]))
    report = validate(published)
    assert (report.ok, report.bad_lines) == (False, 0)
    assert [problem.partition(" ")[2][:6] for problem in report.manifest_problems] == ["has an", "counts"]
    assert validate(alone(published)).ok


def test_an_open_balance_is_a_problem(published: Path) -> None:
    path = manifest_path(published)
    content = json.loads(path.read_bytes())
    content["loaders"][0]["balance_closes"] = False
    path.write_text(json.dumps(content))
    assert validate(published).manifest_problems == ["tier1.manifest.json: the balance of opal/a is open"]


def test_an_empty_file_has_no_line(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.touch()
    report = validate(path)
    assert (report.lines, report.bad_lines, report.sha256) == (0, 0, hashlib.sha256().hexdigest())


@pytest.mark.parametrize(
    ("length", "codes"),
    [(65_536, ["E02"]), (65_537, ["E01"]), (65_538, ["E01"]), (65_539, ["E01"]), (3_000_000, ["E01"])],
)
def test_a_long_line_is_one_bad_line_among_good_ones(published: Path, length: int, codes: list[str]) -> None:
    good = published.read_bytes().splitlines(keepends=True)
    data = good[0] + b"x" * length + b"\n" + good[1]
    alone(published).write_bytes(data)
    report = validate(published)
    assert (report.lines, report.bad_lines) == (3, 1)
    assert [violation.code for _, violation in report.first] == codes
    assert report.first[0][0] == 2
    if length > 65_536:
        assert f"line of {length:,} bytes" in report.first[0][1].message.replace(f"{length + 1:,}", f"{length:,}")
    assert report.sha256 == hashlib.sha256(data).hexdigest()


def test_a_long_line_that_never_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"x" * 5_000_000)
    report = validate(path)
    assert [code for _, code, _ in found(report)] == ["E01", "E02"]
    assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_endless_line_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with path.open("wb") as out:
        out.truncate(400_000_000)
    script = (
        "import resource, sys; from pathlib import Path; from coordinator.publish.validate import validate\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "report = validate(Path(sys.argv[1]))\n"
        "print(report.bad_lines, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    bad, used = map(int, done.stdout.split())
    assert bad == 1
    assert used < 20_000


def test_many_bad_lines_are_counted_and_a_few_shown(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"{}\n" * 3_000)
    report = validate(path)
    assert report.bad_lines == 3_000
    assert len(report.first) == SHOWN
    assert report.by_code["E03"] >= 3_000


@pytest.mark.parametrize("place", ["absent.jsonl", "", "no-folder/x.jsonl", "a-file/x.jsonl"])
def test_what_cannot_be_read_is_a_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "a-file").touch()
    with pytest.raises(PolecatsError, match="cannot be read") as caught:
        validate(tmp_path / place)
    assert caught.value.code == ExitCode.USAGE
    assert str(tmp_path) in str(caught.value)


# ---- by ranges, in processes


@pytest.fixture
def long(store: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hundreds of lines in ranges of 3,000 bytes: good ones, broken ones, ids that come again far away, a long one."""
    monkeypatch.setattr(ranges, "RANGE_BYTES", 3_000)
    good = [store.line(A, row, row).data for row in range(400)]
    for row in range(0, 400, 37):
        good[row] = good[row].replace(b'"scope_volume":1', b'"scope_volume":2')
    good[100] = b"x" * 200_000
    good[390] = good[5]
    good[200] = good[399] = good[37]
    path = store.root / "long.jsonl"
    path.write_bytes(b"\n".join([*good, b""]))
    return path


@pytest.mark.parametrize("cut", [0, 1, 30])
def test_processes_and_ranges_report_the_same(long: Path, monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    data = long.read_bytes()
    long.write_bytes(data[: len(data) - cut])
    reports = [validate(long, processes=processes) for processes in (1, 2, 3)]
    monkeypatch.setattr(ranges, "RANGE_BYTES", 2**30)
    reports.append(validate(long))
    assert reports.count(reports[0]) == 4
    report = reports[0]
    assert report.lines == 400
    assert report.first == sorted(report.first, key=lambda item: item[0])
    again = [(line, violation.message) for line, violation in report.first if violation.code == "E18"]
    expected = [(201, "org/a#train-37 stands twice"), (391, "org/a#train-5 stands twice")]
    assert again == [*expected, *[(400, "org/a#train-37 stands twice")] * (cut < 2)]
    assert report.bad_lines == 11 + 1 + 3
    assert report.sha256 == hashlib.sha256(long.read_bytes()).hexdigest()


def test_more_repeats_than_are_shown_are_counted(long: Path) -> None:
    long.write_bytes(long.read_bytes() * 2)
    report = validate(long, processes=2)
    assert report.by_code["E18"] == 3 + 399
    assert len(report.first) == SHOWN
    assert report.bad_lines == 15 + 400


def test_a_process_that_is_killed_is_a_sentence(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "audit", lambda *args: os._exit(9))
    with pytest.raises(PolecatsError, match="was killed") as caught:
        validate(long, processes=2)
    assert caught.value.code == ExitCode.REFUSED


def test_no_process_outlives_who_reads_them(long: Path) -> None:
    script = (
        "import multiprocessing, os, sys; from pathlib import Path; from coordinator.publish import ranges\n"
        "ranges.RANGE_BYTES = 3000; path = Path(sys.argv[1])\n"
        "ranges.audit = lambda *args: bytes(2**20)  # more than a pipe holds: each waits until it is read\n"
        "reading = ranges.audited(path, path.stat().st_size, 3); next(reading)\n"
        "print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, long], capture_output=True, text=True, check=False)
    pids = done.stdout.split()
    assert len(pids) == 3
    assert eventually(lambda: not any(map(is_alive, pids)), 20)


def test_a_pipe_is_audited_as_a_file_is(published: Path) -> None:
    expected, pipe = validate(alone(published)), published.with_name("pipe")
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(published.read_bytes()))
    writer.start()
    assert validate(pipe) == expected
    writer.join()


PIECES = st.sampled_from(
    [
        *(b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"{", b"}", b"[", b'"', b":", b",", b"1e999", b"\\ud800"),
        *(b"null", b'{"execution_plan":', b'"nodes":[]', b'{"a":1,"a":2}\n'),
        *(b"[" * 2_000, b"x" * 70_000, b"9" * 5_000),
    ]
)
HOSTILE = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=12).map(b"".join))


@settings(max_examples=200, deadline=None)
@given(data=HOSTILE, beside=st.none() | HOSTILE)
def test_hostile_bytes_never_raise(data: Any, beside: bytes | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_bytes(data)
        if beside is not None:
            manifest_path(path).write_bytes(beside)
        report = validate(path)
    assert report.lines == data.count(b"\n") + (bool(data) and not data.endswith(b"\n"))
    assert report.bad_lines == report.lines
    assert report.sha256 == hashlib.sha256(data).hexdigest()
    assert bool(report.manifest_problems) == (beside is not None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), value=JSON)
def test_no_value_in_any_place_makes_the_audit_raise(make_store: type[Store], data: Any, value: Any) -> None:
    record: Any = json.loads(make_store(Path()).line(A, 0, 0).data)
    place = record
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_text(json.dumps(record) + "\n")
        assert validate(path).lines == 1
