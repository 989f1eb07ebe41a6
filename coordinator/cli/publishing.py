"""The merge as a command: what goes in, the file, manifest and card, and what a person is told."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from ..disk import DiskError, free_bytes, size
from ..engine.plan import Name
from ..engine.repository import checkout_state
from ..errors import ExitCode, PolecatsError
from ..paths import manifest_path
from ..publish import card, manifest
from ..publish.inputs import Choice, Input, collect
from ..publish.merge import Merged, Progress, merge, preview
from ..publish.output import alone
from ..publish.place import check_place
from ..worker.spec import SourceSpec
from .context import Context


@dataclass(frozen=True, slots=True)
class Order:
    """A merge that is asked for. `quotas`: rows a loader at most (-1: all; absent: none); None: all of all."""

    source: SourceSpec
    output: Path
    choice: Choice
    quotas: Mapping[str, int] | None = None
    replace: bool = False
    leave_out_damaged: bool = False


def inputs_of(context: Context, source: SourceSpec, choice: Choice, wanted: Sequence[Name] = ()) -> list[Input]:
    """The inputs of a source in merge order: loaders with commits, and those that were asked for."""
    checkouts = {track: context.checkout(track) for track, _ in context.loaders}
    found = collect(context.paths.source_state(source.key), context.loaders, checkouts, choice)
    return [item for item in found if item.commits or item.cut or (item.track, item.loader) in wanted]


def publish(
    context: Context, order: Order, wanted: Sequence[Name] = (), progress: Progress = lambda loader, rows: None
) -> Merged:
    """Merge, then write manifest and card. Raises `PolecatsError`; whatever fails, the old file stays."""
    check_place(order.output)
    with (
        ended_by_a_person(order.output),
        alone(order.output.parent, lambda: say(f"Another merge writes to {order.output.parent}; this one waits.")),
    ):
        manifest.check_replaceable(order.output, order.source.kind, order.replace)
        inputs = inputs_of(context, order.source, order.choice, wanted)
        tracks = dict.fromkeys(item.track for item in inputs if item.commits)
        checkouts = {track: checkout_state(context.checkout(track)) for track in tracks}
        source = {"kind": order.source.kind, "key": order.source.key}

        def announce(merged: Merged) -> None:
            manifest.prepare(order.output, manifest.build(merged, order.output, "I", source, checkouts))

        try:
            merged = merge(inputs, order.output, order.quotas, order.leave_out_damaged, progress, announce)
            _put_manifest(order.output)
        finally:
            with suppress(OSError):  # the next merge settles it
                manifest.settle(order.output)
        try:
            card.write(order.output)
        except OSError as error:
            merged.notes.append(str(error if isinstance(error, DiskError) else DiskError(error, order.output.parent)))
    return merged


@contextmanager
def ended_by_a_person(output: Path) -> Iterator[None]:
    """Ctrl-C and SIGTERM end a merge with a sentence. During a run they are the run's."""
    own = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if own:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        sentence = f"The merge was interrupted. {output} is whole, as before or as merged; merge again when you want."
        raise PolecatsError(sentence, ExitCode.INTERRUPTED) from None
    finally:
        if own:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _put_manifest(output: Path) -> None:
    try:
        manifest.put(output)
    except OSError as error:
        refused = DiskError(error, manifest_path(output))
        raise PolecatsError(f"{refused}; {output} itself is whole. Merge again.", ExitCode.REFUSED) from None


def dry_run(context: Context, order: Order) -> Merged:
    """The figures of a merge that is not made."""
    merged = preview(inputs_of(context, order.source, order.choice), order.quotas)
    free = free_bytes(order.output.parent)
    if free is not None and free < merged.bytes:
        merged.notes.append(f"there is no room for {order.output}: it needs {size(merged.bytes)}, {size(free)} free")
    return merged


def tell(merged: Merged, output: Path, dry: bool = False) -> None:
    """What the merge did, on stderr."""
    duplicates = sum(tally.duplicates for tally in merged.tallies.values())
    conflicts = sum(tally.conflicts for tally in merged.tallies.values())
    cut = sum(tally.beyond_quota for tally in merged.tallies.values())
    verb = "Would write" if dry else "Wrote"
    size = "" if dry else f", {merged.bytes:,} bytes, SHA-256 {merged.sha256[:16]}…"
    parts = [f"{duplicates:,} exact duplicates left out"]
    parts += [f"{conflicts:,} with an id that stands already"] if conflicts else []
    parts += [f"{cut:,} beyond the target"] if cut else []
    say(f"{verb} {merged.rows:,} rows to {output} ({', '.join(parts)}{size}).")
    for item in merged.inputs:
        if item.left_out:
            say(f"Not in it: {item.name}: {item.left_out}.")
    for note in merged.notes:
        say(f"Note: {note}.")
    _licences(merged)


def _licences(merged: Merged) -> None:
    for flag, text in (("evaluation_only", "licensed for evaluation only"), ("kept_back", "not to be passed on")):
        names = _licensed(merged)[flag]
        if names:
            say(f"Licence: {', '.join(names)}: {text}.")


def _licensed(merged: Merged) -> dict[str, list[str]]:
    """Loaders in the file whose licence asks for care."""
    inside = [item for item in merged.inputs if merged.tallies[item.name].kept]
    return {
        "evaluation_only": [item.name for item in inside if item.source.get("evaluation_only") is True],
        "kept_back": [item.name for item in inside if item.source.get("redistributable") is False],
    }


def tell_json(context: Context, order: Order, merged: Merged, dry: bool = False) -> None:
    """The merge's figures as JSON on stdout; of one that is not made also what it would meet."""
    known = [f"{track}/{loader}" for track, loader in context.loaders]
    left_out = {item.name: item.left_out for item in merged.inputs if item.left_out}
    left_out |= {name: "nothing committed yet" for name in known if name not in merged.tallies}
    content = {
        "output": str(order.output),
        "rows": merged.rows,
        "bytes": merged.bytes,
        "sha256": merged.sha256,
        "loaders": {name: asdict(tally) for name, tally in merged.tallies.items()},
        "left_out": left_out,
        "unfinished": [item.name for item in merged.inputs if not item.left_out and not item.done],
        "tracks": dict(Counter(name.partition("/")[0] for name in known)),
        "licences": _licensed(merged),
        "notes": merged.notes,
    }
    typer.echo(json.dumps(content | (_before(order) if dry else {})))


def _before(order: Order) -> dict[str, Any]:
    """What stands where the file would be written, whether that may be replaced, the room on that disk."""
    standing = manifest.read(order.output)
    found: dict[str, Any] = {"replaces": None, "refused": "", "free": free_bytes(order.output.parent)}
    with suppress(OSError):
        status = order.output.stat()
        found["replaces"] = {"rows": standing and standing["rows"], "bytes": status.st_size, "at": status.st_mtime}
    try:
        check_place(order.output)
        manifest.check_replaceable(order.output, order.source.kind, order.replace)
    except PolecatsError as error:
        found["refused"] = str(error)
    return found


def tell_progress(loader: str, rows: int) -> None:
    """How far a merge is, as a JSON line on stdout; a reader that went away or a full disk does not end it."""
    try:
        sys.stdout.write(json.dumps({"kind": "progress", "loader": loader, "rows": rows}) + "\n")
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(text: str) -> None:
    """A line of narration on stderr. Nobody who reads it, or a full disk where it goes to, ends what is narrated."""
    with suppress(OSError):
        typer.echo(text, err=True)
