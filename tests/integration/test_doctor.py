"""Each fault made for real, found, mended without a loss, and gone; nothing is touched while a run is in progress."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from coordinator.cli.doctor import doctor
from coordinator.contract import compiled
from coordinator.control import socket_path
from coordinator.engine.worktrees import WorktreeManager
from coordinator.errors import ExitCode
from coordinator.events import RunStarted, TrackChanged, encode
from coordinator.paths import Paths
from tests.clones import Repository

TRACK = "alpha"
EDIT = "# an edit that nobody has committed\n"


@pytest.fixture
def clone(make: Callable[[], Repository], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A clone with one track, its checkout made."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("HOME", str(tmp_path))
    made = make()
    monkeypatch.setenv("XDG_RUNTIME_DIR", made.environment["XDG_RUNTIME_DIR"])
    made.loader(f"{TRACK}/one")
    made.commit()
    WorktreeManager(made.root).ensure(TRACK)
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, list[str]]]:
    """Call the doctor in this process: its exit code, and its lines that are not `ok`, or were mended."""

    def call(fix: bool = False) -> tuple[int, list[str]]:
        code = doctor(fix)
        lines = capsys.readouterr().out.splitlines()
        return code, [line for line in lines if not line.startswith("ok") or "Mended." in line]

    return call


Say = Callable[..., tuple[int, list[str]]]


def test_without_the_native_module_it_says_so(clone: Repository, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiled.NO_NATIVE, "1")
    code, lines = say()
    assert code == ExitCode.OK
    assert [line for line in lines if "POLECATS_NO_NATIVE is set" in line]


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=u", "-c", "user.email=u@u")
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def record(root: Path) -> Path:
    return root / ".git" / "worktrees" / TRACK


def own_file(root: Path) -> Path:
    return root / "worktrees" / TRACK / "tracks" / TRACK / "one.py"


def edit(root: Path) -> None:
    own_file(root).write_text(own_file(root).read_text() + EDIT)


# ---- checkouts


def folder_gone(root: Path) -> None:
    shutil.rmtree(root / "worktrees" / TRACK)


def record_gone(root: Path) -> None:
    shutil.rmtree(record(root))


def git_file_gone(root: Path) -> None:
    (root / "worktrees" / TRACK / ".git").unlink()


def half_made(root: Path) -> None:
    (record(root) / "locked").write_text("initializing")


def lost(name: str) -> Callable[[Path], None]:
    def lose(root: Path) -> None:
        (record(root) / name).unlink()

    return lose


def emptied(root: Path) -> None:
    (record(root) / "commondir").write_text("")


FAULTS: list[tuple[str, Callable[[Path], None], str, str]] = [
    # what happens, how, a word of the sentence, where an edit is afterwards (below worktrees/, empty: it was deleted)
    ("folder deleted", folder_gone, "is gone", ""),
    ("record deleted", record_gone, "is no checkout of this repository", "alpha.aside-1"),
    (".git file deleted", git_file_gone, "is cut off", "alpha"),
    ("git killed while adding", half_made, "is half made", "alpha.aside-1"),
    ("commondir lost", lost("commondir"), "git has lost commondir", "alpha"),
    ("commondir empty", emptied, "git has lost commondir", "alpha"),
    ("HEAD lost", lost("HEAD"), "git has lost HEAD", "alpha"),
    ("index lost", lost("index"), "git has lost index", "alpha"),
    ("gitdir lost", lost("gitdir"), "is cut off", "alpha"),
]


@pytest.mark.parametrize(("fault", "word", "kept"), [entry[1:] for entry in FAULTS], ids=[entry[0] for entry in FAULTS])
def test_a_broken_checkout_is_mended_and_an_edit_in_it_kept(
    clone: Repository, say: Say, fault: Callable[[Path], None], word: str, kept: str
) -> None:
    edit(clone.root)
    fault(clone.root)
    before = sorted(path.name for path in (clone.root / "worktrees").iterdir())
    code, lines = say()
    assert code == ExitCode.SOME_FAILED
    (line,) = [line for line in lines if line.startswith("bad")]
    assert word in line
    assert "polecats doctor --fix" in line
    assert sorted(path.name for path in (clone.root / "worktrees").iterdir()) == before, "looking changes nothing"
    code, lines = say(fix=True)
    assert code == ExitCode.OK, lines
    assert sum("Mended." in line for line in lines) == 1
    assert not [line for line in say()[1] if line.startswith("bad")]
    tree = WorktreeManager(clone.root).ensure(TRACK)
    assert (tree.branch, tree.ahead, tree.behind) == (f"polecat/{TRACK}", 0, 0)
    if kept:
        file = clone.root / "worktrees" / kept / "tracks" / TRACK / "one.py"
        assert file.read_text().endswith(EDIT)
    assert bool(tree.dirty) == (kept == "alpha")
    assert ("was renamed" in "".join(say()[1])) == kept.endswith("aside-1")


def test_a_moved_repository(clone: Repository, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(clone.root)
    moved = clone.root.rename(clone.root.with_name("moved"))
    monkeypatch.chdir(moved)
    assert "was moved" in "".join(say()[1])
    assert say(fix=True)[0] == ExitCode.OK
    (tree,) = WorktreeManager(moved).list()
    assert (tree.path, tree.dirty) == (moved / "worktrees" / TRACK, (f"tracks/{TRACK}/one.py",))


def test_a_checkout_behind_main_follows_if_it_has_nothing_of_its_own(clone: Repository, say: Say) -> None:
    clone.loader(f"{TRACK}/two")
    git(clone.root, "add", "-A")
    git(clone.root, "commit", "-qm", "more")
    assert "1 behind main" in "".join(say()[1])
    assert "fast-forwarded" in "".join(say(fix=True)[1])
    assert (clone.own(TRACK) / TRACK / "two.py").exists()


@pytest.mark.parametrize("committed", [False, True])
def test_one_with_something_of_its_own_is_left(clone: Repository, say: Say, committed: bool) -> None:
    edit(clone.root)
    if committed:
        git(clone.root / "worktrees" / TRACK, "commit", "-qam", "mine")
    clone.loader(f"{TRACK}/two")
    git(clone.root, "add", "-A")
    git(clone.root, "commit", "-qm", "more")
    before = git(clone.root, "rev-parse", f"polecat/{TRACK}")
    (line,) = [line for line in say(fix=True)[1] if TRACK in line]
    assert "left as it is" in line
    assert "Mended" not in line
    assert own_file(clone.root).read_text().endswith(EDIT)
    assert git(clone.root, "rev-parse", f"polecat/{TRACK}") == before


def test_one_that_is_locked_and_gone_is_left_to_a_person(clone: Repository, say: Say) -> None:
    git(clone.root, "worktree", "lock", f"worktrees/{TRACK}")
    folder_gone(clone.root)
    code, lines = say(fix=True)
    assert code == ExitCode.SOME_FAILED
    assert "git worktree unlock" in "".join(lines)


def test_what_is_uncommitted_in_main_is_said_with_the_two_ways_out(clone: Repository, say: Say) -> None:
    clone.loader(f"{TRACK}/two")
    text = "".join(say(fix=True)[1])
    assert f"tracks/{TRACK}/two.py" in text
    assert "commit it here, or make the edit there" in text


def test_a_detached_head_is_told(clone: Repository, say: Say) -> None:
    git(clone.root, "checkout", "-q", "--detach")
    code, lines = say()
    assert code == ExitCode.OK
    assert "on no branch" in "".join(lines)


def nothing_committed(root: Path) -> None:
    shutil.rmtree(root / ".git")
    shutil.rmtree(root / "worktrees")
    git(root, "init", "-q")


def inside_another(root: Path) -> None:
    shutil.rmtree(root / ".git")
    git(root.parent, "init", "-q")
    git(root.parent, "add", f"{root.name}/tracks")


def no_repository(root: Path) -> None:
    shutil.rmtree(root / ".git")


REFUSALS = [
    (nothing_committed, "polecats init"),
    (no_repository, "polecats init"),
    (inside_another, "is a part of the git repository"),
]


@pytest.mark.parametrize(("fault", "word"), REFUSALS)
def test_a_repository_that_git_cannot_work_on(
    clone: Repository, say: Say, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Path], None], word: str
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(clone.root.parent.parent))
    fault(clone.root)
    before = sorted(path for path in clone.root.rglob("*") if "worktrees" not in path.parts)
    code, lines = say(fix=True)
    assert code == ExitCode.SOME_FAILED
    (line,) = [line for line in lines if line.startswith("bad")]
    assert word in line
    assert sorted(path for path in clone.root.rglob("*") if "worktrees" not in path.parts) == before


def test_git_of_another_owner_missing_or_old(clone: Repository, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert "safe.directory" in "".join(say(fix=True)[1])
    monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER")
    old = clone.root.parent / "bin" / "git"
    old.parent.mkdir()
    old.write_text(
        f'#!/bin/sh\ncase "$*" in *--version*) echo git version 2.17.1;; *) exec {shutil.which("git")} "$@";; esac\n'
    )
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    assert "2.17.1 is too old: install 2.30" in "".join(say()[1])
    monkeypatch.setenv("PATH", "/nowhere")
    code, lines = say()
    assert code == ExitCode.SOME_FAILED
    assert "not installed" in "".join(lines)


# ---- leftovers


def killed_engine(paths: Paths) -> None:
    paths.state.mkdir(parents=True, exist_ok=True)
    paths.lock.touch()
    paths.lock.with_suffix(".pid").write_text("4242\n")
    paths.socket.write_text(f"{socket_path(paths.root)}\n")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_path(paths.root)))
    paths.last.with_suffix(".tmp").write_text("{")
    part = paths.loader_state("samples", TRACK, "one") / "part-00000.jsonl.tmp"
    part.parent.mkdir(parents=True)
    part.write_text("half a li")
    mirror = paths.mirrors / ".demo-abcdefgh"
    mirror.mkdir(parents=True)
    os.utime(mirror, (1, 1))
    data = paths.root / "data"
    data.mkdir()
    (data / ".tier1.jsonl.abcdefgh.tmp").write_text("half a li")
    (data / ".README.md.tmp").write_text("half a card")
    (data / ".tier1.manifest.json.next").write_text("{}")


def test_what_killed_processes_leave_is_removed_and_nothing_else(clone: Repository, say: Say) -> None:
    paths = Paths(clone.root)
    killed_engine(paths)
    notes = paths.root / "data" / ".notes.tmp"
    notes.write_text("mine")
    young = paths.mirrors / ".demo-being-built"
    young.mkdir()
    code, lines = say()
    assert code == ExitCode.OK
    assert sum("leftover" in line for line in lines) == 6, lines
    code, lines = say(fix=True)
    assert (code, sum("Mended." in line for line in lines)) == (ExitCode.OK, 6)
    assert not [line for line in say()[1] if "leftover" in line]
    assert [path.name for path in (paths.root / "data").iterdir()] == [notes.name]
    assert young.is_dir()
    assert not socket_path(paths.root).exists()


def test_a_pointer_to_something_of_the_users_is_removed_and_what_it_names_is_not(clone: Repository, say: Say) -> None:
    precious = clone.root.parent / "precious"
    precious.write_text("mine")
    Paths(clone.root).state.mkdir(parents=True)
    Paths(clone.root).socket.write_text(f"{precious}\n")
    socket_path(clone.root).write_text("no socket")
    say(fix=True)
    assert precious.read_text() == "mine"
    assert socket_path(clone.root).read_text() == "no socket"
    socket_path(clone.root).unlink()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that goes on, deaf to SIGTERM, as a worker in a C loop is."""
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child
        child.kill()


def journal(paths: Paths, pid: int, at: float) -> None:
    folder = paths.runs / "20260101-000000-0000001"
    folder.mkdir(parents=True)
    events = [RunStarted("1", "hub", [f"{TRACK}/one"]), TrackChanged(TRACK, "RUNNING", pid=pid)]
    lines = [orjson.dumps({"at": at, **encode(event)}) + b"\n" for event in events]
    (folder / "journal.jsonl").write_bytes(b"".join(lines))


def test_a_worker_without_its_engine_is_ended(
    clone: Repository, say: Say, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.cli.doctor.leftovers.KILL_AFTER", 0.3)
    journal(Paths(clone.root), sleeper.pid, time.time())
    code, lines = say()
    assert code == ExitCode.SOME_FAILED
    assert f"pid {sleeper.pid}" in "".join(lines)
    assert sleeper.poll() is None
    code, lines = say(fix=True)
    assert code == ExitCode.OK, lines
    assert not Path(f"/proc/{sleeper.pid}").exists()


@pytest.mark.parametrize("apart", [-3_600.0, 3_600.0])
def test_a_process_that_only_has_the_pid_of_a_worker_is_let_be(
    clone: Repository, say: Say, sleeper: subprocess.Popen[bytes], apart: float
) -> None:
    journal(Paths(clone.root), sleeper.pid, time.time() + apart)
    assert say(fix=True)[0] == ExitCode.OK
    assert sleeper.poll() is None


# ---- everything at once, by the command


def test_after_everything_was_mended_a_run_succeeds(clone: Repository, say: Say) -> None:
    """The first run's rows are damaged, its checkout and its leftovers too; the second gives the same file."""
    first = clone.polecats("run", "--plain")
    assert first.returncode == 0, first.stderr
    whole = clone.merged()
    paths = Paths(clone.root)
    (source,) = paths.state.glob("dir-*")
    part = source / "tracks" / TRACK / "one" / "part-00000.jsonl"
    data = bytearray(part.read_bytes())
    data[40] ^= 1
    part.write_bytes(data)
    (paths.state / "of-another-version").mkdir()
    lost("HEAD")(clone.root)
    shutil.rmtree(clone.root / "data")
    (paths.lock.with_suffix(".pid")).write_text("4242\n")
    code, lines = say()
    assert code == ExitCode.SOME_FAILED
    for word in ("part-00000.jsonl is not what was committed", "git has lost HEAD", "lock.pid", "of no source"):
        assert word in "".join(lines)
    fixed = clone.polecats("doctor", "--fix")
    assert fixed.returncode == 0, fixed.stdout
    assert fixed.stdout.count("Mended.") == 3
    assert (source / "aside" / TRACK / "one" / "1" / part.name).read_bytes() == data
    again = clone.polecats("run", "--plain")
    assert again.returncode == 0, again.stderr
    assert clone.merged() == whole
    assert say()[0] == ExitCode.OK


def test_nothing_of_a_run_in_progress_is_touched(clone: Repository, say: Say) -> None:
    clone.loader(f"{TRACK}/one", each="time.sleep(0.02)", tracks=clone.own(TRACK))
    (clone.root / "sources" / "inv" / f"{TRACK}-one" / "rows.jsonl").write_text(
        "".join(f'{{"n": {n}}}\n' for n in range(120))
    )
    paths = Paths(clone.root)
    run = clone.start("run")
    run.wait_for("loader_opened")
    (source,) = paths.state.glob("dir-*")
    left = [paths.last.with_suffix(".tmp"), source / "tracks" / TRACK / "one" / "part-09999.jsonl.tmp"]
    for path in left:
        path.write_text("of the run")
    (record(clone.root) / "commondir").rename(record(clone.root) / "commondir.aside")
    code, lines = say(fix=True)
    assert code == ExitCode.SOME_FAILED
    assert "left as it is while the run in progress goes on" in "".join(lines)
    assert "Mended" not in "".join(lines)
    assert all(path.exists() for path in left)
    assert paths.lock.with_suffix(".pid").exists()
    assert not (record(clone.root) / "commondir").exists()
    (record(clone.root) / "commondir.aside").rename(record(clone.root) / "commondir")
    assert run.end() == 0, run.errors
    assert say()[0] == ExitCode.OK
