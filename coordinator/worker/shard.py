"""A shard: a process that converts a share of its worker's rows, with the loader's code from the same checkout.

It reads tasks from one pipe and answers on another, knows no file, no network and no state folder, and ends with the
worker: Linux kills it then, and everywhere it reads the end of its pipe. What it prints goes where the worker's goes.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any, NoReturn

from ..contract import JoinedLoader
from ..contract.build import Identity
from ..events import Failure
from . import discovery, frames
from .corrupting import converter_of
from .failures import SourceError, failure_of
from .fingerprint import code_of
from .memory import collect_seldom
from .pipeline import Converter, Lines, Outcome, TransformBug
from .process import die_with

TELL_SECONDS = 1.0
TELL_BYTES = 2**20
"""So often, and after so many bytes of lines, it says what became of rows: where each takes long or gives much."""
MOST_UNSAID = 8
"""Answers that wait to be written: enough that it converts on while the worker waits for the disk."""


def main() -> None:
    """`python -c 'main()' READ WRITE PARENT TRACKS TRACK`: two descriptors, a process id, a folder, a name."""
    read, write, parent = map(int, sys.argv[1:4])
    serve(read, write, parent, Path(sys.argv[4]), sys.argv[5])


def serve(read: int, write: int, parent: int, tracks: Path, track: str) -> NoReturn:
    """Do what comes on `read`, to its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    die_with(parent)
    collect_seldom()
    unsaid: Queue[bytes] = Queue(MOST_UNSAID)
    Thread(target=_write_all, args=(write, unsaid), daemon=True).start()
    shard = Shard(tracks, track, unsaid.put)
    try:
        while frame := _read_frame(read):
            shard.hear(*frames.opened(frame))
    finally:
        unsaid.join()
    os._exit(0)  # by no other way: a loader may have left threads


class Shard:
    """The loader that is converted with now. An exception of an order is the answer to the tasks behind it."""

    def __init__(self, tracks: Path, track: str, say: Callable[[bytes], None]) -> None:
        self._tracks, self._track, self._say = tracks, track, say
        self._converter: Converter | None = None
        self._failure: Failure | None = None
        self._reproduce = ""

    def hear(self, header: dict[str, Any], data: bytes) -> None:
        """Do what a frame asks."""
        if "order" in header:
            self._take(header["order"], data)
        else:
            self._convert(header, data)

    def _take(self, order: dict[str, Any], data: bytes) -> None:
        self._converter, self._failure, self._reproduce = None, None, order["reproduce"]
        try:
            self._converter = self._made(order, data)
        except (Exception, SystemExit) as error:
            self._failure = failure_of(error, self._tracks, self._reproduce)

    def _made(self, order: dict[str, Any], data: bytes) -> Converter:
        name = order["loader"]
        discovery.install(self._tracks)
        found = discovery.find(self._tracks, self._track, name, order["options"])
        if code_of(self._tracks, self._track, name) != order["code"]:
            sentence = f"{found.file} was edited while processes were started for it"
            raise SourceError("killed", sentence, "It is tried again by policy, as it is now.")
        side = found.loader.prepare(json.loads(data)) if isinstance(found.loader, JoinedLoader) else None
        return converter_of(found.loader, Identity(**order["identity"]), side, order["seed"])

    def _convert(self, header: dict[str, Any], data: bytes) -> None:
        """Answer a task: row by row, told together; an exception ends it, and the rows before it stand."""
        outcomes: list[Outcome] = []
        told, size = time.monotonic(), 0
        try:
            for row in frames.rows_of(header, data) if self._converter else ():
                assert self._converter is not None
                outcomes.append(outcome := self._converter.ended(row))
                size += len(outcome.data) if isinstance(outcome, Lines) else 0
                if size >= TELL_BYTES or time.monotonic() - told >= TELL_SECONDS:
                    self._answer(header, outcomes, last=False)
                    outcomes, told, size = [], time.monotonic(), 0
        except (Exception, SystemExit) as error:
            self._failure, self._converter = self._failure_of(error), None
        self._answer(header, outcomes, last=True)

    def _failure_of(self, error: BaseException) -> Failure:
        if isinstance(error, TransformBug) and error.__cause__:
            return failure_of(error.__cause__, self._tracks, f"{self._reproduce} --row {error.row}", error.row)
        return failure_of(error, self._tracks, self._reproduce)

    def _answer(self, header: dict[str, Any], outcomes: list[Outcome], last: bool) -> None:
        self._say(frames.answer(header["task"], outcomes, last, self._failure))


def _write_all(write: int, unsaid: Queue[bytes]) -> NoReturn:
    """Write what is to be said, as it comes. Without it the process has no voice, and ends."""
    try:
        while True:
            view = memoryview(unsaid.get())
            while view:
                view = view[os.write(write, view) :]
            unsaid.task_done()
    except BrokenPipeError:
        os._exit(3)  # the worker is gone
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _read_frame(read: int) -> bytes | bytearray:
    """The next frame; nothing at the end."""
    head = _read(read, frames.HEAD)
    return head + _read(read, frames.length(head) - frames.HEAD) if head else head


def _read(read: int, size: int) -> bytearray:
    found = bytearray()
    while len(found) < size:
        chunk = os.read(read, size - len(found))
        if not chunk:
            return bytearray()
        found += chunk
    return found
