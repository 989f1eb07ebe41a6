"""What a run does is decided from names alone; a name that is not there is answered with the one that was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coordinator.config import load
from coordinator.engine.plan import Plan, Wanted, demo_spec, make_plan, select, source_spec
from coordinator.errors import ExitCode, PolecatsError
from coordinator.paths import Paths
from coordinator.worker.spec import SourceSpec, WorkerSpec

CONFIG = """
[run]
target = 7
[tracks.topaz]
[tracks.topaz.lmsys]
max_samples = 20
include_chat = false
[tracks.topaz.wildchat]
enabled = false
[tracks.opal]
"""
HUB = SourceSpec("hub", "hub")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """topaz stands before opal in config.toml, jasper not at all; files with other names are no loaders."""
    for name in ("opal/bfcl", "opal/acon", "topaz/lmsys", "topaz/alpha", "topaz/wildchat", "jasper/toolbank"):
        file = tmp_path / "tracks" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("raise RuntimeError('a plan imports nothing')\n")
    for stray in ("opal/__init__.py", "opal/_shared.py", "opal/Big.py", "opal/notes.txt", "__init__.py", "README.md"):
        (tmp_path / "tracks" / stray).touch()
    (tmp_path / "tracks" / "__pycache__").mkdir()
    (tmp_path / "config.toml").write_text(CONFIG)
    return Paths(tmp_path)


def plan(paths: Paths, **wanted: object) -> Plan:
    return make_plan(paths, load(paths, {}), HUB, Wanted(**wanted))  # type: ignore[arg-type]


def refused(paths: Paths, **wanted: object) -> str:
    with pytest.raises(PolecatsError) as caught:
        plan(paths, **wanted)
    assert caught.value.code == ExitCode.USAGE
    return str(caught.value)


def test_the_order_is_config_tomls_and_the_rest_by_name(paths: Paths) -> None:
    assert plan(paths).names == ["topaz/lmsys", "topaz/alpha", "opal/acon", "opal/bfcl", "jasper/toolbank"]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"tracks": ["opal"]}, ["opal/acon", "opal/bfcl"]),
        ({"tracks": ["opal", "topaz"]}, ["topaz/lmsys", "topaz/alpha", "opal/acon", "opal/bfcl"]),
        ({"exclude_tracks": ["topaz", "jasper"]}, ["opal/acon", "opal/bfcl"]),
        ({"tracks": ["opal", "topaz"], "exclude_tracks": ["topaz"]}, ["opal/acon", "opal/bfcl"]),
        ({"loaders": ["bfcl"]}, ["opal/bfcl"]),
        ({"loaders": ["opal/bfcl", "lmsys"]}, ["topaz/lmsys", "opal/bfcl"]),
        ({"tracks": ["topaz"], "loaders": ["lmsys", "bfcl"]}, ["topaz/lmsys"]),
    ],
)
def test_what_is_chosen_keeps_the_order(paths: Paths, wanted: dict[str, Any], names: list[str]) -> None:
    assert plan(paths, **wanted).names == names


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"tracks": ["opall"]}, "There is no track opall (did you mean opal?); there are jasper, opal, topaz."),
        ({"tracks": ["opal", "zzz"]}, "There is no track zzz; there are jasper, opal, topaz."),
        ({"exclude_tracks": ["topas"]}, "There is no track topas (did you mean topaz?)"),
        ({"loaders": ["lmsy"]}, "There is no loader lmsy (did you mean lmsys?)."),
        ({"loaders": ["bfcl", "opal/bfcll"]}, "There is no loader opal/bfcll (did you mean opal/bfcl?)."),
        ({"loaders": ["topaz/bfcl"]}, "There is no loader topaz/bfcl"),
        ({"loaders": ["wildchat"]}, "There is no loader wildchat"),
        ({"tracks": ["opal"], "loaders": ["lmsys"]}, "Nothing to run"),
        ({"tracks": ["opal"], "exclude_tracks": ["opal"]}, "Nothing to run"),
    ],
)
def test_names_that_are_not_there(paths: Paths, wanted: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(paths, **wanted)


def test_a_repository_without_loaders_has_nothing_to_run(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    (tmp_path / "tracks").mkdir()
    assert "Nothing to run" in refused(Paths(tmp_path))


def test_the_command_line_wins_over_config_toml(paths: Paths) -> None:
    assert (plan(paths).target, plan(paths, target=0).target, plan(paths, target=9).target) == (7, 0, 9)
    caps = [plan(paths, max_samples=most).cap("topaz", "lmsys") for most in (None, 5, 0)]
    assert caps == [20, 5, 0]
    assert plan(paths).cap("opal", "bfcl") == 0


def test_a_worker_a_track_in_order_with_caps_and_options(paths: Paths) -> None:
    made = plan(paths)
    specs = made.specs({"opal/bfcl": 3, "topaz/alpha": 0, "topaz/lmsys": 20}, fresh=True)
    assert [spec.track for spec in specs] == ["topaz", "opal"]
    assert [(loader.name, loader.cap) for loader in specs[0].loaders] == [("lmsys", 20), ("alpha", 0)]
    assert specs[0].loaders[0].options == {"include_chat": False}
    assert all(loader.fresh for spec in specs for loader in spec.loaders)
    assert all(spec.source == HUB for spec in specs)
    assert Path(specs[1].state) == made.state == paths.root / "worktrees" / ".state" / "hub"
    assert [WorkerSpec.decode(spec.encode()) for spec in specs] == specs
    assert made.specs({}, fresh=False) == []


@pytest.mark.parametrize(
    ("target", "found"),
    [("opal", ["opal/acon", "opal/bfcl"]), ("bfcl", ["opal/bfcl"]), ("opal/bfcl", ["opal/bfcl"])],
)
def test_select(paths: Paths, target: str, found: list[str]) -> None:
    assert [f"{track}/{loader}" for track, loader in select(plan(paths).loaders, target)] == found


@pytest.mark.parametrize(("target", "meant"), [("opl", "opal"), ("opal/bfc", "opal/bfcl"), ("lmsis", "lmsys")])
def test_select_says_what_was_meant(paths: Paths, target: str, meant: str) -> None:
    with pytest.raises(PolecatsError, match=rf"no track or loader {target} \(did you mean {meant}\?\)"):
        select(plan(paths).loaders, target)


def test_sources(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    assert source_spec("hub", tmp_path) == HUB
    assert source_spec("samples", tmp_path).kind == "samples"
    found = source_spec("mirror", tmp_path)
    assert (found.kind, found.folder) == ("dir", str(tmp_path / "mirror"))
    assert found == source_spec(str(tmp_path / "mirror"), Path("/"))
    assert found.key != source_spec(".", tmp_path).key
    assert demo_spec(tmp_path).key == "demo"
    with pytest.raises(PolecatsError, match="neither hub nor samples"):
        source_spec("absent", tmp_path)


def test_a_loader_gets_no_more_processes_than_may_be_busy(paths: Paths) -> None:
    paths.config.write_text("[run]\nworkers = 3\n[tracks.opal]\nworkers = 8\n[tracks.opal.bfcl]\nworkers = 2\n")
    names = {"opal/acon": 0, "opal/bfcl": 0, "topaz/lmsys": 0}
    specs = plan(paths).specs(names, fresh=False)
    found = {loader.name: loader.workers for spec in specs for loader in spec.loaders}
    assert found == {"acon": 3, "bfcl": 2, "lmsys": 0}
    alone = make_plan(paths, load(paths, {}), HUB, Wanted(), inline=True).specs(names, fresh=False)
    assert {loader.workers for spec in alone for loader in spec.loaders} == {1}
