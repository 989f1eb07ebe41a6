"""All tracks in this process, one after another: no worktrees, no isolation, the simplest thing that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...events import Event
from ...worker.gate import Gate
from ...worker.main import run
from ...worker.pool import Share
from ...worker.spec import WorkerSpec


def run_inline(specs: Iterable[WorkerSpec], emit: Callable[[Event], None], stopping: Callable[[], bool]) -> None:
    """Run the specs in order until done or `stopping()`."""
    gate, share = Gate(), Share()
    for spec in specs:
        if stopping():
            return
        share.connections.resize(spec.connections)
        run(spec, emit, stopping, gate=gate, share=share)
