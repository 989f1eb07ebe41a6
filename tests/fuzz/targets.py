"""What is fuzzed: one function a target, from bytes; it raises where a law is broken. No target evaluates its input.

Rows and texts are made from the bytes by `Choices`, so that a fuzzer that knows no JSON still makes near misses.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.files import packed, streams
from tests.fuzz.records import commits, configs, journals, published, requests, worker_events
from tests.fuzz.rows import audit, canonical_json, contract, loaders, readers

TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        loaders,
        readers,
        contract,
        audit,
        canonical_json,
        streams,
        packed,
        commits,
        journals,
        worker_events,
        requests,
        configs,
        published,
    )
}
