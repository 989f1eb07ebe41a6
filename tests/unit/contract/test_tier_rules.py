"""What makes a row of Tiers II and III refused: E14, E16 and E17, by writer and auditor alike."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest

from coordinator.contract import Reject
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


class Odd(Raise):
    """The variants of Raise or Edge, with one choice of theirs another one."""

    def __init__(self, tier: Any, at: int, field: str, value: Any) -> None:
        usual = Raise() if tier == "II" else Edge()
        self.tier, self.operators = tier, ("raise",)
        block = usual.corrupt(PARENT, make_draw(0, "raise", "", "", 0, False))
        now = [*block[at].edits, *value] if field == "edits" else value
        block[at] = block[at]._replace(**{field: now})
        self.block = block

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        return self.block


NODE = "/execution_plan/nodes/0"
NODE_ID = f"{PARENT.original_id}_tool_0"


def origin(kind: Any, source_id: Any, digest: str) -> dict[str, Any]:
    return add(
        "/metadata/provenance", {NODE_ID: {"source_type": kind, "source_id": source_id, "content_sha256": digest}}
    )


MORE_EDITS: list[list[dict[str, Any]]] = [
    [],
    [POLICY] * 62,
    [POLICY] * 63,
    *([replace(f"{NODE}/provenance_tier", tier)] for tier in (0, 1, 3, 4, True)),
    *([add("/metadata/policy", value)] for value in ("", 7, None, ["x"])),
    *([add("/metadata/scope_budget", value)] for value in (1, 0, 9.0, True, None)),
    *([replace("/metadata/edge_kind", value)] for value in ("sequence", "dataflow", "some")),
    *([replace("/metadata/query", value)] for value in ("Another one.", "")),
    *([add(f"{NODE}/arguments/{key}", "x")] for key in ("a", "a\n", "a~0b", "a~2", "a" * 500)),
    *([add(path, "x")] for path in (f"{NODE}/scope_volume", "/metadata/loader", "/category")),
    [{"op": "remove", "path": f"{NODE}/arguments/limit"}],
    [{"op": "test", "path": "/metadata/query", "value": "x"}],
    [{**POLICY, "note": "x"}],
    *([origin(*parts)] for parts in (("web", "p", "0" * 64), ("", "p", "0" * 64), ("web", "", "0" * 64))),
    *([origin(*parts)] for parts in (("w" * 65, "p", "0" * 64), ("web", "p" * 513, "0" * 64), ("web", 7, "0" * 64))),
    *([origin("web", "p", digest)] for digest in ("0" * 63, "0" * 64 + "\n", "A" * 64)),
]
CHOICES = {
    "operator": ("raise", "Raise", "raise\n", "", "r" * 65),
    "edits": MORE_EDITS,
    "targets": ([], [1], [-1], [True], [0] * 64, [0] * 65),
    "difficulty": ("medium", "mild", 1),
    "severity": (0.0, 0.25, 0.3, 0.31, 1.0, 1.5, -0.5, 0, 1),
    "positive": (1, None),
    "factor": (None, 1.0, 0.5, 2, float("inf"), float("nan"), "x"),
    "explanation": ("x" * 512, "x" * 513, 7),
    "limit": (None, 9, "day", 9.5, True, [1]),
}


@pytest.mark.parametrize("field", CHOICES)
def test_whatever_an_operator_says_a_line_that_is_written_is_clean(field: str) -> None:
    clean = 0
    for tier, at, value in itertools.product(("II", "III"), (0, 1), CHOICES[field]):
        try:
            written = rows(Odd(tier, at, field, value))
        except Reject:
            continue
        clean += 1
        for record in written:
            assert codes(record) == set(), (tier, at, value)
    assert clean > 1


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
        (mutation("edits", [replace("/execution_plan/nodes/0/tool_name", "")]), "E11"),
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
