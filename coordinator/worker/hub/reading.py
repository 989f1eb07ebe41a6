"""What one loader reads of the Hub's files: from the cache, by way of it, or streamed, always ahead of the loader."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..gate import Interrupted
from .blocks import TAIL
from .filling import Filling
from .meter import METER, Answer
from .places import Places, WholeFile
from .ranges import Sink
from .remote_file import RemoteFile
from .remote_io import RemoteIO
from .spans import Range, gap_of, spans_of
from .window import Window

if TYPE_CHECKING:
    from .access import Hub

LOOK = 0.05
"""Seconds between two looks at what another process brings, and at whether to stop."""
FEW_AHEAD = 2**28
"""Bytes that are fetched ahead for a loader whose turn has not come."""


class Reading:
    """The files of one loader; see `Places`. One thread reads; the rest is for any number."""

    def __init__(
        self, hub: Hub, files: Sequence[RemoteFile], revision: str, keep: Collection[RemoteFile], ahead: int
    ) -> None:
        self.wire = self.cached = 0
        self.waited = 0.0
        """Seconds that the reader has waited for bytes."""
        self._hub = hub
        self._change = threading.Condition()
        self.places = Places(hub, files, revision, keep, ahead, self._fetch, self._change)
        self._window: Window | None = None
        self._ranges: Iterator[Range] = iter(())
        self._step, self._expected = -1, 0
        self._waiting = self._closed = False
        self._counting = threading.Lock()
        self._fetched_ahead: Sequence[RemoteFile] = ()

    def take_over(self, ahead: Reading) -> None:
        """What was fetched ahead of its turn has come for it."""
        if set(ahead.places.files) <= set(self.places.files):
            self.wire += ahead.wire
            self._fetched_ahead = ahead.places.files if ahead.wire else []

    def take(self) -> Callable[[], None] | None:
        """See `Feed.take`."""
        if self._closed:
            return None
        if self._window is not None and (work := self._window.take()) is not None:
            return work
        return self.places.take()

    def _fetch(self, file: RemoteFile, start: int, end: int, take: Sink) -> None:
        """Bytes over the wire, counted."""
        answer = Answer(METER, lambda: self._waiting)

        def counted(chunk: bytes) -> None:
            take(chunk)
            with self._counting:
                self.wire += len(chunk)
            answer.add(len(chunk))

        self._hub.fetcher(file).fetch(start, end, counted)
        answer.settle()

    def open(self, file: RemoteFile) -> RemoteIO:
        """The file for reading, seekable."""
        return RemoteIO(file.size, partial(self.read, file))

    def expect_ends(self, files: Sequence[RemoteFile]) -> None:
        """The end of each of these is read next, before all else."""
        self.expect(Range(file, max(0, file.size - TAIL), file.size) for file in files)
        self.places.ends_first = True
        self._hub.wake()

    def expect(self, ranges: Iterator[Range], total: int = 0) -> None:
        """What is read from now on, in order, were everything streamed; `total` bytes, where that is known."""
        streams = any(map(self.places.streams, self.places.files))
        self._ranges, self._expected = ranges, total if streams else 0
        self._step, self.places.ends_first = -1, False
        if streams:
            self._plan(lambda one: True)

    def _plan(self, ahead: Callable[[Range], bool]) -> None:
        ranges = (one for one in self._ranges if self.places.streams(one.file) and ahead(one))
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
        place = self.places.read_at(file)
        if not isinstance(place, str):
            try:
                return self._kept(place, file, start, end)
            except OSError as error:
                self.places.fall_back(file, error)
        if self._window is None:
            self._plan(lambda one: one.file != file or one.end > start)
        assert self._window is not None
        return self._window.read(file, start, end, self._wait)

    def _kept(self, place: WholeFile | Filling, file: RemoteFile, start: int, end: int) -> bytes:
        """Bytes from the cache, or by way of it. Raises `OSError`, too."""
        if isinstance(place, Filling):
            data, was_here = place.read(start, end, self._wait_for_block), place.was_here(start)
        else:
            data, was_here = place.read(start, end), self.places.was_here(file)
        self.cached += len(data) if was_here and file not in self._fetched_ahead else 0
        return data

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

    def _wait_for_block(self) -> None:
        """See `_wait`. What is fetched next may be another block than before, or the work of a process that is gone."""
        self._hub.wake()
        self._wait()

    @property
    def to_fetch(self) -> int:
        """Bytes that have to come over the wire, as far as that is known."""
        return self._expected + self.places.missing

    @property
    def coming(self) -> bool:
        """Whether something is still to come over the wire."""
        return self.places.missing > 0 or (self._window is not None and self._window.coming)

    def bring(self, file: RemoteFile, told: Callable[[], None]) -> bool:
        """Return once a file is whole, in the cache, and checked; False for one that the cache is too small for. `told`
        is called now and then.

        Raises `SourceError`, and `OSError` where the disk takes no more.
        """
        while True:
            place = self.places.read_at(file)
            told()
            if not isinstance(place, Filling):
                return isinstance(place, WholeFile)
            if not place.settled():
                self._wait_outside()

    def settle(self) -> None:
        """Return once every file that was read through the cache is whole and checked. Raises `SourceError`."""
        self.places.settle(self._wait_outside)

    def _wait_outside(self) -> None:
        with self._change:
            self._wait_for_block()

    def close(self) -> None:
        """Nothing more is fetched for it."""
        self._closed = True
        self.places.close()
