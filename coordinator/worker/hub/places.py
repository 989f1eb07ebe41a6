"""Where a loader's files of the Hub are: in the cache, on their way there, or to be streamed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ...disk import DiskError
from ..failures import SourceError
from ..gate import Interrupted
from ..streams.telling import telling
from .filling import Filling
from .ranges import Fetch
from .remote_file import RemoteFile

if TYPE_CHECKING:
    from .access import Hub

MOST_OPEN = 64
"""Whole files that are open at once."""
Streamed = Literal["streamed"]


class WholeFile:
    """A file of the cache, open, which no process removes meanwhile. Raises `OSError`."""

    def __init__(self, path: Path, in_use: AbstractContextManager[None]) -> None:
        self._path, self._handle = path, os.open(path, os.O_RDONLY)
        self._held = ExitStack()
        self._held.callback(os.close, self._handle)
        self._held.enter_context(in_use)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`. Raises `OSError`."""
        data = os.pread(self._handle, end - start, start)
        if len(data) < end - start:
            raise OSError(f"{self._path} was cut short while it was read")
        return data

    def close(self) -> None:
        """Whoever needs room may remove it now."""
        self._held.close()


class Places:
    """Where each of `files` is. Those in `keep` go through the cache, if they are not there yet, in their order and no
    more than `ahead` bytes before the one that is read; others are streamed.

    One thread reads; `take` and what it gives are for any number. `change` is notified when bytes have come.
    """

    def __init__(
        self,
        hub: Hub,
        files: Sequence[RemoteFile],
        revision: str,
        keep: Collection[RemoteFile],
        ahead: int,
        fetch: Fetch,
        change: threading.Condition,
    ) -> None:
        self.files, self._revision, self._keep, self._ahead = list(files), revision, frozenset(keep), ahead
        self._hub, self._store, self._fetch, self._change = hub, hub.store, fetch, change
        self._numbers = {file: number for number, file in enumerate(self.files)}
        self.warn: Callable[[str], None] = lambda sentence: None
        """Takes a sentence for the user."""
        self.refusal: OSError | None = None
        """Why the cache takes no more."""
        self.ends_first = False
        """Whether the end of each file is read next, before all else."""
        self._at = 0
        self._closed = False
        self._opening = threading.RLock()
        self._looking = False
        """Whether a thread looks ahead: one at a time does, as it may check what an earlier process left."""
        self._places: dict[RemoteFile, WholeFile | Filling | Streamed] = {}
        self._there = set[RemoteFile]()
        """Files that are known to be whole, in the cache, and are not open."""
        self._came = set[RemoteFile]()
        """Files that were not in the cache when they were first asked for."""

    def take(self) -> Callable[[], None] | None:
        """See `Feed.take`."""
        return None if self._closed else self._fill() or self._complete()

    def _fill(self) -> Callable[[], None] | None:
        """The next block of a file that goes into the cache, in the order in which they are read."""
        ahead = 0
        for file in self.files[self._at :]:
            place = self._places.get(file)
            if place is None and file not in self._keep:
                continue
            if file not in self._there:
                if place is None or (isinstance(place, Filling) and place.whole is not None):
                    return self._look(file)
                if isinstance(place, Filling) and (work := place.take(self.ends_first)) is not None:
                    return work
            ahead += file.size
            if ahead >= self._ahead:
                return None
        return None

    def _complete(self) -> Callable[[], None] | None:
        """The next block of a file that the reader is through with, having left out some of its bytes."""
        filling = (place for place in list(self._places.values()) if isinstance(place, Filling))
        return None if self.ends_first else next(filter(None, (place.take() for place in filling)), None)

    def _look(self, file: RemoteFile) -> Callable[[], None] | None:
        with self._change:
            if self._looking:
                return None
            self._looking = True
        return partial(self._look_ahead, file)

    def _look_ahead(self, file: RemoteFile) -> None:
        """Begin to fill the cache with a file, or know that it is there; nothing stays open that is not read yet."""
        try:
            with self._opening:
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
        except (SourceError, Interrupted):  # `hf_xet` alone raises it
            self._places[file] = "streamed"
        finally:
            self._looking = False
            self._hub.wake()

    def _is_read(self, file: RemoteFile) -> bool:
        """Whether the reader may be at the file now: each may be while ends are read."""
        return self.ends_first or self.files[self._at] == file

    def read_at(self, file: RemoteFile) -> WholeFile | Filling | Streamed:
        """Where a file is that is read now: the whole of it, what fills it, or that it is streamed."""
        if not self.ends_first:
            self._at = self._numbers.get(file, self._at)
        return self._place(file)

    def was_here(self, file: RemoteFile) -> bool:
        """Whether the cache had the file before."""
        return file not in self._came

    def fall_back(self, file: RemoteFile, error: OSError) -> None:
        """The disk does not serve a file: what is left of it, and of those that are not begun, is streamed."""
        self._give_up(error)
        place = self._places[file]
        self._places[file] = "streamed"
        if not isinstance(place, str):
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
        if file not in self._keep:
            return "streamed"
        self._there.discard(file)
        try:
            if not self._store.make_room(file.size, file):
                return "streamed"
            self._came.add(file)
            if self._hub.otherwise is not None:
                with telling(file.place):
                    self._hub.otherwise(file)
                return self._whole(file) or "streamed"
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
            place = self._places.pop(next(one for one in opened if one != self.files[self._at]))
            assert isinstance(place, WholeFile)
            place.close()
        return whole

    def _give_up(self, error: OSError) -> None:
        """The cache cannot be written: from here on nothing more goes into it."""
        if self._keep:
            self._keep, self.refusal = frozenset(), error
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
        """Bytes that are not there of the files that go through the cache: of those begun, and of those to come."""
        begun = sum(place.missing for place in list(self._places.values()) if isinstance(place, Filling))
        return begun + sum(file.size for file in self.files[self._at :] if self._is_absent(file))

    def _is_absent(self, file: RemoteFile) -> bool:
        known = file in self._there or file in self._places
        return file in self._keep and not known and self._store.find(file) is None

    def settle(self, wait: Callable[[], None]) -> None:
        """Return once every file that was read through the cache is whole and checked. Raises `SourceError`, and what
        `wait` does; that waits a little for a change."""
        for file, place in list(self._places.items()):
            try:
                while isinstance(place, Filling) and not place.settled():
                    wait()
            except OSError as error:
                self._give_up(error)
            self._place(file)

    def close(self) -> None:
        """Nothing more is fetched or read."""
        with self._opening:
            self._closed = True
            for place in self._places.values():
                if not isinstance(place, str):
                    place.close()
