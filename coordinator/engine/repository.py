"""Git as it is called here, in the only module that knows it: one repository, asked and made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import PolecatsError
from . import porcelain
from .porcelain import ALWAYS, READING, SETTINGS, State
from .records import same

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # without git on the PATH, importing must not fail

FOLDER = "worktrees"
"""Where the checkouts of tracks stand."""
OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_NAMESPACE")
"""Set where polecats is called from a git hook; they would win over the folder that every call here names."""


def run(folder: Path, *arguments: str | Path, env: dict[str, str] = READING) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of one git command: no prompt, no editor, no hook, no child that stays."""
    import git

    for name in OF_A_HOOK:
        os.environ.pop(name, None)
    command = ["git", "-C", str(folder), *SETTINGS, *map(str, arguments)]
    try:
        code, out, err = git.Git(folder).execute(command, env=env, with_extended_output=True, with_exceptions=False)
    except git.GitCommandNotFound:
        raise PolecatsError("Git is not installed, or not on the PATH: install git 2.30 or newer.") from None
    return int(code), str(out), str(err)


def output(folder: Path, *arguments: str | Path, env: dict[str, str] = READING) -> str:
    """The stdout of one git command. Raises `PolecatsError` where git refuses it."""
    code, out, err = run(folder, *arguments, env=env)
    if code:
        raise PolecatsError(porcelain.refusal(str(folder), err))
    return out


def state(folder: Path, *paths: str) -> State:
    """What a checkout stands at; what is changed, of `paths` alone where there are some."""
    options = (
        "--porcelain=v2",
        "--branch",
        "-z",
        "--untracked-files=normal",
        "--no-renames",
        "--ignore-submodules=dirty",
    )
    return porcelain.state(output(folder, "status", *options, "--", *paths))


def enclosed(root: Path, top: str) -> PolecatsError:
    """The refusal of a folder inside of another repository."""
    return PolecatsError(porcelain.enclosed(str(root), top, tracked=bool(output(root, "ls-files", "--", "."))))


def ignore_checkouts(root: Path) -> None:
    """`git add -A` would take a checkout for a submodule."""
    if run(root, "check-ignore", "--quiet", "--", f"{FOLDER}/track/file")[0] == 0:
        return
    exclude = root / output(root, "rev-parse", "--git-path", "info/exclude")
    exclude.parent.mkdir(parents=True, exist_ok=True)
    with exclude.open("a") as out:
        out.write(f"\n/{FOLDER}/\n")


def checkout_state(folder: Path) -> dict[str, Any] | None:
    """{commit, branch, dirty} of the checkout that holds `folder`, or None where git does not know it."""
    try:
        at = state(folder)
    except PolecatsError:
        return None  # no repository, or no git
    return {"commit": at.commit, "branch": at.branch, "dirty": bool(at.changed)} if at.commit else None


def init(root: Path) -> str:
    """Makes a downloaded folder a repository with one commit of everything not ignored; says what it did."""
    root = root.resolve()
    if _needs_repository(root):
        output(root, "init", "--quiet", "-b", "main", env=ALWAYS)
    elif state(root, FOLDER).commit:
        return f"{root} is a git repository already; nothing was changed."
    ignore_checkouts(root)
    output(root, "add", "--all", env=ALWAYS)
    nameless = any(run(root, "var", f"GIT_{who}_IDENT")[0] for who in ("AUTHOR", "COMMITTER"))
    identity = ("-c", "user.name=polecats", "-c", "user.email=polecats@localhost") if nameless else ()
    what = ("--quiet", "--no-verify", "--allow-empty", "-m", "Everything as it was downloaded")
    output(root, *identity, "commit", *what, env=ALWAYS)
    files = porcelain.counted(output(root, "ls-files", "-z").count("\0"), "file")
    return f"{root} is a git repository now: {files} in one commit on branch {state(root, FOLDER).branch}."


def _needs_repository(root: Path) -> bool:
    code, top, err = run(root, "rev-parse", "--show-toplevel")
    if code and not porcelain.is_nowhere(err):
        raise PolecatsError(porcelain.refusal(str(root), err))
    if code or same(top, root):
        return bool(code)
    if output(root, "ls-files", "--", "."):
        raise enclosed(root, top)
    return True


def git_version() -> tuple[int, ...]:
    """Git's version. Raises `PolecatsError` where there is no git."""
    return porcelain.version(output(Path.cwd(), "--version"))
