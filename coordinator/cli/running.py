"""A run as a command: lock, journal, reporters, rounds, the merge at the end, the summary, the exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from types import FrameType
from typing import TypeVar

from filelock import FileLock, Timeout

from ..disk import DiskError, naming, write_whole
from ..engine.journal import JOURNAL, Journal
from ..engine.plan import Plan
from ..engine.recorder import Recorder, Reporter
from ..engine.rounds import run_to_target
from ..engine.state import RunState
from ..errors import ExitCode, PolecatsError
from ..events import RunFinished, RunStarted
from ..paths import Paths
from ..publish import manifest
from ..publish.merge import Merged
from ..publish.place import check_place
from ..worker.spec import WorkerSpec
from .context import Context, LastRun
from .placing import already_running, engine_of, executor_of, make_way, runner_of, worktrees
from .publishing import Order, ended_by_a_person, inputs_of, publish, say, tell
from .room import check_room, tight

Result = TypeVar("Result")
JOURNAL_EVERY = 2.0
"""Seconds between two journal lines of a loader's progress."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run shows itself, and whether it merges."""

    plain: bool = False
    json: bool = False
    merge: bool = True
    linger: bool = False
    """Serve on after the end while somebody watches: an engine that a screen has started."""


class Stopper:
    """Ctrl-C and SIGTERM: the first asks the run to stop at the next commit, the second ends it at once."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.asked

    def _signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        say("Stopping at the next commit; once more stops at once.")

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Signals come here while the block runs."""
        before = {number: signal.signal(number, self._signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Ending:
    """The end of a run, and of each time that it is taken up again: the merge, the exit code, the last event."""

    def __init__(self, context: Context, plan: Plan, order: Order, manner: Manner) -> None:
        self.merged: Merged | None = None
        self.gated = ExitCode.OK
        """What a tier's publication gave."""
        self.refused: PolecatsError | None = None
        self._context, self._plan, self._order, self._manner = context, plan, order, manner

    def finish(self, recorder: Recorder, stopper: Stopper, quotas: dict[str, int] | None) -> ExitCode:
        """Merge if that is wanted, and say how it ended."""
        _record(self._plan, recorder.state.run, quotas, self._order, self._manner)
        self.refused = None
        if self._manner.merge and not stopper.asked:
            try:
                self._publish(quotas)
            except PolecatsError as error:
                self.refused = error
        code = _exit_code(recorder.state, stopper, self.refused) or self.gated
        recorder.emit(RunFinished(int(code)))
        return code

    def _publish(self, quotas: dict[str, int] | None) -> None:
        plan, order = self._plan, self._order
        if plan.tier == 1:
            merge = partial(publish, self._context, _with_quotas(order, quotas), plan.loaders)
            self.merged = self._in_its_place(merge)
        else:
            from .merging import tier_order
            from .tiers import publish_tier

            tier = tier_order(plan.tier, order, plan.target)
            self.gated = self._in_its_place(partial(publish_tier, self._context, tier))

    def _in_its_place(self, merge: Callable[[], Result]) -> Result:
        """An engine that lives on must not grow with each merge."""
        if not self._manner.linger:
            return merge()
        from ..publish.apart import apart

        with ended_by_a_person(self._order.output):
            return apart(merge, "The merge")


def execute(context: Context, plan: Plan, order: Order, manner: Manner) -> ExitCode:
    """Run a plan to its end, merge, tell. Raises `PolecatsError` for what keeps it from starting."""
    make_way(plan.paths)
    check_room(plan.paths.state)
    if manner.merge:
        check_place(order.output)
        if plan.tier == 1:
            manifest.check_replaceable(order.output, order.source.kind, order.replace)
    stopper = Stopper()
    with locked(plan.paths), stopper.armed(), ExitStack() as stack:
        executor = None if plan.inline else stack.enter_context(executor_of(plan))
        trees = {} if plan.inline else worktrees(plan)
        plan = plan if plan.inline else plan.again()
        ending, run = Ending(context, plan, order, manner), run_id()
        recorder, journal = _recorder(plan, run, manner, stack)
        tight([plan.paths.state, order.output] if manner.merge else [plan.paths.state])
        if plan.source.served:
            plan = stack.enter_context(_drill(plan, recorder))
        recorder.emit(RunStarted(run, plan.source.kind, plan.names))
        _record(plan, run, None, order, manner)  # a run that is cut off is the last run, too
        engine = stack.enter_context(engine_of(plan, run, recorder, executor)) if executor else None
        runner = runner_of(engine, recorder, stopper, trees)
        try:
            quotas = _run(context, plan, order, recorder, stopper, runner)
        except KeyboardInterrupt:
            recorder.emit(RunFinished(int(ExitCode.INTERRUPTED)))
            raise
        ending.finish(recorder, stopper, quotas)
        if engine is not None and manner.linger:
            engine.linger(lambda: ending.finish(recorder, stopper, quotas))
    if not journal.whole:
        say("Note: the journal of this run is not whole: status and watch will know less of it.")
    _tell(recorder.state, ending.merged, ending.refused, order, manner)
    return ExitCode(recorder.state.exit_code or 0)


@contextmanager
def _drill(plan: Plan, recorder: Recorder) -> Iterator[Plan]:
    """The plan with the drill's patience, while what it reads is served."""
    from .drilling import drilled, drilling

    with drilling(plan, recorder):
        yield replace(plan, config=drilled(plan.config))


def run_id() -> str:
    """A new run's id: the time and the process, sortable."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid():07d}"


@contextmanager
def locked(paths: Paths) -> Iterator[None]:
    """Hold the repository's lock. Raises `PolecatsError` with the holder's pid where another run holds it."""
    holder = paths.lock.with_suffix(".pid")
    lock = FileLock(paths.lock, timeout=0)
    with naming(paths.lock):
        paths.state.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:  # an OSError as well
            raise already_running(paths) from None
    try:
        with naming(holder):
            holder.write_text(f"{os.getpid()}\n")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _recorder(plan: Plan, run: str, manner: Manner, stack: ExitStack) -> tuple[Recorder, Journal]:
    journal = Journal(plan.paths.runs / run / JOURNAL)
    stack.callback(journal.close)
    recorder = Recorder(journal, _reporters(manner, stack), every=JOURNAL_EVERY, warn=lambda text: say(f"Note: {text}"))
    stack.callback(recorder.flush)
    return recorder, journal


def _reporters(manner: Manner, stack: ExitStack) -> Sequence[Reporter]:
    from ..headless.jsonl import json_reporter
    from ..headless.plain import PlainReporter

    if manner.json:
        return [json_reporter]
    if manner.plain or not sys.stderr.isatty():
        return [PlainReporter()]
    from ..headless.table import LiveTable

    return [stack.enter_context(LiveTable())]


def _run(
    context: Context,
    plan: Plan,
    order: Order,
    recorder: Recorder,
    stopper: Stopper,
    runner: Callable[[list[WorkerSpec]], None],
) -> dict[str, int] | None:
    """Run the loaders; returns the rows that each may have in the file (-1: all), None: all of everything."""
    limits = {f"{track}/{loader}": plan.cap(track, loader) for track, loader in plan.loaders}
    fresh = plan.fresh

    def run_round(caps: dict[str, int]) -> None:
        nonlocal fresh
        runner(plan.specs(caps, fresh))
        fresh = False

    if plan.tier > 1:  # the target is of rows that are selected from what is made
        run_round(limits)
        return None
    if not plan.target:
        run_round(limits)
        others = {f"{track}/{loader}": -1 for track, loader in context.loaders}  # not in this run, but in the file
        return {**others, **{name: cap or -1 for name, cap in limits.items()}} if any(limits.values()) else None
    if fresh:
        run_round(dict.fromkeys(limits, 1))
    quotas = run_to_target(
        plan.names,
        limits,
        plan.target,
        lambda caps: None if stopper() else run_round(caps),
        lambda: inputs_of(context, plan.source, order.choice, plan.loaders),
    )
    if sum(quotas.values()) < plan.target:
        say(f"Note: the sources hold {sum(quotas.values()):,} rows, fewer than the target of {plan.target:,}.")
    return quotas


def _with_quotas(order: Order, quotas: dict[str, int] | None) -> Order:
    return Order(order.source, order.output, order.choice, quotas, order.replace, order.leave_out_damaged)


def _record(plan: Plan, run: str, quotas: dict[str, int] | None, order: Order, manner: Manner) -> None:
    """What `merge`, `restart` and `status` need to know of the last run."""
    of_tier = plan.tier, plan.wanted.seed, plan.target
    record = LastRun(run, plan.inline, plan.source, str(order.output), manner.merge, quotas, *of_tier)
    try:
        write_whole(plan.paths.last, (json.dumps(asdict(record), indent=1) + "\n").encode())
    except DiskError as error:
        say(f"Note: {error}; merge and restart go by the run before.")


def _exit_code(state: RunState, stopper: Stopper, refused: PolecatsError | None) -> ExitCode:
    if stopper.asked:
        return ExitCode.INTERRUPTED
    if not any(status.counts.samples for status in state.loaders.values()):
        return ExitCode.NOTHING
    if refused is not None:
        return refused.code
    return ExitCode.SOME_FAILED if state.failed else ExitCode.OK


def _tell(state: RunState, merged: Merged | None, refused: PolecatsError | None, order: Order, manner: Manner) -> None:
    if not manner.json:
        from ..headless.table import console, print_traffic, summary_table

        out = console()
        out.print(summary_table(state, merged, state.ended or 0.0, out.width))
        print_traffic(out, state, state.ended or 0.0)
    if merged is not None:
        tell(merged, order.output)
    if refused is not None:
        say(f"Not merged: {refused}")
    tell_failures(state)
    if state.exit_code == ExitCode.INTERRUPTED:
        say("Interrupted. What is committed is kept; the same command goes on from there.")


def tell_failures(state: RunState) -> None:
    """A sentence a failure: what happened, what to do, how to see it again. What befell several is told once."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name in state.failed:
        failure = state.loaders[name].failure
        if failure is not None:
            what = "" if failure.failure_class == "disk_full" else failure.sentence  # of one disk, whatever the file
            alike.setdefault((failure.failure_class, what), []).append(name)
    for names in alike.values():
        failure = state.loaders[names[0]].failure
        assert failure is not None
        who = f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]
        sentence = failure.sentence.rstrip(".")
        say(f"{who}: {failure.failure_class}: {sentence}. {failure.remedy} See: {failure.reproduce}")
