"""The pair file against its rows: every id stands, every negative is in one pair, splits and margins agree."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from ..errors import PolecatsError
from .rows import TERMS, Row, key64
from .verdict import Bound, Gate, could_not_run, judged

_SHOWN = 12
_NONE = Bound(high=0)
DELTA = 2.0
"""`delta_estimate` is this times the severity, and a pair's margin is its negative's `delta_estimate`."""


class Pairs:
    """The gate over a pair file; holds 8 bytes for what a pair says of its negative, and 8 a benign row."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._negatives = array("Q")
        self._benign = array("Q")

    def see(self, row: Row) -> None:
        """See `Collector`."""
        original_id = str(row.record.get("original_id"))
        if not row.negative:
            self._benign.append(key64(original_id))
            return
        said = (row.text("pair_id"), row.text("group_id"), row.text("split"), original_id)
        self._negatives.append(_key(*said, TERMS.get(row.strategy, ""), _severity(row)))

    def gates(self) -> Iterator[Gate]:
        """See `Collector`."""
        if not self._path.is_file():
            yield could_not_run("pairs", _NONE, f"{self._path} is not there")
            return
        faults, wanted, controls = self._read()
        faults["a negative in no pair, in two, or in one that says otherwise of it"] = _unlike(wanted, self._negatives)
        faults["a control that is no benign row of the tier"] = _strangers(controls, self._benign)
        leaks = [(fault, float(count)) for fault, count in faults.most_common(_SHOWN) if count]
        yield judged("pairs", faults.total(), _NONE, "faults of the pair file against the rows", leaks)

    def _read(self) -> tuple[Counter[str], array[int], array[int]]:
        """(faults of single pairs, what each says of its negative, its controls)."""
        faults: Counter[str] = Counter()
        wanted, controls = array("Q"), array("Q")
        try:
            with self._path.open("rb") as lines:
                for line in lines:
                    _enter(line, faults, wanted, controls)
        except OSError as error:
            raise PolecatsError(f"{self._path}: cannot be read: {error.strerror}.") from None
        return faults, wanted, controls


def _enter(line: bytes, faults: Counter[str], wanted: array[int], controls: array[int]) -> None:
    try:
        pair = orjson.loads(line)
        said = [str(pair[key]) for key in ("pair_id", "group_id", "split", "negative_id", "energy_term")]
        severity, margin = float(pair["severity"]), float(pair["margin"])
        query, positive, ids = pair["anchor"]["query"], pair["positive_id"], list(pair["control_ids"])
    except (ValueError, KeyError, TypeError):
        faults["a line that is no pair"] += 1
        return
    faults["a margin that is not its severity's"] += abs(margin - DELTA * severity) > 1e-9
    faults["an empty query or positive"] += not (query and positive)
    wanted.append(_key(*said, f"{severity:.9f}"))
    controls.extend(key64(str(control)) for control in ids)


def _severity(row: Row) -> str:
    """The severity of the row's own term."""
    labels = row.metadata.get("violation_labels")
    own = [label for label in labels if _is_own(label, row)] if isinstance(labels, list) else []
    return f"{own[0].get('severity', 0):.9f}" if own and isinstance(own[0].get("severity"), int | float) else ""


def _is_own(label: Any, row: Row) -> bool:
    return isinstance(label, dict) and label.get("energy_term") == TERMS.get(row.strategy)


def _key(*parts: str) -> int:
    return key64("\0".join(parts))


def _unlike(wanted: array[int], found: array[int]) -> int:
    """How many entries two multisets do not share, counted on the longer side."""
    ours, theirs = Counter(wanted), Counter(found)
    return max((ours - theirs).total(), (theirs - ours).total())


def _strangers(wanted: array[int], known: array[int]) -> int:
    import numpy

    keys, standing = (numpy.frombuffer(keys, dtype=numpy.uint64) for keys in (wanted, known))
    return int(numpy.count_nonzero(~numpy.isin(keys, standing)))
