"""Which loaders were edited since they ran: what a restart would redo. Reads files; call it in a thread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..paths import Paths
from ..worker.fingerprint import code_of
from ..worker.parts import read_header
from .model import LoaderRow, RowItem, TrackRow
from .stored import last_source


def edited(paths: Paths, loaders: Iterable[str]) -> frozenset[str]:
    """Of `loaders` (`track/loader`) those whose code, or what it imports, is not what their parts were made by."""
    key = str(last_source(paths).get("key", ""))
    found = set()
    for name in loaders:
        track, _, loader = name.partition("/")
        header = read_header(paths.loader_state(key, track, loader)) if key else None
        made_by = header.get("fingerprint", {}).get("code") if header else None
        if made_by is not None and made_by != code_of(paths.checkout(track), track, loader):
            found.add(name)
    return frozenset(found)


def marked(row: RowItem, changed: frozenset[str]) -> RowItem:
    """The row, saying so where something of it was edited; a loader at work says what it does instead."""
    match row:
        case LoaderRow(name=name) if name in changed and not (row.rate or row.wire_rate):
            return replace(row, reason="edited, a restart redoes it")
        case TrackRow(track=track, note=""):
            ours = sum(name.partition("/")[0] == track for name in changed)
            return replace(row, note=f"edited, will redo {ours} of {row.loaders}") if ours else row
        case _:
            return row
