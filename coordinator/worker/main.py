"""A worker's life: the loaders of one track, one after another, each to its end; none takes the next one along.

`run(spec, emit, stopping)` knows no transport: the caller decides where events go and when to stop.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contract import HubSource, JoinedLoader
from ..contract.build import Identity
from ..events import (
    Counts,
    Event,
    Failure,
    FailureClass,
    LoaderFinished,
    LoaderOpened,
    LoaderOpening,
    LoaderProgress,
    LoaderState,
    LoaderWaiting,
    LoaderWarned,
)
from . import discovery, parents, parts
from .corrupting import converter_of
from .earlier import Earlier, Finish
from .failures import REMEDIES, AlteredFile, SourceError, failure_of
from .foreign import ForeignConverter, ForeignStream, foreign_source
from .gate import Gate, interrupted
from .hub.meter import METER
from .next_up import NextUp
from .pipeline import Convert, Drive, TransformBug, convert
from .pool import Pool, ShardFailure, Share
from .pulse import Pulse
from .spec import LoaderSpec, WorkerSpec
from .streams.base import Resolved, Stream
from .streams.opening import begin_reading, open_stream, read_companions
from .streams.roots import NOT_COMPARED, FolderRoot, HubRoot, Root
from .streams.watched import Watched

if TYPE_CHECKING:
    from .hub.access import Hub
    from .scout import Scout

Emit = Callable[[Event], None]
MENDED_IN_LOADER: frozenset[FailureClass] = frozenset({"contract", "loader_bug", "schema_cast"})
FEW_BYTES = 2**21
"""A source that is smaller is converted before another process would have begun."""
HUB_SETTINGS = {
    "HF_HUB_DOWNLOAD_TIMEOUT": "20",
    "HF_HUB_ETAG_TIMEOUT": "20",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
"""Set before the Hub's clients are imported, unless the user has set them."""


def run(
    spec: WorkerSpec,
    emit: Emit,
    stopping: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
    pulse: Pulse | None = None,
    gate: Gate | None = None,
    share: Share | None = None,
    scout: Scout | None = None,
) -> None:
    """Run every loader of `spec`; stops at the next commit once `stopping()`. Loader failures are events.

    `share` may change while they run; `scout` tells what the next loader reads, to fetch it ahead.
    """
    pulse, gate, share = pulse or Pulse(clock()), gate or Gate(spec.track, clock), share or Share(spec.share)
    gate.longest = spec.longest_wait
    for key, value in HUB_SETTINGS.items():
        os.environ.setdefault(key, value)
    hub = _hub(spec, gate, share) if spec.source.over_hub else None
    pool = Pool(Path(spec.tracks).resolve(), spec.track, share)
    next_up = NextUp(hub, scout, spec) if hub is not None and scout is not None else None
    try:
        for loader, following in zip_longest(spec.loaders, spec.loaders[1:]):
            if stopping():
                return
            one = LoaderRun(spec, loader, emit, stopping, clock, pulse, pool, hub)
            if next_up is not None and following is not None:
                one.on_opened = partial(next_up.prepare, following)
            gate.serve(one.waits, stopping)
            one.run()
    finally:
        pool.close()
        if hub is not None:
            hub.end()


def _hub(spec: WorkerSpec, gate: Gate, share: Share) -> Hub:
    from .hub.access import use

    return use(gate, share.connections, spec.cache, spec.by_xet)


class LoaderRun:
    """One loader from looking up its source to its last commit."""

    def __init__(
        self,
        spec: WorkerSpec,
        loader: LoaderSpec,
        emit: Emit,
        stopping: Callable[[], bool],
        clock: Callable[[], float],
        pulse: Pulse,
        pool: Pool,
        hub: Hub | None = None,
    ) -> None:
        self.spec, self.loader, self.pool, self.hub = spec, loader, pool, hub
        self.emit, self.stopping, self.clock, self.pulse = emit, stopping, clock, pulse
        self.name = f"{spec.track}/{loader.name}"
        self.tracks = Path(spec.tracks).resolve()
        self.folder = Path(spec.state) / "tracks" / spec.track / loader.name
        self.writer = parts.PartWriter(self.folder)
        self.counts = Counts()
        self.watched = Watched()
        self.on_opened: Callable[[], None] = lambda: None
        """Called when its rows are about to flow."""

    def run(self) -> None:
        """Emits opening, opened, progress, and exactly one finished."""
        self.pulse.opening(self.name)
        self.pulse.streaming(self.counts, self.watched)
        self.emit(LoaderOpening(self.name))
        try:
            self._run()
        except (Exception, SystemExit) as error:
            if interrupted(error):
                self._finish("STOPPED", None)
                return
            if isinstance(error, AlteredFile):
                self._set_aside(Earlier(self.spec, self.loader), error.sentence)
            if isinstance(error, ShardFailure):
                self._finish("FAILED", self._located(error.failure))
                return
            row = error.row if isinstance(error, TransformBug) else ""
            cause = error.__cause__ if isinstance(error, TransformBug) and error.__cause__ else error
            failure = failure_of(cause, self.tracks, self._reproduce(row), row)
            self._finish("FAILED", self._located(failure))
        finally:
            if self.hub is not None:
                self.hub.end()

    def waits(self, seconds: float, reason: str, shared: bool) -> None:
        """It is about to wait. See `gate.Tell`."""
        self.pulse.waits(self.clock(), seconds)
        self.emit(LoaderWaiting(self.name, seconds, reason, shared))

    def _located(self, failure: Failure) -> Failure:
        """The failure; one that is mended in the loader names its file and what to do then."""
        if failure.failure_class not in MENDED_IN_LOADER:
            return failure
        base = self.tracks.parents[2] if self.tracks.parents[1].name == "worktrees" else self.tracks.parent
        file = (self.tracks / self.spec.track / f"{self.loader.name}.py").relative_to(base)
        return replace(failure, remedy=f"{failure.remedy} It is {file}; then: polecats restart {self.name}.")

    def _reproduce(self, row: str) -> str:
        seed = f" --seed {self.spec.seed}" if self.spec.source.kind == "tier1" else ""
        source = f"{self.spec.source.place}{seed}"
        return f"polecats check {self.name} --source {source}" + (f" --row {row}" if row else "")

    def _run(self) -> None:
        committed, _ = parts.read_commits(self.folder)
        if committed:  # also a loader that fails before it is opened says what it has
            self.counts = committed[-1].counts.copy()
        discovery.install(self.tracks)  # what the loader before imported may have been edited since
        earlier = Earlier(self.spec, self.loader)
        found = discovery.find(self.tracks, self.spec.track, self.loader.name, self.loader.options)
        for option in found.unused_options:
            self.emit(LoaderWarned(self.name, f"option {option} is not taken by {found.file.name}; it is ignored"))
        try:
            source, resolved = self._resolve(found)
        except SourceError as error:
            how = earlier.reusable(found.loader.source) if error.offline else None
            if how is None:
                raise
            self.emit(LoaderWarned(self.name, f"{found.loader.source.repo}: {NOT_COMPARED}"))
            self._ended(how, found.loader.source, reused=True)
            return
        for warning in resolved.warnings:
            self.emit(LoaderWarned(self.name, warning))
        how = earlier.reusable(source) if resolved.offline else None
        how = how or self._taken_up(earlier, found, source, resolved)
        if how is not None:
            self._ended(how, source, reused=True)
        else:
            self._convert(found, source, resolved, earlier.code)

    def _taken_up(
        self, earlier: Earlier, found: discovery.Found, source: HubSource, resolved: Resolved
    ) -> Finish | None:
        """Go on from what earlier runs have left; returns how it has ended, if it has."""
        mark = earlier.mark(source, resolved, found.corrupts)
        if obstacle := earlier.obstacle(mark):
            self._set_aside(earlier, obstacle)
        self.writer.open(earlier.header(mark, source, resolved, found))
        last = self.writer.last
        self.counts = last.counts.copy() if last else Counts()
        return earlier.finished(last)

    def _resolve(self, found: discovery.Found) -> tuple[HubSource, Resolved]:
        if not found.declared:
            return foreign_source(found.loader, self.name), Resolved("none", [], {})
        if found.corrupts or self.spec.source.kind == "tier1":
            return parents.resolve(self.spec.source, self.tracks, self.spec.track, found.corrupts)
        folder = self.spec.source.root_folder(self.tracks, self.spec.track)
        root: Root = HubRoot(self.hub, METER.add) if self.hub is not None else FolderRoot(folder)
        return found.loader.source, root.resolve(found.loader.source)

    def _set_aside(self, earlier: Earlier, reason: str) -> None:
        """What was committed does not count any more."""
        kept = earlier.set_aside()
        self.counts = Counts()
        self.emit(LoaderWarned(self.name, f"starts anew ({reason}); the earlier parts are kept in {kept}"))

    def _convert(self, found: discovery.Found, source: HubSource, resolved: Resolved, code: dict[str, str]) -> None:
        own: Any = found.loader  # one written elsewhere may leave the category to its rows
        category: Any = getattr(own, "category", "")
        label: Any = getattr(own, "label", "benign")
        identity = Identity(source.repo, self.loader.name, category, label, source.unique_ids)
        stream: Stream
        elsewhere: Convert | None = None
        if found.declared:
            companions: dict[str, Any] = {}
            side = None
            wanted = max(0, self.loader.cap - self.counts.samples)
            self._begin_reading(source, resolved)
            if isinstance(found.loader, JoinedLoader):
                companions = read_companions(resolved, self.watched.follow)
                side = found.loader.prepare(companions)
            stream = open_stream(source, resolved, wanted)
            converter = converter_of(found.loader, identity, side, self.spec.seed, self.counts)
            if sum(file.size for file in resolved.files) >= FEW_BYTES:
                elsewhere = self._shared(converter.convert, identity, code, companions)
        else:
            stream = ForeignStream(found.loader)
            converter = ForeignConverter(found.loader, identity, None, self.counts)
        self.watched.follow(stream)
        self.pulse.streaming(self.counts, self.watched)
        reading = self.hub.reading if self.hub is not None else None
        self.emit(LoaderOpened(self.name, stream.rows_total, self.counts.read, reading.to_fetch if reading else 0))
        self.on_opened()
        drive = Drive(self.writer, self.loader.cap, self.stopping, self._progress, self.clock)
        how = convert(self.watched, converter, drive, elsewhere)
        if how == "capped":
            self.watched.settle()  # its companions have to be what the Hub has, too
        self._ended(how, source)

    def _progress(self) -> None:
        watched, (wire, cached) = self.watched, self.pulse.traffic
        self.emit(LoaderProgress(self.name, self.counts.copy(), watched.bytes_read, watched.replayed, wire, cached))

    def _begin_reading(self, source: HubSource, resolved: Resolved) -> None:
        """Begin to fetch."""
        if self.hub is None:
            return
        reading = begin_reading(self.hub, source, resolved, self.loader.cap)
        reading.places.warn = lambda sentence: self.emit(LoaderWarned(self.name, sentence))
        self.watched.settle = reading.settle
        self.pulse.reading(reading)

    def _shared(self, alone: Convert, identity: Identity, code: dict[str, str], companions: dict[str, Any]) -> Convert:
        """Its rows converted here, or by other processes, as cores fall to it."""
        order = {
            "loader": self.loader.name,
            "options": self.loader.options,
            "code": code,
            "identity": asdict(identity),
            "seed": self.spec.seed,
            "reproduce": self._reproduce(""),
        }
        return self.pool.shared(alone, order, json.dumps(companions).encode(), self.loader.workers)

    def _ended(self, how: str, source: HubSource, reused: bool = False) -> None:
        if how == "done" and self.counts.read == 0:
            self._empty(source, reused)
            return
        states: dict[str, LoaderState] = {"done": "DONE", "capped": "CAPPED", "stopped": "STOPPED"}
        self._finish(states[how], None, reused)

    def _empty(self, source: HubSource, reused: bool) -> None:
        """No row upstream: honest where the source says so, else something a person should look at."""
        if source.may_be_empty:
            self._finish("EMPTY", None, reused)
            return
        sentence = f"{source.repo}: the files are there and hold no rows"
        self._finish("EMPTY", Failure("empty_upstream", sentence, REMEDIES["not_found"], "", self._reproduce("")))

    def _finish(self, state: LoaderState, failure: Failure | None, reused: bool = False) -> None:
        if any(self.pulse.traffic):
            self._progress()  # what came since the last one
        self.emit(LoaderFinished(self.name, state, self.counts.copy(), failure, reused))
