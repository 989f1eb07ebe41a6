"""The rules of Tiers II and III that writer and auditor share, as far as one row alone can show them (E14, E16)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from .mutation import DELTA_PER_SEVERITY, MAX_BOUNDARY_SEVERITY, TERMS
from .patch import steps
from .sample import Reject

TIER_FIELDS = ("parent", "pair_id", "group_id", "variant", "split", "mutation", "violation_labels")
_NEGATIVE = {"II": "adversarial", "III": "boundary"}
_DERIVED_NODE = ("provenance_hash", "scope_volume", "scope_sensitivity", "node_id")
_EDITABLE = ("query", "policy", "scope_budget", "edge_kind", "provenance")


def check_tier(record: Mapping[str, Any]) -> None:
    """Label, tier, violations and mutation agree, for a record that fits the schema. Raises `Reject` E14, E16."""
    metadata, label = record["metadata"], record["label"]
    tier = metadata["tier"]
    present = [key for key in TIER_FIELDS if key in metadata]
    if tier == "I":
        if label != "benign":
            raise Reject("E14", f"{label} in tier I", "label")
        if present:
            raise Reject("E14", "belongs to tiers II and III", f"metadata.{present[0]}")
        return
    absent = [key for key in TIER_FIELDS if metadata.get(key) is None]
    if absent:
        raise Reject("E14", f"is missing in tier {tier}", f"metadata.{absent[0]}")
    expected = _NEGATIVE[tier] if metadata["variant"] == "mutant" else "benign"
    if label != expected:
        raise Reject("E14", f"{label} on a {metadata['variant']} of tier {tier}", "label")
    _check_labels(metadata["violation_labels"], tier, metadata["variant"] == "mutant")
    _check_mutation(record, tier)


def _check_labels(listed: list[Mapping[str, Any]], tier: str, is_mutant: bool) -> None:
    field = "metadata.violation_labels"
    if tuple(item["energy_term"] for item in listed) != TERMS:
        raise Reject("E14", f"are not {', '.join(TERMS)} in this order", field)
    for at, item in enumerate(listed):
        severity = item["severity"]
        if item["violated"] != (severity > 0):
            raise Reject("E14", f"severity {severity} with violated {item['violated']}", f"{field}[{at}].severity")
        if item["delta_estimate"] != severity * DELTA_PER_SEVERITY:
            raise Reject("E14", f"is not severity x {DELTA_PER_SEVERITY}", f"{field}[{at}].delta_estimate")
        if tier == "III" and severity > MAX_BOUNDARY_SEVERITY:
            raise Reject("E14", f"{severity} in tier III", f"{field}[{at}].severity")
    if any(item["violated"] for item in listed) != is_mutant:
        raise Reject("E14", "disagree with the variant", field)


def _check_mutation(record: Mapping[str, Any], tier: str) -> None:
    mutation, field = record["metadata"]["mutation"], "metadata.mutation"
    nodes = {node["node_id"] for node in record["execution_plan"]["nodes"]}
    strangers = [name for name in mutation["target_node_ids"] if name not in nodes]
    if strangers:
        raise Reject("E16", f"{strangers[0][:80]!r} is no node of the row", f"{field}.target_node_ids")
    if (mutation.get("twin") is not None) != (tier == "III"):
        raise Reject("E14", "stands in tier III, and in no other", f"{field}.twin")
    if (mutation.get("limit") is not None) != (tier == "III"):
        raise Reject("E14", "stands in tier III, and in no other", f"{field}.limit")
    for at, edit in enumerate(mutation["edits"]):
        if not may_edit(edit["path"]):
            raise Reject("E16", f"{edit['path'][:80]!r} is derived, not edited", f"{field}.edits[{at}].path")


@lru_cache(16_384)
def may_edit(pointer: str) -> bool:
    """Query, policy, budget, edge kind, origins, edges, whole nodes, and a node's name, arguments and tier."""
    path = steps(pointer)
    if path[0] == "metadata":
        return len(path) > 1 and path[1] in _EDITABLE
    if path[:2] == ("execution_plan", "edges"):
        return True
    if path[:2] != ("execution_plan", "nodes") or len(path) < 3:
        return False
    return len(path) == 3 or path[3] not in _DERIVED_NODE
