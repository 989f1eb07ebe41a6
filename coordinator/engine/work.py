"""One track's work as the supervisor sees it: what waits, what runs, what was tried. Plain data and small steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from ..events import (
    Event,
    Heartbeat,
    LoaderFinished,
    LoaderOpened,
    LoaderOpening,
    LoaderProgress,
    LoaderState,
    LoaderWaiting,
    LoaderWarned,
    TrackState,
    WorkerDone,
)
from ..worker.idle import Idle
from ..worker.spec import LoaderSpec, WorkerSpec
from .executors.base import Worker

OF_A_LOADER = LoaderOpening | LoaderOpened | LoaderProgress | LoaderWaiting | LoaderWarned | LoaderFinished | Heartbeat
ENDS: tuple[LoaderState, ...] = ("DONE", "CAPPED", "EMPTY", "FAILED", "SKIPPED", "STOPPED")
"""What a worker may say of a loader's end; that it stalled is for the engine to say."""


@dataclass(slots=True)
class Work:
    """A track in a round. `waiting`: loaders not ended yet, in order."""

    spec: WorkerSpec
    waiting: list[LoaderSpec]
    state: TrackState = "PENDING"
    worker: Worker | None = None
    tries: int = 0
    """Workers in a row that ended before they opened a loader."""
    attempts: dict[str, int] = field(default_factory=dict)
    """Failures in a row by loader name: none of them came further than the one before."""
    furthest: dict[str, int] = field(default_factory=dict)
    """Rows that a loader had read when it failed."""
    retrying: set[str] = field(default_factory=set)
    """Loaders that failed and wait to be tried again."""
    asked: set[str] = field(default_factory=set)
    """Loaders that a person wants run again; what the worker before that says of their end does not count."""
    begun: set[str] = field(default_factory=set)
    """Loaders whose rows have flowed in this round: what was to be set aside has been."""
    share: int = 1
    """Cores that fall to it now, if its loaders do not say how many they want."""
    connections: int = 1
    """Connections to the Hub that fall to it now."""
    held: int = 0
    """Connections that its worker may still have open: it was told of fewer, and has not said that it keeps to it."""
    told: int = 0
    """Times that its worker was told of another number of connections."""
    until: float | None = None
    loader: str = ""
    """`track/loader` at work, or empty."""
    opening: bool = False
    said_done: bool = False
    stopping: bool = False
    asked_at: float = 0.0
    """When the worker was asked to stop."""
    stalled_for: float = 0.0
    progress: tuple[int, ...] = ()
    idle: Idle = field(default_factory=Idle)
    ending_since: float | None = None

    @property
    def track(self) -> str:
        """The track's name."""
        return self.spec.track

    @property
    def ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.worker is None and self.state in ("FINISHED", "STOPPED", "FATAL")

    def name(self, loader: LoaderSpec) -> str:
        """`track/loader`."""
        return f"{self.track}/{loader.name}"

    def next_spec(self) -> WorkerSpec:
        """What a worker started now has to do."""
        loaders = [replace(item, fresh=item.fresh and self.name(item) not in self.begun) for item in self.waiting]
        return replace(self.spec, loaders=loaders, share=self.share, connections=self.connections)

    def begin(self, worker: Worker, now: float) -> None:
        """A worker has been started."""
        self.worker, self.loader, self.opening, self.said_done = worker, "", False, False
        self.stopping, self.stalled_for, self.ending_since, self.until = False, 0.0, None, None
        self.progress, self.idle = (), Idle(now, now)
        self.held, self.told = self.connections, 0
        self.retrying.clear()
        self.asked.clear()

    def waits_for(self, name: str) -> bool:
        """Whether a loader of that name has not ended yet."""
        return any(self.name(loader) == name for loader in self.waiting)

    def ask_to_stop(self, now: float) -> None:
        """Ask its worker, once, to leave at the next commit."""
        if self.worker is not None and not self.stopping:
            self.stopping, self.asked_at = True, now
            self.worker.ask_to_stop()

    def failed(self, name: str, read: int) -> int:
        """Count a failure of a loader that had read so many rows; returns how many in a row that makes."""
        again = read <= self.furthest.get(name, -1)
        self.attempts[name] = self.attempts.get(name, 0) + 1 if again else 1
        self.furthest[name] = max(read, self.furthest.get(name, -1))
        return self.attempts[name]

    def may_say(self, event: Event, stopped: Callable[[str], bool]) -> bool:
        """A worker speaks for the loaders that it was given, until they have ended; one that was `stopped` has a
        last word, with its counts."""
        if isinstance(event, WorkerDone):
            return event.track == self.track
        if not isinstance(event, OF_A_LOADER) or (isinstance(event, LoaderFinished) and event.state not in ENDS):
            return False
        if self.waits_for(event.loader) or (isinstance(event, Heartbeat) and not event.loader):
            return True
        ours = event.loader in {self.name(loader) for loader in self.spec.loaders}
        return ours and isinstance(event, LoaderFinished) and stopped(event.loader)

    def hear(self, event: Event, now: float) -> None:
        """Follow what the worker says: where it is, and whether it gets on."""
        match event:
            case LoaderOpening(loader=loader):
                self.loader, self.opening, self.tries = loader, True, 0
                self.idle.progress(now)
            case LoaderOpened(loader=loader):
                self.opening = False
                self.idle.progress(now)
                self.begun.add(loader)
            case LoaderProgress(counts=counts, replayed=replayed, bytes_read=taken):
                self._progress((counts.read, replayed, taken), now)
            case Heartbeat(rows=rows, replayed=replayed, bytes_read=taken):
                self._progress((rows, replayed, taken), now)
            case LoaderFinished():
                self.loader, self.opening = "", False
                self.idle.progress(now)
            case WorkerDone():
                self.said_done, self.idle = True, Idle(now, now)
            case LoaderWaiting(seconds=seconds):
                self.idle.wait(now, min(seconds, self.spec.longest_wait))

    def _progress(self, seen: tuple[int, ...], now: float) -> None:
        if seen != self.progress:
            self.progress = seen
            self.idle.progress(now)

    def busy(self, now: float, patience: float) -> bool:
        """Whether its worker uses a core: it is starting or has got on within `patience` seconds."""
        return self.worker is not None and not self.idle.waiting(now) and self.idle.seconds(now) < patience

    def take_share(self, share: int) -> None:
        """From now on so many cores fall to it; its worker is told."""
        if share != self.share and self.worker is not None:
            self.worker.use(share)
        self.share = share

    def take_connections(self, connections: int) -> None:
        """From now on so many connections to the Hub fall to it; its worker is told."""
        if connections != self.connections and self.worker is not None:
            self.worker.connect(connections)
            self.told += 1
        self.connections, self.held = connections, max(self.held, connections)

    def keeps(self, told: int) -> None:
        """Its worker keeps to the number of connections that it was told the `told`th time."""
        if told == self.told:
            self.held = self.connections

    @property
    def weight(self) -> int:
        """Cores that its worker and the shards of its loaders use at most, from now on."""
        return max((loader.workers or self.share for loader in self.waiting), default=1)

    def drop(self, name: str) -> None:
        """A loader has ended for good."""
        self.waiting = [loader for loader in self.waiting if self.name(loader) != name]
        self.retrying.discard(name)
        self.asked.discard(name)

    def bring_back(self, names: Iterable[str]) -> list[str]:
        """Put loaders at the head of the queue, their counts of failures forgotten; returns those that are ours."""
        wanted = set(names)
        ours = [loader for loader in self.spec.loaders if self.name(loader) in wanted]
        rest = [loader for loader in self.waiting if self.name(loader) not in wanted]
        self.waiting = [*ours, *rest]
        names = [self.name(loader) for loader in ours]
        for name in names:
            self.attempts.pop(name, None)
            self.furthest.pop(name, None)
            self.retrying.discard(name)
        self.asked.update(names)
        self.tries = 0 if names else self.tries
        return names
