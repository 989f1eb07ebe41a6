"""The engine's loop: hear workers, fold, journal, decide, act. One thread, no waiting but in `select`.

A worker ends in one of four ways: it was asked to stop, which comes before whatever else befell it; it says that
all is done; it stalled and is killed (its loader is left out, the others go on); it died (its loader is tried again
by policy). Whatever it is, the loaders that have not ended are what the next worker gets.
"""

from __future__ import annotations

import selectors
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

from ..events import (
    Counts,
    Event,
    Failure,
    Heartbeat,
    LoaderFinished,
    LoaderProgress,
    LoaderQueued,
    LoaderState,
    LoaderWaiting,
    TrackChanged,
    TrackState,
    decode,
)
from ..worker.spec import WorkerSpec
from . import policy
from .connecting import Connecting
from .executors.base import Executor
from .limited import Limited
from .policy import RestartPolicy
from .recorder import Recorder
from .work import ENDS, Work

TICK = 0.1
SOON = 0.01
"""A tick while workers wait for the executor, or one has said its last word and is about to end."""
KILL_AFTER = 3.0
"""Seconds between SIGTERM and SIGKILL."""
STOP_AFTER = 10.0
"""Seconds that a worker has to reach its next commit when it is asked to stop."""
IDLE = 3.0
"""Seconds without progress after which a worker no longer counts as busy: another track may start."""
LOG_TAIL = 4_000


@dataclass(frozen=True, slots=True)
class Limits:
    """`stall_timeout` in seconds, busy workers at most, where logs go, connections to the Hub at most."""

    stall_timeout: float
    slots: int
    logs: Path
    connections: int = 8


class Supervisor:
    """Runs rounds of worker specs to their end. `clock` only ever goes on, also when the machine's time is set."""

    def __init__(
        self,
        executor: Executor,
        recorder: Recorder,
        restart: RestartPolicy,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self.selector = selectors.DefaultSelector()
        self.works: dict[str, Work] = {}
        self._executor, self._recorder = executor, recorder
        self._restart, self._limits, self._clock = restart, limits, clock
        self._limited = Limited()
        self._connecting = Connecting(limits.connections, limits.slots)
        self._reached = False
        """Whether anything has come from the Hub in this run."""
        self._soon = False

    def run(self, specs: Iterable[WorkerSpec], stopping: Callable[[], bool]) -> None:
        """Run until every track has ended, or all have stopped after `stopping()`."""
        self.take(specs)
        self.go_on(stopping)

    def go_on(self, stopping: Callable[[], bool]) -> None:
        """Run until every track of the round has ended."""
        try:
            while not self.ended:
                self.step(stopping())
        finally:
            self.end()

    def take(self, specs: Iterable[WorkerSpec]) -> None:
        """Take up a round; nothing starts before the next `step`."""
        self.works = {spec.track: Work(spec, list(spec.loaders)) for spec in specs}

    @property
    def ended(self) -> bool:
        """Whether nothing more happens by itself in this round."""
        return all(work.ended for work in self.works.values())

    def step(self, stopping: bool) -> None:
        """One turn of the loop: at most a tick long."""
        for key, _ in self.selector.select(SOON if self._soon else TICK):
            key.data()
        now = self._clock()
        for work in self.works.values():
            if stopping:
                self._stop(work)
            self._watch(work, now)
            self._reap(work, now)
        self._share_out()
        self._soon = not stopping and self._start_due(now)
        self._soon |= any(work.worker is not None and not self._registered(work) for work in self.works.values())

    # --- starting

    def _share_out(self) -> None:
        """Cores and connections go to the tracks that have not ended: the last one may use all of them."""
        active = [work for work in self.works.values() if not work.ended]
        for work in active:
            work.take_share(max(1, self._limits.slots // len(active)))
        self._connecting.share_out(active)

    def _start_due(self, now: float) -> bool:
        """Start what is due; returns whether something waits for the executor."""
        slots = self._limits.slots
        free = slots - sum(work.weight for work in self.works.values() if work.busy(now, IDLE))
        for work in sorted(self.works.values(), key=lambda work: not work.asked):  # a person waits for those
            due = work.state == "PENDING" or (work.state == "BACKOFF" and now >= (work.until or 0))
            fits = due and work.worker is None and min(work.weight, slots) <= free
            if fits and self._connecting.admit(work, self.works.values()):
                if not self._executor.ready():
                    return True
                self._start(work, now)
                free -= work.weight
            elif due and work.asked:
                break
        return False

    def _start(self, work: Work, now: float) -> None:
        self._change(work, "STARTING")
        try:
            self._limits.logs.mkdir(parents=True, exist_ok=True)
            worker = self._executor.start(work.next_spec(), str(self._log(work)))
        except OSError as error:
            self._unstartable(work, f"no process can be started: {error.strerror or error}", now)
            return
        work.begin(worker, now)
        self._limited.tell(worker, now)
        self.selector.register(worker.fileno(), selectors.EVENT_READ, lambda: self._hear(work))
        self._change(work, "RUNNING", pid=worker.pid)

    # --- hearing

    def _hear(self, work: Work) -> None:
        if work.worker is None:
            return
        lines, more = work.worker.lines()
        if not more:
            self._unregister(work)
        for line in lines:
            try:
                event = decode(orjson.loads(line))
            except (ValueError, AttributeError, TypeError):
                continue  # not ours: a worker's pipe carries data, and data may be anything
            self._enter(work, event)

    def _enter(self, work: Work, event: Event) -> None:
        now = self._clock()
        if not work.may_say(event, lambda name: self._recorder.state.loaders[name].state == "STOPPED"):
            return
        if not work.said_done:
            work.hear(event, now)
        if isinstance(event, Heartbeat):
            work.keeps(event.connects)
        self._reached |= isinstance(event, Heartbeat | LoaderProgress) and event.wire > 0
        if isinstance(event, LoaderWaiting) and event.shared:
            others = [one.worker for one in self.works.values() if one.worker is not None and one is not work]
            self._limited.enter(event, now, others)
        elif isinstance(event, LoaderFinished):
            self._finished(work, event, now)
        self._recorder.emit(event)

    def _finished(self, work: Work, event: LoaderFinished, now: float) -> None:
        if event.state == "STOPPED" or event.loader in work.asked:
            return
        again = self._restart.again(event.failure, work.failed(event.loader, event.counts.read), self._reached)
        if again and self._limited.left(now) <= work.spec.longest_wait:
            work.retrying.add(event.loader)
        else:
            work.drop(event.loader)

    # --- watching

    def _watch(self, work: Work, now: float) -> None:
        if work.worker is None:
            return
        idle = work.idle.seconds(now)
        if work.ending_since is not None:
            if now - work.ending_since > KILL_AFTER:
                work.worker.kill()
        elif work.said_done:
            if idle > KILL_AFTER:
                work.worker.kill()  # its work is on disk; only the interpreter does not end
        elif work.stopping:
            if now - work.asked_at > STOP_AFTER:
                self._terminate(work, now)  # what is committed is kept
        elif idle > self._limits.stall_timeout:
            self._hear(work)  # an engine that was suspended itself wakes up with nothing heard
            if work.idle.seconds(now) > self._limits.stall_timeout:
                work.stalled_for = idle
                self._terminate(work, now)

    def _terminate(self, work: Work, now: float) -> None:
        if work.worker is not None:
            work.ending_since = now
            work.worker.terminate()

    def _reap(self, work: Work, now: float) -> None:
        if work.worker is None:
            return
        code = work.worker.ended()
        if code is None:
            return
        if self._registered(work):
            self._hear(work)  # what it said before it ended may still be in the pipe
        self._unregister(work)
        starved = code == -signal.SIGKILL and work.worker.out_of_memory()
        work.worker.close()
        work.worker = None
        self._ended(work, code, starved, now)

    # --- ending

    def _ended(self, work: Work, code: int, starved: bool, now: float) -> None:
        if work.state == "STOPPING":
            self._stopped(work)
        elif work.stopping:
            self._requeue(work)
            self._next(work)
        elif work.said_done:
            self._after_done(work, now)
        elif not work.waiting:
            self._next(work)
        elif not work.loader:
            frozen = f"it made no progress for {work.stalled_for:,.0f} s" if work.stalled_for else ""
            self._unstartable(work, frozen or f"it ended with exit code {code}, at no loader", now)
        elif work.stalled_for:
            failure = policy.stalled(work.loader, work.stalled_for, work.opening)
            self._finish(work, work.loader, "STALLED", failure)
            self._next(work)
        else:
            self._died(work, policy.killed(work.loader, code, starved, self._tail(work)), now)

    def _after_done(self, work: Work, now: float) -> None:
        for loader in list(work.waiting):
            if work.name(loader) not in work.retrying:
                name = work.name(loader)
                self._finish(work, name, "FAILED", policy.unheard(name, self._tail(work)))
        if work.retrying:
            names = ", ".join(sorted(work.retrying))
            self._back_off(work, max(work.attempts[name] for name in work.retrying), now, f"{names}: tried again")
        else:
            self._next(work)

    def _died(self, work: Work, failure: Failure, now: float) -> None:
        attempts = work.failed(work.loader, self._counts(work.loader).read)
        if self._restart.again(failure, attempts):
            self._recorder.emit(LoaderQueued(work.loader))
            self._back_off(work, attempts, now, failure.sentence)
        else:
            self._finish(work, work.loader, "FAILED", failure)
            self._next(work)

    def _unstartable(self, work: Work, how: str, now: float) -> None:
        work.tries += 1
        if work.tries <= self._restart.max and self._restart.policy != "never":
            self._back_off(work, work.tries, now, f"the worker cannot be kept: {how}")
            return
        failure = policy.unstartable(work.track, how, self._tail(work))
        for loader in list(work.waiting):
            self._finish(work, work.name(loader), "FAILED", failure)
        self._change(work, "FATAL", note=failure.sentence)

    def _stopped(self, work: Work) -> None:
        """The run ends: a loader at work has stopped, one that waits still waits."""
        for name in self._unfinished(work, "OPENING", "STREAMING"):
            self._recorder.emit(LoaderFinished(name, "STOPPED", self._counts(name)))
        self._change(work, "STOPPED")

    def _requeue(self, work: Work) -> None:
        """The worker has made way for another: what has not ended waits again."""
        for name in self._unfinished(work, "OPENING", "STREAMING", *ENDS):
            self._recorder.emit(LoaderQueued(name))

    def _unfinished(self, work: Work, *states: LoaderState) -> list[str]:
        names = [work.name(loader) for loader in work.waiting]
        return [name for name in names if self._recorder.state.loaders[name].state in states]

    def _finish(self, work: Work, name: str, state: LoaderState, failure: Failure | None = None) -> None:
        """A loader ends by what the engine saw or was asked, with the counts told last; the others go on."""
        work.drop(name)
        self._recorder.emit(LoaderFinished(name, state, self._counts(name), failure))

    def _counts(self, name: str) -> Counts:
        return self._recorder.state.loaders[name].counts.copy()

    def _next(self, work: Work) -> None:
        self._change(work, "PENDING" if work.waiting else "FINISHED")

    def _back_off(self, work: Work, attempts: int, now: float, note: str = "") -> None:
        work.until = now + self._restart.delay(attempts)
        told = self._recorder.now() + self._restart.delay(attempts)
        self._change(work, "BACKOFF", attempt=attempts, until=told, note=note)

    # --- what a person asks for

    def restart(self, names: list[str]) -> list[str]:
        """Run loaders again, first, in a fresh process; their track stops at the next commit for it."""
        done = []
        for work in self.works.values():
            ours = work.bring_back(names)
            for name in ours:
                self._recorder.emit(LoaderQueued(name))
            if ours and work.worker is None:
                self._change(work, "PENDING")
            elif ours:
                work.ask_to_stop(self._clock())
            done += ours
        return done

    def stop(self, names: list[str]) -> list[str]:
        """Take loaders out; the rest of their track goes on, in a fresh process that was never given them."""
        done = []
        for work in self.works.values():
            ours = [work.name(loader) for loader in work.waiting if work.name(loader) in names]
            for name in ours:
                self._finish(work, name, "STOPPED")
            if ours and work.worker is not None:
                work.ask_to_stop(self._clock())
            elif ours and not work.waiting:
                self._change(work, "FINISHED")
            done += ours
        return done

    def _stop(self, work: Work) -> None:
        if work.worker is not None and work.state != "STOPPING":
            self._change(work, "STOPPING", pid=work.worker.pid)
            work.ask_to_stop(self._clock())
        elif work.worker is None and not work.ended:
            self._change(work, "STOPPED")

    # --- small things

    def _change(
        self,
        work: Work,
        state: TrackState,
        pid: int | None = None,
        attempt: int = 0,
        until: float | None = None,
        note: str = "",
    ) -> None:
        if not work.waiting and state in ("PENDING", "STOPPED"):
            state = "FINISHED"
        work.state = state
        self._recorder.emit(TrackChanged(work.track, state, attempt, pid, until, note))

    def _registered(self, work: Work) -> bool:
        return work.worker is not None and work.worker.fileno() in self.selector.get_map()

    def _unregister(self, work: Work) -> None:
        if work.worker is not None and self._registered(work):
            self.selector.unregister(work.worker.fileno())

    def _log(self, work: Work) -> Path:
        return self._limits.logs / f"{work.track}.log"

    def _tail(self, work: Work) -> str:
        try:
            return self._log(work).read_bytes()[-LOG_TAIL:].decode("utf-8", "replace")
        except OSError:
            return ""

    def end(self) -> None:
        """Leave no process behind, whatever made the loop end."""
        alive = [(work, work.worker) for work in self.works.values() if work.worker is not None]
        for _, worker in alive:
            worker.kill()
        for work, worker in alive:
            self._unregister(work)
            worker.wait(KILL_AFTER)
            worker.close()
            work.worker = None
        for work in self.works.values():
            if not work.ended:
                self._stopped(work)
