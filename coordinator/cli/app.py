"""The commands: options and help here, work in the modules beside this one."""

from __future__ import annotations

import errno
import gc
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from ..disk import FULL, DiskError
from ..errors import ExitCode, PolecatsError

if TYPE_CHECKING:
    from ..worker.spec import SourceSpec
    from .context import Context
    from .publishing import Order

EXIT_CODES = (
    "Exit codes: 0 all done · 1 some loaders failed · 2 usage or config.toml · 3 nothing produced · "
    "4 merge or validation refused · 5 already running · 130 interrupted"
)
HELP = """Builds agent-training data: streams Hugging Face datasets, turns every row into a validated execution plan,
merges what was made into one file.

Begin with `polecats demo`: the whole thing, offline, in a minute. `polecats run` does it on the Hub,
`polecats status` and `polecats failures` say how it went, `polecats merge` makes the file.
"""

app = typer.Typer(
    help=HELP,
    epilog=EXIT_CODES,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="hub|samples|DIR|FILE",
        help="Where rows come from; DIR is laid out like the Hub, org/name/files. Of a tier: the Tier I file.",
    ),
]
Output = Annotated[Path | None, typer.Option("--output", metavar="FILE", help="The file to write.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace a file that was made from another kind of source, or edited since.")
]
LeaveOut = Annotated[bool, typer.Option("--leave-out-damaged", help="Merge without the rows of damaged parts.")]
Redistributable = Annotated[
    bool, typer.Option("--redistributable", help="Leave sources out whose licence forbids passing them on.")
]
Plain = Annotated[bool, typer.Option("--plain", help="Lines on stderr instead of the screen.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs.")]
Inline = Annotated[bool, typer.Option("--inline", help="All tracks in this process, one after another, no worktrees.")]
Linger = Annotated[bool, typer.Option("--linger", hidden=True, help="Serve on while a screen watches.")]
Tier = Annotated[int | None, typer.Option("--tier", min=1, max=3, help="1: from sources; 2, 3: from the Tier I file.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of Tiers II and III, over config.toml's.")]
NoMerge = Annotated[bool, typer.Option("--no-merge", help="Do not merge at the end.")]


@app.command()
def run(
    tier: Tier = 1,
    track: Annotated[
        list[str] | None, typer.Option("--track", help="Only this track (may stand several times).")
    ] = None,
    exclude_track: Annotated[list[str] | None, typer.Option("--exclude-track", help="Not this track.")] = None,
    loader: Annotated[list[str] | None, typer.Option("--loader", help="Only this loader, or track/loader.")] = None,
    target: Annotated[
        int | None, typer.Option("--target", min=0, help="Rows wanted in the file (of a tier: negatives); 0: all.")
    ] = None,
    max_samples: Annotated[
        int | None, typer.Option("--max-samples", min=0, help="Samples a loader at most; 0: all.")
    ] = None,
    sample_mode: Annotated[bool, typer.Option("--sample-mode", help="The same as --target 1000.")] = False,
    seed: Seed = None,
    source: Source = None,
    output: Output = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start anew; what was committed is set aside, not deleted.")
    ] = False,
    inline: Inline = False,
    plain: Plain = False,
    json: Json = False,
    no_merge: NoMerge = False,
    linger: Linger = False,
    replace: Replace = False,
    redistributable: Redistributable = False,
) -> None:
    """Run loaders, then merge. Goes on where an earlier run stopped; done loaders are not read again."""
    from ..engine.plan import Wanted, make_plan
    from .context import context
    from .running import Manner, execute

    here = context(inline, tier)
    wanted = Wanted(
        track or (),
        exclude_track or (),
        loader or (),
        max_samples,
        1_000 if sample_mode and target is None else target,
        fresh,
        here.tier,
        seed,
    )
    plan = make_plan(here.paths, here.config, here.source(source), wanted, inline)
    _on_screen(here, plain or json or inline or linger)
    order = _order(here, plan.source, output, replace, redistributable)
    raise typer.Exit(execute(here, plan, order, Manner(plain, json, here.config.run.merge and not no_merge, linger)))


@app.command()
def demo(
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows in all.")] = 2_000,
    faults: Annotated[
        bool, typer.Option("--faults", help="A drill: over the Hub's own clients, with sources that go wrong.")
    ] = False,
    output: Output = None,
    inline: Inline = False,
    plain: Plain = False,
    json: Json = False,
    no_merge: NoMerge = False,
    linger: Linger = False,
    replace: Replace = False,
) -> None:
    """Run everything offline, on invented rows in the true shape of every source."""
    from ..engine.plan import Wanted, make_plan
    from .context import context
    from .running import Manner, execute

    if faults and inline:
        raise PolecatsError("A drill kills and ends workers, and --inline has none: leave one of them out.")
    here = context(inline)
    _on_screen(here, plain or json or inline or linger)
    wanted = Wanted(max_samples=0, target=0, fresh=faults)  # a drill seen before goes wrong again
    plan = make_plan(here.paths, here.config, _mirror(here, rows, faults), wanted, inline)
    order = _order(here, plan.source, output, replace, redistributable=False)
    raise typer.Exit(execute(here, plan, order, Manner(plain, json, not no_merge, linger)))


@app.command()
def merge(
    source: Source = None,
    output: Output = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be in the file; write nothing.")] = False,
    redistributable: Redistributable = False,
    replace: Replace = False,
    leave_out_damaged: LeaveOut = False,
    stale: Annotated[bool, typer.Option("--stale", help="Take rows of loaders that were edited since, too.")] = False,
    json: Json = False,
    progress: Annotated[bool, typer.Option("--progress", help="A JSON line on stdout for each part written.")] = False,
    tier: Tier = None,
    target: Annotated[int | None, typer.Option("--target", min=0, help="Negatives wanted in a tier's file.")] = None,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", metavar="GATE", help="Live with a tier's gate that is not green.")
    ] = None,
    why: Annotated[str, typer.Option("--why", help="The reason; it goes into the manifest.")] = "",
) -> None:
    """Merge what is committed into one validated file; also while a run goes on. By default the last run's tier."""
    from . import publishing
    from .context import context

    here = context(inline=None, tier=tier)
    last = here.last_run()
    last = last if last is not None and last.tier == here.tier else None
    if here.tier > 1:
        from .merging import merge_tier

        file = last.source.folder if last is not None and source is None else source
        order = _order(here, here.source(file), output, replace, redistributable, stale)
        if target is None:
            target = last.target if last is not None else here.config.run.target
        raise typer.Exit(merge_tier(here, order, target, accept or [], why, json, dry_run))
    spec = here.source(source) if source is not None or last is None else last.source
    quotas = last.quotas if last and last.source.key == spec.key else None
    order = _order(here, spec, output, replace, redistributable, stale, leave_out_damaged, quotas)
    if dry_run:
        merged = publishing.dry_run(here, order)
    elif progress:
        merged = publishing.publish(here, order, progress=publishing.tell_progress)
    else:
        merged = publishing.publish(here, order)
    if json:
        publishing.tell_json(here, order, merged, dry_run)
        return
    from ..headless.table import console, merge_table

    console().print(merge_table(merged))
    publishing.tell(merged, order.output, dry_run)


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A published file.")],
    tier1: Annotated[
        Path | None, typer.Option("--tier1", metavar="FILE", help="The parents of a tier's rows, if not beside it.")
    ] = None,
    json: Json = False,
) -> None:
    """Audit a published file line by line, independent of how it was made; a tier's edits are replayed, too."""
    from .auditing import audit

    raise typer.Exit(audit(file, json, tier1))


@app.command()
def gates(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of Tier II or III, or the draft of one.")],
    tier1: Annotated[
        Path | None, typer.Option("--tier1", metavar="FILE", help="Its parents; by default what its manifest names.")
    ] = None,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", metavar="GATE", help="Live with this gate's verdict on these bytes.")
    ] = None,
    why: Annotated[str, typer.Option("--why", help="The reason; it goes into the manifest.")] = "",
    json: Json = False,
) -> None:
    """Say what a tier's file proves: figure, bound and verdict of each gate, and the features behind what is red."""
    from .gating import gates as judge

    raise typer.Exit(judge(file, accept or [], why, json, tier1))


@app.command()
def check(
    target: Annotated[str, typer.Argument(metavar="TRACK[/LOADER]", help="A track, a loader, or track/loader.")],
    source: Source = "samples",
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows to look at.")] = 20,
    inline: Annotated[bool, typer.Option("--inline", help="The main checkout's code, not the worktree's.")] = False,
    row: Annotated[str | None, typer.Option("--row", metavar="SPLIT-N", help="Only this row.")] = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Run loaders on a few rows in this process and show what becomes of each; writes nothing."""
    from . import inspecting
    from .context import context

    here = context(inline)
    limit = rows if row is None else sys.maxsize
    raise typer.Exit(inspecting.check(here, target, source, limit, row, seed, json))


@app.command()
def failures(
    target: Annotated[str | None, typer.Argument(metavar="[TRACK[/LOADER]]", help="Only these loaders.")] = None,
    json: Json = False,
) -> None:
    """Why loaders failed and rows were rejected in the last run, with rows and commands that show them again."""
    from .context import context
    from .inspecting import show_failures

    raise typer.Exit(show_failures(context(inline=None), target, json))


Targets = Annotated[list[str] | None, typer.Argument(metavar="TRACK[/LOADER]...", help="Tracks or loaders.")]


@app.command()
def restart(targets: Targets = None, linger: Linger = False) -> None:
    """Run loaders again: only what changed is redone. Without a run in progress one is started, as the last was."""
    from .steering import restart as do

    raise typer.Exit(do(targets or [], linger))


@app.command()
def stop(
    targets: Targets = None,
    everything: Annotated[bool, typer.Option("--all", help="Stop the whole run at the next commit.")] = False,
) -> None:
    """Take loaders out of the run in progress; the rest goes on. What is committed is kept."""
    from .steering import stop as do

    raise typer.Exit(do(targets or [], everything))


@app.command()
def start(targets: Targets = None) -> None:
    """Bring loaders back that were stopped or have failed."""
    from .steering import start as do

    raise typer.Exit(do(targets or []))


@app.command()
def status(json: Json = False) -> None:
    """How the last run stands, from its journal; works with nothing running."""
    from .context import context
    from .inspecting import show_status

    show_status(context(), json)


@app.command()
def watch(
    replay: Annotated[
        Path | None, typer.Option("--replay", metavar="RUN", help="Play a finished run: its id, or a journal.")
    ] = None,
    speed: Annotated[float, typer.Option("--speed", min=0.01, help="How fast to play it.")] = 1.0,
    theme: Annotated[str, typer.Option("--theme", metavar="dark|light|mono", help="Colours of the screen.")] = "dark",
    ascii: Annotated[bool, typer.Option("--ascii", help="Only ASCII signs, for fonts without others.")] = False,
) -> None:
    """Open the screen on the run in progress, or on the last one; closing it leaves the run alone."""
    from .. import screen
    from .context import context

    raise typer.Exit(screen.run(context().paths.root, replay=replay, speed=speed, theme=theme, ascii=ascii))


@app.command()
def doctor(fix: Annotated[bool, typer.Option("--fix", help="Mend what is safe to mend.")] = False) -> None:
    """Look for what stands in the way of a run: git, worktrees, versions, token, disk, cache, leftovers, damage."""
    from .doctor import doctor as do

    raise typer.Exit(do(fix))


@app.command()
def fetch(
    target: Annotated[
        str | None, typer.Argument(metavar="[TRACK[/LOADER]]", help="Only what these loaders read; default: all.")
    ] = None,
    inline: Annotated[bool, typer.Option("--inline", help="The main checkout's code, not the worktree's.")] = False,
    json: Json = False,
) -> None:
    """Bring the files that loaders read from the Hub into the cache, ahead of a run or for one without a network."""
    from .context import context
    from .fetching import fetch as do

    raise typer.Exit(do(context(inline), target, json))


@app.command()
def cache(
    repos: Annotated[list[str] | None, typer.Argument(metavar="REPO", help="Only these, each org/name.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove it: what polecats brought and nobody uses.")] = False,
    json: Json = False,
) -> None:
    """List what polecats keeps of the Hub's files on this disk, or clear it; what hf download brought stays."""
    from .caching import cache as do
    from .context import context

    raise typer.Exit(do(context().config.cache, repos or [], clear, json))


@app.command()
def init() -> None:
    """Make a git repository of a downloaded copy, so that worktrees can be made from it."""
    from .doctor import make_repository

    raise typer.Exit(make_repository())


def _on_screen(here: Context, headless: bool) -> None:
    """On a terminal the same command runs as an engine of its own, and the screen shows it; then this one ends."""
    if headless:
        return
    from .screening import on_terminal, watched

    if on_terminal():
        raise typer.Exit(watched(here.paths, sys.argv[1:]))


def _mirror(here: Context, rows: int, faults: bool) -> SourceSpec:
    """Build the mirror that a demonstration reads, or a drill."""
    from ..demo import drill, mirror
    from ..engine.plan import demo_spec, drill_spec
    from .room import check_room

    build, spec, name = (drill.build, drill_spec, "drill") if faults else (mirror.build, demo_spec, "demo")
    folder = here.paths.mirrors / name
    check_room(here.paths.state)
    try:
        build(here.paths.tracks, folder, rows, list(dict.fromkeys(track for track, _ in here.loaders)))
    except ValueError as error:
        raise PolecatsError(f"The demonstration's mirror cannot be built: {error}.") from None
    return spec(folder)


def _order(
    here: Context,
    source: SourceSpec,
    output: Path | None,
    replace: bool,
    redistributable: bool,
    stale: bool = False,
    leave_out_damaged: bool = False,
    quotas: dict[str, int] | None = None,
) -> Order:
    from ..publish.inputs import Choice
    from .publishing import Order

    if here.tier > 1 and redistributable:
        raise PolecatsError("A tier holds what its Tier I file holds: make that with --redistributable.")
    choice = Choice(stale, here.config.publish.evaluation_only, redistributable)
    return Order(source, here.output(output), choice, quotas, replace, leave_out_damaged)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"polecats {metadata.version('polecats')}")
        raise typer.Exit


@app.callback()
def options(
    click: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """See HELP. Without a command: the screen on a terminal, else the help."""
    if click.invoked_subcommand is not None:
        return
    from .screening import on_terminal, opened

    if on_terminal():
        from .context import context

        raise typer.Exit(opened(context()))
    typer.echo(click.get_help())
    raise typer.Exit(ExitCode.USAGE)


def run_app(call: Callable[[], None] = app) -> None:
    """Run the command line; every foreseen end is one sentence and an exit code."""
    _leave(_exit_code(call))


def _exit_code(call: Callable[[], None]) -> int:
    try:
        code = _called(call)
        sys.stdout.flush()  # what a full disk has not taken by now is lost
        return code
    except PolecatsError as error:
        return _told(str(error), error.code)
    except KeyboardInterrupt:
        return _told("interrupted; what is committed is kept.", ExitCode.INTERRUPTED)
    except BrokenPipeError:
        _to_nowhere(sys.stdout)  # the reader went away: nothing more to say
        return ExitCode.OK
    except OSError as error:
        return _machine_trouble(error)


def _called(call: Callable[[], None]) -> int:
    try:
        call()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return ExitCode.OK


def _told(sentence: str, code: ExitCode) -> ExitCode:
    from ..engine.recorder import harmless  # a sentence may quote what others wrote

    with suppress(OSError):  # the exit code tells it, too
        typer.echo(f"polecats: {harmless(sentence)}", err=True)
    return code


def _machine_trouble(error: OSError) -> ExitCode:
    """A disk that refuses is the machine's trouble, told in a sentence; any other `OSError` is a bug."""
    if not isinstance(error, DiskError):
        if error.errno not in FULL | {errno.EROFS, errno.EACCES, errno.EIO}:
            raise error
        error = DiskError(error, Path(error.filename or "standard output"))
    return _told(f"{error}. Mend that and run again: what is committed is kept.", ExitCode.SOME_FAILED)


def _leave(code: int) -> None:
    """End the process; once Arrow's threads run, without the interpreter's own end, in which they can hang."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _to_nowhere(stream)  # else the interpreter's own end fails on it
    if "pyarrow" not in sys.modules:
        gc.freeze()  # else the interpreter looks through all modules for garbage: a tenth of a second a command
        sys.exit(code)
    logging.shutdown()
    os._exit(code)


def _to_nowhere(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
