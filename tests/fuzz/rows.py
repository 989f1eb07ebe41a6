"""Targets on the way of a row: loaders, readers, writer and auditor, canonical JSON."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import rfc8785

from coordinator.contract import (
    Call,
    JoinedLoader,
    Reject,
    Row,
    Sample,
    Skip,
    arguments,
    blocks,
    call,
    calls,
    chain,
    literal,
    plain,
    python_call,
    strict_json,
    turns,
)
from coordinator.contract.audit import Auditor
from coordinator.contract.build import Identity, Line, build
from coordinator.contract.canonical import canonical
from coordinator.contract.violations import CODES
from coordinator.paths import loader_names, track_names
from coordinator.worker import discovery
from coordinator.worker.pipeline import Converter, quarantined
from coordinator.worker.streams.base import make_row
from coordinator.worker.streams.opening import open_stream, read_companions
from coordinator.worker.streams.roots import FolderRoot
from tests.fuzz.choices import NUMBERS, Choices, raised

TRACKS = Path(__file__).parents[2] / "tracks"
WHO = Identity("example/fuzz", "fuzz", "function_calling", unique_ids=True)


def loaders(data: bytes) -> None:
    """A changed sample row of any shipped loader is planned, skipped or rejected; what is planned passes the audit."""
    choices = Choices(data)
    converter, rows = choices.pick(list(shipped().values()))
    row = choices.pick(rows)
    odd = choices.mutated(dict(row))
    odd_row = make_row(odd if isinstance(odd, dict) else {"row": odd}, row.split, row.number)
    converted(converter, odd_row)


def converted(converter: Converter, row: Row) -> None:
    outcome = converter.outcome(row)
    if isinstance(outcome, Reject):
        assert outcome.code in CODES
        orjson.loads(quarantined(row, outcome, ""))
    for line in outcome if isinstance(outcome, list) else []:
        assert Auditor().audit(line.data) == [], line.data[:500]
        assert len(line.key) == 16


@functools.cache
def shipped() -> dict[str, tuple[Converter, list[Row]]]:
    """Every loader that ships rows, with them."""
    discovery.install(TRACKS)
    found = {}
    for track in track_names(TRACKS):
        for name in loader_names(TRACKS, track):
            loader = discovery.find(TRACKS, track, name, {}).loader
            resolved = FolderRoot(TRACKS / track / "samples").resolve(loader.source)
            batches = open_stream(loader.source, resolved).batches(None)
            rows = [row for batch in batches for row in batch.rows if isinstance(row, Row)]
            side = loader.prepare(read_companions(resolved)) if isinstance(loader, JoinedLoader) else None
            who = Identity(loader.source.repo, name, loader.category, loader.label, loader.source.unique_ids)
            if rows:
                found[f"{track}/{name}"] = (Converter(loader, who, side), rows)
    return found


def readers(data: bytes) -> None:
    """Hostile text is a value or a `Reject` E11; strict JSON is what the standard library reads, or refuses more."""
    choices = Choices(data)
    text = choices.text() if choices.below(2) else choices.rest().decode("utf-8", "surrogateescape")
    for read in (literal, python_call, calls, call, arguments):
        _or_reject(read, text)
    _or_reject(lambda value: plain(literal(value), drop_null=True), text)
    _or_reject(lambda value: turns(literal(value)), text)
    assert sum(map(len, blocks(text, "tool_call"))) <= len(text)
    try:
        value = strict_json(text)
    except ValueError:
        return
    assert json.dumps(value) == json.dumps(json.loads(text))


def _or_reject(read: Callable[[str], Any], text: str) -> None:
    problem = raised(Reject, lambda: read(text))
    assert problem is None or (problem.code in CODES and len(problem.message) < 1_000)


def contract(data: bytes) -> None:
    """What the writer accepts, the auditor accepts, however odd the sample is."""
    choices = Choices(data)
    count = choices.pick([1, 1, 2, 3, 64, 65])
    given: dict[str, Any] = {
        "query": choices.text(),
        "calls": [
            Call(choices.text(), choices.value(), choices.pick([1, 2, 3, 0, True])) for _ in range(min(count, 4))
        ],
        "edges": choices.pick([chain(count), (), [(0, 1)], [(1, 0)], [(0, 0)], [[0, 1.0]], 3]),
        "edge_kind": choices.pick(["none", "sequence", "dataflow", "other", None]),
        "upstream_id": choices.pick([None, "1", choices.text(), choices.pick(NUMBERS)]),
        "language": choices.pick([None, "en", choices.text(), 5]),
        "extras": choices.pick([{}, choices.value(), {"provenance": {"train-0_tool_0": choices.value()}}]),
    }
    sample = Sample(**given)
    if count > 4:
        sample.calls = list(sample.calls) * (count // 4)
    elif choices.below(3):  # mostly sound, so that what is odd is reached
        sample.calls = [Call("search", item) for item in (choices.value() for _ in range(count)) if type(item) is dict]
        sample.edges, sample.edge_kind = (), "none"
    problem = raised(Reject, lambda: _built(sample))
    assert problem is None or problem.code in CODES


def _built(sample: Sample) -> None:
    line = build(sample, WHO, "train-0")
    if isinstance(line, Line):
        assert Auditor().audit(line.data) == [], line.data[:500]
    else:
        assert line == Skip("too_long")


@functools.cache
def published_lines() -> list[bytes]:
    lines = []
    for converter, rows in shipped().values():
        for row in rows[:4]:
            outcome = converter.outcome(row)
            lines += [line.data for line in outcome] if isinstance(outcome, list) else []
    return lines


def audit(data: bytes) -> None:
    """The auditor has an answer to any line."""
    choices = Choices(data)
    line = choices.pick(published_lines())
    if choices.below(3):
        changed = choices.mutated(json.loads(line))
        line = json.dumps(changed, ensure_ascii=bool(choices.below(2))).encode("utf-8", "surrogatepass")
    else:
        at = choices.below(len(line))
        line = line[:at] + choices.rest() + line[at + choices.below(9) :]
    assert all(violation.code in CODES for violation in Auditor().audit(line))


def canonical_json(data: bytes) -> None:
    """The fast path gives the oracle's bytes, and refuses what the oracle refuses."""
    choices = Choices(data)
    value = choices.value()
    if choices.below(4) == 0:
        value = {"x": choices.byte() / (1 + choices.byte()) * 10.0 ** (choices.byte() % 40 - 20), "y": value}
    try:
        wanted = rfc8785.dumps(value)
    except (ValueError, RecursionError):
        wanted = None
    try:
        found = canonical(value)
    except ValueError:
        found = None
    assert found == wanted
