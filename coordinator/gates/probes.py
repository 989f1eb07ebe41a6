"""Shortcut probes: whether a bag of features without any relation tells negatives from benign rows.

A logistic regression is fitted on a bounded sample of whole groups (folds by parent, so that no parent stands on
both sides) and its AUC on the held-out folds is the figure. Everything is seeded and runs on one thread, so the
figure is the same on every run.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from . import features
from .rows import BOUNDARY, STRATEGIES, GroupSample, Row, key64
from .verdict import Bound, Gate, could_not_run, judged

FOLDS = 5
MOST_ROWS = 40_000
"""Rows of one strategy that a probe looks at; at least half of them where a file has more."""
FEWEST_ROWS = 1_000
"""Rows a class below which no probe has a verdict: so few do not teach it an artefact."""
MISSING = "scikit-learn is not installed: pip install 'polecats[gates]'"
_SHOWN = 12
_SEED = 20_240_607
_SPREAD = 0.41
"""The standard error of an AUC of one half is this over the root of the rows a class."""

Features = Callable[[Row], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Probe:
    """One kind of features, and how well it may tell the classes apart in each strategy ("" stands for all rows)."""

    name: str
    features: Features
    bounds: dict[str, Bound]


def _at_most(**highest: float) -> dict[str, Bound]:
    return {strategy: Bound(high=high) for strategy, high in highest.items()}


_TIER_II = (
    Probe(
        "plan text",
        features.plan_text,
        _at_most(scope_blowup=0.65, instruction_shadowing=0.60, exfiltration_pivot=0.60)
        | {"provenance_rug_pull": Bound(0.47, 0.53)},
    ),
    Probe("query", features.query_text, _at_most(**dict.fromkeys(STRATEGIES, 0.60)) | _at_most(scope_blowup=0.65)),
    Probe("structure", features.structure, _at_most(**dict.fromkeys(STRATEGIES, 0.60))),
    Probe("tiers", features.tiers, _at_most(provenance_rug_pull=0.80)),
    Probe("tools", features.tools, _at_most(provenance_rug_pull=0.80)),
    Probe("ids and hashes", features.ids_and_hashes, {"": Bound(0.48, 0.52)}),
)
_LOOSE = {strategy: Bound(high=0.65 if term == "E_scope" else 0.60) for strategy, term in BOUNDARY.items()}
_TIER_III = (
    Probe("plan text", features.plan_text, _LOOSE),
    Probe("query", features.query_text, _LOOSE),
    Probe("structure", features.structure, _at_most(**dict.fromkeys(BOUNDARY, 0.60))),
    Probe("ids and hashes", features.ids_and_hashes, {"": Bound(0.48, 0.52)}),
)


class Bags:
    """The features of a bounded sample of rows, as numbers of a vocabulary."""

    def __init__(self, probe: Features) -> None:
        self._features = probe
        self._sample: GroupSample[tuple[bool, array[int]]] = GroupSample(MOST_ROWS)
        self._numbers: dict[str, int] = {}

    def see(self, row: Row, parent: int) -> None:
        """Take in a row of the group `parent`."""
        if self._sample.wants(parent):
            numbers, found = self._numbers, self._features(row)
            for name in sorted(
                name for name in found if name not in numbers
            ):  # a set's own order differs from run to run
                numbers[name] = len(numbers)
            self._sample.add(parent, (row.negative, array("I", sorted(map(numbers.__getitem__, found)))))

    def classes(self) -> tuple[int, int]:
        """(benign rows, negatives) in the sample."""
        negatives = sum(negative for _, (negative, _) in self._sample.rows)
        return len(self._sample.rows) - negatives, negatives

    def auc(self) -> tuple[float, list[tuple[str, float]]]:
        """The mean AUC over the folds, and the features that weigh most. Needs scikit-learn and both classes."""
        import numpy
        from scipy.sparse import csr_matrix

        rows = self._sample.rows
        ends = numpy.cumsum([0, *(len(bag) for _, (_, bag) in rows)])
        columns = numpy.concatenate([numpy.frombuffer(bag, dtype=numpy.uint32) for _, (_, bag) in rows])
        shape = (len(rows), len(self._numbers))
        bags = csr_matrix((numpy.ones(len(columns)), columns.astype(numpy.int32), ends), shape=shape)
        labels = numpy.array([negative for _, (negative, _) in rows])
        folds = numpy.array([parent % FOLDS for parent, _ in rows])
        return _cross_validated(bags, labels, folds, list(self._numbers))


def _cross_validated(bags: Any, labels: Any, folds: Any, names: Sequence[str]) -> tuple[float, list[tuple[str, float]]]:
    import numpy
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    figures: list[float] = []
    weights = numpy.zeros(bags.shape[1])
    for fold in range(FOLDS):
        held = folds == fold
        if len(set(labels[held])) < 2 or len(set(labels[~held])) < 2:
            continue
        model = LogisticRegression(solver="liblinear", dual=True, C=0.3, max_iter=500, tol=0.05, random_state=_SEED)
        model.fit(bags[~held], labels[~held])
        figures.append(float(roc_auc_score(labels[held], model.decision_function(bags[held]))))
        weights += model.coef_[0] / FOLDS
    worst = numpy.argsort(-abs(weights), kind="stable")[:_SHOWN]
    return sum(figures) / max(len(figures), 1), [(names[at], round(float(weights[at]), 3)) for at in worst]


class Probes:
    """Gate 3 without its relational rule."""

    def __init__(self, tier: str) -> None:
        probes = _TIER_III if tier == "III" else _TIER_II
        self._bags = [
            (probe, strategy, bound, Bags(probe.features))
            for probe in probes
            for strategy, bound in probe.bounds.items()
        ]

    def see(self, row: Row) -> None:
        """See `Collector`."""
        parent, strategy = key64(row.text("parent")), row.strategy
        for _, wanted, _, bags in self._bags:
            if wanted in ("", strategy):
                bags.see(row, parent)

    def gates(self) -> Iterator[Gate]:
        """See `Collector`."""
        for probe, strategy, bound, bags in self._bags:
            yield _outcome(f"probe/{probe.name}" + (f"/{strategy}" if strategy else ""), bound, bags)


def _outcome(name: str, bound: Bound, bags: Bags) -> Gate:
    if not _installed():
        return could_not_run(name, bound, MISSING)
    benign, negatives = bags.classes()
    if min(benign, negatives) < 2 * FOLDS:
        return could_not_run(name, bound, f"{negatives:,} negatives against {benign:,} benign rows")
    need = rows_needed(bound)
    few = min(benign, negatives) < need
    why_not = f"{negatives:,} negatives against {benign:,} benign rows, {need:,} of each are needed" if few else ""
    auc, leaks = bags.auc()
    sentence = f"AUC over {FOLDS} folds by parent, {negatives:,} negatives against {benign:,} benign rows"
    return judged(name, auc, bound, sentence, leaks, why_not)


def rows_needed(bound: Bound) -> int:
    """Rows a class for a verdict: three standard errors must fit between one half and the bound."""
    return max(FEWEST_ROWS, ceil((3 * _SPREAD / (bound.high - 0.5)) ** 2))


def _installed() -> bool:
    try:
        import sklearn
    except ImportError:
        return False
    return bool(sklearn.__version__)
