"""The start screen alone: what it knows without importing a track, every key, what it gives back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot

from coordinator.config import load
from coordinator.events import Counts
from coordinator.paths import Paths
from coordinator.screen.choice import Choice
from coordinator.screen.palette import ASCII, MONO
from coordinator.screen.start import Start
from coordinator.worker.parts import PartWriter
from coordinator.worker.streams.base import Cursor
from tests.tier1 import write_tier1
from tests.tui.panehost import LOOK, NOW, SIZES, drawn, repository, run, settle


class Starting(App[None]):
    """Opens the start screen, remembers the choice."""

    def __init__(self, start: Start) -> None:
        super().__init__()
        self.start, self.choice = start, "none given"

    def on_mount(self) -> None:
        self.push_screen(self.start, self._chosen)

    def _chosen(self, choice: Any) -> None:
        self.choice = choice


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    found = repository(tmp_path)
    folder = found.loader_state("hub", "jasper", "math")
    writer = PartWriter(folder, sync=lambda handle: None)
    writer.open({"source": {"gated": True, "licence": "mit", "evaluation_only": True}})
    counts = Counts(7_473, 7_473, 7_473)
    writer.commit(Cursor(None, 0), counts, done=True)
    os.utime(folder / "commits.jsonl", (NOW - 7_300, NOW - 7_300))
    return found


def started(paths: Paths, *keys: str, size: tuple[int, int] = (80, 24)) -> tuple[Any, str]:
    """The choice after some keys, and what stood on the screen before the last."""
    start = Start(*LOOK, paths, load(paths, {}), clock=lambda: NOW)
    app, shown = Starting(start), ""

    async def script(pilot: Pilot[Any]) -> None:
        nonlocal shown
        await settle(pilot)
        await pilot.press(*keys[:-1])
        await settle(pilot)
        shown = "\n".join(drawn(part) for part in (start.head, start.table, start.limits, start.foot) if part.display)
        await pilot.press(*keys[-1:])
        await pilot.pause()

    run(app, size, script)
    return app.choice, shown


@pytest.mark.parametrize("size", [*SIZES, (60, 20)])
def test_it_shows_what_earlier_runs_left(paths: Paths, size: tuple[int, int]) -> None:
    choice, shown = started(paths, "enter", size=size)
    assert choice == Choice(("jasper/gsm8k", "jasper/math", "quartz/toolbank"))
    row = next(line for line in shown.split("\n") if " math " in line)
    for part in ("[x]", "7,473", "token !", "mit"):
        assert part in row
    assert ("2h" in row) == (size[0] >= 70)
    assert "enter run 3 loaders" in shown
    assert "3 of 3 chosen" in shown


def test_ticks(paths: Paths) -> None:
    assert started(paths, "space", "enter")[0].loaders == ("quartz/toolbank",)
    assert started(paths, "down", "space", "enter")[0].loaders == ("jasper/math", "quartz/toolbank")
    choice, shown = started(paths, "n", "end", "space", "enter")
    assert choice.loaders == ("quartz/toolbank",)
    assert choice.arguments()[:3] == ["run", "--loader", "quartz/toolbank"]
    assert "enter run 1 loader " in shown
    choice, shown = started(paths, "n", "enter")
    assert choice == "none given", "nothing is chosen, so nothing runs"
    assert "enter" not in shown
    assert started(paths, "n", "a", "home", "pagedown", "pageup", "j", "k", "enter")[0].every


def test_limits(paths: Paths) -> None:
    choice, shown = started(paths, "t", *"1x000", "enter", "x", *"50", "enter", "f", "g", "s", "enter")
    assert choice == Choice(choice.loaders, True, "samples", 1_000, 50, True, False)
    assert choice.arguments() == [
        *("run", "--source", "samples", "--target", "1000", "--max-samples", "50", "--fresh", "--no-merge")
    ]
    assert "1,000" in shown
    assert started(paths, "x", "5", "enter", "x", "enter", "enter")[0].max_samples is None
    assert started(paths, "t", "5", "escape", "enter")[0].target == 0


def test_leaving_and_the_demonstration(paths: Paths) -> None:
    assert started(paths, "q")[0] is None
    assert started(paths, "escape")[0] is None
    assert started(paths, "d")[0].arguments() == ["demo"]


def test_a_folder_that_is_gone_is_said_and_not_run(paths: Paths) -> None:
    paths.last.write_text(json.dumps({"source": {"kind": "dir", "key": "dir-1", "folder": "/not/there"}}))
    choice, shown = started(paths, "s", "s", "enter")
    assert choice == "none given"
    assert "there is no folder" in shown


def test_an_empty_repository(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    (tmp_path / "tracks").mkdir()
    paths = Paths(tmp_path)
    choice, shown = started(paths, "enter", "space", "a", "n", "d", "down", "r", "s", "q")
    assert choice is None
    assert "No loaders here yet" in shown
    assert "r  look again     q  quit" in shown


def test_many_long_names_scroll_and_can_be_clicked(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    for n in range(60):
        path = tmp_path / "tracks" / f"track{n % 10}" / f"an_unreasonably_long_dataset_name_with_suffix_{n:02}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    paths = Paths(tmp_path)
    start = Start(MONO, ASCII, paths, load(paths, {}), clock=lambda: NOW)

    async def script(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        assert "more" in drawn(start.table)
        await pilot.press("end")
        assert "_59" in drawn(start.table)
        await pilot.press("home")
        await pilot.click(start.table, offset=(8, 2))
        assert len(start.chooser.ticked) == 59
        assert drawn(start.table).isascii()

    run(Starting(start), (80, 24), script)


def test_tiers_are_offered_once_there_is_a_tier_i_file(paths: Paths) -> None:
    for name in ("amber/scope_blowup", "garnet/near", "garnet/wide"):
        file = paths.tracks / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text("")
    choice, shown = started(paths, "i", "enter")
    assert choice.tier == 1
    assert "II and III once data/tier1.jsonl is there" in shown

    write_tier1(paths.root / "data" / "tier1.jsonl")
    choice, shown = started(paths, "i", "enter")
    assert choice.arguments() == ["run", "--tier", "2", "--target", "0"]
    assert "the Tier I file" in shown
    choice, _ = started(paths, "i", "i", "end", "space", "t", "9", "enter", "enter")
    assert choice.arguments() == ["run", "--loader", "garnet/near", "--tier", "3", "--target", "9"]
    assert started(paths, "i", "i", "i", "enter")[0].tier == 1

    (paths.root / "data" / "tier1.manifest.json").unlink()
    choice, shown = started(paths, "i", "enter")
    assert choice == "none given"
    assert "has no manifest" in shown
