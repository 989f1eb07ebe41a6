"""Each tab alone: what it says, that every key of it works, that hostile text is shown and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from coordinator.screen.history import History
from coordinator.screen.machine import Machine
from coordinator.screen.palette import ASCII, MONO
from coordinator.screen.panes.cpu import CpuPane
from coordinator.screen.panes.drawer import Drawer
from coordinator.screen.panes.log import LogPane
from coordinator.screen.panes.rejected import RejectedPane
from coordinator.screen.panes.speed import SpeedPane
from coordinator.screen.panes.why import WhyPane, place_of
from coordinator.screen.panes.worktree import WorktreePane
from coordinator.screen.tail import MOST_BYTES, MOST_LINES, Tail
from coordinator.worker.parts import PartWriter
from coordinator.worker.streams.base import Cursor
from tests.tui.panehost import (
    HOSTILE,
    LOOK,
    NOW,
    SIZES,
    TRACEBACK,
    Host,
    chosen,
    drawn,
    history,
    repository,
    run,
    run_state,
    settle,
)


def show(pane: Any, name: str, state: Any = None, now: float = NOW) -> None:
    state = state or run_state()
    pane.show(chosen(name), state, history(state), now)


def only_printable(text: str) -> bool:
    """No control character and no mark that turns the direction gets to the terminal."""
    return all(character.isprintable() or character == "\u200d" for line in text.split("\n") for character in line)


# --- 1 why


@pytest.mark.parametrize("size", SIZES)
def test_why_tells_cause_place_fix_and_what_a_restart_keeps(size: tuple[int, int]) -> None:
    pane = WhyPane(*LOOK)

    async def script(pilot: Pilot[Any]) -> None:
        show(pane, "jasper/math")
        text = drawn(pane)
        for part in (
            "config_missing",
            "4m ago",
            "at tracks/jasper/math.py:41",
            "load_dataset(REPO)",
            "fix Name a config.",
        ):
            assert part in text
        assert "r restarts the loader" in text
        assert "see polecats check jasper/math" in text
        assert "traceback" in text

    run(Host(pane), size, script)


def test_why_of_a_sound_loader_gives_its_balance() -> None:
    pane = WhyPane(*LOOK)

    async def script(pilot: Pilot[Any]) -> None:
        show(pane, "quartz/toolbank")
        assert "900 rows read, 800 accepted" in drawn(pane)
        assert "88 skipped no_call" in drawn(pane)
        assert "12 rejected E05" in drawn(pane)
        show(pane, "", now=NOW + 2)
        assert "config_missing" in drawn(pane)

    run(Host(pane), (80, 24), script)


def test_why_tells_what_came_over_the_wire_and_what_is_waited_for() -> None:
    pane, state, past = WhyPane(*LOOK), run_state(), History()
    loader, failed = state.loaders["quartz/toolbank"], state.loaders["jasper/math"]
    loader.to_fetch, loader.cached, loader.bound = 160_000_000, 20_000_000, "network"
    for second in range(5):
        loader.wire = 107_700_000 + second * 12_400_000
        failed.wire = 1_000_000 + second * 1_000_000
        past.feed(state, NOW - 4 + second)

    async def script(pilot: Pilot[Any]) -> None:
        pane.show(chosen("quartz/toolbank"), state, past, NOW)
        assert "toolbank  streaming, waits for: network\n" in drawn(pane)
        assert "over the wire 157.3 MB of 160 MB (12.4 MB/s), from the cache 20 MB\n" in drawn(pane)
        pane.show(chosen("jasper/math"), state, past, NOW)
        assert "over the wire 5 MB\n" in drawn(pane)
        pane.show(chosen("jasper/gsm8k"), state, past, NOW)
        assert "wire" not in drawn(pane)

    run(Host(pane), (80, 24), script)


def test_the_place_is_the_last_frame_of_a_track() -> None:
    place = place_of(TRACEBACK)
    assert place is not None
    assert (place.shown, place.path) == ("tracks/jasper/math.py:41", "/repo/worktrees/jasper/tracks/jasper/math.py")
    assert place_of("") is None
    assert place_of("ValueError: no frames") is None


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_why_shows_foreign_text_and_obeys_none(text: str) -> None:
    pane = WhyPane(*LOOK)

    async def script(pilot: Pilot[Any]) -> None:
        state = run_state(text)
        state.loaders["jasper/math"].warnings.append(text)
        show(pane, "jasper/math", state)
        await pilot.press("end", "pageup", "home", "down", "up", "pagedown", "j", "k", "g", "G")
        assert only_printable(drawn(pane))
        assert not any(segment.style and segment.style.meta for y in range(24) for segment in pane.render_line(y))

    run(Host(pane), (80, 24), script)


def test_scrolling_tells_how_much_is_below() -> None:
    pane = WhyPane(*LOOK)
    pane.styles.height = 4

    async def script(pilot: Pilot[Any]) -> None:
        pane.focus()
        show(pane, "jasper/math")
        before = drawn(pane)
        assert "↓" in before.split("\n")[-1]
        await pilot.press("end")
        assert "↓" not in drawn(pane)
        await pilot.press("home")
        assert drawn(pane) == before

    run(Host(pane), (80, 24), script)


def test_a_hidden_pane_computes_nothing() -> None:
    class Counted(WhyPane):
        drawings = 0

        def content(self, width: int) -> Any:
            self.drawings += 1
            return super().content(width)

    pane = Counted(*LOOK)
    pane.display = False

    async def script(pilot: Pilot[Any]) -> None:
        for second in range(5):
            show(pane, "jasper/math", now=NOW + second)
        assert pane.drawings == 0
        pane.display = True
        await pilot.pause()
        assert pane.drawings >= 1
        assert "config_missing" in drawn(pane)

    run(Host(pane), (80, 24), script)


# --- 2 log


def log_of(paths: Any, text: bytes) -> Path:
    path: Path = paths.runs / run_state().run / "jasper.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return path


@pytest.mark.parametrize("size", SIZES)
def test_the_log_follows_filters_searches_and_wraps(tmp_path: Path, size: tuple[int, int]) -> None:
    paths = repository(tmp_path)
    lines = [f"line {n} {'error' if n % 10 == 0 else 'fine'} " + "x" * (n % 7 * 40) for n in range(400)]
    path = log_of(paths, "\n".join(lines).encode() + b"\n")
    pane = LogPane(*LOOK, paths)

    async def script(pilot: Pilot[Any]) -> None:
        pane.focus()
        show(pane, "jasper/math")
        await settle(pilot)
        assert "line 399 fine" in drawn(pane)
        with path.open("ab") as out:
            out.write(b"one more\n")
        show(pane, "jasper/math", now=NOW + 1)
        await settle(pilot)
        assert drawn(pane).rstrip().endswith("one more")

        await pilot.press("pageup")
        held = drawn(pane)
        assert "one more" not in held
        with path.open("ab") as out:
            out.write(b"and one\n")
        show(pane, "jasper/math", now=NOW + 2)
        await settle(pilot)
        assert drawn(pane) == held
        await pilot.press("f")
        assert "and one" in drawn(pane)
        await pilot.press("home")
        assert drawn(pane).startswith(" line 0 error")

        await pilot.press("&", *"error", "enter")
        assert all("error" in row for row in drawn(pane).split("\n") if row)
        assert "& error" in pane.hint().pieces[0].text
        await pilot.press("/", *"3[/]", "backspace", "backspace", "backspace", *"70", "enter")
        assert drawn(pane).startswith(" line 370 error") or "line 370 error" in drawn(pane)
        await pilot.press("n", "N", "w", "left", "right", "w", "right", "right", "left", "escape")
        assert (pane.filter, pane.search, pane.at) == ("", "", None)

        await pilot.press("&", *"nothing has this", "enter")
        assert "no line holds" in drawn(pane)
        await pilot.press("&", "escape")
        assert "and one" in drawn(pane)

    run(Host(pane), size, script)


def test_hostile_lines_of_a_log_are_shown_as_they_are(tmp_path: Path) -> None:
    paths = repository(tmp_path)
    data = "\n".join(HOSTILE).encode("utf-8", "surrogatepass") + b"\n\xff\xfe raw\rtqdm 10%\rtqdm 20%\r\nend"
    log_of(paths, data)
    pane = LogPane(*LOOK, paths)

    async def script(pilot: Pilot[Any]) -> None:
        pane.focus()
        show(pane, "jasper")
        await settle(pilot)
        text = drawn(pane)
        assert "[/] [/red] [bold]x[/] [@click=app.quit]press[/]" in text
        assert "\\x1b[2J" in text
        assert "\\u202ereversed" in text
        assert "tqdm 10%\n tqdm 20%\n end" in text
        assert only_printable(text)
        await pilot.press("w")
        assert "more bytes" in drawn(pane)
        assert only_printable(drawn(pane))
        assert pane.tail is not None
        assert sum(len(line) for _, line in pane.tail.kept()) < 20_000

    run(Host(pane), (120, 36), script)


def test_what_is_printed_faster_than_it_can_be_read_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"line\n" * 2_000_000)
    tail = Tail(path)
    assert tail.look()
    assert len(tail.kept()) == MOST_LINES
    with path.open("ab") as out:
        out.write(b"x" * (MOST_BYTES + 7) + b"\nlast")
    assert tail.look()
    *_, said, cut, last = [text for _, text in tail.kept()]
    assert said == "… 12 bytes are not shown; the whole is in a.log"
    assert cut.endswith("more bytes")
    assert last == "last"
    assert not tail.look()


def test_a_log_that_is_not_there_or_is_replaced(tmp_path: Path) -> None:
    paths = repository(tmp_path)
    pane = LogPane(*LOOK, paths)

    async def script(pilot: Pilot[Any]) -> None:
        show(pane, "")
        assert "choose a track" in drawn(pane)
        show(pane, "jasper", now=NOW + 1)
        await settle(pilot)
        assert "jasper has printed nothing" in drawn(pane)
        path = log_of(paths, b"first\n")
        show(pane, "jasper", now=NOW + 2)
        await settle(pilot)
        assert "first" in drawn(pane)
        path.unlink()
        path.write_bytes(b"2nd\n")
        show(pane, "jasper", now=NOW + 3)
        await settle(pilot)
        assert "2nd" in drawn(pane)
        state = run_state()
        state.run = "../../../etc"
        show(pane, "jasper", state, now=NOW + 4)
        assert pane.tail is None

    run(Host(pane), (80, 24), script)


# --- 3 rejected


def quarantine(paths: Any, rows: list[dict[str, Any]]) -> None:
    from coordinator.events import Counts

    paths.last.parent.mkdir(parents=True, exist_ok=True)
    paths.last.write_text(json.dumps({"source": {"kind": "demo", "key": "demo", "folder": "/m"}}))
    writer = PartWriter(paths.loader_state("demo", "quartz", "toolbank"), sync=lambda handle: None)
    writer.open({})
    for row in rows:
        writer.reject(json.dumps(row).encode())
    writer.commit(Cursor(None, 0), Counts(), done=False)


def reject(number: int, code: str = "E05", message: str = "no value", raw: Any = None) -> dict[str, Any]:
    return {"split": "train", "number": number, "code": code, "field": "answers", "message": message, "raw": raw}


@pytest.mark.parametrize("size", [*SIZES, (60, 24)])
def test_rejected_rows_stand_beside_their_raw_row(tmp_path: Path, size: tuple[int, int]) -> None:
    paths = repository(tmp_path)
    quarantine(paths, [reject(n, raw={"id": f"row {n}"}) for n in range(30)] + [reject(99, "E03", "other", ["x"])])
    pane = RejectedPane(*LOOK, paths)

    async def script(pilot: Pilot[Any]) -> None:
        pane.focus()
        show(pane, "quartz/toolbank")
        await settle(pilot)
        text = drawn(pane)
        assert "E05 12" in text
        assert "train-0" in text
        assert '"id": "row 0"' in text
        assert len(pane.found) == 21
        await pilot.press("down")
        assert '"id": "row 1"' in drawn(pane)
        await pilot.press("y")
        assert json.loads(pilot.app.copied) == {"id": "row 1"}  # type: ignore[attr-defined]
        await pilot.press("x")
        expected = "polecats check quartz/toolbank --source /m --row train-1"
        assert pilot.app.copied == expected  # type: ignore[attr-defined]
        await pilot.press("c", "c")
        assert pane.code == "E03"
        assert "train-99" in drawn(pane)
        await pilot.press("c", "end", "right", "left", "home", "pagedown", "pageup")
        show(pane, "jasper/gsm8k", now=NOW + 1)
        assert "no rejected rows" in drawn(pane)

    run(Host(pane), size, script)


def test_hostile_rejected_rows(tmp_path: Path) -> None:
    paths = repository(tmp_path)
    texts = [text.encode("utf-8", "replace").decode() for text in HOSTILE]
    quarantine(paths, [reject(n, text[:300], text, {text[:50]: text}) for n, text in enumerate(texts)])
    pane = RejectedPane(*LOOK, paths)

    async def script(pilot: Pilot[Any]) -> None:
        pane.focus()
        show(pane, "quartz")
        await settle(pilot)
        for _ in texts:
            assert only_printable(drawn(pane))
            await pilot.press("down", "right")
        assert len(pane.found) == len(texts)

    run(Host(pane), (80, 24), script)


def test_before_a_commit_there_are_no_rows_to_look_at(tmp_path: Path) -> None:
    pane = RejectedPane(*LOOK, repository(tmp_path))

    async def script(pilot: Pilot[Any]) -> None:
        pane.focus()
        show(pane, "quartz/toolbank")
        await settle(pilot)
        assert "nothing of it is committed yet" in drawn(pane)
        await pilot.press("y", "x", "c", "down")

    run(Host(pane), (80, 24), script)


# --- 4 speed


@pytest.mark.parametrize("size", [(80, 4), *SIZES])
def test_speed_plots_all_and_the_selection(size: tuple[int, int]) -> None:
    pane = SpeedPane(*LOOK)

    async def script(pilot: Pilot[Any]) -> None:
        pane.focus()
        show(pane, "quartz/toolbank")
        assert any("\u2800" < character <= "\u28ff" for character in drawn(pane))
        assert [piece.text for piece in pane.hint().pieces if piece.text == "all"] == ["all"]
        await pilot.press("a")
        assert not [piece.text for piece in pane.hint().pieces if piece.text == "all"]

    run(Host(pane), size, script)


# --- 5 worktree


def git(folder: Path, *arguments: str) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *names, *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("size", SIZES)
def test_worktree_shows_branch_files_and_diff(tmp_path: Path, size: tuple[int, int]) -> None:
    from coordinator.engine.worktrees import WorktreeManager

    paths = repository(tmp_path)
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "all")
    tree = WorktreeManager(tmp_path).ensure("jasper")
    (tree.path / "tracks" / "jasper" / "math.py").write_text("[/]\x1b[2J [@click=app.quit]\n" + "y" * 100_000 + "\n")
    (tree.path / "big").write_bytes(b"z" * 2_000_000)
    pane = WorktreePane(*LOOK, tmp_path)

    async def script(pilot: Pilot[Any]) -> None:
        pane.focus()
        show(pane, "jasper/math")
        await settle(pilot)
        text = drawn(pane)
        assert "polecat/jasper" in text
        assert "0 ahead, 0 behind main" in text
        assert "2 files not committed" in text
        assert "+[/]\\x1b[2J [@click=app.quit]" in text
        assert only_printable(text)
        await pilot.press("y")
        assert pilot.app.copied == str(tree.path)  # type: ignore[attr-defined]
        (tree.path / "big").unlink()
        await pilot.press("u")
        await settle(pilot)
        assert "1 file not committed" in drawn(pane)
        show(pane, "quartz", now=NOW + 1)
        await settle(pilot)
        assert "no checkout yet" in drawn(pane)
        show(pane, "", now=NOW + 2)
        assert "choose a track" in drawn(pane)

    assert paths.root == tmp_path
    run(Host(pane), size, script)


def test_worktree_without_a_repository_says_what_to_do(tmp_path: Path) -> None:
    pane = WorktreePane(*LOOK, tmp_path)

    async def script(pilot: Pilot[Any]) -> None:
        show(pane, "jasper")
        await settle(pilot)
        assert "polecats init" in drawn(pane)

    run(Host(pane), (80, 24), script)


# --- 6 cpu


@pytest.mark.parametrize("size", [(60, 24), *SIZES])
def test_cpu_shows_living_workers(tmp_path: Path, size: tuple[int, int]) -> None:
    paths = repository(tmp_path)
    pane = CpuPane(*LOOK, paths, Machine(tmp_path))

    async def script(pilot: Pilot[Any]) -> None:
        state = run_state()
        state.tracks["quartz"].pid = os.getpid()
        state.tracks["jasper"].pid = 2**22 + 1
        show(pane, "quartz", state)
        await settle(pilot)
        text = drawn(pane)
        assert (f"pid {os.getpid()}" in text) == (size != (80, 24))
        assert "up 00:0" in text
        assert "finished" in text
        assert "free on the disk" in text

    run(Host(pane), size, script)


def test_a_machine_survives_processes_that_are_gone(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "gone")
    reading = machine.read({"a": 2**22 + 1, "b": os.getpid()}, engine=2**22 + 2)
    assert set(reading.workers) == {"b"}
    assert reading.engine is None
    assert reading.disk_free == 0
    assert machine.read({}) is reading, "at most once a second"


# --- all of them


def test_the_drawer_switches_and_feeds_only_what_is_seen(tmp_path: Path) -> None:
    paths = repository(tmp_path)
    drawer = Drawer(*LOOK, paths, Machine(tmp_path))

    async def script(pilot: Pilot[Any]) -> None:
        drawer.current.focus()
        for number in range(1, 7):
            drawer.choose(number)
            await pilot.pause()
            show(drawer, "quartz/toolbank")
            await settle(pilot)
            assert [pane.display for pane in drawer.panes] == [n == number for n in range(1, 7)]
            assert drawer.current.has_focus
        assert drawer.panes[4].checkout is None or number == 5  # type: ignore[attr-defined]
        assert "3 Rejected 12" in drawer.bar.text()
        await pilot.click(drawer.bar, offset=(1, 0))
        await pilot.pause()
        assert drawer.current is drawer.panes[0]

    run(Host(drawer), (80, 24), script)


def test_mono_and_ascii(tmp_path: Path) -> None:
    drawer = Drawer(MONO, ASCII, repository(tmp_path), Machine(tmp_path))

    async def script(pilot: Pilot[Any]) -> None:
        for number in (1, 4, 6):
            drawer.choose(number)
            await pilot.pause()
            show(drawer, "jasper/math")
            await settle(pilot)
            assert drawn(drawer.current).isascii()

    run(Host(drawer), (80, 24), script)


@pytest.mark.parametrize("name", ["", "jasper", "jasper/math", "quartz/toolbank"])
def test_every_key_of_every_tab_does_something_or_nothing_but_never_harm(tmp_path: Path, name: str) -> None:
    paths = repository(tmp_path)
    log_of(paths, b"one\ntwo\n")
    drawer = Drawer(*LOOK, paths, Machine(tmp_path))

    async def script(pilot: Pilot[Any]) -> None:
        for number, pane in enumerate(drawer.panes, 1):
            drawer.choose(number)
            await pilot.pause()
            pane.focus()
            show(drawer, name)
            await settle(pilot)
            for names in {key for key, _ in pane._bindings if key not in ("slash", "ampersand")}:
                await pilot.press(names)
            await settle(pilot)
            assert only_printable(drawn(pane))

    run(Host(drawer), (80, 24), script)
