"""What one loader reads of the Hub's files: from the cache, by way of it, or streamed, always ahead of the loader."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal

from ...disk import DiskError
from ..gate import Interrupted
from .filling import TAIL, Filling
from .meter import METER, Answer
from .ranges import Sink
from .remote_file import RemoteFile
from .spans import Range, gap_of, spans_of
from .window import Window

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from .access import Hub

LOOK = 0.05
"""Seconds between two looks at what another process brings, and at whether to stop."""
FEW_AHEAD = 2**28
"""Bytes that are fetched ahead for a loader whose turn has not come."""
Streamed = Literal["streamed"]


class Reading:
    """The files of one loader. Those in `keep` go through the cache, if they are not there yet; others are streamed.

    `warn` takes a sentence for the user. Reads are made by one thread; the rest is for any number.
    """

    def __init__(
        self, hub: Hub, files: Sequence[RemoteFile], revision: str, keep: Collection[RemoteFile], ahead: int
    ) -> None:
        self.warn: Callable[[str], None] = lambda sentence: None
        self.wire = self.cached = 0
        self.waited = 0.0
        """Seconds that the reader has waited for bytes."""
        self._hub, self._files, self._revision, self._keep = hub, list(files), revision, frozenset(keep)
        self._ahead = ahead
        self._change = threading.Condition()
        self._opening = threading.RLock()
        self._places: dict[RemoteFile, int | Filling | Streamed] = {}
        self._window: Window | None = None
        self._ranges: Iterator[Range] = iter(())
        self._step = -1
        self._expected = 0
        self._ends_first = False
        self._waiting = False
        self._closed = False
        self._at = 0
        self._held = ExitStack()
        self._came = set[RemoteFile]()
        """Files that were not in the cache when they were first asked for."""

    # --- what lanes fetch

    def take(self) -> Callable[[], None] | None:
        """See `Feed.take`."""
        if self._closed:
            return None
        if self._window is not None and (work := self._window.take()) is not None:
            return work
        return self._fill() if self._keep else None

    def _fill(self) -> Callable[[], None] | None:
        """The next block of a file that goes into the cache, in the order in which they are read."""
        ahead = 0
        for file in self._files[self._at :]:
            if file not in self._keep:
                continue
            place = self._places.get(file)
            if place is None:
                return lambda: self._open_ahead(file)
            if isinstance(place, Filling) and (work := place.take(self._ends_first)) is not None:
                return work
            ahead += file.size
            if ahead >= self._ahead:
                return None
        return None

    def _open_ahead(self, file: RemoteFile) -> None:
        if self._opening.acquire(blocking=False):  # else somebody is at it
            try:
                self._place(file)
            finally:
                self._opening.release()

    def _fetch(self, file: RemoteFile, start: int, end: int, take: Sink) -> None:
        """Bytes over the wire, counted."""
        answer = Answer(METER, lambda: self._waiting)

        def counted(chunk: bytes) -> None:
            take(chunk)
            self.wire += len(chunk)
            answer.add(len(chunk))

        self._hub.fetcher(file).fetch(start, end, counted)
        answer.settle()

    # --- where a file is

    def _place(self, file: RemoteFile) -> int | Filling | Streamed:
        """A descriptor of the whole file, what fills it, or that it is streamed."""
        with self._opening:
            place = self._places.get(file)
            if place is None and not self._closed:
                place = self._places[file] = self._opened(file)
            if isinstance(place, Filling) and place.whole is not None:
                place.close()
                place = self._places[file] = self._whole(file) or "streamed"
            return "streamed" if place is None else place

    def _opened(self, file: RemoteFile) -> int | Filling | Streamed:
        whole = self._whole(file)
        if whole is not None:
            return whole
        if file not in self._keep or not self._hub.store.make_room(file.size):
            return "streamed"
        self._came.add(file)
        try:
            return Filling(file, self._hub.store, self._fetch, self._change, self._revision)
        except OSError as error:
            self._give_up(error)
            return "streamed"

    def _whole(self, file: RemoteFile) -> int | None:
        path = self._hub.store.find(file)
        if path is None:
            return None
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError:
            return None  # it has just gone
        self._held.callback(os.close, handle)
        self._held.enter_context(self._hub.store.in_use(file))
        return handle

    def _give_up(self, error: OSError) -> None:
        """The cache cannot be written: from here on nothing more goes into it."""
        if self._keep:
            self._keep = frozenset()
            why = error.sentence if isinstance(error, DiskError) else str(error)
            self.warn(f"the cache takes no more ({why}); the rest is streamed and not retained")

    # --- reading

    def open(self, file: RemoteFile) -> RemoteIO:
        """The file for reading, seekable."""
        return RemoteIO(self, file)

    def expect_ends(self) -> None:
        """The end of each file is read next, before all else."""
        self.expect(Range(file, max(0, file.size - TAIL), file.size) for file in self._files if file.size)
        self._ends_first = True
        self._hub.wake()

    def expect(self, ranges: Iterator[Range], total: int = 0) -> None:
        """What is read from now on, in order, were everything streamed; `total` bytes, where that is known."""
        streams = any(self._streams(file) for file in self._files)
        self._ranges, self._expected = ranges, total if streams else 0
        self._step, self._ends_first = -1, False
        if streams:
            self._plan(lambda one: True)

    def _streams(self, file: RemoteFile) -> bool:
        """Whether the file is neither in the cache nor on its way there."""
        place = self._places.get(file)
        if place is not None:
            return place == "streamed"
        kept = file in self._keep and file.size <= self._hub.store.limit
        return not kept and self._hub.store.find(file) is None

    def _plan(self, ahead: Callable[[Range], bool]) -> None:
        ranges = (one for one in self._ranges if self._streams(one.file) and ahead(one))
        spans = spans_of(ranges, gap_of(self._hub.latency.seconds))
        self._window = Window(self._fetch, spans, self._change, self._hub.wake)
        self._window.passed(self._step)
        self._hub.wake()

    def passed(self, step: int) -> None:
        """See `Window.passed`."""
        self._step = step
        if self._window is not None:
            self._window.passed(step)

    def read(self, file: RemoteFile, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`. Raises `SourceError`, `Interrupted`."""
        end = min(end, file.size)
        if start >= end:
            return b""
        if file in self._files and not self._ends_first:
            self._at = self._files.index(file)
        place = self._place(file)
        if isinstance(place, Filling):
            try:
                self._hub.wake()
                data = place.read(start, end, self._wait)
                self.cached += len(data) if place.was_here(start) else 0
                return data
            except DiskError as error:
                place = self._fall_back(file, place, start, error)
        if isinstance(place, int):
            self.cached += end - start if file not in self._came else 0
            return os.pread(place, end - start, start)
        if self._window is None:
            self._plan(lambda one: True)
        assert self._window is not None
        return self._window.read(file, start, end, self._wait)

    def _fall_back(self, file: RemoteFile, filling: Filling, start: int, error: DiskError) -> Streamed:
        """The disk takes no more of a file: what is left of it, and of the others, is streamed."""
        self._give_up(error)
        filling.close()
        self._places[file] = "streamed"
        if self._window is None:
            self._plan(lambda one: one.file != file or one.end > start)
        return "streamed"

    def _wait(self) -> None:
        """Wait a little for bytes; `_change` is held. Raises `Interrupted` where it is time to stop."""
        began, self._waiting = time.monotonic(), True
        try:
            self._change.wait(LOOK)
        finally:
            self._waiting = False
            self.waited += time.monotonic() - began
        if self._hub.gate.stopping():
            raise Interrupted

    # --- its end

    @property
    def to_fetch(self) -> int:
        """Bytes that have to come over the wire, as far as that is known."""
        return self._expected + sum(self._missing(file) for file in self._files[self._at :] if file in self._keep)

    def _missing(self, file: RemoteFile) -> int:
        place = self._places.get(file)
        if place is None:
            return 0 if self._hub.store.find(file) else file.size
        return place.missing if isinstance(place, Filling) else 0

    @property
    def coming(self) -> bool:
        """Whether something is still to come over the wire."""
        return self.to_fetch > 0 or (self._window is not None and self._window.coming)

    def settle(self) -> None:
        """Return once every file that was read through the cache is whole and checked. Raises `SourceError`."""
        for file, place in list(self._places.items()):
            if not isinstance(place, Filling):
                continue
            self._hub.wake()
            try:
                while not place.settled():
                    with self._change:
                        self._wait()
            except DiskError as error:
                self._give_up(error)
            self._place(file)

    def close(self) -> None:
        """Nothing more is fetched for it."""
        with self._opening:
            self._closed = True
            for place in self._places.values():
                if isinstance(place, Filling):
                    place.close()
            self._held.close()


class RemoteIO(io.RawIOBase):
    """A file of the Hub."""

    def __init__(self, reading: Reading, file: RemoteFile) -> None:
        self._reading, self._file, self._at = reading, file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._file.size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self._file.size if size is None or size < 0 else self._at + size
        data = self._reading.read(self._file, self._at, end)
        self._at += len(data)
        return data

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)
