"""The cache of the Hub's files on this disk: found, taken in whole, kept below a limit; all tracks share it.

Files stand in huggingface_hub's own layout, so that what either brought serves both. Records of what is polecats',
parts of files, and small facts stand in a folder of our own:

    <own>/files/<repository>--<etag>.jsonl    see retained.py; its time is that of the last use
    <own>/parts/<repository>--<etag>.*        a file on its way
    <own>/facts/<kind>--<key>                 see facts.py

What is used least recently goes first. Processes that ask for room at the same moment may exceed the limit by a file
each; the next one that looks puts that right.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ...disk import DiskError, naming, removed_on_error, unwritable
from .facts import Facts
from .hub_layout import SHORT, Layout, blob_name, is_whole, leads_to, written
from .remote_file import RemoteFile
from .retained import ABOUT, RECORD, Entry, Parts, Retained, WholeFile, lines_of, listed, note, touch
from .soundness import Soundness

PATIENCE = 3.0
"""Seconds that a whole file waits for huggingface_hub's lock; its place is taken at once, with the lock or without."""

SPARE = 100
"""Of what is free a hundredth is given away before all that is there is looked at again: many files may be small."""


class Store:
    """The cache. `hub` is huggingface_hub's folder, `own` that of polecats; neither need be there."""

    def __init__(self, limit: int, hub: Path, own: Path) -> None:
        self.limit = limit
        """Bytes of polecats' own; 0: nothing is kept, but what is there is used."""
        self.hub, self.own = hub, own
        self._facts = Facts(own / "facts")
        self._soundness = Soundness(self._facts)
        self._spare = 0
        """Bytes that may be kept without another look."""

    @classmethod
    def usual(cls, limit: int) -> Store:
        """Where the environment puts huggingface_hub's caches."""
        from huggingface_hub import constants

        own = Path(constants.HF_ASSETS_CACHE).expanduser() / "polecats"
        return cls(limit, Path(constants.HF_HUB_CACHE).expanduser(), own)

    # --- finding

    def find(self, file: RemoteFile) -> Path | None:
        """The whole file, if it is there, by its size and what `Soundness` knows; it counts as used."""
        with suppress(OSError):
            return self._find(file)
        return None

    def _find(self, file: RemoteFile) -> Path | None:
        layout, name = Layout.of(self.hub, file.repo), blob_name(file.etag)
        pointer = layout.pointer(file.commit, file.path)
        if self._is_it(pointer, file) and (not pointer.is_symlink() or leads_to(pointer, name)):
            found = pointer
        elif self._is_it(layout.blob(name), file):
            found = self._named(layout, file, pointer)
        else:
            return None
        touch(self._record(file))
        return found

    def _is_it(self, path: Path, file: RemoteFile) -> bool:
        """Ours was checked before it got its place; if it was not written since, it is as it was."""
        if not is_whole(path, file.size):
            return False
        ours = {line.written for line in lines_of(self._record(file))}
        return written(Path(os.path.realpath(path))) in ours or self._soundness.holds(path, file)

    def _named(self, layout: Layout, file: RemoteFile, pointer: Path) -> Path:
        """The pointer of this commit to a blob that another one brought; the blob itself where none can be made."""
        name = blob_name(file.etag)
        with suppress(OSError), layout.locked(name, SHORT) as had:
            if had:
                self._note_if_ours(layout, file)
                if layout.point(pointer, name):
                    return pointer
        return layout.blob(name)

    @contextmanager
    def in_use(self, file: RemoteFile) -> Iterator[None]:
        """While the block runs, no process takes the file out of the cache."""
        with ExitStack() as held:
            with suppress(OSError):
                handle = os.open(self._record(file), os.O_RDONLY)
                held.callback(os.close, handle)
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            yield

    # --- putting in

    def parts_of(self, file: RemoteFile) -> Path:
        """The stem of the files in which one is filled; their folder is made. Raises `DiskError`."""
        Layout.of(self.hub, file.repo).pointer(file.commit, file.path)  # else it would be refused in the end
        if why := unwritable(self.hub):
            raise DiskError(why, self.hub)
        with naming(self._stem(file)):
            if not lines_of(self._about(file)):
                note(self._about(file), file, 0)
        return self._stem(file)

    def make_room(self, size: int, of: RemoteFile | None = None) -> bool:
        """Whether a file of `size` bytes may be kept, besides all that is; what was not used for longest goes.

        `of`: the file; what there is of it already is within its size, and stays.
        """
        if not self.limit or size > self.limit:
            return False
        if size <= self._spare:
            self._spare -= size
            return True
        own = self._stem(of) if of else None
        kept = [item for item in self.retained() if not (isinstance(item, Parts) and item.stem == own)]
        over = sum(item.size for item in kept) + size - self.limit
        for item in sorted(kept, key=lambda item: item.used):
            if over <= 0:
                break
            if (freed := item.size) and item.remove() != "in use":
                over -= freed
        self._spare = max(0, -over) // SPARE
        return over <= 0

    def take_in(self, file: RemoteFile, whole: Path, revision: str = "") -> Path:
        """Move a whole, verified file into the cache; where it stands there. `revision` is what stood for its commit.

        Raises `DiskError`.
        """
        layout, name = Layout.of(self.hub, file.repo), blob_name(file.etag)
        pointer, blob = layout.pointer(file.commit, file.path), layout.blob(name)
        with naming(blob, file.size), layout.locked(name, PATIENCE):
            if self._is_it(blob, file):
                self._note_if_ours(layout, file)
            else:
                self._place(layout, file, whole)
            found = blob
            with suppress(OSError):  # then it is found as a blob
                found = pointer if layout.point(pointer, name) else self._plain(file, blob, pointer)
        with suppress(OSError):
            whole.unlink(missing_ok=True)
            self._about(file).unlink(missing_ok=True)
            self._refer(layout, file, revision)
        return found

    def _place(self, layout: Layout, file: RemoteFile, whole: Path) -> None:
        """The record goes first: a blob without one would never be taken out again."""
        name = blob_name(file.etag)
        if not is_whole(whole, file.size):
            raise OSError(errno.EINVAL, f"{whole} is not the whole file")
        with removed_on_error(layout.staged(name)):
            staged = layout.stage(whole, name)
            note(self._record(file), file, written(staged))
            os.replace(staged, layout.blob(name))

    def _plain(self, file: RemoteFile, blob: Path, pointer: Path) -> Path:
        """Without links a file stands under its name, as huggingface_hub has it; one of others' stays where it is."""
        if written(blob) not in {line.written for line in lines_of(self._record(file))}:
            return blob
        os.replace(blob, pointer)
        return pointer

    def _note_if_ours(self, layout: Layout, file: RemoteFile) -> None:
        """A blob that polecats brought gets another name; that of one that we only found is not recorded."""
        mark = written(layout.blob(blob_name(file.etag)))
        if mark in {line.written for line in lines_of(self._record(file))}:
            note(self._record(file), file, mark)

    def _refer(self, layout: Layout, file: RemoteFile, revision: str) -> None:
        """A revision that others have given a commit keeps it: what they have of that may be all they need."""
        if revision in ("", file.commit):
            return
        ref, key = layout.ref(revision), f"{file.repo}@{revision}"
        present = ref.read_text() if ref.exists() else ""
        if present != file.commit and (not present or self.recall("ref", key) == present.encode()):
            layout.refer(ref, file.commit)
            self.remember("ref", key, file.commit.encode())

    # --- small facts

    def remember(self, kind: str, key: str, data: bytes) -> None:
        """Keep something small that is true for good, as a convenience; also where nothing else is kept."""
        self._facts.remember(kind, key, data)

    def recall(self, kind: str, key: str) -> bytes | None:
        """What was remembered, byte by byte, or nothing."""
        return self._facts.recall(kind, key)

    # --- for the command line

    def entries(self) -> list[Entry]:
        """What polecats has in the cache, whole or in parts."""
        return [item.entry for item in self._brought() if item.size]

    def clear(self, repos: Collection[str] = ()) -> list[Entry]:
        """Take out what is polecats' alone, of these repositories or of all; returns what went."""
        gone = []
        for item in self._brought():
            entry = item.entry
            if (not repos or entry.repo in repos) and item.remove() == "removed":
                gone.append(entry)
        if not repos:
            for fact in self._facts.all():
                fact.remove()
        return [entry for entry in gone if entry.size]

    # --- what there is

    def retained(self) -> list[Retained]:
        """All that counts, in no order."""
        return [*self._brought(), *self._facts.all()]

    def _brought(self) -> list[WholeFile | Parts]:
        return [*self._parts(), *self._files()]  # in this order: what is given its place meanwhile is in one of them

    def _files(self) -> list[WholeFile]:
        found = ((path, lines_of(path), status) for path, status in listed(self.own / "files").items())
        return [WholeFile(self.hub, path, lines, status.st_mtime) for path, lines, status in found if lines]

    def _parts(self) -> list[Parts]:
        stems: dict[Path, dict[Path, os.stat_result]] = {}
        for path, status in listed(self.own / "parts").items():
            stems.setdefault(path.with_suffix(""), {})[path] = status
        return [Parts(self.hub, stem, files) for stem, files in stems.items()]

    # --- names

    def _key(self, file: RemoteFile) -> str:
        return f"{Layout.of(self.hub, file.repo).folder}--{blob_name(file.etag)}"

    def _record(self, file: RemoteFile) -> Path:
        return self.own / "files" / (self._key(file) + RECORD)

    def _stem(self, file: RemoteFile) -> Path:
        return self.own / "parts" / self._key(file)

    def _about(self, file: RemoteFile) -> Path:
        return self.own / "parts" / (self._key(file) + ABOUT)
