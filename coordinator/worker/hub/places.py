"""Where a loader's files of the Hub are: in the cache, on their way there, or to be streamed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Literal

from ...disk import DiskError
from ..streams.telling import telling
from .filling import Fetch, Filling
from .remote_file import RemoteFile
from .store import Store

MOST_OPEN = 64
"""Whole files that are open at once."""
Streamed = Literal["streamed"]


class WholeFile:
    """A file of the cache, open, which no process removes meanwhile. Raises `OSError`."""

    def __init__(self, path: Path, in_use: AbstractContextManager[None]) -> None:
        self._handle = os.open(path, os.O_RDONLY)
        self._held = ExitStack()
        self._held.callback(os.close, self._handle)
        self._held.enter_context(in_use)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`."""
        return os.pread(self._handle, end - start, start)

    def close(self) -> None:
        """Whoever needs room may remove it now."""
        self._held.close()


class Places:
    """Where each of `files` is. Those in `keep` go through the cache, if they are not there yet, in their order and no
    more than `ahead` bytes before the one that is read; others are streamed.

    One thread reads; `take` and what it gives are for any number. `change` is notified when bytes have come.
    `otherwise` brings a whole file into the cache in another way than by its blocks.
    """

    def __init__(
        self,
        files: Sequence[RemoteFile],
        revision: str,
        keep: Collection[RemoteFile],
        ahead: int,
        store: Store,
        fetch: Fetch,
        change: threading.Condition,
        otherwise: Callable[[RemoteFile], object] | None = None,
    ) -> None:
        self.files, self._revision, self._keep, self._ahead = list(files), revision, frozenset(keep), ahead
        self._store, self._fetch, self._change, self._otherwise = store, fetch, change, otherwise
        self.warn: Callable[[str], None] = lambda sentence: None
        """Takes a sentence for the user."""
        self.ends_first = False
        """Whether the end of each file is read next, before all else."""
        self._at = 0
        self._closed = False
        self._opening = threading.RLock()
        self._places: dict[RemoteFile, WholeFile | Filling | Streamed] = {}
        self._there = set[RemoteFile]()
        """Files that are known to be whole, in the cache, and are not open."""
        self._came = set[RemoteFile]()
        """Files that were not in the cache when they were first asked for."""

    def take(self) -> Callable[[], None] | None:
        """See `Feed.take`."""
        return None if self._closed or not self._keep else self._fill()

    def _fill(self) -> Callable[[], None] | None:
        """The next block of a file that goes into the cache, in the order in which they are read."""
        ahead = 0
        for file in self.files[self._at :]:
            if file not in self._keep or file in self._there:
                continue
            place = self._places.get(file)
            if place is None or (isinstance(place, Filling) and place.whole is not None):
                return partial(self._look_ahead, file)
            if isinstance(place, Filling) and (work := place.take(self.ends_first)) is not None:
                return work
            ahead += file.size
            if ahead >= self._ahead:
                return None
        return None

    def _look_ahead(self, file: RemoteFile) -> None:
        """Begin to fill the cache with a file, or know that it is there; nothing stays open that is not read yet."""
        if not self._opening.acquire(blocking=False):
            return  # somebody is at it
        try:
            place = self._places.get(file)
            if isinstance(place, Filling) and place.whole is not None:
                self._there.add(file)
                if not self._is_read(file):
                    place.close()
                    del self._places[file]
            elif place is None and self._store.find(file) is not None:
                self._there.add(file)
            else:
                self._place(file)
        finally:
            self._opening.release()

    def _is_read(self, file: RemoteFile) -> bool:
        """Whether the reader may be at the file now: each may be while ends are read."""
        return self.ends_first or self.files[self._at] == file

    def read_at(self, file: RemoteFile) -> WholeFile | Filling | Streamed:
        """Where a file is that is read now: the whole of it, what fills it, or that it is streamed."""
        if not self.ends_first and file in self.files:
            self._at = self.files.index(file)
        return self._place(file)

    def was_here(self, file: RemoteFile) -> bool:
        """Whether the cache had the file before."""
        return file not in self._came

    def fall_back(self, file: RemoteFile, error: DiskError) -> None:
        """The disk takes no more of a file: what is left of it, and of the others, is streamed."""
        self._give_up(error)
        place = self._places[file]
        self._places[file] = "streamed"
        if isinstance(place, Filling):
            place.close()

    def _place(self, file: RemoteFile) -> WholeFile | Filling | Streamed:
        with self._opening:
            place = self._places.get(file)
            if place is None and not self._closed:
                place = self._places[file] = self._opened(file)
            if isinstance(place, Filling) and place.whole is not None:
                place.close()
                place = self._places[file] = self._whole(file) or "streamed"
            return "streamed" if place is None else place

    def _opened(self, file: RemoteFile) -> WholeFile | Filling | Streamed:
        whole = self._whole(file)
        if whole is not None:
            return whole
        if file not in self._keep or not self._store.make_room(file.size):
            return "streamed"
        self._came.add(file)
        if self._otherwise is not None:
            with telling(file.place):
                self._otherwise(file)
            return self._whole(file) or "streamed"
        try:
            return Filling(file, self._store, self._fetch, self._change, self._revision)
        except OSError as error:
            self._give_up(error)
            return "streamed"

    def _whole(self, file: RemoteFile) -> WholeFile | None:
        path = self._store.find(file)
        try:
            whole = WholeFile(path, self._store.in_use(file)) if path else None
        except OSError:
            return None  # it has just gone
        opened = [one for one, place in self._places.items() if isinstance(place, WholeFile)]
        if whole is not None and len(opened) >= MOST_OPEN:
            place = self._places.pop(opened[0])
            assert isinstance(place, WholeFile)
            place.close()
        return whole

    def _give_up(self, error: OSError) -> None:
        """The cache cannot be written: from here on nothing more goes into it."""
        if self._keep:
            self._keep = frozenset()
            why = error.sentence if isinstance(error, DiskError) else str(error)
            self.warn(f"the cache takes no more ({why}); the rest is streamed and not retained")

    def streams(self, file: RemoteFile) -> bool:
        """Whether the file is neither in the cache nor on its way there."""
        place = self._places.get(file)
        if place is not None:
            return place == "streamed"
        kept = file in self._keep and file.size <= self._store.limit
        return not kept and self._store.find(file) is None

    @property
    def missing(self) -> int:
        """Bytes of the files that go through the cache that are not there, from the one that is read on."""
        return sum(self._missing(file) for file in self.files[self._at :] if file in self._keep)

    def _missing(self, file: RemoteFile) -> int:
        place = self._places.get(file)
        if place is None:
            return 0 if self._store.find(file) else file.size
        return place.missing if isinstance(place, Filling) else 0

    def settle(self, wait: Callable[[], None]) -> None:
        """Return once every file that was read through the cache is whole and checked. Raises `SourceError`, and what
        `wait` does; that waits a little for a change."""
        for file, place in list(self._places.items()):
            try:
                while isinstance(place, Filling) and not place.settled():
                    wait()
            except DiskError as error:
                self._give_up(error)
            self._place(file)

    def close(self) -> None:
        """Nothing more is fetched or read."""
        with self._opening:
            self._closed = True
            for place in self._places.values():
                if not isinstance(place, str):
                    place.close()
