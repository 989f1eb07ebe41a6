"""The rows of the start screen. Pure: choice and knowledge in, lines out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..config import Config
from ..paths import ROMAN
from . import format
from .choice import Chooser, needs
from .drawn import Row, keys
from .line import Line, clip, middle
from .palette import Glyphs, Tone
from .stored import Known, Name

_STATES: dict[str, tuple[str, Tone]] = {
    "DONE": ("done", "muted"),
    "CAPPED": ("capped", "muted"),
    "EMPTY": ("empty", "muted"),
    "STOPPED": ("stopped", "muted"),
    "SKIPPED": ("skipped", "muted"),
    "FAILED": ("FAILED", "bad"),
    "STALLED": ("STALLED", "warn"),
}


@dataclass(frozen=True, slots=True)
class Table:
    """The tree at one moment."""

    chooser: Chooser
    known: Mapping[Name, Known]
    token: bool
    now: float
    width: int
    glyphs: Glyphs

    @property
    def name_width(self) -> int:
        """What the other columns leave, as long as names need it."""
        longest = max((len(loader) for _, loader in self.chooser.names), default=0)
        return max(12, min(longest + 2, self.width - (56 if self.width >= 70 else 42), 34))

    def headings(self) -> Row:
        """The bar above."""
        line = Line().add("      ").add("track / loader".ljust(self.name_width + 2)).add("last run".ljust(11))
        line.add("rows".rjust(9)).add("age".rjust(6) if self.width >= 70 else "").add("  needs    licence")
        return _muted(line), "surface"

    def rows(self, top: int, height: int) -> list[Row]:
        """`height` rows from `top` on."""
        every = self.chooser.rows
        window = every[top : top + height]
        below = len(every) - top - height
        rows: list[Row] = [self._row(row, top + n == self.chooser.cursor) for n, row in enumerate(window)]
        if below > 0:
            rows[-1] = Line().add(f"     {self.glyphs.down} {below + 1} more", "muted")
        return rows

    def _row(self, row: Name, under: bool) -> Row:
        track, loader = row
        mark = self.chooser.mark(row)
        line = Line().add(self.glyphs.cursor if under else " ", "accent", bold=True)
        line.add("" if not loader else "  ").add(mark, "faint" if mark == "[ ]" else "accent").add(" ")
        end = 8 + self.name_width
        if loader:
            line.add(middle(loader, self.name_width - 1), "muted" if mark == "[ ]" else "fg").pad(end)
            self._facts(line, self.known.get(row))
        else:
            line.add(clip(track, self.name_width), bold=True).pad(end)
            self._sums(line, track)
        return (line, "cursor") if under else line

    def _facts(self, line: Line, known: Known | None) -> None:
        if known is None:
            return
        word, tone = _STATES.get(known.state, (known.state.lower(), "muted"))
        line.add(word.ljust(11), tone).add((format.number(known.rows) if known.rows else "").rjust(9))
        if self.width >= 70:
            age = format.span(max(0.0, self.now - known.at), short=True) if known.at and known.rows else ""
            line.add(age.rjust(6), "faint")
        word, missing = needs(known, self.token)
        line.add("  ").add(word.ljust(9), "warn" if missing else "muted")
        licence = f"{known.licence or ''}{', evaluation only' if known.evaluation_only else ''}"
        line.add(clip(licence, self.width - line.width - 1), "muted")

    def _sums(self, line: Line, track: str) -> None:
        members = self.chooser.members((track, ""))
        ticked = sum(name in self.chooser.ticked for name in members)
        rows = sum(self.known[name].rows for name in members if name in self.known)
        line.add(f"{ticked}/{len(members)}".ljust(11), "muted")
        line.add((format.number(rows) if rows else "").rjust(9), "muted", bold=True)


def _muted(line: Line) -> Line:
    muted = Line()
    for piece in line.pieces:
        muted.add(piece.text, "muted")
    return muted


def head(chooser: Chooser, known: Mapping[Name, Known], root: Path, width: int) -> list[Row]:
    """Who, where, how many; then what is there already."""
    first = Line().add(" polecats", "accent", bold=True).add("  ").add(middle(str(root), max(10, width - 40)), "muted")
    first.right(
        Line().add(f"{len(chooser.ticked)}", bold=True).add(f" of {len(chooser.names)} chosen ", "muted"), width
    )
    rows = sum(item.rows for item in known.values())
    done = sum(item.done for item in known.values())
    second = Line().add(" ")
    if rows:
        second.add(format.number(rows), bold=True).add(
            f" rows from {clip(chooser.source, 30)} are there already", "muted"
        )
        second.add(f", {done} loaders are complete" if done else "", "muted")
    elif chooser.names:
        second.add(f"nothing from {clip(chooser.source, 40)} yet", "muted")
    return [first, second]


def limits(chooser: Chooser, config: Config, width: int, tier1: bool = True) -> list[Row]:
    """What can be set, and how it stands. `tier1`: whether there is a Tier I file that tiers can be made from."""
    own = sum(bool(config.loader(*name).max_samples) for name in chooser.names)
    most = chooser.max_samples
    told = f"config.toml limits {own} of them" if own and most is None else ""
    tiers = ", ".join(ROMAN[tier] for tier in chooser.tiers)
    offer = f"one of {tiers}" if tier1 else f"II and III once {config.publish.output} is there"
    sources = f"one of {', '.join(chooser.sources)}" if chooser.tier == 1 else "the Tier I file"
    values = [
        ("i", "tier", ROMAN[chooser.tier], offer),
        ("s", "source", chooser.source, sources),
        (
            "t",
            "rows in the file",
            format.number(chooser.target) if chooser.target else "all",
            "after duplicates are out" if chooser.tier == 1 else "negatives, each in a pair",
        ),
        ("x", "samples a loader", format.number(most) if most else "all", told),
        ("f", "start anew", "yes" if chooser.fresh else "no", "what is there is set aside, not deleted"),
        ("g", "merge at the end", "yes" if chooser.merge else "no", ""),
    ][len(chooser.tiers) < 2 :]
    rows: list[Row] = [(Line().add(" limits", "muted"), "surface")]
    for key, name, value, more in values:
        able = key != "i" or tier1
        line = (
            Line()
            .add("  ")
            .add(key, "accent" if able else "faint", bold=able)
            .add(f" {name:<18}", "muted")
            .add(clip(value, 30).ljust(12))
        )
        rows.append(line.add(clip(f"  {more}" if more else "", max(0, width - line.width - 1)), "faint"))
    return rows


def foot(chooser: Chooser, trouble: str, width: int) -> Line:
    """Verbs; or why nothing can run."""
    if not chooser.names:
        return Line().add(" ").join(keys(("r", "look again"))).right(keys(("q", "quit")).add(" "), width)
    if trouble:
        return Line().add(f" {clip(trouble, width - 2)}", "warn")
    count = len(chooser.ticked)
    line = Line().add(" ")
    verbs = [("enter", f"run {count} loader{'s' * (count != 1)}")] if count else []
    end = keys(("q", "quit")).add(" ")
    for pair in [*verbs, ("space", "tick"), ("a", "all"), ("n", "none"), ("d", "offline demo"), ("r", "look again")]:
        cell = keys(pair)
        if line.width + cell.width + 2 + end.width <= width:
            line.join(cell).add("  ")
    return line.right(end, width)


def empty(root: Path, width: int, height: int) -> list[Row]:
    """No loader at all: three lines in the middle, and what to press."""
    texts: list[tuple[str, Tone, bool]] = [
        ("No loaders here yet", "fg", True),
        (f"polecats looks for tracks/<track>/<loader>.py in {root}; tracks/README.md shows one", "muted", False),
        ("r  look again     q  quit", "accent", False),
    ]
    rows: list[Row] = [Line() for _ in range(max(0, height // 3))]
    for text, tone, bold in texts:
        shown = clip(text, width - 2)
        rows.append(Line().pad(max(0, (width - len(shown)) // 2)).add(shown, tone, bold=bold))
    return rows
