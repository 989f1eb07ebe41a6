"""Pair rows for contrastive training: a negative and the positive under the same anchor, from a block's lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic import ValidationError

from ..mutation import DELTA_PER_SEVERITY, Pair
from ..sample import SCHEMA_VERSION, Reject
from ..violations import Violation, first_violation, violations

_VALIDATE = Pair.__pydantic_validator__.validate_python
ANCHOR = ("query", "policy", "scope_budget")


def anchor(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What both plans of a pair answer to."""
    return {key: metadata[key] for key in ANCHOR if metadata.get(key) is not None}


def pairs_of(records: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """The pair rows, without newlines, of the rows of one block; every benign row of it is a control.

    Raises `Reject` for a block whose negative has no positive.
    """
    benign = [record for record in records if record["metadata"]["variant"] == "control"]
    return [_pair(record, benign) for record in records if record["metadata"]["variant"] == "mutant"]


def _pair(negative: Mapping[str, Any], benign: Sequence[Mapping[str, Any]]) -> bytes:
    metadata = negative["metadata"]
    common = anchor(metadata)
    same = [record["original_id"] for record in benign if anchor(record["metadata"]) == common]
    if not same:
        raise Reject("E14", f"{negative['original_id']} has no positive under its anchor", "positive_id")
    violated = next(label for label in metadata["violation_labels"] if label["violated"])
    row = {
        "schema_version": SCHEMA_VERSION,
        "pair_id": metadata["pair_id"],
        "group_id": metadata["group_id"],
        "split": metadata["split"],
        "energy_term": violated["energy_term"],
        "anchor": common,
        "positive_id": same[0],
        "negative_id": negative["original_id"],
        "control_ids": [record["original_id"] for record in benign],
        "difficulty": metadata["mutation"]["difficulty"],
        "severity": violated["severity"],
        "margin": violated["delta_estimate"],
    }
    try:
        _VALIDATE(row)
    except ValidationError as error:
        raise first_violation(error) from None
    return orjson.dumps(row)


def audit_pair(line: bytes) -> list[Violation]:
    """All rules that a line of a pair file breaks by itself; empty for a good one."""
    try:
        row = orjson.loads(line)
        _VALIDATE(row)
    except ValidationError as error:
        return violations(error)
    except ValueError as error:
        return [Violation("E02", "", str(error))]
    found = []
    if row["margin"] != row["severity"] * DELTA_PER_SEVERITY:
        found.append(Violation("E14", "margin", f"is not severity x {DELTA_PER_SEVERITY}"))
    if row["positive_id"] == row["negative_id"]:
        found.append(Violation("E14", "positive_id", "is the negative itself"))
    return found
