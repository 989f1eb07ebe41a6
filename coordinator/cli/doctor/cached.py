"""The cache of the Hub's files: whether it can be written, and whether the disk has what it may take."""

from __future__ import annotations

from collections.abc import Iterator

from ...disk import DiskError, decimal_size, free_bytes, unwritable
from ...worker.hub.store import Store
from ..context import Context
from .finding import Finding

STREAMED = "files of the Hub are streamed and not kept."


def look(here: Context) -> Iterator[Finding]:
    """Findings about the cache: at worst a run reads over the network what it could have had from the disk."""
    limit = here.config.cache.limit
    store = Store.usual(here.config.cache.limit_bytes)
    if not store.limit:
        yield Finding("ok", "cache", "[cache] limit is 0: files of the Hub are streamed and not kept")
        return
    refused = [DiskError(why, path) for path in (store.hub, store.own) if (why := unwritable(path))]
    if refused:
        yield Finding("note", "cache", f"{refused[0]}: {STREAMED} Mend that, or set HF_HOME to another folder.")
        return
    taken = sum(entry.size for entry in store.entries())
    free = free_bytes(store.hub)
    told = f"{decimal_size(taken)} of {limit} in {store.hub}"
    if free is not None and taken + free < store.limit:
        sentence = f"{told}, but its disk has only {decimal_size(free)} free; once it is full, {STREAMED}"
        yield Finding("note", "cache", f"{sentence} Set [cache] limit in config.toml lower.")
    else:
        yield Finding("ok", "cache", told)
