"""The audit of a file by ranges: what each holds that is wrong, found here or by a process a core, in file order.

A range has the lines that begin in it, so any process can find its own. What only the file as a whole can tell (an id
that stands twice) is left to who puts the ranges together: they carry a key for each line that has an id.
"""

from __future__ import annotations

import os
import signal
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from multiprocessing.context import ForkProcess, SpawnProcess
from pathlib import Path
from typing import Any, BinaryIO

from ..contract.audit import Auditor
from ..contract.rules import MAX_LINE_BYTES
from ..contract.violations import Violation

RANGE_BYTES = 4 * 2**20
SHOWN = 100
_WORTH = 4
"""Ranges in a file that is worth processes of its own: starting them takes as long as auditing one."""
_PIECE = 2**20
ParentOf = Callable[[str], dict[str, Any] | None]
_PROCESS = ForkProcess if sys.platform == "linux" else SpawnProcess


@dataclass(slots=True)
class Found:
    """What the lines of a range are like. Lines are numbered from 0 within it."""

    start: int
    stop: int
    lines: int = 0
    bad: array[int] = field(default_factory=lambda: array("L"))
    by_code: Counter[str] = field(default_factory=Counter)
    first: list[tuple[int, Violation]] = field(default_factory=list)
    keys: bytearray = field(default_factory=bytearray)
    """16 bytes for each line that has an id, whose numbers are in `keyed`."""
    keyed: array[int] = field(default_factory=lambda: array("L"))
    grouped: list[tuple[int, bytes, str]] = field(default_factory=list)
    """Of a tier: number, group and split of each line that has them."""

    def add(self, key: bytes) -> bool:
        """The id of the line that is being audited; whether it is new is for others to say."""
        self.keys += key
        self.keyed.append(self.lines)
        return True

    def first_split(self, group: bytes, split: str) -> str:
        """The group and the split of the line that is being audited; which stood first is for others to say."""
        self.grouped.append((self.lines, group, split))
        return split

    def enter(self, violations: list[Violation]) -> None:
        """The next line, and what is wrong with it."""
        if violations:
            self.bad.append(self.lines)
            self.by_code.update(violation.code for violation in violations)
            self.first += [(self.lines, violation) for violation in violations][: SHOWN - len(self.first)]
        self.lines += 1


def audited(path: Path, size: int, processes: int | None = None, parent_of: ParentOf | None = None) -> Iterator[Found]:
    """The ranges of a file of so many bytes, in order. Raises `OSError`; `EOFError` where a process was killed.

    With `parent_of`, see `Auditor`, which each process has a copy of.
    """
    ranges = -(-size // RANGE_BYTES)
    processes = min(_cores() if processes is None else processes, ranges // _WORTH)
    if processes < 2:
        yield from (audit(path, start, size, parent_of) for start in range(0, size, RANGE_BYTES))
        return
    pipes: list[Connection] = []
    for number in range(processes):
        ours, theirs = Pipe(duplex=False)
        pipes.append(ours)
        inherited = pipes if _PROCESS is ForkProcess else []
        work = (path, size, number, processes, theirs, inherited, parent_of)
        _PROCESS(target=_work, args=work, daemon=True).start()
        theirs.close()
    for number in range(ranges):
        found = pipes[number % processes].recv()
        if isinstance(found, OSError):
            raise found
        yield found


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _work(
    path: Path,
    size: int,
    number: int,
    processes: int,
    pipe: Connection,
    inherited: list[Connection],
    parent_of: ParentOf | None,
) -> None:
    """A process: each n-th range. It waits until the one before was taken, and ends when nobody takes it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started it
    for reader in inherited:  # a pipe breaks only when no process can read from it
        reader.close()
    with suppress(BrokenPipeError):
        try:
            for start in range(number * RANGE_BYTES, size, processes * RANGE_BYTES):
                pipe.send(audit(path, start, size, parent_of))
        except BrokenPipeError:
            raise
        except OSError as error:
            pipe.send(error)


def audit(path: Path, start: int, size: int, parent_of: ParentOf | None = None) -> Found:
    """What the lines that begin in the range at `start` are like."""
    found = Found(start, min(start + RANGE_BYTES, size))
    auditor = Auditor(found, parent_of, found.first_split)
    with path.open("rb", buffering=_PIECE) as data:
        for line, length in lines(data, found.start, found.stop):
            found.enter(_broken(auditor, line, length))
    return found


def _broken(auditor: Auditor, line: bytes, length: int) -> list[Violation]:
    if length > len(line):
        broken = [Violation("E01", "", f"line of {length:,} bytes (at most {MAX_LINE_BYTES:,})")]
    else:
        broken = auditor.audit(line.removesuffix(b"\n"))
    if not line.endswith(b"\n"):
        broken = [*broken, Violation("E02", "", "the last line does not end in a newline: the file is cut off")]
    return broken


def lines(data: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int]]:
    """Lines that begin in a range, with newline and length; of one longer than any legal line only the two ends."""
    limit = MAX_LINE_BYTES + 2
    position = _first_line(data, start, stop)
    data.seek(position)
    while position < stop and (line := data.readline(limit)):
        length = len(line)
        while length >= limit and not line.endswith(b"\n") and (piece := data.readline(_PIECE)):
            length += len(piece)
            line = line[:limit] + piece[-1:]
        position += length
        yield line, length


def _first_line(data: BinaryIO, start: int, stop: int) -> int:
    """Where the first line of a range begins, or something from `stop` on if none does."""
    if not start:
        return 0
    position = start - 1
    data.seek(position)
    while position < stop and (piece := data.readline(_PIECE)):
        position += len(piece)
        if piece.endswith(b"\n"):
            return position
    return stop
