"""A file of the Hub on its way into the cache: fetched in blocks, read while it fills, whole and checked at the end.

One process at a time fills a file, the one that holds its lock; others read what it brings, and take over where it
ends too early.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path

from ...disk import DiskError, naming
from ..failures import AlteredFile
from .blocks import Blocks, stands
from .meter import METER
from .ranges import Fetch
from .remote_file import RemoteFile
from .store import Store


class Filling:
    """One file that is being filled. `change` is notified when blocks have come.

    Raises `OSError` where the disk does not let it begin. `read` and `settled` do, too, where the disk takes no more,
    or what there was of the file has been removed before it was whole.
    """

    def __init__(
        self, file: RemoteFile, store: Store, fetch: Fetch, change: threading.Condition, revision: str
    ) -> None:
        self.file, self._store, self._fetch, self._change, self._revision = file, store, fetch, change, revision
        self.error: BaseException | None = None
        self.whole: Path | None = None
        """Where the file stands once it is whole and checked."""
        self._due = 0
        self._wanted: int | None = None
        """The block that a read waits for."""
        self._under_way: set[int] = set()
        self._finishing = threading.Lock()
        self._closing = self._closed = self.ours = False
        self._sole = False
        """Whether what stands on the disk is this one's to remove."""
        stem = store.parts_of(file)
        self._lock_path = stem.with_name(f"{stem.name}.lock")
        self._blocks = Blocks(stem, file.size)
        self.before: frozenset[int] = frozenset()
        """Blocks that an earlier process had brought."""
        self._lock = -1
        try:
            self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o644)
            self.take_over()
        except OSError:
            self.close()
            raise

    # --- whose it is

    def take_over(self) -> bool:
        """Be the one that fills it, if nobody is; returns whether this process is. Raises `OSError`."""
        if self.ours or self.whole is not None:
            return self.ours
        with suppress(BlockingIOError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sole = self._blocks.stand() and stands(self._lock, self._lock_path)
            if (whole := self._store.find(self.file)) is not None:
                self._adopt(whole)
            elif not self._sole:
                self._left_alone()
            else:
                self._blocks.take_stock()
                self.before, self.ours = frozenset(self._blocks.present), True
        return self.ours

    def _adopt(self, whole: Path) -> None:
        """Another process has finished it."""
        self._blocks.adopt(whole)
        self.whole = whole
        if self._sole:
            self._blocks.remove()

    def _left_alone(self) -> None:
        """Whoever filled it has removed what there was: as its bytes were others, for want of room, or by hand."""
        if not self.missing and self._is_altered():
            raise AlteredFile(self.file.place)
        raise OSError(f"{self._blocks.path} was removed while it was filled")

    def _is_altered(self) -> bool:
        return bool(self.file.sha256) and self._blocks.sha256() != self.file.sha256

    # --- filling

    @property
    def missing(self) -> int:
        """Bytes that are not here yet."""
        return self._blocks.missing

    def take(self, end_only: bool = False) -> Callable[[], None] | None:
        """See `Feed.take`: what is waited for, then what comes behind what was read last, then the rest. `end_only`:
        what is waited for, or its end."""
        with self._change:
            if self._closing or not self.ours or self.error is not None or self.whole is not None:
                return None
            number = self._next(end_only)
            if number is None:
                return None
            self._under_way.add(number)
        return partial(self._bring, number)

    def _next(self, end_only: bool) -> int | None:
        def free(number: int) -> bool:
            return number not in self._blocks.present and number not in self._under_way

        last, wanted = len(self._blocks.ends) - 1, self._wanted
        if wanted is not None and free(wanted):
            return wanted
        if end_only:
            return last if last >= 0 and free(last) else None
        order = chain(range(self._due, last + 1), range(self._due))
        return next(filter(free, order), None)

    def _bring(self, number: int) -> None:
        try:
            with self._blocks.writing(number) as write:
                self._fetch(self.file, *self._blocks.ends[number], write)
            self._has_come(number)
            if not self.missing:
                self.finish()
        except BaseException as error:  # noqa: BLE001  for the reader to raise
            self._fail(error)
        finally:
            with self._change:
                self._under_way.discard(number)
                self._close_if_idle()
                self._change.notify_all()

    def _has_come(self, number: int) -> None:
        with self._change:
            self._blocks.present.add(number)
            self._change.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._change:
            self.error = self.error or error
        if isinstance(error, DiskError):
            self._blocks.remove()

    def finish(self) -> None:
        """Check the file and give it its place in the Hub's layout. Raises what keeps it from that."""
        with self._finishing:
            if self.whole is not None or self.error is not None:
                return
            try:
                self.whole = self._finished()
            except BaseException as error:
                self.error = error
                raise
            finally:
                self._blocks.remove()

    def _finished(self) -> Path:
        if self._is_altered():
            raise AlteredFile(self.file.place)
        with naming(self._blocks.path, self.file.size):
            self._blocks.sync()
            return self._store.take_in(self.file, self._blocks.path, self._revision)

    # --- reading

    def was_here(self, start: int) -> bool:
        """Whether the byte had been brought before this process began."""
        return not self.before.isdisjoint(self._blocks.within(start, start + 1))

    def read(self, start: int, end: int, wait: Callable[[], None]) -> bytes:
        """The bytes; `wait` waits for a change of `change`, which is held. Raises what keeps them from coming."""
        with self._change:
            needed = self._blocks.within(start, end)
            try:
                while not self._here(needed):
                    if self.error is not None:
                        raise self.error
                    self._due = self._wanted = next(number for number in needed if number not in self._blocks.present)
                    wait()
            finally:
                self._wanted = None
        return self._blocks.read(start, end)

    def _here(self, needed: list[int]) -> bool:
        if not self._blocks.present.issuperset(needed) and not self.ours:
            self._look()
        return self._blocks.present.issuperset(needed)

    def _look(self) -> None:
        """What another process has brought; if it is gone, its work is ours."""
        METER.add(self._blocks.look())
        self.take_over()

    def settled(self) -> bool:
        """Whether it is whole and checked, by whomever. Raises what kept it from that."""
        if self.whole is None and self.error is None:
            if not self.ours:
                self._look()
            if self.ours and not self.missing:
                self.finish()
        if self.error is not None:
            raise self.error
        return self.whole is not None

    def close(self) -> None:
        """Let another process go on, once the blocks that are on their way are here; they stay."""
        with self._change:
            self._closing = True
            self._close_if_idle()

    def _close_if_idle(self) -> None:
        """A descriptor that is closed too early may be another file's when a block arrives."""
        if not self._closing or self._under_way or self._closed:
            return
        self._closed = True
        if self.whole is not None and self._sole:
            with suppress(OSError):
                self._lock_path.unlink(missing_ok=True)
        self._blocks.close()
        if self._lock >= 0:
            os.close(self._lock)
