"""All gates over one file: `verdicts` reads it (twice where a word looks suspicious) and reports."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from ..errors import ExitCode, PolecatsError
from .balance import Balance, Groups
from .boundary import Boundary
from .edits import Edits
from .exceptions import accepted_before, tier1_of
from .families import Families
from .pairs import Pairs
from .parents import Parents
from .probes import Probes
from .relation import Relation
from .rows import Collector, Row, read_rows
from .tokens import DenyList, Tokens
from .validity import Replay, Validity
from .verdict import Gate, Report

HALVES = ("rows", "file")
TWO_PROCESSES = 32 * 2**20
"""Bytes of a file from which a second process pays."""

ParentOf = Callable[[Row], dict[str, Any] | None]


def verdicts(file: Path, tier1: Path | None = None, accepted: Mapping[str, str] | None = None) -> Report:
    """The report on a Tier II or III file. Raises `PolecatsError` where it cannot be read or is neither.

    `tier1` is the file of its parents (else the one that its manifest names, else tier1.jsonl beside it); without
    one the replay could not run. `accepted` are reasons by gate, beside those that the manifest holds for these
    very bytes. A big file is read by a second process at the same time.
    """
    tier, tier1 = _tier(file), tier1 or tier1_of(file)
    if file.stat().st_size < TWO_PROCESSES:
        parts = [_judge(file, tier, tier1, half) for half in HALVES]
    else:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            other = pool.submit(_judge, file, tier, tier1, HALVES[0])
            mine = _judge(file, tier, tier1, HALVES[1])
            parts = [other.result(), mine]
    rows, sha256 = parts[0][:2]
    if parts[1][:2] != (rows, sha256):
        raise PolecatsError(f"{file} changed while it was read: run the gates again.", ExitCode.REFUSED)
    gates = tuple(gate for _, _, found in parts for gate in found)
    unknown = (accepted or {}).keys() - {gate.name for gate in gates}
    if unknown:
        raise PolecatsError(f"No gate is called {', '.join(sorted(unknown))}: `polecats gates {file}` lists them.")
    return Report(file.name, tier, rows, sha256, gates, {**accepted_before(file, sha256), **(accepted or {})})


def _judge(file: Path, tier: str, tier1: Path | None, half: str) -> tuple[int, str, list[Gate]]:
    """(rows, SHA-256, outcomes) of one half of the gates."""
    digest, rows = hashlib.sha256(), 0
    parents = Parents(tier1) if tier1 is not None and half == "rows" else None
    collectors = _of_rows(tier, _finder(parents)) if half == "rows" else _of_file(file, tier)
    for row in read_rows(file, digest.update):
        rows += 1
        for collector in collectors:
            collector.see(row)
    return rows, digest.hexdigest(), [gate for collector in collectors for gate in collector.gates()]


def _finder(parents: Parents | None) -> ParentOf | None:
    """A row's parent by its name."""
    return None if parents is None else lambda row: parents.find(row.text("parent"))


def _of_rows(tier: str, parent_of: ParentOf | None) -> list[Collector]:
    """What is asked of each row or group."""
    own = Edits() if tier == "II" else Boundary()
    deny_list = DenyList(parent_of or (lambda row: None))
    return [Validity(), Replay(parent_of), Relation(), deny_list, Families(own)]


def _of_file(file: Path, tier: str) -> list[Collector]:
    """What is asked of the file as a whole."""
    return [Probes(tier), Tokens(lambda: read_rows(file)), Balance(tier), Groups(), Pairs(pair_file(file))]


def pair_file(file: Path) -> Path:
    """tier2_pairs.draft.jsonl beside tier2.draft.jsonl, tier2_pairs.jsonl beside tier2.jsonl."""
    stem, dot, rest = file.name.partition(".")
    return file.with_name(f"{stem}_pairs{dot}{rest}")


def _tier(file: Path) -> str:
    first: Iterator[Row] = read_rows(file)
    tier = next((row.text("tier") for row in first), "")
    if tier not in ("II", "III"):
        what = f"begins with a row of tier {tier}" if tier else "holds no rows of a tier"
        raise PolecatsError(f"{file} {what}: gates are for Tiers II and III.", ExitCode.REFUSED)
    return tier
