"""Gate 4: no word of a row gives its label away, and no operator writes a word that names the attack.

The table counts rows by word in a fixed number of cells, so its memory does not grow with the file; words whose
cell lies outside the bounds are counted exactly in a second pass.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from typing import Any
from zlib import crc32

import orjson
import tomli

from .features import plan_text, query_text
from .rows import Row
from .verdict import Bound, Gate, judged

FEWEST = 50
"""Rows that a word must stand in before its share of negatives says anything."""
SHARE = Bound(0.2, 0.8)
CELLS = 1 << 22
_BATCH = 1 << 20
_SHOWN = 12
_WORDS = re.compile(r"[^\W_]+")


@cache
def _lists() -> dict[str, Any]:
    return tomli.loads(resources.files(__package__).joinpath("words.toml").read_text(encoding="utf-8"))


class Tokens:
    """The token table. `again` reads the file's rows once more, for the words of suspicious cells."""

    def __init__(self, again: Callable[[], Iterator[Row]]) -> None:
        self._again = again
        self._cells = {negative: array("I", bytes(4 * CELLS)) for negative in (False, True)}
        self._waiting = {False: array("I"), True: array("I")}

    def see(self, row: Row) -> None:
        """See `Collector`."""
        waiting = self._waiting[row.negative]
        waiting.extend(map(_cell, plan_text(row) | query_text(row)))
        if len(waiting) >= _BATCH:
            self._count(row.negative)

    def _count(self, negative: bool) -> None:
        import numpy

        cells = numpy.frombuffer(self._cells[negative], dtype=numpy.uint32)
        numpy.add.at(cells, numpy.frombuffer(self._waiting[negative], dtype=numpy.uint32), 1)
        self._waiting[negative] = array("I")

    def gates(self) -> Iterator[Gate]:
        """See `Collector`."""
        leaking = self._leaking()
        shown = [(f"{name} ({rows:,} rows)", round(share, 3)) for rows, share, name in leaking[:_SHOWN]]
        sentence = f"words in at least {FEWEST} rows of which more or fewer than {SHARE} are negatives"
        yield judged("tokens", len(leaking), Bound(high=0), sentence, shown)

    def _leaking(self) -> list[tuple[int, float, str]]:
        """(rows, share of negatives, word) for every word outside the bounds, the most frequent first."""
        suspicious = self._suspicious()
        found: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
        for row in self._again() if suspicious else ():
            found[row.negative].update(name for name in plan_text(row) | query_text(row) if _cell(name) in suspicious)
        causal = _lists()["causal"]
        counted = {name: found[True][name] + found[False][name] for name in found[True] | found[False]}
        leaking = [
            (rows, found[True][name] / rows, name)
            for name, rows in counted.items()
            if rows >= FEWEST and name not in causal and not SHARE.holds(found[True][name] / rows)
        ]
        return sorted(leaking, key=lambda item: (-item[0], item[2]))

    def _suspicious(self) -> frozenset[int]:
        import numpy

        for negative in (False, True):
            self._count(negative)
        benign, negatives = (numpy.frombuffer(self._cells[kind], dtype=numpy.uint32) for kind in (False, True))
        rows = benign + negatives
        share = negatives / numpy.maximum(rows, 1)
        return frozenset(numpy.flatnonzero((rows >= FEWEST) & ((share < SHARE.low) | (share > SHARE.high))).tolist())


def _cell(name: str) -> int:
    return crc32(name.encode("utf-8", "surrogatepass")) % CELLS


class DenyList:
    """Words that name an attack, where the parent does not hold them; `parent_of` gives a row's parent."""

    def __init__(self, parent_of: Callable[[Row], dict[str, Any] | None]) -> None:
        self._parent_of = parent_of
        self._hits: Counter[str] = Counter()

    def see(self, row: Row) -> None:
        """See `Collector`."""
        found = _denied(row.record)
        if found and (parent := self._parent_of(row)) is not None:
            found -= _denied(parent)
        self._hits.update(found)

    def gates(self) -> Iterator[Gate]:
        """See `Collector`."""
        hits = [(word, float(rows)) for word, rows in self._hits.most_common(_SHOWN)]
        sentence = "rows that hold a word of the deny list which their parent does not hold"
        yield judged("deny list", self._hits.total(), Bound(high=0), sentence, hits)


def _denied(record: dict[str, Any]) -> set[str]:
    """The denied words in what a reader of the row is given: ids, plan, query, policy, origins; never its labels."""
    metadata = record.get("metadata")
    shown = metadata if isinstance(metadata, dict) else {}
    seen = [record.get("original_id"), record.get("execution_plan")]
    seen += [shown.get(key) for key in ("query", "policy", "pair_id", "group_id", "provenance")]
    text = orjson.dumps(seen).decode().casefold()
    likely = [words for words in _lists()["deny"] if words.partition(" ")[0] in text]
    spaced = f" {' '.join(_WORDS.findall(text))} " if likely else ""
    return {words for words in likely if f" {words} " in spaced}
