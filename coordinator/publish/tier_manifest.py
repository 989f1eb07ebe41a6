"""What the manifest of a tier says beyond any manifest: parents, pairs, rows by what they are, and why no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..contract.tiers.lexicon import LEXICON_VERSION
from ..paths import ROMAN
from . import manifest as manifests
from .merge import Merged
from .tier_files import Drafts
from .tier_output import pairs_of

TEMPERATURE = 0.07
"""Of InfoNCE over the pairs."""
Kind = tuple[str, str, str, str, str]


def build(
    merged: Merged,
    source: Mapping[str, str],
    checkouts: Mapping[str, Any],
    drafts: Drafts,
    number: int,
    tier1: Path,
    file: Path,
) -> dict[str, Any]:
    """The manifest's content for a draft that is called `file`."""
    mark = merged.inputs[0].fingerprint
    return {
        **manifests.build(merged, file, ROMAN[number], source, checkouts),
        "tier_lexicon": LEXICON_VERSION,
        "seed": mark["seed"],
        "parents": {"file": tier1.name, "sha256": mark["revision"]},
        "pairs": {
            "file": pairs_of(file).name,
            "rows": drafts.pairs.lines,
            "bytes": drafts.pairs.bytes,
            "sha256": drafts.pairs.sha256,
            "temperature": TEMPERATURE,
        },
        "strategies": {item.loader: _strategy(item.loader, drafts.counts) for item in merged.inputs},
        "yield": _yield([item.loader for item in merged.inputs], drafts),
    }


def _strategy(name: str, counts: Counter[Kind]) -> dict[str, Any]:
    """A strategy's negatives by operator and difficulty, its rows by variant and split."""
    own = Counter({kind: rows for kind, rows in counts.items() if kind[0] == name})
    negatives = Counter({kind: rows for kind, rows in own.items() if kind[4] == "mutant"})
    return {
        "negatives": negatives.total(),
        "controls": own.total() - negatives.total(),
        "operators": _by(negatives, lambda kind: kind[1]),
        "difficulties": _by(negatives, lambda kind: kind[2]),
        "splits": _by(own, lambda kind: kind[3]),
    }


def _by(counts: Counter[Kind], what: Callable[[Kind], str]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for kind, rows in counts.items():
        found[what(kind)] += rows
    return dict(sorted(found.items()))


def _yield(names: list[str], drafts: Drafts) -> dict[str, Any]:
    """How many negatives there are, of how many parents, and what bounds those that are published."""
    selected = drafts.selected
    supply: dict[str, dict[str, int]] = {name: {} for name in names}
    for (place, difficulty), there in sorted(selected.supply.items()):
        supply[names[place]][difficulty] = there
    return {
        "negatives": selected.negatives,
        "bound": selected.bound,
        "supply": supply,
        "applicable_parents": {name: selected.applicable[place] for place, name in enumerate(names)},
    }
