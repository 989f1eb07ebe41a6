"""Gate 5: shares of strategies and difficulties, the most frequent tool, groups and splits, controls."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping

from ..contract.tiers.shares import BOUNDARY_SHARES, DIFFICULTY_SHARES, MAX_TOOL_SHARE
from .rows import STRATEGIES, Row, key64
from .verdict import Bound, Gate, could_not_run, judged

TIER_II = dict.fromkeys(STRATEGIES, 0.25)
SPLITS = ("train", "validation", "test", "test_ood")
TOP_TOOL = Bound(high=MAX_TOOL_SHARE)
INVISIBLE = "provenance_rug_pull"
"""The strategy whose negatives do not show in the plan's text, so that they need no control."""
_SHOWN = 12


class Balance:
    """Counts of negatives by strategy, difficulty and tool."""

    def __init__(self, tier: str) -> None:
        self._tier = tier
        self._kinds: Counter[str] = Counter()
        self._difficulties: Counter[str] = Counter()
        self._tools: Counter[str] = Counter()
        self._negatives = 0

    def see(self, row: Row) -> None:
        """See `Collector`."""
        if not row.negative:
            return
        self._negatives += 1
        self._kinds[row.strategy] += 1
        self._difficulties[str(row.mutation.get("difficulty"))] += 1
        targets = row.mutation.get("target_node_ids")
        wanted = targets if isinstance(targets, list) else []
        self._tools.update({str(node.get("tool_name")) for node in row.nodes if node.get("node_id") in wanted})

    def gates(self) -> Iterator[Gate]:
        """See `Collector`."""
        second = self._tier == "II"
        yield self._shares("shares", self._kinds, TIER_II if second else BOUNDARY_SHARES, 0.001)
        if second:
            yield self._shares("difficulty", self._difficulties, DIFFICULTY_SHARES, 0.02)
        if not self._negatives:
            yield could_not_run("top tool", TOP_TOOL, "no negatives")
            return
        top = [(name, round(rows / self._negatives, 4)) for name, rows in self._tools.most_common(_SHOWN)]
        sentence = "the most frequent tool that a mutation touches, as a share of the negatives"
        yield judged("top tool", max(self._tools.values(), default=0) / self._negatives, TOP_TOOL, sentence, top)

    def _shares(self, name: str, counts: Mapping[str, int], wanted: Mapping[str, float], within: float) -> Gate:
        """How far the worst share lies from the wanted one."""
        bound = Bound(high=within)
        if not self._negatives:
            return could_not_run(name, bound, "no negatives")
        off = {kind: abs(counts.get(kind, 0) / self._negatives - wanted.get(kind, 0.0)) for kind in {*counts, *wanted}}
        shown = sorted(((kind, counts.get(kind, 0) / self._negatives) for kind in off), key=lambda item: -off[item[0]])
        sentence = "the largest distance of a share of the negatives from the wanted one"
        return judged(name, max(off.values()), bound, sentence, [(kind, round(share, 4)) for kind, share in shown])


class Groups:
    """No group in two splits, and a control for every negative that shows in its plan. 16 bytes a row."""

    def __init__(self) -> None:
        self._splits = array("Q")
        self._needing = array("Q")
        self._controlled = array("Q")
        self._strange: Counter[str] = Counter()

    def see(self, row: Row) -> None:
        """See `Collector`."""
        split = row.text("split")
        if split not in SPLITS:
            self._strange[split] += 1
            return
        self._splits.append(key64(row.text("group_id")) & ~3 | SPLITS.index(split))
        pair = key64(row.text("pair_id"))
        if not row.negative:
            self._controlled.append(pair)
        elif row.strategy != INVISIBLE:
            self._needing.append(pair)

    def gates(self) -> Iterator[Gate]:
        """See `Collector`."""
        import numpy

        groups = numpy.unique(numpy.frombuffer(self._splits, dtype=numpy.uint64)) >> numpy.uint64(2)
        torn = len(groups) - len(numpy.unique(groups)) + self._strange.total()
        strange = [(f"split {name!r}", float(rows)) for name, rows in self._strange.most_common(_SHOWN)]
        yield judged("groups", torn, Bound(high=0), "groups in two splits, or rows in no known split", strange)
        needing, controlled = (numpy.frombuffer(keys, dtype=numpy.uint64) for keys in (self._needing, self._controlled))
        alone = int(numpy.count_nonzero(~numpy.isin(needing, controlled)))
        yield judged("controls", alone, Bound(high=0), "negatives that show in their plan and have no control")
