"""The command line as a person uses it: real processes in a copy of the repository."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = [sys.executable, "-m", "coordinator"]
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "LC_ALL": "C.UTF-8"}


def copy_repository(target: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tracks", target / "tracks", ignore=ignored)
    shutil.copy(ROOT / "config.toml", target)
    return target


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return copy_repository(tmp_path)


@pytest.fixture
def polecats(repository: Path) -> Run:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=repository,
            env={**ENVIRONMENT, **environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    return run


def merged(repository: Path) -> bytes:
    return (repository / "data" / "tier1.jsonl").read_bytes()


def manifest(repository: Path) -> dict[str, dict[str, object]]:
    data = json.loads((repository / "data" / "tier1.manifest.json").read_text())
    return {loader["loader"]: loader for loader in data["loaders"]}


def test_demo_ends_with_a_valid_file(repository: Path, polecats: Run) -> None:
    done = polecats("demo", "--inline")
    assert done.returncode == 0, done.stderr
    loaders = manifest(repository)
    kept = {name for name, loader in loaders.items() if loader["kept"]}
    assert len(kept) == 23
    assert set(loaders) - kept == {"astra_sft", "agentharm_benign"}
    assert loaders["agentharm_benign"]["duplicates"] == loaders["agentharm"]["kept"]
    assert all(loader["balance_closes"] for loader in loaders.values())
    assert "EMPTY" in done.stdout
    assert polecats("validate", "data/tier1.jsonl").returncode == 0

    first = merged(repository)
    again = polecats("demo", "--inline")
    assert again.returncode == 0
    assert "as committed before" in again.stderr
    assert "reading" not in again.stderr
    assert merged(repository) == first


def test_commands_after_a_run(repository: Path, polecats: Run) -> None:
    assert polecats("run", "--inline", "--source", "samples", "--plain").returncode == 0
    assert "jasper/gsm8k" in polecats("status").stdout
    state = json.loads(polecats("status", "--json").stdout)
    assert state["loaders"]["jasper/gsm8k"]["state"] == "DONE"
    failures = polecats("failures", "quartz/hermes_function_calling")
    assert failures.returncode == 1
    assert "rejected E11" in failures.stdout
    assert "polecats check" in failures.stdout
    preview = polecats("merge", "--dry-run", "--json")
    figures = json.loads(preview.stdout)
    assert figures["rows"] == len(merged(repository).splitlines())


def test_only_the_edited_loader_is_redone(repository: Path, polecats: Run) -> None:
    polecats("run", "--inline", "--source", "samples", "--track", "quartz")
    file = repository / "tracks" / "quartz" / "twinkle.py"
    file.write_text(file.read_text() + "\n# edited\n")
    again = polecats("run", "--inline", "--source", "samples", "--track", "quartz", "--plain")
    assert again.returncode == 0
    read = [line for line in again.stderr.splitlines() if "reading" in line]
    assert len(read) == 1
    assert "quartz/twinkle" in read[0]
    assert "starts anew (changed since: code)" in again.stderr


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_event_and_run_again(repository: Path, polecats: Run, seed: int) -> None:
    arguments = ["run", "--inline", "--source", "samples", "--json"]
    assert polecats(*arguments, "--output", "whole.jsonl").returncode == 0
    whole = (repository / "whole.jsonl").read_bytes()
    shutil.rmtree(repository / "worktrees")
    for kill_at in (1 + seed, 9 + 7 * seed, 30 + 11 * seed):
        child = subprocess.Popen([*COMMAND, *arguments], cwd=repository, env=ENVIRONMENT, stdout=subprocess.PIPE)
        assert child.stdout is not None
        for number, _ in enumerate(child.stdout):
            if number >= kill_at:
                child.send_signal(signal.SIGKILL)
        child.wait(timeout=60)
        child.stdout.close()
    assert polecats(*arguments).returncode == 0
    assert merged(repository) == whole


def test_target_is_exact_and_fair(repository: Path, polecats: Run) -> None:
    done = polecats("run", "--inline", "--source", "samples", "--target", "100")
    assert done.returncode == 0, done.stderr
    assert len(merged(repository).splitlines()) == 100
    kept = [int(str(loader["kept"])) for loader in manifest(repository).values()]
    assert max(kept) <= 6
    assert polecats("validate", "data/tier1.jsonl").returncode == 0
    more = polecats("run", "--inline", "--source", "samples", "--target", "100000")
    assert more.returncode == 0
    assert "fewer than the target" in more.stderr


def test_max_samples_caps_and_resumes(repository: Path, polecats: Run) -> None:
    arguments = ["run", "--inline", "--source", "samples", "--loader", "gsm8k"]
    assert "CAPPED" in polecats(*arguments, "--max-samples", "5").stdout
    assert len(merged(repository).splitlines()) == 5
    assert "DONE" in polecats(*arguments).stdout
    resumed = merged(repository)
    polecats(*arguments, "--fresh")
    assert merged(repository) == resumed


def test_a_restart_of_one_loader_leaves_the_others_in_the_file(repository: Path, polecats: Run) -> None:
    polecats("run", "--inline", "--source", "samples", "--loader", "gsm8k")
    alone = merged(repository)
    assert polecats("restart", "topaz/lmsys").returncode == 0  # which config.toml caps
    assert merged(repository).startswith(alone)
    assert len(merged(repository)) > len(alone)


def test_an_interrupt_keeps_what_is_committed(repository: Path, polecats: Run) -> None:
    polecats("demo", "--inline", "--rows", "20000", "--no-merge", "--json")  # builds the mirror
    shutil.rmtree(repository / "worktrees" / ".state" / "demo")
    child = subprocess.Popen(
        [*COMMAND, "demo", "--inline", "--rows", "20000", "--json"],
        cwd=repository,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    for line in child.stdout:
        if json.loads(line)["kind"] == "loader_finished":
            child.send_signal(signal.SIGINT)
            break
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "goes on from there" in errors
    assert "Traceback" not in errors
    assert polecats("demo", "--inline", "--rows", "20000").returncode == 0


def bad(polecats: Run, code: int, *arguments: str) -> str:
    """Run a command that must end with `code` and one clear sentence; returns what it says."""
    done = polecats(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[run\n", "config.toml: not valid TOML"),
        ("[run]\ntagret = 3\n", "unknown key run.tagret (did you mean target?)"),
        ("[run]\ntarget = 'x'\n", "run.target = 'x'"),
        ("[tracks.quarz]\n", "tracks.quarz: there is no folder tracks/quarz (did you mean quartz?)"),
        ("[tracks.jasper.gsm9k]\n", "tracks.jasper.gsm9k: there is no tracks/jasper/gsm9k.py (did you mean gsm8k?)"),
    ],
)
def test_bad_configuration(repository: Path, polecats: Run, text: str, expected: str) -> None:
    (repository / "config.toml").write_text(text)
    assert expected in bad(polecats, 2, "run", "--inline", "--source", "samples")


def test_bad_names_and_folders(repository: Path, polecats: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert "did you mean jasper" in bad(polecats, 2, "run", "--inline", "--track", "jaspr")
    assert "There is no loader nope" in bad(polecats, 2, "run", "--inline", "--loader", "nope")
    assert "there is no folder" in bad(polecats, 2, "run", "--inline", "--source", "nowhere")
    assert "cannot be read" in bad(polecats, 2, "validate", "nowhere.jsonl")
    assert "No run yet" in bad(polecats, 3, "status")
    elsewhere = subprocess.run(
        [*COMMAND, "status"],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert elsewhere.returncode == 2
    assert "No polecats repository here" in elsewhere.stderr


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import nothing_like_this\n", "ModuleNotFoundError"),
        ("def broken(:\n", "SyntaxError"),
        ("x = 1\n", "must hold one public class"),
    ],
)
def test_a_loader_that_cannot_be_imported(repository: Path, polecats: Run, code: str, expected: str) -> None:
    (repository / "tracks" / "ruby" / "aaa.py").write_text(code)
    done = polecats("run", "--inline", "--source", "samples", "--track", "ruby")
    assert done.returncode == 1
    assert f"loader_bug: {expected}" in done.stderr or expected in done.stderr
    assert "Traceback" not in done.stderr
    assert manifest(repository)["agentharm_benign"]["kept"]


RAISING = """
from coordinator.contract import Call, HubSource, Loader, Outcome, Row, Sample

class Raising(Loader):
    source = HubSource(repo="example/many", builder="lines", files={"rows": "rows.jsonl"}, licence="MIT")
    category = "function_calling"

    def transform(self, row: Row) -> Outcome:
        if row["n"] == 50_000:
            raise RuntimeError("boom")
        return Sample(f"question {row['n']}", [Call("look_up", {"n": row["n"]})])
"""


def test_a_loader_that_raises_at_row_50000(repository: Path, polecats: Run) -> None:
    (repository / "tracks" / "ruby" / "raising.py").write_text(RAISING)
    folder = repository / "mirror" / "example" / "many"
    folder.mkdir(parents=True)
    (folder / "rows.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(50_100)))
    arguments = ["run", "--inline", "--source", "mirror", "--loader", "raising"]
    done = polecats(*arguments)
    assert done.returncode == 1
    assert "loader_bug: RuntimeError: boom at row rows-50000" in done.stderr
    assert "polecats check ruby/raising" in done.stderr
    assert len(merged(repository).splitlines()) == 50_000
    assert "boom" in polecats("failures", "raising").stdout
    shown = polecats("check", "raising", "--source", "mirror", "--row", "rows-50000")
    assert shown.returncode == 1
    assert 'raise RuntimeError("boom")' in shown.stderr
    (repository / "tracks" / "ruby" / "raising.py").write_text(RAISING.replace("50_000", "-1"))
    assert polecats(*arguments).returncode == 0
    assert len(merged(repository).splitlines()) == 50_100


def test_a_damaged_part_is_named_and_left_out_only_when_told(repository: Path, polecats: Run) -> None:
    polecats("run", "--inline", "--source", "samples", "--track", "quartz")
    before = merged(repository)
    part = next((repository / "worktrees/.state/samples/tracks/quartz/twinkle").glob("part-*.jsonl"))
    part.write_bytes(part.read_bytes().replace(b"benign", b"benigm", 1))
    said = bad(polecats, 4, "merge", "--source", "samples")
    assert str(part) in said
    assert merged(repository) == before
    told = polecats("merge", "--source", "samples", "--leave-out-damaged")
    assert told.returncode == 0
    assert len(merged(repository).splitlines()) < len(before.splitlines())
    assert polecats("run", "--inline", "--source", "samples", "--track", "quartz").returncode == 0
    assert merged(repository) == before


def test_an_output_of_another_kind_is_not_replaced(repository: Path, polecats: Run) -> None:
    polecats("demo", "--inline", "--rows", "300")
    before = merged(repository)
    said = bad(polecats, 4, "run", "--inline", "--source", "samples", "--loader", "gsm8k")
    assert "was made from demo, not from samples" in said
    assert merged(repository) == before
    assert polecats("run", "--inline", "--source", "samples", "--loader", "gsm8k", "--replace").returncode == 0


def test_an_output_that_cannot_be_written(repository: Path, polecats: Run) -> None:
    (repository / "taken").write_text("a file where a folder is wanted")
    said = bad(polecats, 4, "run", "--inline", "--source", "samples", "--loader", "gsm8k", "--output", "taken/x.jsonl")
    assert "cannot be written" in said


def test_a_second_run_is_told_who_runs(repository: Path, polecats: Run) -> None:
    from filelock import FileLock

    state = repository / "worktrees" / ".state"
    state.mkdir(parents=True)
    with FileLock(state / "lock"):
        (state / "lock.pid").write_text("4242\n")
        assert "pid 4242" in bad(polecats, 5, "run", "--inline", "--source", "samples")


def test_the_shipped_configuration_holds_the_defaults() -> None:
    from coordinator.config import Config

    shipped = tomllib.loads((ROOT / "config.toml").read_text())
    defaults = Config().model_dump()
    for table in ("run", "restart", "publish", "hub", "cache"):
        assert shipped[table] == defaults[table]
