"""Git's records of linked worktrees, read from its files: which folder is joined to which record.

A folder's `.git` file names a record below the repository's common folder, and the record's `gitdir` file names the
folder. Git's own list asks the record alone, and is wrong after a repository was moved or copied.
"""

from __future__ import annotations

import os
from pathlib import Path

HALF_MADE = "initializing"
"""Git's own lock on a worktree while `add` makes it; it is left over where that was killed."""


def same(one: str | Path, other: str | Path) -> bool:
    """Both are one place, links followed, there or not."""
    return os.path.realpath(one) == os.path.realpath(other)


def filled(folder: Path) -> bool:
    """A folder with something in it."""
    return folder.is_dir() and any(folder.iterdir())


def set_aside(folder: Path) -> tuple[str, ...]:
    """Free the place without deleting anything; says so, unless the folder is empty."""
    if folder.is_dir() and not folder.is_symlink() and not filled(folder):
        folder.rmdir()
        return ()
    names = (folder.with_name(f"{folder.name}.aside-{number}") for number in range(1, 10_000))
    free = next(name for name in names if not os.path.lexists(name))
    folder.rename(free)
    return (f"{folder} was no complete checkout of this repository; all of it is in {free.name} now",)


def named_by(folder: str | Path) -> Path | None:
    """The record that a folder names, in whatever repository, there or not."""
    try:
        key, _, record = (Path(folder) / ".git").read_text(errors="surrogateescape").partition(": ")
    except OSError:
        return None
    return Path(os.path.realpath(folder / Path(record.strip()))) if key == "gitdir" else None


def _text(file: Path) -> str:
    """What stands in a file of git's; nothing where it is not there."""
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""


def home_of(record: Path) -> Path | None:
    """The folder that a record names, there or not."""
    try:
        return (record / (record / "gitdir").read_text(errors="surrogateescape").strip()).parent
    except OSError:
        return None


class Records:
    """The records of one repository."""

    def __init__(self, common: Path) -> None:
        self.folder = common.resolve() / "worktrees"

    def homes(self) -> list[Path]:
        """Every folder that a record names."""
        return [home for record in self.folder.glob("*") if (home := home_of(record))]

    def of(self, folder: str | Path) -> list[Path]:
        """Records that name the folder."""
        return [record for record in self.folder.glob("*") if (home := home_of(record)) and same(home, folder)]

    def joined(self, folder: str | Path) -> bool:
        """Folder and record name each other."""
        return named_by(folder) in self.of(folder)

    def half_made(self, folder: str | Path) -> bool:
        """Whether git was ended while it made the folder: nobody can have worked there yet."""
        return any(_text(record / "locked") == HALF_MADE for record in self.of(folder))

    def lost(self, folder: str | Path) -> list[str]:
        """Files that git needs, and that the record of a joined folder no longer has."""
        record = named_by(folder)
        return [name for name in ("commondir", "HEAD", "index") if record and not _text(record / name)]

    def put_on(self, folder: str | Path, branch: str) -> None:
        """Make the record of a folder say that it stands on a branch."""
        record = named_by(folder)
        if record:
            (record / "HEAD").write_text(f"ref: refs/heads/{branch}\n")

    def lead_home(self) -> None:
        """Make every record say where its repository is; one that does not makes git refuse for all of them."""
        for record in self.folder.glob("*"):
            if record.is_dir() and not _text(record / "commondir"):
                (record / "commondir").write_text("../..\n")

    def fit_for(self, folder: Path) -> Path | None:
        """The record that a folder has lost, unless another folder uses it: then this one is a mere copy."""
        if (folder / ".git").is_dir() or not filled(folder):
            return None
        named = named_by(folder)
        lost = self.of(folder) or ([self.folder / named.name] if named else [])
        if not lost or not lost[0].is_dir():
            return None
        home = home_of(lost[0])
        in_use = home is not None and not same(home, folder) and named_by(home) == lost[0]
        return None if in_use else lost[0]

    def point(self, record: Path, folder: Path) -> None:
        """Make a record name a folder."""
        (record / "gitdir").write_text(f"{folder / '.git'}\n", errors="surrogateescape")
