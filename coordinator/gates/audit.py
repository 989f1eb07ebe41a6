"""All gates over one file: `verdicts` reads it (twice where a word looks suspicious) and reports."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
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
from .verdict import Report

ParentOf = Callable[[Row], dict[str, Any] | None]


def verdicts(file: Path, tier1: Path | None = None, accepted: Mapping[str, str] | None = None) -> Report:
    """The report on a Tier II or III file. Raises `PolecatsError` where it cannot be read or is neither.

    `tier1` is the file of its parents (else the one that its manifest names, else tier1.jsonl beside it); without
    one the replay could not run. `accepted` are reasons by gate, beside those that the manifest holds for these
    very bytes.
    """
    tier, tier1 = _tier(file), tier1 or tier1_of(file)
    digest, rows = hashlib.sha256(), 0
    with ExitStack() as stack:
        parents = stack.enter_context(Parents(tier1)) if tier1 is not None else None
        collectors = _collectors(file, tier, _finder(parents))
        for row in read_rows(file, digest.update):
            rows += 1
            for collector in collectors:
                collector.see(row)
        gates = tuple(gate for collector in collectors for gate in collector.gates())
    sha256 = digest.hexdigest()
    unknown = (accepted or {}).keys() - {gate.name for gate in gates}
    if unknown:
        raise PolecatsError(f"No gate is called {', '.join(sorted(unknown))}: `polecats gates {file}` lists them.")
    return Report(file.name, tier, rows, sha256, gates, {**accepted_before(file, sha256), **(accepted or {})})


def _finder(parents: Parents | None) -> ParentOf | None:
    """A row's parent by its name; the rows of a group ask for the same one again and again."""
    if parents is None:
        return None
    last: tuple[str, dict[str, Any] | None] = ("", None)

    def find(row: Row) -> dict[str, Any] | None:
        nonlocal last
        name = row.text("parent")
        if last[0] != name:
            last = (name, parents.find(name))
        return last[1]

    return find


def _collectors(file: Path, tier: str, parent_of: ParentOf | None) -> list[Collector]:
    return [
        Validity(),
        Replay(parent_of),
        Relation(),
        Probes(tier),
        Tokens(lambda: read_rows(file)),
        DenyList(parent_of or (lambda row: None)),
        Balance(tier),
        Groups(),
        Pairs(pair_file(file)),
        Families(Edits() if tier == "II" else Boundary()),
    ]


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
