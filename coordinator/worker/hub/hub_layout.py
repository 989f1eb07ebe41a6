"""The layout of huggingface_hub's cache: where a file of a dataset repository stands in it, and how it gets there.

    <hub>/.locks/datasets--org--name/<etag>.lock
    <hub>/datasets--org--name/blobs/<etag>
                              snapshots/<commit>/<path> -> ../../blobs/<etag>
                              refs/<revision>

Names come from a server: none of them leads out of its folder.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from ...disk import DiskError, removed_on_error

PREFIX = "datasets--"
SHORT = 0.05
"""Seconds that are waited for a lock where others go first."""
_WORD = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_REPO = re.compile(rf"{_WORD.pattern}(/{_WORD.pattern})?")
_HEX = re.compile(r"[0-9a-f]{8,128}")
_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n# A cache directory of huggingface_hub: backups may leave it out.\n"
)
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP})


def blob_name(etag: str) -> str:
    """What a blob is called: its ETag if that is a hex word, as the Hub's are, else the SHA-256 of that."""
    return etag if _HEX.fullmatch(etag) else hashlib.sha256(etag.encode(errors="replace")).hexdigest()


def is_whole(path: Path, size: int) -> bool:
    """Whether a file of `size` bytes is there, maybe behind links. Raises `OSError` where it cannot be known."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size


def written(path: Path) -> int:
    """When the plain file at `path` was written, in nanoseconds since the epoch; 0 where there is none."""
    with suppress(OSError):
        found = os.lstat(path)
        return found.st_mtime_ns if stat.S_ISREG(found.st_mode) else 0
    return 0


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder of one repository. Methods raise `OSError`, also where a name would lead out of it."""

    hub: Path
    folder: str

    @staticmethod
    def of(hub: Path, repo: str) -> Layout:
        """The folder of the dataset repository `org/name`."""
        folder = PREFIX + repo.replace("/", "--")
        if not _REPO.fullmatch(repo) or "--" in repo:
            raise _unfit(hub / folder)
        return Layout(hub, folder)

    @property
    def base(self) -> Path:
        """All of the repository."""
        return self.hub / self.folder

    def blob(self, name: str) -> Path:
        """Where the bytes stand."""
        return self.base / "blobs" / name

    def staged(self, name: str) -> Path:
        """Where a blob waits for its name, called as huggingface_hub calls what is not whole."""
        return self.base / "blobs" / f"{name}.polecats.incomplete"

    def pointer(self, commit: str, path: str) -> Path:
        """Where a file of a commit stands by its name."""
        snapshot = self.base / "snapshots" / commit
        if not _WORD.fullmatch(commit):
            raise _unfit(snapshot)
        return _within(snapshot, path)

    def ref(self, revision: str) -> Path:
        """Holds the commit that a branch or tag stands for."""
        return _within(self.base / "refs", revision)

    @contextmanager
    def locked(self, name: str, wait: float) -> Iterator[bool]:
        """huggingface_hub's lock on a blob; whether it was to be had within `wait` seconds."""
        from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

        path = self.hub / ".locks" / self.folder / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            try:
                held.enter_context(WeakFileLock(path, timeout=wait))
            except Timeout:
                had = False
            else:
                had = True
            yield had

    # --- putting in

    def stage(self, whole: Path, name: str) -> Path:
        """Move a file beside the place of its blob; from another disk it is copied, and stays there, too."""
        staged = self.staged(name)
        staged.parent.mkdir(parents=True, exist_ok=True)
        self._tag()
        try:
            os.replace(whole, staged)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            with removed_on_error(staged):
                _copy(whole, staged)
        return staged

    def _tag(self) -> None:
        """Mark the cache for backups, as huggingface_hub does."""
        with suppress(OSError), (self.hub / "CACHEDIR.TAG").open("x") as tag:
            tag.write(_TAG)

    def point(self, pointer: Path, name: str) -> bool:
        """Let `pointer` lead to a blob; False where the file system has no symbolic links."""
        target = os.path.relpath(self.blob(name), pointer.parent)
        for last in (False, True):
            pointer.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.symlink(target, pointer)
            except FileExistsError:
                if leads_to(pointer, name):
                    return True
                pointer.unlink(missing_ok=True)
            except OSError as error:
                if error.errno in _NO_LINKS:
                    return False
                if last or error.errno != errno.ENOENT:  # else its folder has just been removed for being empty
                    raise
            else:
                return True
        return leads_to(pointer, name)

    def refer(self, ref: Path, commit: str) -> None:
        """Let a revision stand for a commit."""
        ref.parent.mkdir(parents=True, exist_ok=True)
        beside = ref.with_name(f"{ref.name}.{uuid.uuid4().hex[:8]}.tmp")
        with removed_on_error(beside):
            beside.write_text(commit)
            os.replace(beside, ref)

    # --- looking, taking out

    def pointers_to(self, name: str) -> set[Path]:
        """All pointers that lead to a blob, whoever made them."""
        return {Path(link) for link in _links(self.base / "snapshots") if leads_to(link, name)}

    def tidy(self, pointers: Iterable[Path]) -> None:
        """Remove folders that have become empty with these pointers, and what the repository has no more need of.

        Nothing goes while a download is in progress, which has made its folders and comes back to them.
        """
        if any(name.endswith(".incomplete") for name in _names(self.base / "blobs")):
            return
        snapshots = self.base / "snapshots"
        for pointer in pointers:
            snapshot = snapshots / pointer.relative_to(snapshots).parts[0]
            _remove_empty(folder for folder in pointer.parents if folder.is_relative_to(snapshot))
            if not snapshot.exists():
                self._drop_refs(snapshot.name)
        _remove_empty([self.base / "blobs", *_folders(self.base / "refs")])
        if {*_names(self.base)} <= {"snapshots"}:  # where anything else is left, huggingface_hub looks for this folder
            _remove_empty([snapshots, self.base])

    def _drop_refs(self, commit: str) -> None:
        """A revision must not stand for a commit that is not there."""
        for folder, _, files in os.walk(self.base / "refs"):
            for path in (Path(folder, entry) for entry in files):
                with suppress(OSError, ValueError):
                    if path.read_text() == commit:
                        path.unlink()


def leads_to(pointer: str | Path, name: str) -> bool:
    """Whether `pointer` is a link to the blob of that name."""
    with suppress(OSError):
        return os.path.basename(os.readlink(pointer)) == name
    return False


def _within(folder: Path, path: str) -> Path:
    """A path below a folder, by its steps alone."""
    steps = path.split("/")
    if {"", ".", ".."} & set(steps) or "\0" in path or not _is_text(path):
        raise _unfit(folder / repr(path))
    return folder.joinpath(*steps)


def _is_text(path: str) -> bool:
    try:
        return bool(os.fsencode(path))
    except UnicodeEncodeError:
        return False


def _unfit(path: Path) -> DiskError:
    return DiskError(OSError(errno.EINVAL, "a name of the Hub's does not fit into the cache"), path)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb") as copied:
        os.fsync(copied.fileno())


def _names(folder: Path) -> list[str]:
    with suppress(OSError):
        return os.listdir(folder)
    return []


def _links(folder: str | Path) -> Iterator[str]:
    """All symbolic links below a folder."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_symlink():
                    yield entry.path
                elif entry.is_dir(follow_symlinks=False):
                    yield from _links(entry.path)
    except FileNotFoundError:
        return


def _folders(folder: Path) -> list[Path]:
    """A folder and those below it, the deepest first."""
    return [Path(found) for found, _, _ in os.walk(folder, topdown=False)]


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
