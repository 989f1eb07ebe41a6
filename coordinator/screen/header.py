"""The two rows at the top: is anything wrong, how far, how fast, how long still."""

from __future__ import annotations

from ..engine.traffic import speed
from .drawn import Drawn, Row
from .format import bar, eta_text, number, rate, short, size, span, spark_text
from .line import Line, clip
from .machine import Reading
from .palette import Glyphs
from .view import View

LEAST_BAR = 10
"""Cells that the bar keeps where what comes over the wire is told."""


class Header(Drawn):
    """See the module."""

    ground = "surface"

    def show(self, view: View, reading: Reading | None) -> None:
        """Draw the totals; `reading` only where this machine runs them."""
        if self.seen:
            self.put(header_rows(view, reading, self.size.width, self.glyphs))


def header_rows(view: View, reading: Reading | None, width: int, glyphs: Glyphs) -> list[Row]:
    """Two rows; in narrow ones disk, RSS, CPU, spark, source and queued go, in that order."""
    return [_first(view, width, glyphs), _second(view, reading, width, glyphs)]


def _first(view: View, width: int, glyphs: Glyphs) -> Line:
    left = Line().add(" polecats", "accent", bold=True)
    if view.state.run:
        left.add("  ").add(clip(short_run(view.state.run), 24))
    if width >= 100 and view.state.source:
        left.add("  ").add(view.state.source, "muted")
    for queued in (width >= 100, False):
        right = _counts(view, glyphs, queued)
        if left.width + right.width < width:
            return left.right(right, width)
    return left.right(_pill(view, glyphs).add(" "), width)


def _counts(view: View, glyphs: Glyphs, queued: bool) -> Line:
    totals, line = view.totals, _pill(view, glyphs)
    if totals.running:
        line.add("  ").add(f"{totals.running}", bold=True).add(" running", "muted")
    if totals.queued and queued:
        line.add(f"  {totals.queued} queued", "muted")
    if totals.done:
        line.add(f"  {totals.done} done", "muted")
    return line.add(f"  {span(totals.elapsed)} ", "muted") if view.state.run else line.add(" ")


def _pill(view: View, glyphs: Glyphs) -> Line:
    wrong = view.totals.needs_you
    if wrong:
        verb = "needs" if wrong == 1 else "need"
        return Line().add(f" {glyphs.failed} {wrong} {verb} you ", "bad", bold=True, fill="bad_bg")
    return Line().add(f"{glyphs.done} nothing needs you", "ok") if view.state.run else Line()


def _second(view: View, reading: Reading | None, width: int, glyphs: Glyphs) -> Line:
    totals = view.totals
    all_done = totals.done == totals.loaders > 0
    left = Line().add(f" {number(totals.samples)}", bold=True).add(_expected(view, width), "muted").add("  ")
    right, rest = _speeds(view, width, glyphs, all_done), _rest(view, reading, width)
    wire = Line().add(f"  {glyphs.down} {speed(totals.wire_rate)}", "muted") if totals.wire_rate >= 1 else Line()
    if left.width + right.width + wire.width + rest.width + LEAST_BAR <= width:
        right.join(wire)
    right.join(rest)
    room = max(4, width - left.width - right.width)
    full, empty = bar(1.0 if all_done else totals.fraction or 0.0, room, glyphs)
    return left.add(full, "ok" if all_done else "accent").add(empty, "line").join(right)


def _speeds(view: View, width: int, glyphs: Glyphs, all_done: bool) -> Line:
    """How far, and how fast."""
    totals, right = view.totals, Line()
    if totals.fraction is not None and not all_done:
        right.add(f"  {'~' if totals.rough else ''}{int(totals.fraction * 100)}%")
    if totals.rate:
        right.add("  ").add(f"{rate(totals.rate)}/s", bold=True)
        if width >= 100:
            cells = 16 if width < 160 else 32
            right.add(" ").add(spark_text(view.history.spark(None, cells), cells, glyphs), "accent")
    return right


def _rest(view: View, reading: Reading | None, width: int) -> Line:
    """How long still, and what it takes of the machine."""
    right = Line()
    if eta := eta_text(*view.totals.eta):
        right.add("   ETA ", "muted").add(eta)
    if reading is not None and width >= 100:
        right.join(_machine(reading))
    return right.add(" ")


def _expected(view: View, width: int) -> str:
    totals = view.totals
    if totals.expected is None or totals.ended or not totals.running:
        return " samples" if view.state.run else ""
    about = "~" if totals.rough else ""
    if width < 100:
        return f"/{about}{short(totals.expected)}"
    return f" of {about}{short(totals.expected) if totals.rough else number(totals.expected)}"


def _machine(reading: Reading) -> Line:
    line = Line()
    if reading.rss:
        line.add("   CPU ", "muted").add(f"{reading.cpu:.0f}%").add("  RSS ", "muted").add(size(reading.rss))
    return line.add("  disk ", "muted").add(size(reading.disk_free)) if reading.disk_free else line


def short_run(run: str) -> str:
    """A run's id without year, seconds and process: `1122-1530`."""
    date, _, rest = run.partition("-")
    return f"{date[4:]}-{rest[:4]}" if date.isdigit() and len(date) == 8 and rest[:4].isdigit() else run
