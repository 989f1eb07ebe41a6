"""The processes that convert one loader's rows side by side, in the order in which they are read.

The worker reads, numbers and commits as it does without them; each batch goes, unparsed, to the shard that has least
to do, and what became of its rows is taken up in the order of the batches. So bytes, cursors, caps and balance are
the same with any number of shards, and a loader goes on with another number where it stopped. A shard that dies is
the loader's failure `killed`; what is committed by then is kept.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..events import Failure
from . import frames
from .failures import SourceError
from .hub.connections import Connections
from .memory import oom_kills
from .pipeline import Convert, Piece
from .shard_end import ShardEnd, started
from .streams.base import Batch

DEPTH = 4
"""Batches under way for each shard: enough that none waits for the reader."""
HELD_BYTES = 2**24
"""Of answers that a shard has given before their turn; it waits with more of them."""
LAST_WAIT = 1.0
"""Seconds for a shard that has closed its pipe to be gone by itself."""


class ShardFailure(Exception):
    """A shard has ended the loader; `failure` is how it tells it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure


@dataclass(slots=True)
class Share:
    """What falls to a worker, as the engine said last: cores, and connections to the Hub; and shards that run already
    and wait to be used."""

    cores: int = 1
    spares: list[ShardEnd] = field(default_factory=list)
    connections: Connections = field(default_factory=Connections)


@dataclass(slots=True)
class _Section:
    """Batches from `first` on, while `lasts`; `rows` in those that were given."""

    first: Batch
    source: Iterator[Batch]
    lasts: Callable[[], bool]
    rows: int = 0

    def __iter__(self) -> Iterator[Batch]:
        batch: Batch | None = self.first
        while batch is not None:
            self.rows += len(batch)
            yield batch
            batch = next(self.source, None) if self.lasts() else None


@dataclass(slots=True)
class _Task:
    """A batch under way: its rows from `place` on are not taken up, `answers` waits to be."""

    batch: Batch
    place: int
    shard: ShardEnd
    answers: deque[tuple[dict[str, Any], bytes]] = field(default_factory=deque)
    done: bool = False


class Pool:
    """A worker's shards, started when they are first needed and kept for its next loader. Not to be used by threads."""

    def __init__(self, tracks: Path, track: str, share: Share) -> None:
        self._tracks, self._track, self._share = tracks, track, share
        self._shards: list[ShardEnd] = []
        self._tasks: dict[int, _Task] = {}
        self._next = 0

    def shared(self, alone: Convert, order: dict[str, Any], companions: bytes, own: int = 0) -> Convert:
        """Rows converted by `own` processes, or by as many as cores fall to the worker, which may change on the way.

        One is the worker itself, by `alone`; `order` and `companions` tell shards what to convert with.
        """

        def convert(batches: Iterable[Batch], done: int) -> Iterator[Piece]:
            source = iter(batches)
            while (first := next(source, None)) is not None:
                size = own or self._share.cores
                section = _Section(first, source, partial(self._falls_to_it, size, own))
                yield from self._by(size, alone, order, companions)(section, done)
                done = max(0, done - section.rows)

        return convert

    def _falls_to_it(self, size: int, own: int) -> bool:
        return size == (own or self._share.cores)

    def _by(self, size: int, alone: Convert, order: dict[str, Any], companions: bytes) -> Convert:
        if size == 1:
            self.close()
            return alone
        self.take(size, order, companions)
        return self.convert

    def take(self, size: int, order: dict[str, Any], companions: bytes = b"") -> None:
        """Let `size` shards convert with another loader. Raises `SourceError` where they cannot be started."""
        while len(self._shards) > size:
            self._shards.pop().end()
        self._start(size - len(self._shards))
        for shard in self._shards:
            shard.say(frames.frame({"order": order}, companions))

    def _start(self, number: int) -> None:
        spares = self._share.spares
        try:
            for _ in range(number):
                self._shards.append(spares.pop() if spares else started(self._tracks, self._track))
        except OSError as error:
            sentence = f"no process can be started to convert its rows: {error.strerror or error}"
            raise SourceError("killed", sentence, "It is tried again by policy; or lower its `workers`.") from error

    @property
    def pids(self) -> list[int]:
        """The shards' process ids."""
        return [shard.process.pid for shard in self._shards]

    def convert(self, batches: Iterable[Batch], done: int) -> Iterator[Piece]:
        """See `pipeline.Convert`. Raises `ShardFailure`, and `SourceError` for a shard that has died.

        Shards that are at work when it is left are ended: nobody asks for what they would say.
        """
        waiting: deque[_Task] = deque()
        broken: Exception | None = None
        source = iter(batches)
        try:
            while broken is None:
                try:
                    batch = next(source)
                except StopIteration:
                    break
                except Exception as error:  # what was read before it counts
                    broken = error
                    continue
                if done < len(batch):
                    waiting.append(self._give(batch, done))
                done = max(0, done - len(batch))
                yield from self._ready(waiting, DEPTH * len(self._shards))
            yield from self._ready(waiting, 1)
        finally:
            if waiting:
                self.close()
        if broken is not None:
            raise broken

    def _give(self, batch: Batch, done: int) -> _Task:
        shard = min(self._shards, key=lambda shard: shard.tasks)
        number, self._next = self._next, self._next + 1
        made = self._tasks[number] = _Task(batch, done, shard)
        shard.tasks += 1
        shard.say(frames.task(number, batch.source, done))
        return made

    def _ready(self, waiting: deque[_Task], most: int) -> Iterator[Piece]:
        """What can be taken up in order; waits while `most` batches are under way."""
        if waiting:
            self._hear(waiting[0].shard, wait=False)
        while waiting:
            first = waiting[0]
            while first.answers:
                header, data = first.answers.popleft()
                first.shard.held -= len(data)
                yield self._piece(first, header, data)
            if first.done:
                waiting.popleft()
            elif len(waiting) < most:
                return
            else:
                self._hear(first.shard, wait=True)

    def _piece(self, task: _Task, header: dict[str, Any], data: bytes) -> Piece:
        if not header["ends"] and header["failure"]:
            raise ShardFailure(Failure(**header["failure"]))
        if header["failure"]:  # behind the rows that stand
            task.answers.appendleft(({**header, "ends": []}, b""))
        places = range(task.place, task.place + len(header["ends"]))
        task.place = places.stop
        return Piece(task.batch.state, places, frames.outcomes_of(header, data))

    def _hear(self, due: ShardEnd, wait: bool) -> None:
        """Move what can be moved on all pipes; with `wait`, until something could. It is `due`'s turn."""
        answers = [shard.answers for shard in self._shards if shard is due or shard.held < HELD_BYTES]
        orders = [shard.orders for shard in self._shards if shard.unsaid]
        readable, writable, _ = select.select(answers, orders, [], None if wait else 0)
        for shard in self._shards:
            if shard.orders in writable:
                shard.push()
            if shard.answers in readable:
                if not shard.pull():
                    raise self._died(shard)
                self._enter(shard)

    def _enter(self, shard: ShardEnd) -> None:
        for header, data in shard.heard():
            task = self._tasks[header["task"]]
            task.answers.append((header, data))
            shard.held += len(data)
            if header["last"]:
                task.done = True
                shard.tasks -= 1
                del self._tasks[header["task"]]

    def _died(self, shard: ShardEnd) -> SourceError:
        code = shard.end(LAST_WAIT)
        self._shards.remove(shard)
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        if code == -9 and oom_kills() > shard.oom_kills:
            sentence = f"a process that converts its rows ended {how} while the kernel was out of memory"
            return SourceError("out_of_memory", sentence, "Free memory or lower its `workers`, then restart it.")
        sentence = f"a process that converts its rows ended {how} without a word"
        return SourceError("killed", sentence, "It is tried again by policy; see worker.log.")

    def close(self) -> None:
        """End all shards: they hold nothing that counts."""
        for shard in self._shards:
            shard.end()
        self._shards, self._tasks = [], {}
