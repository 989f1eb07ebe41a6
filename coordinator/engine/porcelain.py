"""How git is asked, and what it answers: as plain values, and in sentences for a person. Pure: no git, no files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ALWAYS = {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
READING = {**ALWAYS, "GIT_OPTIONAL_LOCKS": "0"}
SETTINGS = (
    *("-c", "core.hooksPath=/dev/null"),  # a user's hooks are not meant for checkouts made by a program
    *("-c", "commit.gpgsign=false"),  # asks for a passphrase
    *("-c", "maintenance.auto=false", "-c", "gc.auto=0"),  # would go on in the background, and prune
    *("-c", "core.fsmonitor=false"),  # may name a program, and a track's code can write the configuration
    *("-c", "protocol.allow=never", "-c", "submodule.recurse=false"),  # what is not here is not fetched
)
OLDEST = (2, 30)
"""The git that all of this is known to work with."""
NO_COMMIT = "(initial)"
DETACHED = "(detached)"
SHOWN = 3
"""Paths that a note names; the rest is counted."""

_TRUST = re.compile(r"safe\.directory (.+)")
_PATH_FIELD = {"1": 8, "u": 10, "?": 1, "2": 9}
"""Spaces before the path, by an entry's kind in `status --porcelain=v2`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A worktree that a repository has a record of; whether its folder is there is another matter."""

    path: str
    branch: str | None
    locked: str | None
    """The reason, empty when none was given; None when it is not locked."""


@dataclass(frozen=True, slots=True)
class State:
    """What a checkout stands at."""

    commit: str | None
    """None before the first commit."""
    branch: str | None
    """None on a detached HEAD."""
    changed: tuple[str, ...]
    """Uncommitted and untracked paths, from the top of the checkout."""


@dataclass(frozen=True, slots=True)
class Worktree:
    """A track's checkout. `ahead` and `behind` are counted against the commit of the repository's root."""

    track: str
    path: Path
    branch: str | None
    """None on a detached HEAD."""
    commit: str
    ahead: int
    behind: int
    dirty: tuple[str, ...]
    notes: tuple[str, ...]
    """For the user: what was done, what was left and why."""


def worktrees(text: str) -> tuple[Entry, ...]:
    """`worktree list --porcelain`, main worktree first. Without -z, which git has only since 2.36."""
    entries = []
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        fields = dict(line.partition(" ")[::2] for line in lines)
        if fields.get("worktree"):
            branch = fields["branch"].removeprefix("refs/heads/") if "branch" in fields else None
            entries.append(Entry(fields["worktree"], branch, fields.get("locked")))
    return tuple(entries)


def state(text: str) -> State:
    """`status --porcelain=v2 --branch -z`."""
    headers: dict[str, str] = {}
    changed: list[str] = []
    records = iter(text.split("\0"))
    for record in records:
        kind = record[:1]
        if kind == "#":
            _, name, value = record.split(" ", 2)
            headers[name] = value
        elif kind in _PATH_FIELD:
            changed.append(record.split(" ", _PATH_FIELD[kind])[-1])
            if kind == "2":
                next(records, None)  # the path it was renamed from
    commit, branch = headers.get("branch.oid", NO_COMMIT), headers.get("branch.head", DETACHED)
    return State(None if commit == NO_COMMIT else commit, None if branch == DETACHED else branch, tuple(changed))


def version(text: str) -> tuple[int, ...]:
    """`git --version`: (2, 39, 5); empty where it says something else."""
    found = re.search(r"\d+(\.\d+)+", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def left_right(text: str) -> tuple[int, int]:
    """`rev-list --left-right --count A...B`: commits that only A has, that only B has."""
    left, right = text.split()
    return int(left), int(right)


def complaint(stderr: str) -> str:
    """The one line that says why git refused, with the files it names below that line."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    found = [place for place, line in enumerate(lines) if line.startswith(("fatal: ", "error: "))]
    if not found:
        return lines[-1].strip() if lines else "git gives no reason"
    names = []
    for line in lines[found[0] + 1 :]:
        if not line.startswith("\t"):
            break
        names.append(line.strip())
    return " ".join([lines[found[0]].split(": ", 1)[1], ", ".join(names)]).strip()


def is_nowhere(stderr: str) -> bool:
    """No repository in the folder or above it."""
    return "not a git repository (or any" in stderr


def refusal(folder: str, stderr: str) -> str:
    """What to do about a command that failed in `folder`."""
    if foreign := _TRUST.search(stderr):
        return (
            f"{folder} belongs to another user, so git does not trust it; if you do: "
            f"git config --global --add safe.directory {foreign[1]}"
        )
    if is_nowhere(stderr):
        return f"{folder} is no git repository, and tracks need one: `polecats init` makes it one."
    if "must be run in a work tree" in stderr:
        return f"{folder} is a bare git repository, without files: clone it, and work in the clone."
    return f"Git refuses in {folder}: {complaint(stderr)}."


def enclosed(folder: str, top: str, tracked: bool) -> str:
    """What to do about a folder inside of somebody's repository."""
    if tracked:
        return (
            f"{folder} is a part of the git repository {top}, and tracks need one of their own: copy it out of there."
        )
    return f"{folder} lies in the git repository {top}, but is no part of it: `polecats init` makes it one of its own."


def counted(count: int, thing: str) -> str:
    """1 commit, 2 commits."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def worktree(track: str, path: Path, at: State, main: State, apart: tuple[int, int]) -> Worktree:
    """A track's checkout, with what a person has to know before its code runs; `apart` is (ahead, behind)."""
    notes = (*_on(track, at), *_behind(at, main, *apart), *_only_in_main(track, main))
    return Worktree(track, path, at.branch, at.commit or "", *apart, at.changed, notes)


def _on(track: str, at: State) -> Iterator[str]:
    if at.branch != f"polecat/{track}":
        yield f"on {f'branch {at.branch}' if at.branch else 'no branch'}, not on polecat/{track}; used as it is"


def _behind(at: State, main: State, ahead: int, behind: int) -> Iterator[str]:
    own = [counted(ahead, "commit")] if ahead else []
    own += [f"edits in {_some(at.changed)}"] if at.changed else []
    if behind:
        why = f"; left as it is, with {' and '.join(own)} of its own" if own else ""
        yield f"{behind} behind {main.branch or 'the main checkout'}{why}"


def _only_in_main(track: str, main: State) -> Iterator[str]:
    if main.changed:
        what = _some(main.changed)
        yield f"uncommitted in main, so not in here: {what}; commit them, or edit worktrees/{track} instead"


def _some(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + more
