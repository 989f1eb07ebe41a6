"""`polecats status` of a run that reads from the Hub, and of one that does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coordinator.cli.context import Context
from coordinator.cli.inspecting import show_status
from coordinator.config import load
from coordinator.engine import journal
from coordinator.engine.journal import Journal
from coordinator.events import Counts, Event, Heartbeat, LoaderOpened, LoaderOpening, LoaderProgress, RunStarted
from coordinator.paths import Paths

NAMES = ["opal/a", "ruby/b"]


def status(folder: Path, *events: Event, as_json: bool) -> None:
    """A journal with an event every 10 s, of a run that began at 1,000 s, and its status."""
    (folder / "config.toml").write_text("")
    paths = Paths(folder)
    written = Journal(paths.runs / "r1" / journal.JOURNAL)
    for number, event in enumerate([RunStarted("r1", "hub", NAMES), *events]):
        written.append(event, 1_000.0 + 10 * number)
    written.close()
    show_status(Context(paths, load(paths, {})), as_json)


def over_the_wire(wire: int) -> list[Event]:
    return [
        LoaderOpening("opal/a"),
        LoaderOpened("opal/a", 9, 0, 10 * wire),
        LoaderProgress("opal/a", Counts(5, 5, 5), wire, 0, wire, wire // 2),
        Heartbeat("opal/a", 5, 0, wire, 0.1, wire, wire // 2, "network"),
    ]


def test_bytes_and_speed_stand_below_the_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status(tmp_path, *over_the_wire(93_000_000), as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    at = lines.index([*"loader,waits for,over the wire,to come,MB/s,from the cache".replace(",", " ").split()])
    assert lines[at + 1] == ["opal/a", "network", "93", "MB", "837", "MB", "3.1", "46.5", "MB"]
    assert ["opal/a", "STREAMING", "5", "5"] in lines[:at]


def test_a_run_without_the_hub_looks_as_ever(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status(tmp_path, LoaderOpening("opal/a"), LoaderOpened("opal/a", 9, 0), as_json=False)
    out = capsys.readouterr().out
    assert "wire" not in out
    assert len(out.splitlines()) == 2 + len(NAMES)


def test_json_has_bytes_and_speed_of_each_loader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status(tmp_path, *over_the_wire(93_000_000), as_json=True)
    loaders: dict[str, Any] = json.loads(capsys.readouterr().out)["loaders"]
    told = [loaders["opal/a"][key] for key in ("wire", "cached", "to_fetch", "bound", "wire_rate")]
    assert told == [93_000_000, 46_500_000, 930_000_000, "network", 3_100_000]
    assert loaders["ruby/b"]["wire_rate"] == 0
