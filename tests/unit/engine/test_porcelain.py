"""What git prints, read from texts that it has printed."""

from pathlib import Path

import pytest

from coordinator.engine import porcelain
from coordinator.engine.porcelain import Entry, State

OWN = "polecat/opal"


def test_worktrees() -> None:
    text = (
        "worktree /r\nHEAD a1\nbranch refs/heads/main\n\n"
        "worktree /r/worktrees/a b\nHEAD a2\nbranch refs/heads/polecat/a\nlocked initializing\n\n"
        "worktree /r/c\nHEAD a3\ndetached\nlocked\nprunable gitdir file points to non-existent location\n\n"
        "worktree /bare\nbare\n"
    )
    assert porcelain.worktrees(text) == (
        Entry("/r", "main", None),
        Entry("/r/worktrees/a b", "polecat/a", "initializing"),
        Entry("/r/c", None, ""),
        Entry("/bare", None, None),
    )


def test_state() -> None:
    zeros = "0" * 40
    records = [
        "# branch.oid a1",
        "# branch.head polecat/a",
        "# branch.upstream origin/x y",
        f"1 .M N... 100644 100644 100644 {zeros} {zeros} with space.py",
        f"2 R. N... 100644 100644 100644 {zeros} {zeros} R100 new.py",
        "? old.py",  # what stands after a rename is its source, whatever it looks like
        f"u UU N... 100644 100644 100644 100644 {zeros} {zeros} {zeros} both.py",
        "? tracks/a/new\nline.py",
    ]
    expected = ("with space.py", "new.py", "both.py", "tracks/a/new\nline.py")
    assert porcelain.state("\0".join(records) + "\0") == State("a1", "polecat/a", expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# branch.oid (initial)\0# branch.head main\0", State(None, "main", ())),
        ("# branch.oid a1\0# branch.head (detached)\0", State("a1", None, ())),
    ],
)
def test_state_without_commit_or_branch(text: str, expected: State) -> None:
    assert porcelain.state(text) == expected


def test_left_right() -> None:
    assert porcelain.left_right("3\t1") == (3, 1)


@pytest.mark.parametrize(
    ("stderr", "line"),
    [
        ("Preparing worktree\nfatal: '/a' already exists\nhint: no", "'/a' already exists"),
        (
            "error: would be overwritten by merge:\n\tx.log\n\ty.log\nAborting",
            "would be overwritten by merge: x.log, y.log",
        ),
        ("killed\n\n", "killed"),
        ("", "git gives no reason"),
    ],
)
def test_complaint(stderr: str, line: str) -> None:
    assert porcelain.complaint(stderr) == line


@pytest.mark.parametrize(
    "first",
    ["detected dubious ownership in repository at '/a b'", "unsafe repository ('/a b' is owned by someone else)"],
)
def test_a_foreign_owner_is_told_with_the_command_git_gives(first: str) -> None:
    hint = "To add an exception for this directory, call:\n\n\tgit config --global --add safe.directory '/a b'"
    assert porcelain.refusal("/a b", f"fatal: {first}\n{hint}").endswith(
        "git config --global --add safe.directory '/a b'"
    )


def _notes(at: State, main: State | None = None, ahead: int = 0, behind: int = 0) -> tuple[str, ...]:
    tree = porcelain.worktree("opal", Path("/w"), at, main or State("m", "main", ()), (ahead, behind))
    assert (tree.ahead, tree.behind, tree.dirty, tree.branch) == (ahead, behind, at.changed, at.branch)
    return tree.notes


def test_notes() -> None:
    assert _notes(State("c", OWN, ())) == ()
    assert _notes(State("c", OWN, ()), behind=2) == ("2 behind main",)
    assert _notes(State("c", OWN, ("a",)), ahead=1, behind=2) == (
        "2 behind main; left as it is, with 1 commit and edits in a of its own",
    )
    assert _notes(State("c", "fix", ())) == ("on branch fix, not on polecat/opal; used as it is",)
    assert _notes(State("c", None, ())) == ("on no branch, not on polecat/opal; used as it is",)
    assert _notes(State("c", OWN, ()), State("m", None, ("1", "2", "3", "4"))) == (
        "uncommitted in main, so not in here: 1, 2, 3 and 1 more; commit them, or edit worktrees/opal instead",
    )


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("git version 2.39.5", (2, 39, 5)),
        ("git version 2.39.3 (Apple Git-146)", (2, 39, 3)),
        ("git version 2.47.1.windows.1", (2, 47, 1)),
        ("", ()),
    ],
)
def test_version(text: str, version: tuple[int, ...]) -> None:
    assert porcelain.version(text) == version
