"""Corrupters as loaders: a parent's matched rows are what becomes of its line."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..contract import Row, Skip
from ..contract import tiers as contract_tiers
from ..contract.build import Identity, Line
from ..contract.tiers import Corrupter, Parent
from ..events import Counts
from .corrupt import blocks_of, family_of
from .pipeline import Converter


@dataclass(slots=True)
class CorruptingConverter(Converter):
    """Rows are Tier I rows; `loader` is a Corrupter. A parent counts once, with all its draws."""

    seed: int = 0

    def _lines(self, row: Row, position: str) -> list[Line] | Skip:
        """A block that breaks the contract rejects its parent: it is the corrupter that is wrong, not one row."""
        corrupter: Any = self.loader
        family = family_of(Parent(dict(row)))
        lines = [Line(made.line, key) for block in blocks_of(family, corrupter, self.seed) for made, key in block]
        return lines or Skip("not_applicable")


def converter_of(loader: Any, identity: Identity, side: Any, seed: int, counts: Counts | None = None) -> Converter:
    """What turns rows into lines with a loader that declares its source, or with a corrupter."""
    counts = Counts() if counts is None else counts
    if isinstance(loader, Corrupter):
        made: Any = loader
        return CorruptingConverter(made, identity, None, counts, seed=seed)
    return Converter(loader, identity, side, counts)


@cache
def tier_version() -> str:
    """A digest of the tiers' contract and lexicon: what corrupters are made with beside their own code."""
    folder = Path(contract_tiers.__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.py"), *folder.glob("*.toml")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
