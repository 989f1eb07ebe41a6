"""What the README and the loader guide say is true: every command runs, the example works."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.contract import Call, Row, Sample, Skip
from coordinator.demo.hub import Hub
from coordinator.engine.repository import init
from coordinator.errors import ExitCode
from tests.e2e import tier_examples

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "tracks" / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)


def blocks(text: str, language: str) -> list[str]:
    return [body for kind, body in BLOCK.findall(text) if kind == language]


def commands() -> list[str]:
    """The `polecats` lines of the README's shell blocks, without comments."""
    lines = [line.split("#")[0].strip() for body in blocks(README, "sh")[1:] for line in body.splitlines()]
    return [line for line in lines if line.startswith("polecats ")]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "tracks", folder / "tracks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "config.toml", folder)
    init(folder)
    (folder / "DIR").symlink_to(folder / "tracks" / "jasper" / "samples")
    for command in ("demo --rows 300", "run --tier 2", "demo --rows 300"):  # the last run is one of Tier I
        run(folder, f"polecats {command} --plain")
    return folder


def run(folder: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    arguments = shlex.split(command)[1:]
    own = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        [sys.executable, "-m", "coordinator", *arguments],
        cwd=folder,
        env={**own, **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


@pytest.fixture
def on_hub(repository: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment in which a stand-in of the Hub has the demonstration's files."""
    with Hub(repository / "worktrees" / ".state" / "mirrors" / "demo") as hub:
        yield {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}


@pytest.mark.parametrize("command", commands())
def test_readme_commands_run(repository: Path, command: str, on_hub: dict[str, str]) -> None:
    done = run(repository, command, **on_hub if "fetch" in command.split() else {})
    if "No run is in progress" not in done.stderr:
        assert done.returncode != ExitCode.USAGE, done.stderr
    assert "Traceback" not in done.stderr
    if not {"run", "failures", "restart", "stop", "gates"} & set(command.split()):
        assert done.returncode == 0, done.stderr


def test_every_source_is_fetched_and_then_known_without_a_network(repository: Path, on_hub: dict[str, str]) -> None:
    command, offline = "polecats fetch --json", {"HF_HUB_OFFLINE": "1"}
    first, second = run(repository, command, **on_hub), run(repository, command, **on_hub | offline)
    assert (first.returncode, second.returncode) == (0, 0), first.stdout + second.stdout
    for line, again in zip(first.stdout.splitlines(), second.stdout.splitlines(), strict=True):
        before, after = json.loads(line), json.loads(again)
        assert any(sentence.endswith("not compared with the Hub: offline") for sentence in after["warnings"]), after
        assert after == {**before, "wire": 0, "warnings": after["warnings"]}


def test_first_block_is_two_self_contained_lines() -> None:
    first = BLOCK.search(README)
    assert first is not None
    demo, tests = first[2].splitlines()
    for line in (demo, tests):
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install")
    assert demo.endswith("polecats demo --plain")
    assert "pytest" in tests


def test_exit_codes_are_all_explained() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.M)}
    assert told == {int(code) for code in ExitCode}


def test_every_loader_stands_in_the_readme() -> None:
    for file in (ROOT / "tracks").glob("*/[a-z]*.py"):
        assert re.search(rf"\b{file.stem}\b", README), f"{file.stem} is missing"


def test_the_examples_of_the_tiers_are_what_the_corrupters_make() -> None:
    assert tier_examples.text() in README, "run: python tests/e2e/tier_examples.py"


def test_the_guides_example_works() -> None:
    names: dict[str, object] = {}
    exec(blocks(GUIDE, "python")[0], names)  # the guide's own code
    weather = names["Weather"]()  # type: ignore[operator]
    row = Row(query="Rain in Leeds?", answers='[{"name": "rain", "arguments": {"city": "Leeds"}}]', id=7)
    plan = weather.transform(row)
    assert isinstance(plan, Sample)
    assert (plan.query, plan.calls, plan.upstream_id) == ("Rain in Leeds?", [Call("rain", {"city": "Leeds"})], 7)
    assert weather.transform(Row(query="Hello", answers=None)) == Skip("no_call")
