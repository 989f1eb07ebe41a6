"""What makes a row of Tiers II and III refused: E14, E16 and E17, by writer and auditor alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest

from coordinator.contract.audit import Auditor
from coordinator.contract.tiers import (
    Corrupter,
    Draw,
    Family,
    Parent,
    Variant,
    add,
    make_draw,
    replace,
    split_of,
    write,
)
from coordinator.contract.tiers.draw import group_of, holds_out_operators, holds_out_tool

PARENT = Parent.parse(Path(__file__).with_name("good.jsonl").read_bytes().strip())
POLICY = add("/metadata/policy", "at most 9 items")
FAMILY = Family(PARENT, group_of(PARENT.name), "train")


class Raise(Corrupter):
    """A quantity above what the policy says."""

    tier = "II"
    strategy = "raise"
    term = "E_scope"
    operators: ClassVar = ("raise",)

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        at = "/execution_plan/nodes/0/arguments/limit"
        return [
            Variant("raise", [replace(at, 90), POLICY], [0], "easy", 0.75, positive=1, factor=10.0, explanation="90"),
            Variant("raise", [replace(at, 8), POLICY], [0], "easy"),
        ]


class Edge(Raise):
    """The same as a Tier III operator."""

    tier = "III"

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        at = "/execution_plan/nodes/0/arguments/limit"
        return [
            Variant("raise", [replace(at, 10), POLICY], [0], "hard", 0.1, positive=1, explanation="10", limit=9),
            Variant("raise", [replace(at, 9), POLICY], [0], "hard", limit=9),
        ]


def rows(corrupter: Corrupter) -> list[dict[str, Any]]:
    draw = make_draw(0, corrupter.strategy, PARENT.source, PARENT.original_id, 0, held_out=False)
    return [json.loads(row.line) for row in write(FAMILY, corrupter, draw, corrupter.corrupt(PARENT, draw))]


def codes(record: dict[str, Any]) -> set[str]:
    return {
        violation.code for violation in Auditor(parent_of={PARENT.name: PARENT.record}.get).audit(orjson.dumps(record))
    }


@pytest.mark.parametrize("corrupter", [Raise(), Edge()])
def test_what_is_written_is_clean(corrupter: Corrupter) -> None:
    negative, positive = rows(corrupter)
    assert codes(negative) == codes(positive) == set()
    assert negative["execution_plan"]["nodes"][0]["node_id"] == f"{negative['original_id']}_tool_0"
    assert (positive["label"], positive["metadata"]["variant"]) == ("benign", "control")


def metadata(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["metadata"].__setitem__(key, value)


def label(at: int, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["metadata"]["violation_labels"][at].__setitem__(key, value)


def mutation(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["metadata"]["mutation"].__setitem__(key, value)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda record: record.__setitem__("label", "benign"), "E14"),
        (lambda record: record.__setitem__("label", "boundary"), "E14"),
        (metadata("variant", "control"), "E14"),
        (metadata("tier", "I"), "E14"),
        (metadata("tier", "III"), "E14"),
        (lambda record: record["metadata"].pop("pair_id"), "E14"),
        (lambda record: record["metadata"].pop("mutation"), "E14"),
        (lambda record: record["metadata"]["violation_labels"].reverse(), "E14"),
        (lambda record: record["metadata"]["violation_labels"].pop(), "E05"),
        (label(0, "violated", False), "E14"),
        (label(0, "severity", 0.5), "E14"),
        (label(0, "delta_estimate", 1.0), "E14"),
        (label(1, "violated", True), "E14"),
        (mutation("target_node_ids", ["17_tool_0"]), "E16"),
        (mutation("limit", 9), "E14"),
        (mutation("seed", 7), "E04"),
        (mutation("edits", [add("/label", "benign")]), "E16"),
        (mutation("edits", [replace("/execution_plan/nodes/0/scope_volume", 3)]), "E16"),
        (mutation("edits", [replace("/execution_plan/nodes/0/arguments/limit", 91), POLICY]), "E16"),
        (mutation("edits", []), "E16"),
        (metadata("parent", "other#1"), "E16"),
    ],
)
def test_a_spoilt_row_is_refused(spoil: Callable[[dict[str, Any]], None], code: str) -> None:
    record = rows(Raise())[0]
    spoil(record)
    assert code in codes(record)


def test_a_boundary_is_no_blow_up() -> None:
    record = rows(Edge())[0]
    record["metadata"]["violation_labels"][0] |= {"severity": 0.5, "delta_estimate": 1.0}
    assert codes(record) == {"E14"}


def test_a_group_stands_in_one_split() -> None:
    first, second = rows(Raise())
    second["metadata"]["split"] = "test"
    auditor = Auditor()
    assert auditor.audit(orjson.dumps(first)) == []
    assert [violation.code for violation in auditor.audit(orjson.dumps(second))] == ["E17"]


def test_splits_are_eighty_ten_ten_and_held_out_names_stay_out() -> None:
    groups = [group_of(f"source#{number}") for number in range(5_000)]
    kept = [split_of(group, "source", ["respond"]) for group in groups if not holds_out_operators(group)]
    shares = [kept.count(name) / len(kept) for name in ("train", "validation", "test")]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)
    tool = next(f"tool_{number}" for number in range(999) if holds_out_tool(f"tool_{number}"))
    assert {split_of(group, "source", ["respond", tool]) for group in groups[:50]} == {"test_ood"}
    assert {split_of(group, "google/mobile-actions", []) for group in groups[:50]} == {"test_ood"}
