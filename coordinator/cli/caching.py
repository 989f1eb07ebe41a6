"""`polecats cache`: what polecats has of the Hub's files on this disk, and how to be rid of it.

What `hf download` brought, or has taken up, is never listed or removed: `hf cache ls` shows that.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

import typer
from rich.table import Table
from rich.text import Text

from ..config import CacheTable, did_you_mean
from ..disk import decimal_size
from ..engine.recorder import harmless
from ..errors import ExitCode, PolecatsError
from ..headless.table import console
from ..worker.hub.retained import Entry
from ..worker.hub.store import Store


def cache(limit: CacheTable, repos: Sequence[str], clear: bool, as_json: bool) -> ExitCode:
    """List or clear what there is of these repositories, or of all. Raises `PolecatsError` for an unknown one."""
    store = Store.usual(limit.limit_bytes)
    entries = store.entries()
    _check_names(repos, entries)
    named = [entry for entry in entries if not repos or entry.repo in repos]
    if clear:
        return _clear(store, repos, named, as_json)
    if as_json:
        typer.echo(json.dumps(_listing(store, named), ensure_ascii=False))
    elif named:
        console().print(_table(named))
        typer.echo(f"{_told(named)} of {limit.limit} ([cache] limit in config.toml), in {store.hub}")
    elif store.limit:
        most = f"{limit.limit} at most ([cache] limit in config.toml)"
        typer.echo(f"Nothing yet. What runs read of the Hub's files goes to {store.hub}, {most}.")
    else:
        typer.echo("Nothing: [cache] limit in config.toml is 0, so runs stream the Hub's files and keep none.")
    return ExitCode.OK


def _check_names(repos: Sequence[str], entries: list[Entry]) -> None:
    known = sorted({entry.repo for entry in entries})
    for repo in repos:
        if repo not in known:
            meant = did_you_mean(repo, known)
            raise PolecatsError(f"The cache holds nothing of {repo}{meant}. What it holds is listed by: polecats cache")


def _clear(store: Store, repos: Sequence[str], named: list[Entry], as_json: bool) -> ExitCode:
    gone = store.clear(repos)
    kept = [entry for entry in store.entries() if not repos or entry.repo in repos]
    if as_json:
        told = {"removed": [asdict(entry) for entry in gone], "kept": [asdict(entry) for entry in kept]}
        typer.echo(json.dumps({"freed": _size(gone), **told}, ensure_ascii=False))
        return ExitCode.SOME_FAILED if kept else ExitCode.OK
    typer.echo(f"Removed: {_told(gone)}." if gone else "Nothing was removed.")
    if left := len(named) - len(gone) - len(kept):
        typer.echo(f"Left to huggingface_hub, which uses them, too: {_files(left)}.")
    if kept:
        typer.echo(f"Kept: {_told(kept)}. They are in use, or {store.hub} cannot be written; clear them after the run.")
    return ExitCode.SOME_FAILED if kept else ExitCode.OK


def _listing(store: Store, entries: list[Entry]) -> dict[str, object]:
    places = {"limit": store.limit, "hub": str(store.hub), "own": str(store.own)}
    return {**places, "size": _size(entries), "files": [asdict(entry) for entry in entries]}


def _table(entries: list[Entry]) -> Table:
    """A repository a row, that used last on top."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("repository", overflow="fold")
    for name in ("files", "size", "in parts", "last used"):
        table.add_column(name, justify="right", no_wrap=True)
    by_repo = defaultdict(list)
    for entry in entries:
        by_repo[entry.repo].append(entry)
    for repo, own in sorted(by_repo.items(), key=lambda item: -max(entry.used for entry in item[1])):
        parts = _size([entry for entry in own if not entry.whole])
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(max(entry.used for entry in own)))
        cells = [f"{len(own):,}", decimal_size(_size(own)), decimal_size(parts) if parts else "", used]
        table.add_row(Text(harmless(repo)), *cells)
    return table


def _told(entries: list[Entry]) -> str:
    """`3 files, 1.2 GB (of it 300 MB in parts)`."""
    parts = _size([entry for entry in entries if not entry.whole])
    within = f" (of it {decimal_size(parts)} in parts)" if parts else ""
    return f"{_files(len(entries))}, {decimal_size(_size(entries))}{within}"


def _files(count: int) -> str:
    return f"{count:,} file{'s' * (count != 1)}"


def _size(entries: list[Entry]) -> int:
    return sum(entry.size for entry in entries)
