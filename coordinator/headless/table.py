"""Tables for people: the live progress of a run on a terminal, and its summary."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console, JustifyMethod
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..disk import decimal_size
from ..engine.state import LoaderStatus, RunState
from ..engine.traffic import average_rate, has_traffic, waits_for
from ..events import Event
from ..publish.merge import Merged
from ..publish.selection import Tally
from .plain import rate

MIN_WIDTH = 110
NARROW = 104
"""Cells that the summary's columns take with room for a note."""
TOTAL = "total"
_LEFT = ("loader", "state", "source", "waits for", "note")
_STYLES = {"DONE": "green", "CAPPED": "green", "FAILED": "bold red", "STREAMING": "cyan", "OPENING": "cyan"}


def console(stderr: bool = False) -> Console:
    """A console that does not cut columns when nobody's terminal gives a width."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else max(MIN_WIDTH, shutil.get_terminal_size().columns)
    return Console(file=stream, width=width, highlight=False)


class LiveTable:
    """A reporter that redraws one table on stderr, at most eight times a second."""

    def __init__(self) -> None:
        self._live = Live(console=console(stderr=True), refresh_per_second=8, auto_refresh=False, transient=True)
        self._drawn = 0.0

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def __call__(self, event: Event, state: RunState, at: float) -> None:
        """See `engine.recorder.Reporter`."""
        if at - self._drawn >= 0.125:
            self._live.update(progress_table(state, at), refresh=True)
            self._drawn = at


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        justify: JustifyMethod = "left" if name in _LEFT else "right"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name != "note")
    return table


def progress_table(state: RunState, at: float) -> Table:
    """What each loader is doing."""
    table = _table("loader", "state", "samples", "of rows", "rows/s", "skipped", "rejected")
    for name, status in state.loaders.items():
        counts = status.counts
        table.add_row(
            name,
            _state(status, at),
            _count(counts.samples),
            _count(status.rows),
            _count(round(rate(status, at))) if status.state == "STREAMING" else "",
            _count(counts.skips),
            _count(counts.rejects),
        )
    return table


def summary_table(state: RunState, merged: Merged | None, at: float, width: int = MIN_WIDTH) -> Table:
    """How each loader stands at a time, and what of it is in the file; a narrow one has fewer columns, not cut ones."""
    narrow = width < NARROW
    columns = ("loader", "state", "accepted", "rejected", "kept", "note")
    wide = ("loader", "state", "rows", "accepted", "skipped", "rejected", "kept", "duplicates", "note")
    table = _table(*(columns if narrow else wide))
    tallies: Mapping[str, Tally] = merged.tallies if merged else {}
    for name, status in state.loaders.items():
        counts, tally = status.counts, tallies.get(name)
        cells = [_count(counts.read), _count(counts.accepted), _count(counts.skips), _count(counts.rejects)]
        cells += [f"{tally.kept:,}", _count(tally.duplicates)] if tally else ["", ""]
        cells = [cells[1], cells[3], cells[4]] if narrow else cells
        table.add_row(name, _state(status, at), *cells, Text(status.wait(at) or _note(status, tally)))
    return table


def traffic_table(state: RunState, at: float) -> Table | None:
    """What came over the wire and from the cache, a loader a row, and all of it; None where nothing did.

    `at`: until when loaders that have not ended have been reading, for their speed. Columns of nothing are left out.
    """
    names = ("loader", "waits for", "over the wire", "to come", "MB/s", "from the cache")
    rows = [_traffic_cells(name, status, at) for name, status in state.loaders.items() if has_traffic(status)]
    if not rows:
        return None
    if len(rows) > 1:
        rows.append(_traffic_total(state, at))
    shown = [index for index in range(len(names)) if any(row[index] for row in rows)]
    table = _table(*(names[index] for index in shown))
    for row in rows:
        table.add_row(*(Text(row[index]) for index in shown), style="bold" if row[0] == TOTAL else "")
    return table


def _traffic_cells(name: str, status: LoaderStatus, at: float) -> list[str]:
    left = max(0, status.to_fetch - status.wire) if status.ended is None else 0
    figures = [_bytes(status.wire), _bytes(left), _megabytes(average_rate(status, at)), _bytes(status.cached)]
    return [name, waits_for(status, at), *figures]


def _traffic_total(state: RunState, at: float) -> list[str]:
    """Sums; the speed is over the whole run."""
    wire = sum(status.wire for status in state.loaders.values())
    cached = sum(status.cached for status in state.loaders.values())
    seconds = (state.ended or at) - (state.started or at)
    return [TOTAL, "", _bytes(wire), "", _megabytes(wire / seconds if seconds > 0 else 0.0), _bytes(cached)]


def print_traffic(out: Console, state: RunState, at: float) -> None:
    """The table of `traffic_table`, where there is one."""
    if (table := traffic_table(state, at)) is not None:
        out.print()
        out.print(table)


def merge_table(merged: Merged) -> Table:
    """What each loader gives to the file."""
    table = _table("loader", "source", "samples", "kept", "duplicates", "beyond target", "note")
    for item in merged.inputs:
        tally = merged.tallies[item.name]
        cells = [f"{tally.kept:,}", _count(tally.duplicates), _count(tally.beyond_quota)]
        note = item.left_out or ("" if item.done else "not read to its end")
        table.add_row(item.name, str(item.source.get("id", "")), _count(item.counts.samples), *cells, Text(note))
    table.add_row(TOTAL, "", "", f"{merged.rows:,}", "", "", "", style="bold")
    return table


def _state(status: LoaderStatus, at: float) -> Text:
    if status.wait(at):
        return Text("WAITING", style="yellow")
    return Text(status.state, style=_STYLES.get(status.state, ""))


def _count(value: int | None) -> str:
    return f"{value:,}" if value else ""


def _bytes(value: int) -> str:
    return decimal_size(value) if value else ""


def _megabytes(rate: float) -> str:
    return f"{rate / 1e6:,.1f}" if rate else ""


def _note(status: LoaderStatus, tally: Tally | None) -> str:
    if status.failure:
        return status.failure.failure_class
    if tally and tally.samples and not tally.kept and not tally.beyond_quota:
        return "every row is a duplicate of an earlier loader's"
    if status.state == "EMPTY":
        return "upstream holds no data"
    return ""
