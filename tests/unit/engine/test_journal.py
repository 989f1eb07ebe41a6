"""The journal survives what befalls files: torn lines, foreign lines, full disks."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.disk import DiskError
from coordinator.engine import journal
from coordinator.engine.journal import JOURNAL, Journal
from coordinator.engine.state import replay
from coordinator.events import Event, LoaderOpening, LoaderWarned, RunFinished, RunStarted
from coordinator.paths import Paths

HISTORY: list[Event] = [
    RunStarted("r1", "hub", ["opal/a"]),
    LoaderOpening("opal/a"),
    LoaderWarned("opal/a", "slow"),
    RunFinished(0),
]


def write(path: Path, events: list[Event] = HISTORY) -> bytes:
    written = Journal(path)
    for at, event in enumerate(events):
        written.append(event, float(at))
    written.close()
    return path.read_bytes()


def events(path: Path) -> list[Event]:
    return [event for _, event in journal.read(path)]


def test_each_event_is_a_line_with_its_time(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "r1" / JOURNAL
    assert write(path).count(b"\n") == len(HISTORY)
    assert list(journal.read(path)) == list(enumerate(HISTORY))


def test_an_event_can_be_read_before_the_journal_is_closed(tmp_path: Path) -> None:
    written = Journal(tmp_path / JOURNAL)
    written.append(HISTORY[0], 0.0)
    assert events(tmp_path / JOURNAL) == HISTORY[:1]
    written.close()


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"{}", b"[]", b"null", b"5", b"\xff\xfe", b"[" * 5_000, b"\0" * 100, b'{"at":1}'),
        b'{"kind":"run_finished","exit_code":0}',
        b'{"at":null,"kind":"run_finished","exit_code":0}',
        b'{"at":"soon","kind":"run_finished","exit_code":0}',
        b'{"at":1,"kind":"later_kind"}',
        b'{"at":1,"kind":["run_finished"]}',
        b'{"at":1,"kind":"loader_opening","loader":"a","x":1}',
        b'{"at":1,"kind":"loader_progress","loader":"a","counts":{"x":1}}',
    ],
)
def test_foreign_lines_are_passed_over(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / JOURNAL
    lines = write(path).splitlines(keepends=True)
    path.write_bytes(b"".join([line + b"\n", *lines[:2], line + b"\n", *lines[2:], line]))
    assert events(path) == HISTORY


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_journal_cut_anywhere_is_its_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / JOURNAL
    whole = write(path)
    length = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:length])
    lines = whole[:length].count(b"\n") + (whole[length : length + 1] == b"\n")
    assert events(path) == HISTORY[:lines]
    replay(journal.read(path))


def test_a_journal_that_a_killed_run_left_torn_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / JOURNAL
    whole = write(path, HISTORY[:2])
    path.write_bytes(whole[:-5])
    write(path, HISTORY[2:])
    assert events(path) == [HISTORY[0], *HISTORY[2:]]


class Filling(io.BytesIO):
    """A disk on which `room` bytes are left; then it is full until `room` is set again."""

    room = 10_000

    def write(self, data: Any) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = bytes(data)[: self.room]
        self.room -= len(taken)
        return super().write(taken)


def on(disk: Filling, path: Path) -> Journal:
    """A journal that `disk` takes."""
    written = Journal(path)
    written.close()
    written._out = disk
    return written


@pytest.mark.parametrize("room", [0, 1, 30, 51, 52])  # of the line's 53 bytes: also all but its end
def test_what_a_full_disk_does_not_take_stands_in_its_place_later(tmp_path: Path, room: int) -> None:
    disk = Filling()
    written = on(disk, tmp_path / JOURNAL)
    written.append(HISTORY[0], 0.0)
    disk.room = room
    with pytest.raises(DiskError, match=f"{JOURNAL} cannot be written: the disk is full"):
        written.append(HISTORY[1], 1.0)
    assert not written.whole
    disk.room = 10_000
    written.append(HISTORY[2], 2.0)
    written.append(HISTORY[3], 3.0)
    assert written.whole
    (tmp_path / JOURNAL).write_bytes(disk.getvalue())
    assert list(journal.read(tmp_path / JOURNAL)) == list(enumerate(HISTORY))


def test_at_its_end_what_waits_is_tried_once_more(tmp_path: Path) -> None:
    disk = Filling()
    written = on(disk, tmp_path / JOURNAL)
    disk.room = 0
    with pytest.raises(DiskError):
        written.append(HISTORY[0], 0.0)
    disk.room = 10_000
    kept = disk.getvalue
    disk.close = lambda: None  # type: ignore[method-assign]
    written.close()
    assert written.whole
    assert kept().count(b"\n") == 1


def test_of_a_journal_that_is_never_written_a_bounded_part_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MOST_WAITING", 300)
    disk = Filling()
    written = on(disk, tmp_path / JOURNAL)
    disk.room = 0
    for at in range(50):
        with pytest.raises(DiskError):
            written.append(HISTORY[1], float(at))
    disk.room = 10_000
    written.append(HISTORY[3], 50.0)
    (tmp_path / JOURNAL).write_bytes(disk.getvalue())
    assert len(events(tmp_path / JOURNAL)) in range(4, 8)
    assert not written.whole


def test_the_latest_run_is_the_last_by_name_that_has_a_journal(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert journal.latest_run(paths) is None
    for run in ("20260101-000000-0000009", "20260102-000000-0000001"):
        write(paths.runs / run / JOURNAL)
    (paths.runs / "20270101-000000-0000001").mkdir()
    assert journal.latest_run(paths) == paths.runs / "20260102-000000-0000001"


@pytest.mark.parametrize("at", ['"NaN"', '"Infinity"', "1e308", "-1", "true", "null", "[]", '"5"'])
def test_a_line_without_a_time_that_a_clock_shows_is_passed_over(tmp_path: Path, at: str) -> None:
    path = tmp_path / "journal.jsonl"
    event = '"kind": "loader_opening", "loader": "opal/a"'
    path.write_text(f'{{"at": {at}, {event}}}\n{{"at": 1, {event}}}\n')
    assert list(journal.read(path)) == [(1.0, LoaderOpening("opal/a"))]
