"""Steering a run from another terminal: restart, stop, start, by way of the engine's socket."""

from __future__ import annotations

from pathlib import Path

import typer

from ..client import ask
from ..control import Request
from ..engine.plan import Wanted, make_plan, select
from ..errors import ExitCode, PolecatsError
from ..publish.inputs import Choice
from .context import Context, context
from .publishing import Order
from .running import Manner, execute

NO_RUN = "No run is in progress in this repository. Start one with: polecats run"


def restart(targets: list[str], linger: bool) -> ExitCode:
    """Restart loaders in the run in progress, or start a run of them with the last run's options."""
    here = context(inline=None, tier=None)
    names = [name for target in targets for name in select(here.every_loader, target)]
    reply = ask(here.paths.root, Request("restart", targets))
    if reply is None:
        return _run_again(here, [f"{track}/{loader}" for track, loader in names], linger)
    return _told(reply.done, reply.sentence)


def stop(targets: list[str], everything: bool) -> ExitCode:
    """Stop loaders, or the whole run."""
    if not targets and not everything:
        raise PolecatsError("Say what to stop: a track, track/loader, or --all for the whole run.")
    return _request(Request("shutdown") if everything else Request("stop", targets))


def start(targets: list[str]) -> ExitCode:
    """Bring stopped or failed loaders back."""
    return _request(Request("start", targets))


def _request(request: Request) -> ExitCode:
    here = context(inline=None, tier=None)
    for target in request.targets:
        select(here.every_loader, target)
    reply = ask(here.paths.root, request)
    if reply is None:
        raise PolecatsError(NO_RUN)
    return _told(reply.done, reply.sentence)


def _told(done: bool, sentence: str) -> ExitCode:
    typer.echo(sentence, err=not done)
    return ExitCode.OK if done else ExitCode.USAGE


def _run_again(here: Context, names: list[str], linger: bool) -> ExitCode:
    last = here.last_run()
    if last is None:
        raise PolecatsError(NO_RUN)
    wanted = Wanted(loaders=names)
    if last.tier > 1:
        here.source(last.source.folder)  # the file may have gone since
        wanted = Wanted(loaders=names, tier=last.tier, seed=last.seed, target=last.target)
    plan = make_plan(here.paths, here.config, last.source, wanted, last.inline)
    choice = Choice(evaluation_only=here.config.publish.evaluation_only)
    return execute(here, plan, Order(last.source, Path(last.output), choice), Manner(merge=last.merge, linger=linger))
