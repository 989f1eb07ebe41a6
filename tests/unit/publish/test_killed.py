"""The whole publishing, killed at every step; two at once; ended by a person. What stands is old or new, never half."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coordinator.publish import manifest
from coordinator.publish.validate import validate

if TYPE_CHECKING:
    from .conftest import Store

ROOT = Path(__file__).parents[3]
A, B = "opal/a", "opal/b"
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
PROLOGUE = """
import json, os, shutil, signal, sys
from pathlib import Path
from coordinator.cli import publishing
from coordinator.cli.context import context
from coordinator.cli.publishing import Order, publish
from coordinator.engine.plan import source_spec
from coordinator.publish.inputs import Choice
from coordinator.worker.fingerprint import contract_version

here = context(inline=True)
output = here.paths.root / "data" / "tier1.jsonl"
order = Order(source_spec("samples", here.paths.root), output, Choice())
"""
KILLED = (
    PROLOGUE
    + """
CALLS = ("os.rename", "os.link", "os.remove", "os.chmod", "tempfile.mkstemp", "fcntl.flock")
fsync = os.fsync
contract_version()  # known before the first child
publishing.checkout_state = lambda folder: None  # git is not what is killed here

def child(point, work):
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    left = point
    def step(*said):
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
    def hook(event, args):
        if event in CALLS or (event == "open" and str(output.parent) in str(args[0])):
            step()
    if point >= 0:
        sys.addaudithook(hook)
        os.fsync = lambda handle: (step(), fsync(handle), step())
    work(step)
    os._exit(0)

def seen():
    return {path.name: path.read_text() for path in sorted(output.parent.iterdir())} if output.parent.exists() else {}

before, aside = seen(), here.paths.root / "before"
if before:
    shutil.copytree(output.parent, aside)
results = []
for point in range(300):
    status = child(point, lambda step: publish(here, order, progress=step))
    killed = seen()
    again = child(-1, lambda step: publish(here, order))
    results.append([status, killed, again, seen()])
    if status == 0:
        break
    shutil.rmtree(output.parent, ignore_errors=True)
    if before:
        shutil.copytree(aside, output.parent)
json.dump([before, results], sys.stdout)
"""
)


@pytest.fixture
def repository(store: Store) -> Store:
    """The store as a repository whose last run read samples; 33 rows in four parts."""
    state = store.root / "worktrees" / ".state"
    state.mkdir(parents=True)
    (store.root / "state").mkdir()
    (state / "samples").symlink_to(store.root / "state")
    (store.root / "config.toml").write_text('[run]\nsource = "samples"\n')
    store.rows(A, range(20))
    store.rows(B, range(100, 113))
    (state / "last.json").write_text(
        json.dumps(
            {
                "run": "1",
                "inline": True,
                "source": {"kind": "samples", "key": "samples"},
                "output": str(store.output),
                "merge": True,
            }
        )
    )
    return store


def python(store: Store, code: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=store.root, env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "null")


def polecats(store: Store, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "coordinator", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen(command, cwd=store.root, env=ENVIRONMENT, **pipes)


@pytest.mark.parametrize("first", [True, False])
def test_killed_at_every_step_and_merged_again(repository: Store, first: bool) -> None:
    if not first:
        python(repository, PROLOGUE + "publish(here, order)")
        repository.rows("opal/c", range(200, 210))
    before, results = python(repository, KILLED)
    assert len(results) > 25
    assert [status for status, *_ in results] == [signal.SIGKILL] * (len(results) - 1) + [0]
    *_, whole = results[-1]
    names = ["README.md", "tier1.jsonl", "tier1.manifest.json", *([] if first else ["tier1.previous.jsonl"])]
    assert sorted(whole) == names
    old, new = before.get("tier1.jsonl"), whole["tier1.jsonl"]
    assert old != new
    for _, killed, again, after in results:
        assert killed.get("tier1.jsonl") in (old, new)
        assert killed.get("README.md") in (before.get("README.md"), whole["README.md"])
        assert killed.get("tier1.manifest.json") in (before.get("tier1.manifest.json"), whole["tier1.manifest.json"])
        if killed.get("tier1.jsonl") == old:
            assert killed.get("tier1.manifest.json") == before.get("tier1.manifest.json"), "it would tell of another"
        assert again == 0, "what a kill leaves stands in no merge's way"
        assert {name: after.get(name) for name in names[:3]} == {name: whole[name] for name in names[:3]}
        assert sorted(after) in (names, names[:3]), "nothing is left over"
    assert validate(repository.output).ok


def test_many_at_once_leave_one_whole(repository: Store) -> None:
    """Also where what is committed grows between them: file and manifest are always of one merge."""
    merges = []
    for number in range(4):
        repository.rows(f"opal/x{number}", range(1_000 * number + 1_000, 1_000 * number + 1_010))
        merges.append(polecats(repository, "merge"))
    for merge in merges:
        _, said = merge.communicate(timeout=60)
        assert merge.returncode == 0, said
    assert validate(repository.output).ok
    found = manifest.read(repository.output)
    assert found is not None
    assert found["rows"] == 33 + 40
    assert not [path.name for path in repository.output.parent.iterdir() if path.name.startswith(".")]


HELD = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(handle, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_waits_says_so_and_can_be_ended(repository: Store) -> None:
    repository.output.parent.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HELD, str(repository.output.parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        second, third = polecats(repository, "merge"), polecats(repository, "merge")
        for waiting in (second, third):
            assert waiting.stderr is not None
            assert "this one waits" in waiting.stderr.readline()
        third.send_signal(signal.SIGINT)
        assert third.wait(30) == 130
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(0.7)
        first.communicate("")
    assert second.wait(30) == 0
    for child in (second, third):
        child.communicate()
    assert validate(repository.output).ok


SLOW = """
import sys, time
from coordinator.cli import app, publishing

def told(loader, rows):
    print(rows, flush=True)
    time.sleep(60)

publishing.tell_progress = told
sys.argv = ["polecats", "merge", "--progress"]
app.run_app()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_one_that_a_person_ends_leaves_the_old_file_and_nothing_else(repository: Store, number: int, code: int) -> None:
    python(repository, PROLOGUE + "publish(here, order)")
    before = {path.name: path.read_bytes() for path in repository.output.parent.iterdir()}
    repository.rows("opal/c", range(200, 210))
    with subprocess.Popen(
        [sys.executable, "-c", SLOW],
        cwd=repository.root,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as merge:
        assert merge.stdout is not None
        merge.stdout.readline()
        merge.send_signal(number)
        _, said = merge.communicate(timeout=30)
    assert merge.returncode == code
    assert "Traceback" not in said
    assert "interrupted" in said
    assert {path.name: path.read_bytes() for path in repository.output.parent.iterdir()} == before


def test_one_whose_reader_goes_away_is_made_all_the_same(repository: Store) -> None:
    merge = polecats(repository, "merge", "--progress", "--json")
    assert merge.stdout is not None
    merge.stdout.close()
    assert merge.stderr is not None
    said = merge.stderr.read()
    assert merge.wait(30) == 0, said
    assert "Traceback" not in said
    assert validate(repository.output).ok
    merge.stderr.close()


def test_a_file_that_was_edited_by_hand_is_kept_until_told(repository: Store) -> None:
    python(repository, PROLOGUE + "publish(here, order)")
    edited = repository.output.read_text() + "{}\n"
    repository.output.write_text(edited)
    refused = polecats(repository, "merge")
    _, said = refused.communicate(timeout=30)
    assert refused.returncode == 4
    assert "changed since" in said
    assert "--replace" in said
    assert repository.output.read_text() == edited
    told = polecats(repository, "merge", "--replace")
    told.communicate(timeout=30)
    assert told.returncode == 0
    assert repository.output.with_name("tier1.previous.jsonl").read_text() == edited
    assert validate(repository.output).ok
