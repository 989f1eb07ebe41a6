"""Checkouts of tracks, on real repositories."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import coordinator
from coordinator.engine.repository import checkout_state, init
from coordinator.engine.worktrees import Worktree, WorktreeManager
from coordinator.errors import ExitCode, PolecatsError

CODE = str(Path(coordinator.__file__).parents[1])


@pytest.fixture(autouse=True)
def no_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and a file for the user's git configuration."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "EMAIL"))]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    config = home / "config"
    config.write_text("[user]\nuseConfigOnly = true\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return config


def git(folder: Path, *arguments: str) -> str:
    """Git as a user types it, with an identity of their own."""
    who = ("-c", "user.name=u", "-c", "user.email=u@u", "-c", "init.defaultBranch=main", "-c", "gc.auto=0")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write(folder: Path, path: str, text: str) -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def commit(folder: Path, path: str, text: str) -> str:
    """Write, commit, return the commit."""
    write(folder, path, text)
    git(folder, "add", "--force", path)
    git(folder, "commit", "--quiet", "--no-gpg-sign", "--no-verify", "-m", path)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one track and a worktrees folder, as the project has it."""
    folder = tmp_path / "main"
    folder.mkdir()
    git(folder, "init", "--quiet")
    write(folder, "worktrees/README.md", "what stands here")
    write(folder, ".gitignore", "*.log\n/worktrees/*\n!/worktrees/README.md\n")
    git(folder, "add", "--all")
    commit(folder, "tracks/opal/gem.py", "1\n")
    return folder


@pytest.fixture
def trees(root: Path) -> WorktreeManager:
    return WorktreeManager(root)


def refused(call: Callable[[], object]) -> str:
    """The sentence of a refusal."""
    with pytest.raises(PolecatsError) as caught:
        call()
    assert caught.value.code is ExitCode.USAGE
    assert "\n" not in str(caught.value)
    return str(caught.value)


def branches(root: Path) -> list[str]:
    return git(root, "branch", "--format=%(refname:short)").split()


def test_nothing_there_yet(root: Path, trees: WorktreeManager) -> None:
    head = git(root, "rev-parse", "HEAD")
    path = root / "worktrees" / "opal"
    assert trees.ensure("opal") == Worktree("opal", path, "polecat/opal", head, 0, 0, (), ())
    assert (path / "tracks/opal/gem.py").read_text() == "1\n"
    assert git(root, "status", "--porcelain") == ""


def test_again_is_the_same(trees: WorktreeManager) -> None:
    assert trees.ensure("opal") == trees.ensure("opal") == trees.status("opal")


def test_status_and_list_change_nothing(root: Path, trees: WorktreeManager) -> None:
    assert trees.status("opal") is None
    assert trees.list() == []
    assert not (root / "worktrees/opal").exists()
    opal, jet = trees.ensure("opal"), trees.ensure("jet")
    git(root, "worktree", "add", "--quiet", "../elsewhere", "-b", "other")
    commit(root, "more.py", "")
    listed = trees.list()
    assert [tree.path for tree in listed] == [jet.path, opal.path]
    assert [tree.behind for tree in listed] == [1, 1]
    assert listed[0].notes == ("1 behind main",)
    assert git(opal.path, "rev-parse", "HEAD") == opal.commit


def test_the_branch_exists_already(root: Path, trees: WorktreeManager) -> None:
    git(root, "checkout", "--quiet", "-b", "polecat/opal")
    mine = commit(root, "tracks/opal/mine.py", "")
    git(root, "checkout", "--quiet", "main")
    tree = trees.ensure("opal")
    assert (tree.commit, tree.ahead, tree.behind) == (mine, 1, 0)


def test_edits_stay(trees: WorktreeManager) -> None:
    edited = trees.ensure("opal").path / "tracks/opal/gem.py"
    edited.write_text("mine\n")
    write(edited.parent, "new file.py", "")
    tree = trees.ensure("opal")
    assert tree.dirty == ("tracks/opal/gem.py", "tracks/opal/new file.py")
    assert edited.read_text() == "mine\n"


def test_another_branch_in_the_checkout_is_kept_and_said(root: Path, trees: WorktreeManager) -> None:
    path = trees.ensure("opal").path
    git(path, "checkout", "--quiet", "-b", "try")
    commit(root, "more.py", "")
    tree = trees.ensure("opal")
    assert (tree.branch, tree.behind) == ("try", 1)
    assert tree.notes == ("on branch try, not on polecat/opal; used as it is", "1 behind main")
    git(path, "checkout", "--quiet", "--detach")
    assert trees.ensure("opal").notes[0] == "on no branch, not on polecat/opal; used as it is"


def test_the_folder_was_deleted(root: Path, trees: WorktreeManager) -> None:
    path = trees.ensure("opal").path
    mine = commit(path, "tracks/opal/mine.py", "")
    git(root, "worktree", "add", "--quiet", "../disk", "-b", "other")
    shutil.rmtree(root.parent / "disk")
    shutil.rmtree(path)
    assert trees.status("opal") is None
    tree = trees.ensure("opal")
    assert tree.commit == mine
    assert tree.notes == (f"the checkout at {path} was gone; polecat/opal is checked out again",)
    assert "/disk" in git(root, "worktree", "list"), "another worktree's record may be of a disk that is not mounted"


def test_an_empty_folder_is_used(root: Path, trees: WorktreeManager) -> None:
    (root / "worktrees/opal").mkdir()
    assert trees.ensure("opal").notes == ()
    shutil.rmtree(root / "worktrees/opal")
    (root / "worktrees/opal").mkdir()
    assert "was gone" in trees.ensure("opal").notes[0]


@pytest.mark.parametrize("kind", ["folder", "file", "clone", "link"])
def test_what_is_in_the_way_is_renamed_never_deleted(root: Path, trees: WorktreeManager, kind: str) -> None:
    path = root / "worktrees/opal"
    if kind == "folder":
        write(path, "precious", "1")
    elif kind == "file":
        write(path.parent, "opal", "1")
    elif kind == "clone":
        git(root, "clone", "--quiet", ".", str(path))
    else:
        path.symlink_to(root / "nowhere")
    write(root, "worktrees/opal.aside-1/precious", "from before")
    tree = trees.ensure("opal")
    assert tree.branch == "polecat/opal"
    assert tree.notes == (f"{path} was no complete checkout of this repository; all of it is in opal.aside-2 now",)
    assert os.path.lexists(root / "worktrees/opal.aside-2")
    assert [tree.track for tree in trees.list()] == ["opal"]


def test_the_git_file_of_a_checkout_was_deleted(trees: WorktreeManager) -> None:
    path = trees.ensure("opal").path
    write(path, "tracks/opal/gem.py", "mine\n")
    (path / ".git").unlink()
    assert trees.status("opal") is None
    tree = trees.ensure("opal")
    assert tree.dirty == ("tracks/opal/gem.py",)
    assert "registered with git again" in tree.notes[0]


def test_the_repository_was_moved(root: Path, trees: WorktreeManager) -> None:
    write(trees.ensure("opal").path, "tracks/opal/gem.py", "mine\n")
    trees.ensure("jet")
    moved = root.rename(root.parent / "moved")
    shutil.rmtree(moved / "worktrees/jet")
    there = WorktreeManager(moved)
    assert there.list() == []
    opal, jet = there.ensure("opal"), there.ensure("jet")
    assert (opal.path, opal.branch, opal.dirty) == (moved / "worktrees/opal", "polecat/opal", ("tracks/opal/gem.py",))
    assert jet.path == moved / "worktrees/jet"
    assert len(git(moved, "worktree", "list").splitlines()) == 3


@pytest.mark.parametrize("with_checkouts", [True, False])
def test_the_repository_was_copied(root: Path, trees: WorktreeManager, with_checkouts: bool) -> None:
    """Its records name the original's folders: both work on, neither touches the other."""
    original = trees.ensure("opal")
    write(original.path, "tracks/opal/gem.py", "mine\n")
    copied = root.parent / "copied"
    shutil.copytree(root, copied, symlinks=True)
    if not with_checkouts:
        shutil.rmtree(copied / "worktrees")
    tree = WorktreeManager(copied).ensure("opal")
    assert tree.path == copied / "worktrees/opal"
    assert tree.dirty == (("tracks/opal/gem.py",) if with_checkouts else ())
    assert trees.ensure("opal").dirty == ("tracks/opal/gem.py",)
    assert git(original.path, "rev-parse", "--git-common-dir") == str(root / ".git")
    assert git(tree.path, "rev-parse", "--git-common-dir") == str(copied / ".git")


def test_a_copied_checkout_does_not_take_the_record_of_its_original(trees: WorktreeManager) -> None:
    opal = trees.ensure("opal")
    shutil.copytree(opal.path, opal.path.with_name("jet"))
    jet = trees.ensure("jet")
    assert jet.branch == "polecat/jet"
    assert "jet.aside-1" in jet.notes[0]
    assert trees.ensure("opal") == opal


def test_a_killed_add_is_made_anew(root: Path, trees: WorktreeManager) -> None:
    path = trees.ensure("opal").path
    git(root, "worktree", "lock", "--reason", "initializing", str(path))
    (path / "tracks/opal/gem.py").unlink()
    tree = trees.ensure("opal")
    assert tree.dirty == ()
    assert "opal.aside-1" in tree.notes[0]


def test_a_locked_checkout(root: Path, trees: WorktreeManager) -> None:
    path = trees.ensure("opal").path
    git(root, "worktree", "lock", str(path))
    assert trees.ensure("opal").notes == ()
    shutil.rmtree(path)
    assert f"git worktree unlock {path}" in refused(lambda: trees.ensure("opal"))


def test_the_branch_is_checked_out_elsewhere(root: Path, trees: WorktreeManager) -> None:
    git(root, "worktree", "add", "--quiet", "../other place", "-b", "polecat/opal")
    assert f"polecat/opal is checked out at {root.parent}/other place" in refused(lambda: trees.ensure("opal"))
    git(root, "checkout", "--quiet", "-b", "polecat/jet")
    assert f"polecat/jet is checked out at {root}:" in refused(lambda: trees.ensure("jet"))


def test_a_detached_root(root: Path, trees: WorktreeManager) -> None:
    first = git(root, "rev-parse", "HEAD")
    second = commit(root, "more.py", "")
    git(root, "checkout", "--quiet", "--detach", first)
    assert trees.ensure("opal").commit == first
    git(root, "checkout", "--quiet", "--detach", second)
    assert "1 behind the main checkout" in trees.list()[0].notes
    assert trees.ensure("opal").commit == second


def test_uncommitted_changes_in_main_are_named(root: Path, trees: WorktreeManager) -> None:
    write(root, "tracks/opal/gem.py", "2\n")
    write(root, "tracks/opal/new.py", "")
    write(root, "tracks/jet/other.py", "")
    assert trees.ensure("opal").notes == (
        "uncommitted in main, so not in here: tracks/opal/gem.py, tracks/opal/new.py; "
        "commit them, or edit worktrees/opal instead",
    )


def test_a_clean_checkout_follows_main(root: Path, trees: WorktreeManager) -> None:
    path = trees.ensure("opal").path
    head = commit(root, "tracks/opal/gem.py", "2\n")
    tree = trees.ensure("opal")
    assert (tree.commit, tree.behind, tree.notes) == (head, 0, ("fast-forwarded by 1 commit",))
    assert (path / "tracks/opal/gem.py").read_text() == "2\n"


def test_a_checkout_with_something_of_its_own_is_left(root: Path, trees: WorktreeManager) -> None:
    mine = commit(trees.ensure("opal").path, "tracks/opal/mine.py", "")
    write(trees.ensure("jet").path, "edited", "")
    commit(root, "more.py", "")
    opal, jet = trees.ensure("opal"), trees.ensure("jet")
    assert (opal.commit, opal.ahead, opal.behind) == (mine, 1, 1)
    assert opal.notes == ("1 behind main; left as it is, with 1 commit of its own",)
    assert jet.notes == ("1 behind main; left as it is, with edits in edited of its own",)


def test_a_fast_forward_spares_ignored_files(root: Path, trees: WorktreeManager) -> None:
    mine = write(trees.ensure("opal").path, "notes.log", "mine")
    commit(root, "notes.log", "theirs")
    tree = trees.ensure("opal")
    assert mine.read_text() == "mine"
    assert (tree.behind, tree.notes[0]) == (1, "1 behind main")
    assert tree.notes[1].startswith("fast-forward failed: ")
    assert "notes.log" in tree.notes[1]


def test_hooks_signing_and_background_work_stay_out(root: Path, trees: WorktreeManager, no_user: Path) -> None:
    fired = root.parent / "fired"
    for name in ("post-checkout", "post-merge", "pre-commit", "reference-transaction"):
        hook = write(root, f".git/hooks/{name}", f"#!/bin/sh\ntouch '{fired}'\nexit 1\n")
        hook.chmod(0o755)
    no_user.write_text("[commit]\ngpgSign = true\n[merge]\nverifySignatures = true\n[gpg]\nprogram = false\n")
    trees.ensure("opal")
    git(root, "-c", "core.hooksPath=/dev/null", "commit", "--no-gpg-sign", "--allow-empty", "-qm", "more")
    assert trees.ensure("opal").notes == ("fast-forwarded by 1 commit",)
    assert not fired.exists()


def test_the_environment_of_a_hook_is_not_followed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = root.parent / "other"
    git(root, "clone", "--quiet", ".", str(other))
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    WorktreeManager(root).ensure("opal")
    assert branches(other) == ["main"]
    assert (root / "worktrees/opal/tracks").is_dir()


def test_checkouts_are_ignored_where_no_gitignore_says_so(root: Path, trees: WorktreeManager) -> None:
    commit(root, ".gitignore", "")
    trees.ensure("opal")
    trees.ensure("jet")
    assert git(root, "status", "--porcelain") == ""
    assert (root / ".git/info/exclude").read_text().count("/worktrees/") == 1


@pytest.mark.parametrize("name", ["../up", "-x", "Opal", "", "a b", "a/b", "a.lock", "é"])
def test_names(trees: WorktreeManager, name: str) -> None:
    assert "no name for a track" in refused(lambda: trees.ensure(name))


def test_a_checkout_is_no_place_for_checkouts(root: Path, trees: WorktreeManager) -> None:
    inside = WorktreeManager(trees.ensure("opal").path)
    assert f"run this in {root}" in refused(lambda: inside.ensure("jet"))
    assert inside.list() == []
    assert [entry.name for entry in (inside.root / "worktrees").iterdir()] == ["README.md"]


def test_odd_places(root: Path) -> None:
    """Spaces, letters of any kind, a link to the repository."""
    no_text = "\udcff" if sys.platform == "linux" else ""
    odd = root.rename(root.parent / f"wörk 'tree' {no_text}")
    link = odd.parent / "link"
    link.symlink_to(odd)
    tree = WorktreeManager(link).ensure("opal")
    assert tree == WorktreeManager(odd).ensure("opal")
    assert tree.path == odd / "worktrees/opal"


def test_no_repository(tmp_path: Path) -> None:
    folder = tmp_path / "zip"
    folder.mkdir()
    trees = WorktreeManager(folder)
    calls: list[Callable[[], object]] = [lambda: trees.ensure("opal"), lambda: trees.status("opal"), trees.list]
    for call in calls:
        assert "`polecats init` makes it one" in refused(call)
    assert checkout_state(folder) is None


def test_no_commit_yet(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    git(folder, "init", "--quiet")
    assert "`polecats init` makes the first" in refused(lambda: WorktreeManager(folder).ensure("opal"))
    assert checkout_state(folder) is None
    write(folder, "a", "")
    assert "1 file in one commit" in init(folder)
    assert WorktreeManager(folder).ensure("opal").ahead == 0


def test_bare(root: Path, trees: WorktreeManager) -> None:
    bare = root.parent / "bare.git"
    git(root, "clone", "--quiet", "--bare", ".", str(bare))
    assert "is a bare git repository" in refused(lambda: WorktreeManager(bare).ensure("opal"))
    assert "is a bare git repository" in refused(lambda: init(bare))
    git(bare, "worktree", "add", "--quiet", str(root.parent / "linked"), "main")
    tree = WorktreeManager(root.parent / "linked").ensure("opal")
    assert tree.path == root.parent / "linked/worktrees/opal"


def test_an_outer_repository(root: Path) -> None:
    zipped = write(root, "unpacked/tracks/opal/gem.py", "").parents[2]
    assert "`polecats init` makes it one of its own" in refused(lambda: WorktreeManager(zipped).ensure("opal"))
    assert branches(root) == ["main"]
    assert "is a git repository now" in init(zipped)
    assert WorktreeManager(zipped).ensure("opal").path == zipped / "worktrees/opal"


def test_a_part_of_an_outer_repository(root: Path) -> None:
    commit(root, "unpacked/tracks/opal/gem.py", "")
    for call in (lambda: WorktreeManager(root / "unpacked").ensure("opal"), lambda: init(root / "unpacked")):
        assert f"is a part of the git repository {root}" in refused(call)
    assert not (root / "unpacked/.git").exists()


def test_no_git(trees: WorktreeManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(lambda: trees.ensure("opal")).startswith("Git is not installed")
    assert refused(lambda: init(tmp_path)).startswith("Git is not installed")
    assert checkout_state(trees.root) is None


def test_a_foreign_owner(trees: WorktreeManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    command = f"git config --global --add safe.directory {trees.root}"
    assert command in refused(lambda: trees.ensure("opal"))
    assert command in refused(lambda: init(trees.root))


def test_init(tmp_path: Path) -> None:
    folder = tmp_path / "zip"
    write(folder, "tracks/opal/gem.py", "")
    write(folder, "data/big", "")
    write(folder, "worktrees/.state/lock", "")
    write(folder, ".gitignore", "/data/\n")
    assert init(folder) == f"{folder} is a git repository now: 2 files in one commit on branch main."
    assert git(folder, "log", "--format=%an <%ae>") == "polecats <polecats@localhost>"
    assert git(folder, "status", "--porcelain") == ""
    assert init(folder) == f"{folder} is a git repository already; nothing was changed."
    assert WorktreeManager(folder).ensure("opal").notes == ()


def test_init_takes_the_identity_of_the_user(tmp_path: Path, no_user: Path) -> None:
    no_user.write_text("[user]\nname = U\nemail = u@u\n[commit]\ngpgSign = true\n[gpg]\nprogram = false\n")
    folder = tmp_path / "zip"
    folder.mkdir()
    init(folder)
    assert git(folder, "log", "--format=%an <%ae>") == "U <u@u>"


def test_checkout_state(root: Path) -> None:
    head = git(root, "rev-parse", "HEAD")
    assert checkout_state(root / "tracks") == {"commit": head, "branch": "main", "dirty": False}
    git(root, "checkout", "--quiet", "--detach")
    write(root, "new", "")
    assert checkout_state(root) == {"commit": head, "branch": None, "dirty": True}


ROUNDS = """
import shutil, sys
from pathlib import Path
from coordinator.engine.worktrees import WorktreeManager
root, track = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for _ in range(10):
    shutil.rmtree(root / "worktrees" / track, ignore_errors=True)
    assert WorktreeManager(root).ensure(track).branch == f"polecat/{track}"
"""


def test_five_processes_at_once_ten_times(root: Path, trees: WorktreeManager) -> None:
    names = ["amber", "garnet", "jet", "opal", "ruby"]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", ROUNDS, str(root), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": CODE},
        )
        for name in names
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [(process.communicate()[1], process.returncode) for process in started]
    assert ended == [("", 0)] * 5
    assert [tree.track for tree in trees.list()] == names


def test_threads_at_once(root: Path, trees: WorktreeManager) -> None:
    made: list[Worktree] = []
    threads = [threading.Thread(target=lambda: made.append(trees.ensure("opal"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(made)) == 1


CHILDREN = """
import os, sys
from pathlib import Path
from coordinator.engine.repository import checkout_state
from coordinator.engine.worktrees import WorktreeManager
WorktreeManager(Path(sys.argv[1])).ensure("opal")
checkout_state(Path(sys.argv[1]))
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("none")
"""


def test_no_child_stays(root: Path) -> None:
    """In a process of its own: children of other tests are none of its business."""
    env = {**os.environ, "PYTHONPATH": CODE}
    done = subprocess.run([sys.executable, "-c", CHILDREN, str(root)], env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("none\n", "")
