"""Spans of files, fetched ahead in the order in which they are read, and held in memory until they are."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator

from .ranges import Fetch
from .remote_file import RemoteFile
from .spans import Span

HELD = 24 * 2**20
"""Bytes in memory at most, on their way and waiting to be read; one span more where none else is held."""
LEAST_AHEAD = 2**20
"""Bytes that are fetched ahead of a reader that may stop at any row; grows with what it has read."""
AHEAD_SHARE = 16
"""Of what such a reader has read this part is fetched ahead, and for nothing where it stops."""
LOOKED_THROUGH = 64
"""Spans of the plan that are looked through for one that is read before its turn."""


class _Piece:
    """A span on its way, or here."""

    __slots__ = ("data", "error", "left", "ready", "span", "started")

    def __init__(self, span: Span) -> None:
        self.span, self.left = span, span.needed
        self.data = bytearray()
        self.error: BaseException | None = None
        self.ready = self.started = False


class Window:
    """What one reader reads next. `change` is notified when bytes have come; `wake` is called when there is room."""

    def __init__(
        self, fetch: Fetch, spans: Iterator[Span], change: threading.Condition, wake: Callable[[], None]
    ) -> None:
        self._fetch, self._plan, self._change, self._wake = fetch, spans, change, wake
        self._pieces: dict[RemoteFile, list[_Piece]] = {}  # by their start
        self._due: deque[_Piece] = deque()  # not yet asked for, the most urgent first
        self._later: deque[Span] = deque()  # of the plan, looked at and not yet taken up
        self._held = self._read = 0
        self._step = -1

    @property
    def coming(self) -> bool:
        """Whether something is on its way or planned."""
        return bool(self._later) or any(not piece.ready for pieces in self._pieces.values() for piece in pieces)

    def take(self) -> Callable[[], None] | None:
        """See `Feed.take`."""
        with self._change:
            piece = self._due.popleft() if self._due else self._planned()
            if piece is None:
                return None
            piece.started = True
        return lambda: self._bring(piece)

    def _planned(self) -> _Piece | None:
        """The next piece of the plan, if there is room for it."""
        if not self._later and (following := self._following()):
            self._later.append(following)
        if not self._later:
            return None
        span = self._later[0]
        limit = HELD if span.sure else min(HELD, max(LEAST_AHEAD, self._read // AHEAD_SHARE))
        if self._held and self._held + span.end - span.start > limit:
            return None
        return self._enter(self._later.popleft())

    def _following(self) -> Span | None:
        """The next span of the plan that is not passed already."""
        return next((span for span in self._plan if span.last > self._step), None)

    def _enter(self, span: Span) -> _Piece:
        piece = _Piece(span)
        pieces = self._pieces.setdefault(span.file, [])
        pieces.insert(bisect_right(pieces, span.start, key=lambda other: other.span.start), piece)
        self._held += span.end - span.start
        return piece

    def _bring(self, piece: _Piece) -> None:
        try:
            self._fetch(piece.span.file, piece.span.start, piece.span.end, piece.data.extend)
        except BaseException as error:  # noqa: BLE001  for the reader to raise
            piece.error = error
        with self._change:
            piece.ready = True
            self._change.notify_all()

    def read(self, file: RemoteFile, start: int, end: int, wait: Callable[[], None]) -> bytes:
        """The bytes; `wait` waits for a change of `change`, which is held, and raises where that is to end."""
        found: list[bytes] = []
        with self._change:
            while start < end:
                piece = self._at(file, start) or self._demand(file, start, end)
                while not piece.ready:
                    wait()
                if piece.error is not None:
                    raise piece.error
                begin, stop = start - piece.span.start, min(end, piece.span.end) - piece.span.start
                found.append(bytes(memoryview(piece.data)[begin:stop]))
                start += stop - begin
                self._consumed(piece, stop - begin)
        self._wake()
        return found[0] if len(found) == 1 else b"".join(found)

    def _at(self, file: RemoteFile, start: int) -> _Piece | None:
        """The piece that holds the byte; one that is planned and not yet asked for comes first then."""
        piece = self._held_at(file, start)
        if piece is None and self._pull_forward(file, start):
            piece = self._held_at(file, start)
        if piece is not None and not piece.started and piece in self._due:
            self._due.remove(piece)
            self._due.appendleft(piece)
            self._wake()
        return piece

    def _held_at(self, file: RemoteFile, start: int) -> _Piece | None:
        pieces = self._pieces.get(file, [])
        index = bisect_right(pieces, start, key=lambda other: other.span.start) - 1
        return pieces[index] if index >= 0 and pieces[index].span.end > start else None

    def _pull_forward(self, file: RemoteFile, start: int) -> bool:
        """Take up the span of the plan that holds the byte, if it is near; what is before it keeps its turn."""
        while len(self._later) < LOOKED_THROUGH and (span := self._following()):
            self._later.append(span)
        found = [span for span in self._later if span.file == file and span.start <= start < span.end]
        if found:
            self._later.remove(found[0])
            self._due.append(self._enter(found[0]))
        return bool(found)

    def _demand(self, file: RemoteFile, start: int, end: int) -> _Piece:
        """What no plan has foreseen, up to what is held already."""
        later = [piece.span.start for piece in self._pieces.get(file, []) if piece.span.start > start]
        end = min([end, *later])
        piece = self._enter(Span(file, start, end, end - start, self._step + 1, True))
        self._due.appendleft(piece)
        self._wake()
        return piece

    def _consumed(self, piece: _Piece, count: int) -> None:
        self._read += count
        piece.left -= count
        if piece.left <= 0:
            self._drop(piece)

    def _drop(self, piece: _Piece) -> None:
        pieces = self._pieces[piece.span.file]
        if piece in pieces:
            pieces.remove(piece)
            self._held -= piece.span.end - piece.span.start

    def passed(self, step: int) -> None:
        """The reader is behind a step: what is of use up to there alone is dropped."""
        with self._change:
            self._step = max(step, self._step)
            self._due = deque(piece for piece in self._due if piece.span.last > step)
            self._later = deque(span for span in self._later if span.last > step)
            for pieces in self._pieces.values():
                for piece in [piece for piece in pieces if piece.span.last <= step]:
                    self._drop(piece)
        self._wake()
