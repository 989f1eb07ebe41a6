"""Looking at things: status of the last run, failures with their rows, one loader on a few rows."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import typer
from filelock import FileLock, Timeout

from ..contract import HubSource, JoinedLoader, Reject, Skip
from ..contract.build import Identity
from ..engine import journal
from ..engine.plan import Name, select, source_spec
from ..engine.recorder import clean, harmless
from ..engine.state import LoaderStatus, RunState
from ..engine.state import replay as replayed
from ..engine.traffic import average_rate
from ..errors import ExitCode, PolecatsError
from ..events import Event
from ..paths import TIER_OF, Paths
from ..publish.quarantine import rejected_rows
from ..redaction import redacted
from ..worker import discovery, parents
from ..worker.corrupting import converter_of
from ..worker.failures import failure_of
from ..worker.pipeline import TransformBug
from ..worker.spec import SourceSpec
from ..worker.streams.base import Batch, Resolved
from ..worker.streams.opening import begin_reading, open_stream, read_companions
from ..worker.streams.roots import FolderRoot, HubRoot
from .context import Context
from .hub_access import hub_of
from .running import tell_failures

SAMPLES_SHOWN = 3


def last_state(paths: Paths) -> RunState:
    """The state of the newest run, replayed from its journal. Raises `PolecatsError` where there was none."""
    return _told(paths)[0]


def _told(paths: Paths) -> tuple[RunState, float]:
    """See `last_state`; and when the last was told of it, in seconds since the epoch."""
    folder = journal.latest_run(paths)
    if folder is None:
        raise PolecatsError("No run yet in this repository. Start one with: polecats run", ExitCode.NOTHING)
    last = 0.0

    def events() -> Iterator[tuple[float, Event]]:
        nonlocal last
        for last, event in journal.read(folder / journal.JOURNAL):
            yield last, clean(event)

    return replayed(events()), last


def show_status(context: Context, as_json: bool) -> None:
    """The last run's state, as a table or as JSON."""
    state, told_at = _told(context.paths)
    if as_json:
        typer.echo(json.dumps(_state_json(state, told_at), ensure_ascii=False))
        return
    from ..headless.table import console, print_traffic, summary_table

    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(state.started or 0))
    ended = f"ended with exit code {state.exit_code}" if state.exit_code is not None else _unended(context.paths)
    typer.echo(f"Run {state.run} on {state.source}, begun {began}, {ended}.")
    out = console()
    out.print(summary_table(state, None, time.time(), out.width))
    print_traffic(out, state, told_at)
    tell_failures(state)


def _state_json(state: RunState, at: float) -> dict[str, Any]:
    """The state with each loader's speed over the wire, in bytes a second since it was opened."""
    data = asdict(state)
    for name, status in state.loaders.items():
        data["loaders"][name]["wire_rate"] = round(average_rate(status, at))
    return data


def _unended(paths: Paths) -> str:
    """A run without an end goes on, or was killed with its engine: its lock tells."""
    try:
        with FileLock(paths.lock, timeout=0):
            return "was killed; the same command goes on from what is committed"
    except Timeout:
        return "goes on"


def show_failures(context: Context, target: str | None, as_json: bool) -> ExitCode:
    """Failures and rejected rows of the last run, by reason, with rows; exit code 1 if there are any."""
    state = last_state(context.paths)
    names = [f"{track}/{loader}" for track, loader in _named(context, target)]
    last = context.last_run()
    source = last.source if last else context.source(None)
    found = [_failure_of(context.paths, source, name, state.loaders[name]) for name in names if name in state.loaders]
    found = [item for item in found if item["failure"] or item["rejected"]]
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    elif not found:
        typer.echo("No failures and no rejected rows.")
    else:
        for item in found:
            _print_failure(item)
    return ExitCode.SOME_FAILED if found else ExitCode.OK


def _named(context: Context, target: str | None) -> list[Name]:
    return select(context.every_loader, target) if target else context.every_loader


def _failure_of(paths: Paths, source: SourceSpec, name: str, status: LoaderStatus) -> dict[str, Any]:
    folder = paths.loader_state(source.key, *name.split("/"))
    samples: dict[str, list[dict[str, Any]]] = {}
    for record in rejected_rows(folder):
        rows = samples.setdefault(record["code"], [])
        if len(rows) < SAMPLES_SHOWN:
            rows.append(record)
    return {
        "loader": name,
        "failure": asdict(status.failure) if status.failure else None,
        "rejected": dict(status.counts.rejected),
        "skipped": dict(status.counts.skipped),
        "samples": samples,
        "reproduce": f"polecats check {name} --source {source.place}",
    }


def _print_failure(item: dict[str, Any]) -> None:
    typer.echo(f"{item['loader']}")
    failure = item["failure"]
    if failure:
        typer.echo(f"  {failure['failure_class']}: {failure['sentence']}")
        typer.echo(f"  do: {failure['remedy']}")
        typer.echo(f"  see: {failure['reproduce']}")
        for line in failure["traceback"].splitlines():
            typer.echo(f"    {line}")
    for code, count in sorted(item["rejected"].items(), key=lambda entry: -entry[1]):
        typer.echo(f"  {count:,} rows rejected {code}")
        for row in item["samples"].get(code, []):
            raw = _shown(json.dumps(row["raw"], ensure_ascii=False))
            typer.echo(f"    {row['split']}-{row['number']}: {_shown(row['message'])}")
            typer.echo(f"      {raw[:400]}{'…' if len(raw) > 400 else ''}")
            typer.echo(f"      see: {item['reproduce']} --row {row['split']}-{row['number']}")


def check(
    context: Context, target: str, text: str | None, rows: int, row: str | None, seed: int | None, as_json: bool
) -> ExitCode:
    """Run loaders on a few rows in this process and show what becomes of each; nothing is written.

    `text` names the source, `seed` goes over config.toml's.
    """
    names = select(context.every_loader, target)
    context = replace(context, tier=TIER_OF.get(names[0][0], 1))
    source = source_spec(text, Path.cwd()) if text == "samples" else context.source(text)
    look = _Look(source, rows, row, context.config.run.seed if seed is None else seed, as_json)
    if source.kind == "hub":
        hub_of(context.config)
    bad = [name for name in names if not _check_one(context, name, look)]
    return ExitCode.SOME_FAILED if bad else ExitCode.OK


@dataclass(frozen=True, slots=True)
class _Look:
    """What of a source is shown, and how."""

    source: SourceSpec
    rows: int
    row: str | None
    seed: int
    as_json: bool


def _check_one(context: Context, name: Name, look: _Look) -> bool:
    """Show one loader; whether every row shown was accepted or skipped."""
    track, loader = name
    shown = good = 0
    discovery.install(context.checkout(track))
    if not look.as_json:
        typer.echo(f"{context.checkout(track) / track / loader}.py on {look.source.kind}", err=True)
    try:
        for position, outcome in _outcomes(context, name, look):
            if shown >= look.rows:
                break
            shown += 1
            good += not isinstance(outcome, Reject)
            _print_outcome(f"{track}/{loader}", position, outcome, look.as_json)
    except (PolecatsError, BrokenPipeError):
        raise
    except (
        Exception,
        SystemExit,
    ) as error:  # the loader's bug or its source's trouble: told as a run would, with the traceback
        cause = error.__cause__ if isinstance(error, TransformBug) and error.__cause__ else error
        at = error.row if isinstance(error, TransformBug) else ""
        failure = failure_of(cause, context.checkout(track), f"polecats check {track}/{loader}", at)
        if look.as_json:
            typer.echo(json.dumps({"loader": f"{track}/{loader}", "failure": asdict(failure)}))
        else:
            typer.echo(_shown(failure.traceback), err=True)
            typer.echo(f"{track}/{loader}: {failure.failure_class}: {_shown(failure.sentence)}. {failure.remedy}")
        return False
    if look.row is not None and not shown:
        raise PolecatsError(f"{track}/{loader} has no row {look.row}.")
    if not look.as_json:
        typer.echo(f"{track}/{loader}: {shown} rows shown, {shown - good} rejected.", err=True)
    return shown == good


def _outcomes(context: Context, name: Name, look: _Look) -> Iterator[tuple[str, Any]]:
    track, loader = name
    found = discovery.find(context.checkout(track), track, loader, context.config.loader(track, loader).options)
    if not found.declared:
        raise PolecatsError(f"{track}/{loader} brings its own load(); check works on loaders with a source.")
    declared, resolved = _resolved(context, track, found, look.source)
    for warning in resolved.warnings:
        typer.echo(f"note: {warning}", err=True)
    side = found.loader.prepare(read_companions(resolved)) if isinstance(found.loader, JoinedLoader) else None
    own: Any = found.loader
    category: Any = getattr(own, "category", "")
    label: Any = getattr(own, "label", "benign")
    identity = Identity(declared.repo, loader, category, label, declared.unique_ids)
    converter = converter_of(own, identity, side, look.seed)
    for item in _rows(open_stream(declared, resolved, look.rows).batches(None)):
        position = f"{item.split}-{item.number}"
        if look.row in (None, position):
            yield position, converter.outcome(item)


def _resolved(context: Context, track: str, found: discovery.Found, source: SourceSpec) -> tuple[HubSource, Resolved]:
    tracks = context.checkout(track)
    if found.corrupts or source.kind == "tier1":
        return parents.resolve(source, tracks, track, found.corrupts)
    declared = found.loader.source
    if source.kind != "hub":
        return declared, FolderRoot(source.root_folder(tracks, track)).resolve(declared)
    from ..worker.hub.access import hub

    resolved = HubRoot(hub(), lambda count: None).resolve(declared)
    begin_reading(hub(), declared, resolved, cap=1)
    return declared, resolved


def _rows(batches: Iterator[Batch]) -> Iterator[Any]:
    for batch in batches:
        yield from batch.rows


def _print_outcome(loader: str, position: str, outcome: Any, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"loader": loader, "row": position, **_outcome_json(outcome)}, ensure_ascii=False))
    elif isinstance(outcome, Reject):
        typer.echo(f"{position}  rejected  {outcome.code}: {_shown(outcome.message)}")
        if outcome.__cause__ is not None:
            typer.echo(_shown("".join(traceback.format_exception(outcome.__cause__))))
    elif isinstance(outcome, Skip):
        typer.echo(f"{position}  skipped   {outcome.reason}")
    else:
        for line in outcome:
            record = json.loads(line.data)
            variant = f"{record['metadata'].get('variant', ''):<9}".lstrip()  # of a tier's row
            typer.echo(f"{position}  accepted  {variant}{_shown(_plan_line(record))}")


def _shown(text: str) -> str:
    """As a terminal may get it: without credentials and control characters."""
    return harmless(redacted(text))


def _outcome_json(outcome: Any) -> dict[str, Any]:
    if isinstance(outcome, Reject):
        return {"rejected": outcome.code, "message": redacted(outcome.message)}
    if isinstance(outcome, Skip):
        return {"skipped": outcome.reason}
    return {"accepted": [json.loads(line.data) for line in outcome]}


def _plan_line(record: dict[str, Any]) -> str:
    """A plan on one line: the calls, then what was asked."""
    calls = [
        f"{node['tool_name']}({', '.join(f'{k}={v!r}' for k, v in node['arguments'].items())})"
        for node in record["execution_plan"]["nodes"]
    ]
    text = f"{'; '.join(calls)}  <- {' '.join(record['metadata']['query'].split())}"
    return text[:200] + ("…" if len(text) > 200 else "")
