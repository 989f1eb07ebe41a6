"""The tree of tracks and loaders with its headings: one row each, in an order that never changes by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events

from ..engine.traffic import waits_for
from .columns import GAP, GUTTER, STATE, Columns, columns
from .drawn import Drawn, Row
from .format import bar, eta_text, number, rate, short, spark_text, wire_rate
from .line import Line, clip, fit, middle
from .model import IDLE, FoldRow, LoaderRow, RowItem, TrackRow
from .palette import Glyphs, Tone
from .problems import TONES, Picked, Scrolled
from .view import View

SUSPICIOUS = 0.05
"""Share of rejected rows from which on their number is marked."""


class Tree(Drawn, can_focus=True):
    """See the module. `keys_at` says what a click on a row (below the headings) means."""

    keys_at: Sequence[str] = ()
    on_typing: Callable[[events.Key], bool] | None = None
    """Takes keys while a filter is typed."""

    def show(self, view: View, typing: bool = False) -> None:
        """Draw the rows in sight."""
        if not self.seen:
            return
        if not view.rows:
            self.keys_at = ()
            self.put([headings(view, self.size.width, typing), *empty(view, self.size.width, self.size.height - 1)])
            return
        below = len(view.rows) - view.top - view.height
        shown = view.rows[view.top : view.top + view.height - (below > 0)]
        self.keys_at = [row.key for row in shown]
        draw = TreeRows(view, self.size.width, self.glyphs)
        rows = [headings(view, self.size.width, typing), *(draw.row(item) for item in shown)]
        if below > 0:
            rows.append(Line().add(f"     {self.glyphs.down} {below + 1} more", "muted"))
        self.put(rows)

    def on_key(self, event: events.Key) -> None:
        """Letters belong to the filter while it is typed."""
        if self.on_typing is not None and self.on_typing(event):
            event.stop()
            event.prevent_default()

    def on_click(self, event: events.Click) -> None:
        """Select."""
        if 1 <= event.y <= len(self.keys_at):
            self.post_message(Picked(self.keys_at[event.y - 1], event.chain > 1))

    def on_mouse_scroll_down(self) -> None:
        """The wheel."""
        self.post_message(Scrolled(3))

    def on_mouse_scroll_up(self) -> None:
        """The wheel."""
        self.post_message(Scrolled(-3))


def longest_name(view: View) -> int:
    """Cells of the longest loader's name: the column's width does not change while a run goes on."""
    return max((len(name.partition("/")[2]) for name in view.state.loaders), default=0)


def told_of_waits(view: View) -> bool:
    """Whether there is a column of what loaders wait for: while anything of the run comes over the wire."""
    return view.state.ended is None and any(one.wire or one.bound for one in view.state.loaders.values())


def headings(view: View, width: int, typing: bool) -> Row:
    """What the columns mean; with a filter, what is filtered."""
    at, line = columns(width, longest_name(view), told_of_waits(view)), Line()
    if view.filter or typing:
        found = sum(isinstance(row, LoaderRow) for row in view.rows)
        line.add(" /", "accent", bold=True).add(view.filter + ("_" if typing else ""), bold=True)
        line.add(f"  {found} of {len(view.state.loaders)}  ", "muted").add("esc", "accent", bold=True)
        return line.add(" show all", "muted"), "surface"
    name = "track / loader" + (f"  {view.top} above" if view.top else "")
    line.pad(GUTTER).add(fit(name, at.name + GAP) + fit("state", STATE), "muted")
    cells = ((at.samples, "samples"), (at.waits, "waits for"), (at.bar, ""), (at.percent, ""), (at.rate, "rate/s"))
    for cell, text in (*cells, (at.spark, ""), (at.rejected, "rejected"), (at.eta, "ETA")):
        if cell:
            line.add(f"  {text:>{cell}}", "muted")
    return line, "surface"


def empty(view: View, width: int, height: int) -> list[Row]:
    """Three centred lines where there is nothing to show, and what to press."""
    if view.filter:
        texts = [(f"Nothing matches {clip(view.filter, 30)}", True), ("", False), ("esc shows all", False)]
    else:
        lines = (
            "No run yet in this repository",
            "",
            "polecats run starts one, polecats demo tries it offline",
            "q quit",
        )
        texts = [(text, index == 0) for index, text in enumerate(lines)]
    centred: list[Row] = [Line() for _ in range(max(0, height // 3))]
    for text, bold in texts:
        line = Line().pad(max(0, width - len(text)) // 2)
        centred.append(line.add(clip(text, width), "fg" if bold else "muted", bold=bold))
    return centred


class TreeRows:
    """Draws rows of one width."""

    def __init__(self, view: View, width: int, glyphs: Glyphs) -> None:
        self._view, self._width, self._glyphs = view, width, glyphs
        self._at: Columns = columns(width, longest_name(view), told_of_waits(view))

    def row(self, item: RowItem) -> Row:
        """One row, on the cursor's ground where the cursor stands."""
        under = item.key == self._view.cursor
        line = Line().add(self._glyphs.cursor if under else " ", "accent", bold=True)
        if isinstance(item, TrackRow):
            self._track(line, item)
        elif isinstance(item, LoaderRow):
            self._loader(line, item)
        else:
            self._fold(line, item)
        return (line, "cursor") if under else line

    def _track(self, line: Line, item: TrackRow) -> None:
        sign = self._glyphs.folded if item.folded else self._glyphs.unfolded
        line.add(f"{sign} ", "faint").add(fit(middle(item.track, self._at.name + 2), self._at.name + 4), bold=True)
        over = item.done == item.loaders
        line.add(fit(f"{item.done}/{item.loaders}", STATE), "ok" if over else "muted")
        self._samples(line, item.samples, "fg", bold=True)
        if item.note:
            self._reason(line, item.note, "warn")
            return
        self._waits(line, "")
        self._bar(line, None if over or not item.samples else item.fraction, "faint")
        self._percent(line, None if over else item.fraction)
        self._right(line, self._at.rate, rate(item.rate), "muted")
        self._spark(line, item.track if item.rate else "")
        self._right(line, self._at.rejected, number(item.rejected) if item.rejected else "", "muted")
        self._right(line, self._at.eta, eta_text(*item.eta), "muted")

    def _loader(self, line: Line, item: LoaderRow) -> None:
        tone, counts = TONES[item.mark], item.status.counts
        calm = item.mark in ("done", "queued", "stopped")
        line.add("  ").add(f"{getattr(self._glyphs, item.mark)} ", tone, bold=not calm)
        line.add(fit(middle(item.loader, self._at.name, self._glyphs.more), self._at.name + GAP), _calm(calm))
        line.add(fit(item.word, STATE), _word_tone(item), bold=item.word.isupper())
        self._samples(line, counts.samples, "fg" if item.mark == "running" else "muted")
        if item.reason:
            self._reason(line, item.reason, "muted")
            return
        self._waits(line, waits_for(item.status, self._view.now))
        self._bar(line, item.fraction, "accent")
        self._percent(line, item.fraction)
        quiet = item.mark == "running" and item.idle >= IDLE
        fast = rate(item.rate) or wire_rate(item.wire_rate)
        self._right(line, self._at.rate, f"idle {item.idle:.0f}s" if quiet else fast, _calm(quiet))
        self._spark(line, item.name if item.mark == "running" else "")
        many = counts.rejects > SUSPICIOUS * counts.read
        rejected = number(counts.rejects) if counts.rejects else ""
        self._right(line, self._at.rejected, rejected, "warn" if many else "muted")
        self._right(line, self._at.eta, eta_text(*item.eta), "fg")

    def _fold(self, line: Line, item: FoldRow) -> None:
        line.add("  ").add(f"{getattr(self._glyphs, item.mark)} ", TONES[item.mark])
        text = f"{len(item.loaders)} {item.mark}: {', '.join(item.loaders)}"
        line.add(clip(text, self._width - line.width - 1, self._glyphs.more), "faint")

    # --- cells; a column without room is left out

    def _right(self, line: Line, cell: int, text: str, tone: Tone, bold: bool = False) -> None:
        if cell:
            line.add(f"  {text[:cell]:>{cell}}", tone, bold=bold)

    def _samples(self, line: Line, count: int, tone: Tone, bold: bool = False) -> None:
        text = "" if not count else number(count) if count < 10_000_000 else short(count)
        self._right(line, self._at.samples, text, tone, bold)

    def _waits(self, line: Line, text: str) -> None:
        if self._at.waits:
            line.add("  ").add(fit(text, self._at.waits, self._glyphs.more), "muted")

    def _percent(self, line: Line, fraction: float | None) -> None:
        self._right(line, self._at.percent, f"{int(fraction * 100)}%" if fraction else "", "muted")

    def _bar(self, line: Line, fraction: float | None, tone: Tone) -> None:
        if not self._at.bar:
            return
        full, rest = bar(fraction, self._at.bar, self._glyphs) if fraction is not None else ("", " " * self._at.bar)
        line.add("  ").add(full, tone).add(rest, "line")

    def _spark(self, line: Line, name: str) -> None:
        if self._at.spark:
            values = self._view.history.spark(name, self._at.spark) if name else []
            line.add("  ").add(spark_text(values, self._at.spark, self._glyphs), "spark")

    def _reason(self, line: Line, text: str, tone: Tone) -> None:
        line.add("  ").add(clip(text, self._width - line.width - 1, self._glyphs.more), tone)


def _calm(calm: bool) -> Tone:
    return "muted" if calm else "fg"


def _word_tone(item: LoaderRow) -> Tone:
    if item.mark in ("running", "done", "stopped"):
        return "muted"
    return TONES[item.mark]
