"""The header tells what comes over the wire where it has room, and pushes nothing out for it."""

from __future__ import annotations

import pytest

from coordinator.engine.state import LoaderStatus, RunState, TrackStatus
from coordinator.events import Counts
from coordinator.screen.header import header_rows
from coordinator.screen.line import Line
from coordinator.screen.machine import Reading
from coordinator.screen.palette import ASCII, UNICODE, Glyphs
from coordinator.screen.view import View

READING = Reading(0.0, disk_free=84 * 2**30, memory=8 * 2**30, cores=2)


def second_row(width: int, wire: int, glyphs: Glyphs = UNICODE, rows: int = 900_000) -> str:
    """The row of totals of a run that reads 1,000 rows and `wire` bytes a second, after half a minute."""
    state = RunState("20270115-080000-0001234", "hub", started=0.0, tracks={"opal": TrackStatus("RUNNING")})
    state.loaders["opal/a"] = status = LoaderStatus("STREAMING", rows=rows)
    view = View()
    for second in range(31):
        status.counts, status.wire = Counts(second * 1_000, second * 1_000, second * 1_000), second * wire
        view.history.feed(state, 100.0 + second)
    view.see(state, 130.0)
    view.refresh()
    row = header_rows(view, READING, width, glyphs)[1]
    assert isinstance(row, Line)
    assert row.width == width
    return "".join(piece.text for piece in row.pieces)


@pytest.mark.parametrize(("glyphs", "sign"), [(UNICODE, "↓"), (ASCII, "v")])
@pytest.mark.parametrize("width", [80, 120, 200])
def test_what_comes_over_the_wire_is_told(width: int, glyphs: Glyphs, sign: str) -> None:
    row = second_row(width, 12_400_000, glyphs)
    assert f"  {sign} 12.4 MB/s   ETA " in row


@pytest.mark.parametrize("width", range(60, 130))
def test_it_takes_nothing_but_cells_of_the_bar(width: int) -> None:
    with_wire, without = second_row(width, 12_400_000), second_row(width, 0)
    assert "MB/s" not in without
    told = with_wire.replace("  ↓ 12.4 MB/s", "")
    assert [part for part in told.split() if "━" not in part] == [part for part in without.split() if "━" not in part]
    assert "MB/s" not in with_wire or with_wire.count("━") + with_wire.count("╸") >= 10
