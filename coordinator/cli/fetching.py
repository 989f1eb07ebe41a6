"""`polecats fetch`: bring the files that loaders read into the cache, ahead of a run, or for one without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer

from ..disk import DiskError, decimal_size
from ..engine.plan import Name, select
from ..engine.recorder import harmless
from ..errors import ExitCode, PolecatsError
from ..events import Failure
from ..paths import TIER_OF
from ..worker import discovery
from ..worker.failures import failure_of
from ..worker.streams.opening import files_of
from ..worker.streams.roots import HubRoot
from .context import Context
from .hub_access import hub_of

if TYPE_CHECKING:
    from ..worker.hub.access import Hub
    from ..worker.hub.remote_file import RemoteFile

Told = Callable[[int, int], None]
"""Takes bytes that are there, and bytes in all."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What of a loader is in the cache now. `too_large`: files that the limit has no room for; runs stream them."""

    loader: str
    files: int = 0
    bytes: int = 0
    wire: int = 0
    """Bytes that came over the wire for it now."""
    too_large: int = 0
    failure: Failure | None = None


def fetch(context: Context, target: str | None, as_json: bool) -> ExitCode:
    """Fetch what the loaders of `target` (None: all of Tier I) read. Failures are told, and the others go on."""
    names = [name for name in context.every_loader if TIER_OF.get(name[0], 1) == 1]
    names = select(names, target) if target else names
    if not context.config.cache.limit_bytes:
        raise PolecatsError("The cache is off: [cache] limit in config.toml is 0. Raise it, then fetch again.")
    hub = hub_of(context.config)
    found = []
    for name in names:
        found.append(_fetched(context, hub, name, as_json))
        _tell(found[-1], as_json)
    if not as_json and len(found) > 1:
        whole = f"{sum(one.files for one in found):,} files, {decimal_size(sum(one.bytes for one in found))}"
        typer.echo(f"In the cache: {whole}, {decimal_size(sum(one.wire for one in found))} of it fetched now.")
    return ExitCode.SOME_FAILED if any(one.failure for one in found) else ExitCode.OK


def _fetched(context: Context, hub: Hub, name: Name, as_json: bool) -> Fetched:
    track, loader = name
    tracks = context.checkout(track)
    discovery.install(tracks)
    try:
        found = discovery.find(tracks, track, loader, context.config.loader(track, loader).options)
        if not found.declared:
            return Fetched(f"{track}/{loader}")  # it brings its own load()
        with _shown(f"{track}/{loader}", as_json) as told:
            return _bring(hub, f"{track}/{loader}", found.loader.source, told)
    except DiskError as error:
        raise PolecatsError(f"{error.sentence}. What is whole stays; make room, or lower [cache] limit.") from None
    except (Exception, SystemExit) as error:  # the loader's bug or its source's trouble: told as a run would
        return Fetched(f"{track}/{loader}", failure=failure_of(error, tracks, f"polecats fetch {track}/{loader}"))
    finally:
        hub.end()


def _bring(hub: Hub, loader: str, source: Any, told: Told) -> Fetched:
    resolved = HubRoot(hub, lambda count: None).resolve(source)
    companions, data = files_of(resolved)
    files = list(dict.fromkeys([*companions, *data]))
    reading = hub.begin(files, source.revision, files)
    total = sum(file.size for file in files)
    here = [file for file in files if reading.bring(file, lambda: told(total - reading.places.missing, total))]
    return Fetched(loader, len(here), _bytes(here), reading.wire, len(files) - len(here))


def _bytes(files: list[RemoteFile]) -> int:
    return sum(file.size for file in files)


def _tell(one: Fetched, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(one), ensure_ascii=False))
        return
    if one.failure is not None:
        sentence = harmless(f"{one.failure.failure_class}: {one.failure.sentence}. {one.failure.remedy}")
        typer.echo(f"{one.loader}: {sentence}")
        return
    files = f"{one.files:,} file{'' if one.files == 1 else 's'}, {decimal_size(one.bytes)}"
    now = f", {decimal_size(one.wire)} fetched now" if one.wire else ", all there before"
    more = f"; {one.too_large:,} larger than [cache] limit: runs stream them" if one.too_large else ""
    typer.echo(f"{one.loader}: {files}{now if one.files else ''}{more}")


@contextmanager
def _shown(loader: str, as_json: bool) -> Iterator[Told]:
    """A bar on a terminal while the block runs; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    console = Console(stderr=True)
    bars = Progress(
        *columns, TransferSpeedColumn(), TimeRemainingColumn(), console=console, transient=True,
        disable=as_json or not console.is_terminal,
    )  # fmt: skip
    with bars:
        task = bars.add_task(loader, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
