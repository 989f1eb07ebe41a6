"""Which loaders a restart would redo."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from coordinator.engine.state import RunState, reduce
from coordinator.events import Counts, LoaderFinished, RunStarted
from coordinator.paths import Paths
from coordinator.screen.edited import edited, marked
from coordinator.screen.history import History
from coordinator.screen.model import LoaderRow, TrackRow, rows
from coordinator.worker.fingerprint import code_of
from coordinator.worker.parts import HEADER


def test_an_edited_loader_and_its_track_say_so(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    names = ["opal/a", "opal/b"]
    source = {"kind": "samples", "key": "samples", "folder": ""}
    paths.state.mkdir(parents=True)
    paths.last.write_text(json.dumps({"source": source}))
    (paths.tracks / "opal").mkdir(parents=True)
    for name in names:
        file = paths.tracks / f"{name}.py"
        file.write_text("x = 1\n")
        folder = paths.loader_state("samples", *name.split("/"))
        folder.mkdir(parents=True)
        header = {"fingerprint": {"code": code_of(paths.tracks, *name.split("/"))}}
        (folder / HEADER).write_text(json.dumps(header))
    assert edited(paths, names) == frozenset()
    (paths.tracks / "opal" / "b.py").write_text("x = 2\n")
    changed = edited(paths, [*names, "opal/never_ran"])
    assert changed == {"opal/b"}

    state = RunState()
    reduce(state, RunStarted("r", "samples", names), 1.0)
    for name in names:
        reduce(state, LoaderFinished(name, "DONE", Counts(1, 1, 1)), 2.0)
    track, first, second = (marked(row, changed) for row in rows(state, History(), 3.0))
    assert isinstance(track, TrackRow)
    assert track.note == "edited, will redo 1 of 2"
    assert isinstance(first, LoaderRow)
    assert isinstance(second, LoaderRow)
    assert (first.reason, second.reason) == ("", "edited, a restart redoes it")
    fetching = marked(replace(second, reason="", wire_rate=1e6), changed)
    assert isinstance(fetching, LoaderRow)
    assert fetching.reason == ""
