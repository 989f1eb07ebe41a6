"""What separates a negative from its positive: no more than its budget, and in a rug-pull nothing but who decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .families import Difference, Faults, difference
from .rows import Row
from .verdict import Bound, Gate, could_not_run, judged

STRATEGY = "provenance_rug_pull"
_NONE = Bound(high=0)
_TIER = ".provenance_tier"


class Edits:
    """Tier II negatives against the nearest benign row of their pair."""

    def __init__(self) -> None:
        self._pulls = Faults.none()
        self._budgets = Faults.none()

    def see_family(self, rows: Sequence[Row]) -> None:
        """See `Family`."""
        for row in rows:
            if not row.negative:
                continue
            beside = [other for other in rows if not other.negative and other.text("pair_id") == row.text("pair_id")]
            found = min((difference(other, row) for other in beside), key=lambda found: found.size, default=None)
            if row.strategy == STRATEGY:
                self._pulls.rows += 1
                self._pulls.kinds.update(_pull_faults(found))
            else:
                self._budgets.rows += 1
                self._budgets.kinds.update(_budget_faults(found, str(row.mutation.get("difficulty"))))

    def gates(self) -> Iterator[Gate]:
        """See `Collector`."""
        for name, faults, what in (
            ("rug-pull", self._pulls, "rug-pulls, which differ from their positive in tier, origin and hash alone"),
            ("edit budgets", self._budgets, "negatives, by what separates them from their positive"),
        ):
            if faults.rows:
                sentence = f"faults of {faults.rows:,} {what}"
                yield judged(name, faults.kinds.total(), _NONE, sentence, faults.shown())
            else:
                yield could_not_run(name, _NONE, f"no {what}")


def _pull_faults(found: Difference | None) -> Iterator[str]:
    if found is None:
        yield "no benign row in its pair or group"
        return
    others = [path for path, _, _ in found.leaves if not path.endswith(_TIER)]
    if others or found.edges or found.nodes:
        yield "more than tier, origin and hash differ"
    if len(others) == len(found.leaves):
        yield "the same tiers"


def _budget_faults(found: Difference | None, difficulty: str) -> Iterator[str]:
    if found is None:
        yield f"{difficulty}: no benign row in its pair or group"
    elif not _within(found, difficulty):
        yield f"{difficulty}: {len(found.leaves)} leaves, {found.edges} edges, {found.nodes} nodes"


def _within(found: Difference, difficulty: str) -> bool:
    leaves, edges, nodes = len(found.leaves), found.edges, found.nodes
    if difficulty == "hard":
        return leaves <= 2 and not edges and not nodes
    if difficulty == "medium":
        return not nodes and ((leaves <= 3 and not edges) or (edges <= 2 and not leaves))
    return nodes <= 1 and edges <= 2 and leaves <= 6
