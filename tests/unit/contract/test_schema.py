"""The shipped JSON Schema is the models' own, and says the same as they do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from coordinator.contract.schema import METADATA_FIELDS, REQUIRED_METADATA, schema_text, shipped_schema
from coordinator.contract.tier_rules import TIER_FIELDS

SCHEMA = json.loads(shipped_schema())
GOOD = Path(__file__).with_name("good.jsonl").read_bytes()


def test_the_shipped_schema_is_the_export() -> None:
    assert shipped_schema() == schema_text(), "run python -m coordinator.contract.schema"


def test_it_is_a_2020_12_schema() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMA)


def test_it_accepts_a_good_line() -> None:
    assert list(Draft202012Validator(SCHEMA).iter_errors(json.loads(GOOD))) == []


def test_every_object_but_metadata_is_closed() -> None:
    shapes = {"Record": SCHEMA, **SCHEMA["$defs"]}
    is_open = {name for name, shape in shapes.items() if shape.get("additionalProperties") is not False}
    assert is_open == {"Metadata"}


def test_the_keys_are_the_contract_s() -> None:
    assert set(SCHEMA["required"]) == {"execution_plan", "label", "original_id", "category", "metadata"}
    assert set(SCHEMA["$defs"]["Node"]["required"]) == {
        "tool_name",
        "arguments",
        "provenance_tier",
        "provenance_hash",
        "scope_volume",
        "scope_sensitivity",
        "node_id",
    }
    assert {
        "schema_version",
        "tier",
        "source",
        "loader",
        "query",
        "num_tools",
        "has_tool_calls",
        "edge_kind",
        "intent_hash",
    } == REQUIRED_METADATA
    optional = {"language", "source_label", "upstream_id", "policy", "scope_budget", "provenance"}
    assert optional == METADATA_FIELDS - REQUIRED_METADATA - set(TIER_FIELDS)


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("scope_volume", (1, 1_000_000)),
        ("scope_sensitivity", (1, 5)),
        ("provenance_tier", (1, 3)),
    ],
)
def test_the_ranges_are_the_contract_s(name: str, limits: tuple[int, int]) -> None:
    shape: dict[str, Any] = SCHEMA["$defs"]["Node"]["properties"][name]
    assert (shape["type"], shape["minimum"], shape["maximum"]) == ("integer", *limits)
