"""The start screen: what would run, what earlier runs left of it, the limits. Gives the choice, or None."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from ..config import Config, load, ordered_loaders
from ..engine.plan import source_spec, tier_spec
from ..errors import PolecatsError
from ..paths import ROMAN, Paths
from ..worker.spec import SourceSpec
from . import startrows
from .choice import Choice, Chooser
from .drawn import Drawn
from .palette import Glyphs, Palette
from .panes.prompt import Prompt
from .startrows import Table
from .stored import Known, has_token, last_source, look


class StartTable(Drawn, can_focus=True):
    """The tree: a click ticks, the wheel moves."""

    def on_click(self, event: events.Click) -> None:
        """The row under the pointer."""
        start = self.screen
        if isinstance(start, Start) and 0 < event.y <= len(self.rows) - 1:
            start.pick(event.y - 1)

    def on_mouse_scroll_down(self) -> None:
        """The wheel."""
        if isinstance(self.screen, Start):
            self.screen.action_move(3)

    def on_mouse_scroll_up(self) -> None:
        """The wheel."""
        if isinstance(self.screen, Start):
            self.screen.action_move(-3)


class Looked(Message):
    """What the state folders tell has been read."""

    def __init__(self, source: str, known: list[Known]) -> None:
        super().__init__()
        self.source, self.known = source, known


class Start(Screen[Choice | None]):
    """A tree with ticks; nothing of a track is imported."""

    DEFAULT_CSS: ClassVar[str] = """
    Start { layout: vertical; }
    Start > #head { height: 2; }
    Start > #limits { height: 6; }
    Start > #foot { height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup", "move(-10)", "page up", show=False),
        Binding("pagedown", "move(10)", "page down", show=False),
        Binding("home", "move(-100000)", "top", show=False),
        Binding("end", "move(100000)", "end", show=False),
        Binding("space", "tick", "tick", show=False),
        Binding("a", "all(True)", "tick all", show=False),
        Binding("n", "all(False)", "tick none", show=False),
        Binding("enter", "run", "run", show=False),
        Binding("d", "demo", "offline demo", show=False),
        Binding("s", "option('source')", "next source", show=False),
        Binding("i", "tier", "next tier", show=False),
        Binding("t", "ask('target')", "rows wanted", show=False),
        Binding("x", "ask('max_samples')", "samples a loader", show=False),
        Binding("f", "option('fresh')", "start anew", show=False),
        Binding("g", "option('merge')", "merge at the end", show=False),
        Binding("r", "reload", "look again", show=False),
        Binding("q,escape", "leave", "leave", show=False),
    ]

    def __init__(
        self, palette: Palette, glyphs: Glyphs, paths: Paths, config: Config, *, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__()
        self.palette, self.glyphs, self.paths, self.config, self.clock = palette, glyphs, paths, config, clock
        self.head = Drawn(palette, glyphs, id="head")
        self.table = StartTable(palette, glyphs, id="table")
        self.limits = Drawn(palette, glyphs, id="limits")
        self.foot = Drawn(palette, glyphs, id="foot")
        self.head.ground = self.foot.ground = "surface"
        self.prompt, self.asked, self.trouble = Prompt(), "", ""
        self.known: dict[tuple[str, str], Known] = {}
        self.top = 0
        self._choose(1)

    def _choose(self, tier: int) -> None:
        last = last_source(self.paths)
        further = last.get("folder", "") if last.get("kind") == "dir" else ""
        loaders = {number: ordered_loaders(self.paths, self.config, tier=number) for number in ROMAN}
        self.chooser = Chooser.of(self.config, loaders[tier], further, tier)
        self.chooser.tiers = [number for number, names in loaders.items() if names]

    def compose(self) -> ComposeResult:
        """Head, tree, limits, foot."""
        yield from (self.head, self.table, self.limits, self.foot)

    def on_mount(self) -> None:
        """Draw, then read what is stored."""
        self.styles.background = self.palette.bg
        self._look()
        self.call_after_refresh(self.draw)

    def on_resize(self) -> None:
        """Columns go where there is no room."""
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """All four parts."""
        chooser, width = self.chooser, self.size.width
        token = has_token()
        height = max(1, self.table.size.height - 1)
        room = max(1, height - (len(chooser.rows) > height))
        self.top = min(max(self.top, chooser.cursor - room + 1), chooser.cursor, max(0, len(chooser.rows) - room))
        table = Table(chooser, self.known, token, self.clock(), width, self.glyphs)
        self.limits.display = bool(chooser.names)
        self.head.put(startrows.head(chooser, self.known, self.paths.root, width))
        if chooser.names:
            self.table.put([table.headings(), *table.rows(self.top, height)])
        else:
            self.table.put(startrows.empty(self.paths.root, width, self.table.size.height))
        limits = startrows.limits(chooser, self.config, width, self._parents().is_file())
        self.limits.styles.height = len(limits)
        self.limits.put(limits)
        prompt = self.prompt.line(width) if self.prompt.sign else None
        self.foot.put([prompt or startrows.foot(chooser, self.trouble, width)])

    # --- what is stored

    def _look(self) -> None:
        try:
            spec = self._source()
        except PolecatsError as error:
            self.trouble = str(error).replace(f"{self.paths.root}/", "")
            return
        self.trouble = ""
        self._read(self.chooser.source, spec.key)

    def _source(self) -> SourceSpec:
        if self.chooser.tier == 1:
            return source_spec(self.chooser.source, self.paths.root)
        return tier_spec(self.chooser.tier, self._parents())

    def _parents(self) -> Path:
        """The Tier I file that tiers are made from."""
        return self.paths.root / self.config.publish.output

    @work(thread=True, exit_on_error=False, group="look")
    def _read(self, source: str, key: str) -> None:
        names = list(self.chooser.names)
        self.post_message(Looked(source, look(self.paths, names, key)))

    def on_looked(self, message: Looked) -> None:
        """Back on the screen's thread."""
        message.stop()
        if message.source == self.chooser.source:
            self.known = {(item.track, item.loader): item for item in message.known}
            self.draw()

    # --- keys

    def action_move(self, by: int) -> None:
        """The cursor."""
        self.chooser.move(by)
        self.draw()

    def action_tick(self) -> None:
        """The tick at the cursor."""
        if self.chooser.names:
            self.chooser.toggle(self.chooser.rows[self.chooser.cursor])
            self.draw()

    def pick(self, row: int) -> None:
        """The cursor to a row that is seen, and its tick."""
        if self.top + row < len(self.chooser.rows):
            self.chooser.cursor = self.top + row
            self.action_tick()

    def action_all(self, ticked: bool) -> None:
        """All ticks, or none."""
        self.chooser.ticked = set(self.chooser.names) if ticked else set()
        self.draw()

    def action_option(self, name: str) -> None:
        """Switch one of the limits."""
        if name == "source":
            self.chooser.next_source()
            self.known = {}
            self._look()
        else:
            setattr(self.chooser, name, not getattr(self.chooser, name))
        self.draw()

    def action_tier(self) -> None:
        """The next tier, once there is a Tier I file to make it from."""
        tiers = self.chooser.tiers
        if len(tiers) < 2 or not self._parents().is_file():
            return
        self._choose(tiers[(tiers.index(self.chooser.tier) + 1) % len(tiers)])
        self.known = {}
        self._look()
        self.draw()

    def action_ask(self, name: str) -> None:
        """Type a number."""
        self.asked = name
        self.prompt.open({"target": "rows wanted in the file, 0 for all: ", "max_samples": "samples a loader: "}[name])
        self.draw()

    def action_run(self) -> None:
        """Leave with the choice."""
        if self.chooser.ticked and not self.trouble:
            self.dismiss(self.chooser.choice())

    def action_demo(self) -> None:
        """Leave with the demonstration."""
        if self.chooser.names:
            self.dismiss(self.chooser.choice(demo=True))

    def action_reload(self) -> None:
        """Look again for loaders and for what is stored."""
        try:
            self.config = load(self.paths, {})
        except PolecatsError as error:
            self.trouble = str(error)
        self._choose(self.chooser.tier)
        self._look()
        self.draw()

    def action_leave(self) -> None:
        """Nothing is started."""
        self.dismiss(None)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """While a number is typed, keys are its."""
        return bool(self.prompt.sign)

    def on_key(self, event: events.Key) -> None:
        """The prompt's keys come before all others."""
        used = self.prompt.feed(event)
        if used is None:
            return
        event.stop()
        event.prevent_default()
        self.prompt.text = "".join(sign for sign in self.prompt.text if sign in "0123456789")
        if used == "done":
            self._answer(self.prompt.text)
        if used != "typed":
            self.prompt.sign = ""
        self.draw()

    def _answer(self, text: str) -> None:
        if text and len(text) <= 15:
            setattr(self.chooser, self.asked, int(text))
        elif not text and self.asked == "max_samples":
            self.chooser.max_samples = None
