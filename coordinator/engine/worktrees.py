"""A checkout a track, on a branch of its own.

One law: whatever stands in a checkout stays. Nothing is forced, nothing of a user's is deleted; what is in the way
is renamed, and said.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import PolecatsError
from ..paths import NAME
from . import porcelain
from .porcelain import ALWAYS, State
from .porcelain import Worktree as Worktree
from .records import Records, filled, same, set_aside
from .repository import FOLDER, enclosed, ignore_checkouts, output, run, state

PATIENCE = 60.0

_in_process = threading.RLock()


class WorktreeManager:
    """The checkouts of one repository, in `worktrees/<track>`, each on branch `polecat/<track>`."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def ensure(self, track: str) -> Worktree:
        """A checkout that is ready to run: made, found or mended, and fast-forwarded where it has nothing of its own.

        Raises `PolecatsError`.
        """
        self._check_name(track)
        with self._alone():
            self._records.lead_home()
            self._check_place()
            main = self._main(track)
            ignore_checkouts(self.root)
            notes = self._stand(track, main)
            tree = self._describe(track, main)
            if tree.behind and not tree.ahead and not tree.dirty and tree.branch == f"polecat/{track}":
                tree = self._fast_forward(tree, main)
        return replace(tree, notes=(*notes, *tree.notes))

    def status(self, track: str) -> Worktree | None:
        """The checkout as it is, or None; changes nothing."""
        there = self._records.joined(self._folder(track))
        return self._describe(track, self._main(track)) if there else None

    def fault(self, track: str) -> str | None:
        """What `ensure` has to mend before the checkout can be used, in words, or None; changes nothing."""
        folder = self._folder(track)
        if self._records.half_made(folder):
            return "is half made: git was ended while it made it"
        if self._records.joined(folder):
            lost = self._records.lost(folder)
            return f"is unusable: git has lost {', '.join(lost)} of it" if lost else None
        if not filled(folder) and not folder.is_file():
            return "is gone, and git still has a record of it" if self._records.of(folder) else None
        if self._records.fit_for(folder):
            return "is cut off from git's record of it: the repository was moved or copied, or its .git file is gone"
        return "is no checkout of this repository: it will be renamed, and nothing in it changed"

    def main(self) -> State:
        """The root's commit and branch, and what is uncommitted in the tracks there; changes nothing."""
        _ = self._records  # a root that is no repository of its own is told of
        return self._main("")

    def diff(self, track: str, most: int = 200_000) -> str:
        """What is not committed in a track's checkout, as text, cut behind `most` characters; changes nothing."""
        limit = ("-c", "core.bigFileThreshold=512k")  # larger files are said to differ, not read
        text = output(self._folder(track), *limit, "diff", "--no-color", "--no-ext-diff", "--no-textconv", "HEAD", "--")
        return text[:most]

    def list(self) -> list[Worktree]:
        """All checkouts of tracks as they are, by name; changes nothing."""
        names = {home.name for home in self._records.homes() if same(home.parent, self.root / FOLDER)}
        return [tree for name in sorted(filter(NAME.fullmatch, names)) if (tree := self.status(name))]

    @cached_property
    def _records(self) -> Records:
        """Asked for first by every public method: a root that is no repository is told of before anything is done."""
        top, _, common = output(self.root, "rev-parse", "--show-toplevel", "--git-common-dir").rpartition("\n")
        if not same(top, self.root):
            raise enclosed(self.root, top)
        return Records(self.root / common)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Git fails now and then when two `worktree` commands change its records at the same time."""
        lock = self._records.folder.parent / "polecats.lock"
        try:
            with _in_process, FileLock(lock, timeout=PATIENCE, poll_interval=0.01):
                yield
        except Timeout:
            raise PolecatsError(f"Another polecats has held {lock} for {PATIENCE:.0f} s; try again.") from None
        except OSError as error:
            raise PolecatsError(f"The checkouts cannot be written: {error.strerror} ({error.filename}).") from None

    def _check_name(self, track: str) -> None:
        if not NAME.fullmatch(track):  # which is also the name of a branch
            raise PolecatsError(f"{track!r} is no name for a track: lower-case letters, digits, _ and - only.")

    def _check_place(self) -> None:
        """A checkout holds a `worktrees` folder like any other; nothing is made in that one."""
        home = self.root.parent.parent
        if self.root.parent.name == FOLDER and any(same(entry.path, home) for entry in self._entries()):
            raise PolecatsError(f"{self.root} is the checkout of a track; run this in {home}.")

    def _check_home(self, folder: Path) -> None:
        """A configuration can send git to other files than those that stand in the checkout."""
        top = output(folder, "rev-parse", "--show-toplevel")
        if not same(top, folder):
            what = f"git config there takes the files of {folder} to be in {top}; if that is a mistake"
            raise PolecatsError(f"{what}: git -C {shlex.quote(str(folder))} config --worktree --unset core.worktree")

    def _main(self, track: str) -> State:
        """The root's commit and branch, and what is uncommitted in the track there."""
        main = state(self.root, f"tracks/{track}")
        if main.commit is None:
            raise PolecatsError(f"{self.root} has no commit to make checkouts from: `polecats init` makes the first.")
        return main

    def _folder(self, track: str) -> Path:
        return self.root / FOLDER / track

    def _entries(self) -> tuple[porcelain.Entry, ...]:
        return porcelain.worktrees(output(self.root, "worktree", "list", "--porcelain"))

    def _stand(self, track: str, main: State) -> tuple[str, ...]:
        """A checkout stands in the track's folder when this returns; says what that took."""
        folder, branch = self._folder(track), f"polecat/{track}"
        notes = self._clear_half_made(folder)
        if self._records.joined(folder):
            return (*notes, *self._complete(folder, branch))
        if os.path.lexists(folder):
            if self._rejoin(folder):
                return (*notes, f"{folder} is registered with git again; what was in it is kept")
            notes += set_aside(folder)
        notes += self._forget(folder, branch)
        known = not run(self.root, "show-ref", "--verify", "--quiet", f"refs/heads/{branch}")[0]
        new, start = ((), branch) if known else (("--no-track", "-b", branch), str(main.commit))
        output(self.root, "worktree", "add", "--quiet", *new, "--", folder, start, env=ALWAYS)
        return notes

    def _complete(self, folder: Path, branch: str) -> tuple[str, ...]:
        """Make what a record has lost; without an index, git takes every file for a new one."""
        lost = self._records.lost(folder)
        if "HEAD" in lost:
            self._records.put_on(folder, branch)
        if "index" in lost:
            output(folder, "reset", "--quiet", env=ALWAYS)
        return (f"git had lost {', '.join(lost)} of {folder}; made again, and what was in it is kept",) if lost else ()

    def _clear_half_made(self, folder: Path) -> tuple[str, ...]:
        if not self._records.half_made(folder):
            return ()
        output(self.root, "worktree", "unlock", "--", folder, env=ALWAYS)
        return set_aside(folder) if os.path.lexists(folder) else ()

    def _rejoin(self, folder: Path) -> bool:
        """Mend what a move or a copy of the repository, or a deleted `.git` file, has cut."""
        record = self._records.fit_for(folder)
        if record is None:
            return False
        (folder / ".git").write_text(f"gitdir: {record}\n", errors="surrogateescape")
        output(self.root, "worktree", "repair", "--", folder, env=ALWAYS)
        return self._records.joined(folder)

    def _forget(self, folder: Path, branch: str) -> tuple[str, ...]:
        """Drop records that keep the place or the branch, but have no folder.

        One by one: `prune` would drop those of folders on a disk that is not mounted, too.
        """
        kept = [entry for entry in self._entries() if entry.branch == branch or same(entry.path, folder)]
        for entry in kept:
            if (Path(entry.path) / ".git").is_dir() or self._records.joined(entry.path):
                raise PolecatsError(f"{branch} is checked out at {entry.path}: switch that to another branch.")
            if entry.locked is not None:
                where = shlex.quote(entry.path)
                raise PolecatsError(f"{entry.path} is gone, but locked; to let it go: git worktree unlock {where}")
            for record in self._records.of(entry.path):
                self._records.point(record, folder)  # in a copied repository it names a folder of the original
                output(self.root, "worktree", "remove", "--", folder, env=ALWAYS)
        return tuple(f"the checkout at {entry.path} was gone; {branch} is checked out again" for entry in kept)

    def _describe(self, track: str, main: State) -> Worktree:
        folder = self._folder(track)
        self._check_home(folder)
        at = state(folder)
        sides = f"{main.commit}...{at.commit or main.commit}"
        behind, ahead = porcelain.left_right(output(folder, "rev-list", "--left-right", "--count", sides, "--"))
        return porcelain.worktree(track, folder, at, main, (ahead, behind))

    def _fast_forward(self, tree: Worktree, main: State) -> Worktree:
        options = ("--ff-only", "--no-verify-signatures", "--no-overwrite-ignore", "--quiet")
        code, _, err = run(tree.path, "merge", *options, str(main.commit), env=ALWAYS)
        said = f" failed: {porcelain.complaint(err)}" if code else f"ed by {porcelain.counted(tree.behind, 'commit')}"
        now = self._describe(tree.track, main)
        return replace(now, notes=(*now.notes, f"fast-forward{said}"))
