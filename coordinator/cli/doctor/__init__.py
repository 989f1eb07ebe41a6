"""`polecats doctor`: what stands in the way of a run, a sentence each; `--fix` does what is safe.

Safe is what loses nothing: what is removed can be made again, a checkout is renamed at most, and nothing at all is
done while a run is in progress, nor can one begin meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from filelock import FileLock, Timeout

from ...engine.recorder import harmless
from ...engine.repository import init
from ...errors import ExitCode, PolecatsError
from ...paths import Paths, find_root
from ..context import Context, context
from . import cached, checkouts, environment, leftovers, stored
from .finding import Finding


def doctor(fix: bool) -> ExitCode:
    """Look at everything, say it, mend what is safe to mend; 1 if something bad is left."""
    here = context(inline=None)
    bad = 0
    with _quiet(here.paths, fix) as busy:
        for finding in _look(here, busy):
            after = _mended(finding, busy) if fix else _advised(finding, busy)
            bad += after.verdict == "bad"
            typer.echo(f"{after.verdict:<4}  {after.subject:<10}  {harmless(after.sentence)}")
    return ExitCode.SOME_FAILED if bad else ExitCode.OK


@contextmanager
def _quiet(paths: Paths, fix: bool) -> Iterator[bool]:
    """Whether a run is in progress; where none is and something is to be mended, none begins while the block runs."""
    if not fix and not paths.lock.exists():
        yield False
        return
    paths.state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(paths.lock, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        yield True
        return
    try:
        if not fix:
            lock.release()
        yield False
    finally:
        lock.release()


def _look(here: Context, busy: bool) -> Iterator[Finding]:
    yield from environment.look(here)
    yield from cached.look(here)
    yield from checkouts.look(here.paths)
    yield from leftovers.look(here, busy)
    yield from stored.look(here)


def _advised(finding: Finding, busy: bool) -> Finding:
    if finding.mend is None:
        return finding
    when = " once the run in progress has ended" if busy else ""
    return finding.but(finding.verdict, f"Mend it{when} with: polecats doctor --fix")


def _mended(finding: Finding, busy: bool) -> Finding:
    if finding.mend is None:
        return finding
    if busy:
        return finding.but(finding.verdict, "It is left as it is while the run in progress goes on.")
    try:
        return finding.but("ok", " ".join(filter(None, ["Mended.", finding.mend()])))
    except (PolecatsError, OSError) as error:
        return finding.but("bad", f"It could not be mended: {error}")


def make_repository() -> ExitCode:
    """Turn a download without git into a repository that worktrees can be made from."""
    typer.echo(init(find_root(Path.cwd()).root))
    return ExitCode.OK
