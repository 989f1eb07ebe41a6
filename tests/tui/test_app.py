"""The terminal app as it is used: keys, clicks, sizes, and what stands on the screen."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from coordinator.events import Counts, Failure
from coordinator.screen.acts import ACTS, bindings, commands
from coordinator.screen.app import StateChanged, Watching
from coordinator.screen.dialogs.confirm import Confirm
from coordinator.screen.dialogs.help import Help
from coordinator.screen.dialogs.merge import Merge
from coordinator.screen.dialogs.quit import Quit
from coordinator.screen.palette import ASCII, DARK, MONO, UNICODE
from coordinator.screen.source import copied
from tests.tui.harness import FakeControl, Still, an_app, text_of

SCREENS = Path(__file__).parent / "screens"
UPDATE = bool(os.environ.get("POLECATS_UPDATE_SCREENS"))
KEYS = [(key, act.action) for acts in ACTS.values() for act in acts for key in act.keys.split(",")]
Play = Callable[[Watching, "Pilot[None]", Still, FakeControl], Awaitable[None]]


def use(
    folder: Path, play: Play, name: str = "stalled_retrying", size: tuple[int, int] = (120, 36), **how: Any
) -> None:
    """Play on the app with a named journal."""

    async def go() -> None:
        app, source, control = an_app(name, folder, **how)
        async with app.run_test(size=size) as pilot:
            await shown(app, pilot)
            await play(app, pilot, source, control)

    asyncio.run(go())


async def shown(app: Watching, pilot: Pilot[None]) -> None:
    """Wait until what has come is drawn."""
    for _ in range(200):
        await pilot.pause()
        if app.view.state.run and app.board.outline.rows:
            break
    app.beat()
    await pilot.pause()


async def settled(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    """Wait for a thread's answer."""
    for _ in range(500):
        await pilot.pause()
        if true():
            return
    raise AssertionError("it did not come")


# --- every key


class Recording(Watching):
    """Writes down which action a key runs, and runs none."""

    ran: list[str]

    async def run_action(self, action: Any, *rest: Any, **more: Any) -> bool:
        self.ran.append(action)
        return True


def test_every_key_that_is_bound_is_handled(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        assert isinstance(app, Recording)
        for key, action in KEYS:
            assert hasattr(app, f"action_{action.partition('(')[0]}"), action
            app.ran = []
            app.prompt.sign = ""
            await pilot.press(key)
            await pilot.pause()
            assert app.ran == [action] or (key == "slash" and app.prompt.sign == "/"), key

    use(tmp_path, play, kind=Recording)


def test_no_key_is_bound_twice_and_all_are_in_bindings() -> None:
    assert len({key for key, _ in KEYS}) == len(KEYS)
    assert len(bindings()) == sum(len(acts) for acts in ACTS.values())


def test_the_palette_has_every_action_worth_a_name(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert len(titles) == len(commands())
        await pilot.press("ctrl+p")
        await pilot.pause()
        assert type(app.screen).__name__ == "CommandPalette"

    use(tmp_path, play)


# --- moving


def test_one_cursor_walks_strip_and_tree(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        await pilot.press("home")
        assert app.view.cursor == "!gated:quartz/salesforce_xlam"
        await pilot.press("down")
        assert app.view.cursor == "!config_missing:jasper/math"
        assert "jasper/math +1" in text_of(app)
        await pilot.press("j", "j", "j", "j", "down")
        assert app.view.cursor == "quartz/salesforce_xlam"
        await pilot.press("exclamation_mark", "exclamation_mark")
        assert app.view.cursor == "!config_missing:jasper/math"
        await pilot.press("end")
        assert app.view.cursor == "ruby/self_instruct"

    use(tmp_path, play)


def test_a_new_failure_moves_neither_cursor_nor_scroll(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        await pilot.press("end")
        before = app.view.cursor
        state = copied(source.state)
        why = Failure("parse", "the file is torn", "look at it", "", "polecats check x")
        broken = replace(state.loaders["topaz/code_feedback"], state="FAILED", failure=why, ended=source.at)
        state.loaders["topaz/code_feedback"] = broken
        source.tell(state)
        await settled(pilot, lambda: app.view.state is not source.state and len(app.view.state.failed) == 5)
        app.beat()
        assert app.view.cursor == before
        assert "3 need you" in text_of(app)

    use(tmp_path, play)


def test_fold_filter_zoom_and_back(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        app.view.to("quartz/toolbank")
        await pilot.press("left")
        assert app.view.cursor == "quartz"
        assert "toolbank" not in app.board.outline.text()
        await pilot.press("right", "slash", "m", "a", "t", "h")
        await pilot.pause()
        assert app.view.filter == "math"
        await pilot.pause()
        assert "/math_  3 of 15" in app.board.outline.text()
        await pilot.press("backspace", "enter")
        assert app.view.filter == "mat"
        await pilot.press("escape")
        assert not app.view.filter
        await pilot.press("z")
        assert not app.board.drawer.display
        await pilot.press("z")
        assert app.board.drawer.display
        await pilot.press("enter")
        await pilot.pause()
        assert app.zoom == "drawer"
        assert not app.board.outline.display
        await pilot.press("escape")
        assert app.board.outline.display

    use(tmp_path, play)


def test_digits_choose_a_tab_and_open_it_on_a_small_terminal(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        assert not app.board.drawer.display
        await pilot.press("4")
        await pilot.pause()
        assert app.board.drawer.display
        assert app.board.drawer.current.title == "Speed"
        await pilot.press("escape")
        await pilot.pause()
        assert not app.board.drawer.display

    use(tmp_path, play, size=(70, 20))


def test_mouse_selects_opens_and_scrolls(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        await pilot.click("#tree", offset=(10, 3))
        assert app.view.cursor == app.board.outline.keys_at[2]
        await pilot.click("#problems", offset=(10, 1))
        assert app.view.cursor == app.view.incidents[1].key
        await pilot.click("#footer", offset=(1, 0))
        await settled(pilot, lambda: bool(control.asked))
        assert control.asked == [("restart", ["jasper/math", "jasper/math_hard"])]

    use(tmp_path, play)


# --- steering


def test_keys_steer_the_run(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        app.view.to("!config_missing:jasper/math")
        await pilot.press("r")
        await settled(pilot, lambda: len(control.asked) == 1)
        await settled(pilot, lambda: "restart: 2 loaders." in text_of(app))
        await pilot.press("R")
        await settled(pilot, lambda: len(control.asked) == 2)
        app.view.to("jasper/orca_math")
        await pilot.press("s")
        await settled(pilot, lambda: len(control.asked) == 3)
        app.view.to("quartz")
        await pilot.press("s")
        await pilot.pause()
        assert isinstance(app.screen, Confirm)
        await pilot.press("escape", "s", "enter")
        await settled(pilot, lambda: len(control.asked) == 4)
        await pilot.press("a")
        await settled(pilot, lambda: len(control.asked) == 5)
        assert [(verb, len(names)) for verb, names in control.asked] == [
            ("restart", 2),
            ("restart", 4),
            ("stop", 1),
            ("stop", 3),
            ("start", 4),
        ]

    use(tmp_path, play)


def test_a_replay_is_not_steered_but_played(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        source.steerable, source.plays = False, True
        await pilot.press("r", "m")
        assert not control.asked
        await pilot.press("space", "less_than_sign", "greater_than_sign")
        assert source.presses == ["pause", -1, 1]
        source.told = "replay 1x"
        await pilot.press("q")
        assert app._exit

    use(tmp_path, play)


def test_pause_holds_the_picture_and_counts(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        await pilot.press("space")
        state = copied(source.state)
        state.loaders["ruby/self_instruct"].counts = Counts(100, 100, 100)
        app.post_message(StateChanged(state, source.at))
        await pilot.pause()
        app.beat()
        assert "paused, 1 updates waiting" in text_of(app)
        assert not app.view.state.loaders["ruby/self_instruct"].counts.read
        await pilot.press("space")
        assert "● live" in text_of(app)

    use(tmp_path, play)


def test_leaving_asks_while_a_run_goes_on(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(app.screen, Quit)
        await pilot.press("escape", "ctrl+c")
        await pilot.pause()
        assert isinstance(app.screen, Quit)
        await pilot.press("s")
        await settled(pilot, lambda: app._exit)
        assert control.asked == [("shutdown", [])]

    use(tmp_path, play)


def test_help_and_merge_open(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, Help)
        await pilot.press("escape", "m")
        await pilot.pause()
        assert isinstance(app.screen, Merge)

    use(tmp_path, play)


def test_copy_edit_and_shell(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        app.view.to("!config_missing:jasper/math")
        await pilot.press("y")
        assert app.clipboard == "polecats check jasper/math"
        await pilot.press("e")
        assert "no file to edit" in text_of(app)
        await pilot.press("w")
        assert "cannot be given away" in text_of(app)

    use(tmp_path, play)


def test_the_bell_rings_once_for_what_newly_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        rung: list[int] = []
        monkeypatch.setattr(app, "bell", lambda: rung.append(1))
        app.beat()
        assert not rung
        why = Failure("network", "no net", "wait", "", "x")
        for status in app.view.state.loaders.values():
            status.state, status.failure, status.ended = "FAILED", why, source.at
        for track in app.view.state.tracks.values():
            track.state = "FINISHED"
        app.beat()
        app.beat()
        assert rung == [1]

    use(tmp_path, play)


# --- what stands on the screen


SIZES = ((80, 24), (120, 36), (200, 50))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    "name", ["happy", "all_done", "all_failed", "empty", "many", "stalled_retrying", "waiting", "fetching", "hostile"]
)
def test_screens(name: str, size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        if name in ("stalled_retrying", "all_failed", "hostile"):
            await pilot.press("exclamation_mark")
        if name == "fetching":
            app.view.to("opal/wildchat")
        if fetching := [one for one in app.workers if one.group.startswith("pane")]:
            await app.workers.wait_for_complete(fetching)
        await pilot.pause()
        app.beat()
        await pilot.pause()
        drawn = text_of(app).replace(str(tmp_path), "/repo")
        assert all(len(line) <= size[0] for line in drawn.splitlines())
        file = SCREENS / f"{name}-{size[0]}x{size[1]}.txt"
        if UPDATE:
            SCREENS.mkdir(exist_ok=True)
            file.write_text(drawn, encoding="utf-8")
        assert drawn == file.read_text(encoding="utf-8")

    use(tmp_path, play, name, size)


@pytest.mark.parametrize(
    "size", [(1, 1), (10, 3), (30, 8), (60, 16), (79, 23), (100, 29), (159, 33), (160, 34), (250, 60)]
)
def test_any_size_is_drawn(size: tuple[int, int], tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        await pilot.press("down", "end", "home")
        for strip in app.screen._compositor.render_strips(app.size):
            assert strip.cell_length == size[0]

    use(tmp_path, play, size=size)


def test_hostile_text_is_shown_and_never_obeyed(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        await pilot.press("exclamation_mark")
        drawn = text_of(app)
        assert "[red]bold[/red]" in drawn
        assert "\\x1b[31m" in drawn
        assert "\x1b" not in drawn
        actions = {
            action
            for strip in app.screen._compositor.render_strips(app.size)
            for segment in strip
            if segment.style and (action := segment.style.meta.get("@click"))
        }
        assert "app.quit" not in actions

    use(tmp_path, play, "hostile")


@pytest.mark.parametrize(("palette", "glyphs"), [(MONO, UNICODE), (DARK, ASCII)], ids=["mono", "ascii"])
def test_other_looks(palette: Any, glyphs: Any, tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        drawn = text_of(app)
        if glyphs is ASCII:
            assert drawn.isascii()
        colours = {
            segment.style.color.name
            for strip in app.screen._compositor.render_strips(app.size)
            for segment in strip
            if segment.style and segment.style.color
        }
        assert palette is not MONO or len(colours) <= 2

    use(tmp_path, play, palette=palette, glyphs=glyphs)


def test_a_run_that_ends_while_the_picture_is_paused_is_seen_afterwards(tmp_path: Path) -> None:
    async def play(app: Watching, pilot: Pilot[None], source: Still, control: FakeControl) -> None:
        await pilot.press("space")
        assert app.paused
        ended = copied(source.state)
        ended.exit_code, ended.ended = 0, source.at
        source.tell(ended)
        await settled(pilot, lambda: app.waiting > 0)
        assert app.view.state.exit_code is None
        await pilot.press("space")
        await settled(pilot, lambda: app.view.state.exit_code == 0)

    use(tmp_path, play)
