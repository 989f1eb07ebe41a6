"""`polecats fetch`: bring the files that loaders read into the cache, ahead of a run, or for one without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..contract import HubSource
from ..disk import DiskError, decimal_size
from ..engine.plan import Name, select
from ..engine.recorder import harmless
from ..errors import ExitCode, PolecatsError
from ..events import Failure
from ..paths import TIER_OF
from ..redaction import redacted
from ..worker.failures import failure_of
from ..worker.streams.opening import files_of
from ..worker.streams.roots import HubRoot
from .context import Context
from .declared import Declared, declared
from .hub_access import hub_of

if TYPE_CHECKING:
    from ..worker.hub.reading import Reading
    from ..worker.hub.remote_file import RemoteFile

Told = Callable[[int, int], None]
"""Takes bytes that are there, and bytes in all."""
FIGURES = 40
"""Columns of a terminal for what stands beside a loader's name and its bar, and for the `^C` that a terminal echoes: it
would begin another line."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What of a loader is in the cache now."""

    loader: str
    files: int = 0
    bytes: int = 0
    wire: int = 0
    """Bytes that came over the wire for it now."""
    no_room: int = 0
    """Files for which the limit has no room beside those that were fetched before them; runs stream them."""
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None


def fetch(context: Context, target: str | None, as_json: bool) -> ExitCode:
    """Fetch what the loaders of `target` (None: all of Tier I) read. Failures are told, and the others go on.

    Raises `PolecatsError` where nothing can be fetched, the disk takes no more, or the user interrupts it.
    """
    names = _names(context, target)
    if not context.config.cache.limit_bytes:
        raise PolecatsError("The cache is off: [cache] limit is 0. Raise it in config.toml, then fetch again.")
    found = []
    try:
        sources = [_declared(context, name) for name in names]
        fetching = _Fetching(context, as_json)
        for name, source in zip(names, sources, strict=True):
            found.append(fetching.fetched("/".join(name), source))
            _tell(found[-1], as_json)
    except KeyboardInterrupt:
        sentence = "interrupted; the next fetch goes on from what has come."
        raise PolecatsError(sentence, ExitCode.INTERRUPTED) from None
    if not as_json and len(found) > 1:
        _tell_all(found)
    return ExitCode.SOME_FAILED if any(one.failure for one in found) else ExitCode.OK


def _names(context: Context, target: str | None) -> list[Name]:
    names = select(context.every_loader, target) if target else context.every_loader
    found = [name for name in names if TIER_OF.get(name[0], 1) == 1]
    if names and not found:
        raise PolecatsError(f"{target} reads the Tier I file, and nothing of the Hub: there is nothing to fetch.")
    return found


def _declared(context: Context, name: Name) -> Declared:
    return declared(context.checkout(name[0]), *name, context.config.loader(*name).options)


class _Fetching:
    """Fetches for one loader after another."""

    def __init__(self, context: Context, as_json: bool) -> None:
        self._context, self._as_json = context, as_json
        self._hub = hub_of(context.config)
        self._room = context.config.cache.limit_bytes
        """Bytes of the limit that this command has not taken: what it has fetched does not go for what comes later."""
        self._taken: set[RemoteFile] = set()

    def fetched(self, loader: str, of: Declared) -> Fetched:
        """Fetch a loader's files. Raises `PolecatsError` where the disk takes no more."""
        if of.failure is not None:
            return Fetched(loader, failure=_clean(of.failure))
        if of.source is None:
            return Fetched(loader, warnings=("nothing to fetch, it has a load() of its own",))
        try:
            with _shown(loader, self._as_json) as told:
                return self._bring(loader, of.source, told)
        except DiskError as error:
            how = "Mend that, or name another disk by HF_HOME, then fetch again: what is whole stays."
            raise PolecatsError(f"{loader}: {error.sentence}. {how}", ExitCode.SOME_FAILED) from None
        except Exception as error:  # its source's trouble, told as a run would
            failure = failure_of(error, self._context.checkout(loader.partition("/")[0]), f"polecats fetch {loader}")
            return Fetched(loader, failure=_clean(failure))
        finally:
            self._hub.end()

    def _bring(self, loader: str, source: HubSource, told: Told | None) -> Fetched:
        resolved = HubRoot(self._hub, lambda count: None).resolve(source)
        companions, data = files_of(resolved)
        every = list(dict.fromkeys([*companions, *data]))
        files = [file for file in every if self._has_room(file)]
        reading = self._hub.begin(files, source.revision, files)
        here = self._whole(reading, files, told)
        size, no_room = _size(here), len(every) - len(here)
        return Fetched(loader, len(here), size, reading.wire, no_room, tuple(resolved.warnings))

    def _has_room(self, file: RemoteFile) -> bool:
        """Whether the limit has room for a file beside all before it; then it is taken."""
        if file in self._taken:
            return True
        if file.size > self._room:
            return False
        self._room -= file.size
        self._taken.add(file)
        return True

    def _whole(self, reading: Reading, files: list[RemoteFile], told: Told | None) -> list[RemoteFile]:
        """Those that are whole and in the cache now. Raises `DiskError` where the disk takes no more."""
        tell = _progress_of(reading, _size(files), told)
        try:
            here = [file for file in files if reading.bring(file, tell)]
        except OSError as error:
            raise self._refused(error) from None
        if reading.places.refusal is not None:
            raise self._refused(reading.places.refusal)
        return here

    def _refused(self, error: OSError) -> DiskError:
        return error if isinstance(error, DiskError) else DiskError(error, Path(error.filename or self._hub.store.hub))


def _progress_of(reading: Reading, total: int, told: Told | None) -> Callable[[], None]:
    """What tells how far it is: by whole blocks, whoever brings them, or by the bytes that come to us."""
    if told is None:
        return lambda: None
    before = total - reading.places.missing

    def tell() -> None:
        told(min(total, max(total - reading.places.missing, before + reading.wire)), total)

    return tell


def _size(files: list[RemoteFile]) -> int:
    return sum(file.size for file in files)


def _clean(failure: Failure) -> Failure:
    """Without credentials and control characters, which sources and loaders may quote."""
    return replace(failure, sentence=harmless(redacted(failure.sentence)), remedy=harmless(redacted(failure.remedy)))


def _tell(one: Fetched, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(one), ensure_ascii=False))
        return
    for warning in one.warnings:
        typer.echo(f"{one.loader}: {harmless(redacted(warning))}")
    if one.failure is not None:
        typer.echo(f"{one.loader}: {one.failure.failure_class}: {one.failure.sentence}. {one.failure.remedy}")
    elif one.files or one.no_room:
        typer.echo(f"{one.loader}: {_here(one)}{_streamed(one.no_room)}")


def _here(one: Fetched) -> str:
    if not one.files:
        return "nothing of it"
    now = f"{decimal_size(one.wire)} fetched now" if one.wire else "all there before"
    return f"{_count(one.files, 'file')}, {decimal_size(one.bytes)}, {now}"


def _streamed(files: int) -> str:
    them = "it" if files == 1 else "them"
    return f"; [cache] limit has no room for {_count(files, 'file')}: runs stream {them}" if files else ""


def _tell_all(found: list[Fetched]) -> None:
    whole = f"{_count(sum(one.files for one in found), 'file')}, {decimal_size(sum(one.bytes for one in found))}"
    failed = sum(one.failure is not None for one in found)
    more = f" {_count(failed, 'loader')} failed." if failed else ""
    typer.echo(f"In the cache: {whole}, {decimal_size(sum(one.wire for one in found))} of it fetched now.{more}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


@contextmanager
def _shown(loader: str, as_json: bool) -> Iterator[Told | None]:
    """A bar on a terminal while the block runs; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.table import Column

    console = Console(stderr=True)
    if as_json or not console.is_terminal or console.is_dumb_terminal:
        yield None
        return
    name = max(10, min(len(loader), console.width - FIGURES - 4))
    width = max(4, min(40, console.width - FIGURES - name))
    named = Column(no_wrap=True, overflow="ellipsis", max_width=name)
    columns = [TextColumn("{task.description}", markup=False, table_column=named), BarColumn(width)]
    for kind in (DownloadColumn, TransferSpeedColumn, TimeRemainingColumn):
        columns.append(kind(table_column=Column(no_wrap=True)))
    bars = Progress(*columns, console=console, transient=True)
    with bars:
        task = bars.add_task(loader, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
