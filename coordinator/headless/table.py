"""Tables for people: the live progress of a run on a terminal, and its summary."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..engine.state import LoaderStatus, RunState
from ..events import Event
from ..publish.merge import Merged
from ..publish.selection import Tally
from .plain import rate

MIN_WIDTH = 110
NARROW = 104
"""Cells that the summary's columns take with room for a note."""
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
    for index, name in enumerate(columns):
        left = index < 2 or name in ("note", "source")
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=name != "note")
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


def merge_table(merged: Merged) -> Table:
    """What each loader gives to the file."""
    table = _table("loader", "source", "samples", "kept", "duplicates", "beyond target", "note")
    for item in merged.inputs:
        tally = merged.tallies[item.name]
        cells = [f"{tally.kept:,}", _count(tally.duplicates), _count(tally.beyond_quota)]
        note = item.left_out or ("" if item.done else "not read to its end")
        table.add_row(item.name, str(item.source.get("id", "")), _count(item.counts.samples), *cells, Text(note))
    table.add_row("total", "", "", f"{merged.rows:,}", "", "", "", style="bold")
    return table


def _state(status: LoaderStatus, at: float) -> Text:
    if status.wait(at):
        return Text("WAITING", style="yellow")
    return Text(status.state, style=_STYLES.get(status.state, ""))


def _count(value: int | None) -> str:
    return f"{value:,}" if value else ""


def _note(status: LoaderStatus, tally: Tally | None) -> str:
    if status.failure:
        return status.failure.failure_class
    if tally and tally.samples and not tally.kept and not tally.beyond_quota:
        return "every row is a duplicate of an earlier loader's"
    if status.state == "EMPTY":
        return "upstream holds no data"
    return ""
