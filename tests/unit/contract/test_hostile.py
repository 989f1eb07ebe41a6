"""Rows that were made to be slow: each of these once took seconds to minutes for a megabyte or less."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from coordinator.contract import Call, Reject, Row, Sample, Skip, literal, python_call, respond
from coordinator.contract.build import Identity, build
from coordinator.worker.streams.base import make_row
from tracks.jasper.apibench import Apibench
from tracks.jasper.gsm8k import Gsm8k
from tracks.jasper.toolbench import Toolbench

WHO = Identity("example/slow", "slow", "function_calling")
MARKS = "\u0300\u0316" * 100_000
"""Accents in the wrong order: to normalise n of them takes time that grows with n squared."""


def refused(action: Callable[[], object]) -> str:
    started = time.process_time()
    with pytest.raises(Reject) as caught:
        action()
    assert time.process_time() - started < 1
    return caught.value.code


def row(**values: object) -> Row:
    return make_row(values, "train", 0)


def test_a_heap_of_accents_in_a_name() -> None:
    assert refused(lambda: literal(f"a{MARKS}")) == "E11"
    assert refused(lambda: python_call(f"f(a{MARKS}=1)")) == "E11"
    assert refused(lambda: build(Sample("x", [Call(f"a{MARKS}")]), WHO, "train-0")) == "E11"


def test_accents_in_a_literal_are_read() -> None:
    text = "e\u0301" * 5_000 + "\u0300" * 200 + "…" * 500
    assert literal(f"('{text}', 1)") == [text, 1]


def test_a_query_that_no_line_holds() -> None:
    query = f"a{MARKS}"
    assert refused(lambda: build(Sample(query, [Call("search")]), WHO, "train-0")) == "E01"
    assert build(Sample(query, [respond("yes")]), WHO, "train-0") == Skip("too_long")


def test_calculations_without_number() -> None:
    text = "<<1=1>>" * 150_000 + "#### 1"
    assert refused(lambda: Gsm8k().transform(row(question="x", answer=text))) == "E06"
    text = f"<<a{MARKS}=1>> #### 1"
    assert refused(lambda: Gsm8k().transform(row(question="x", answer=text))) == "E11"


def trace(*messages: tuple[str, str]) -> Row:
    finish = 'Action: Finish\nAction Input: {"return_type": "give_answer", "final_answer": "1"}'
    turns = [("user", "x"), *messages, ("assistant", finish)]
    return row(conversations=[{"from": role, "value": text} for role, text in turns], id="Step 1: x")


@pytest.mark.parametrize(
    "text", ["Action:" + " " * 10**6 + "\n", "Action: f\n" + "\n" * 10**6, 'Action: f\nAction Input: "' + '\\"' * 10**6]
)
def test_an_action_that_does_not_end(text: str) -> None:
    started = time.process_time()
    try:
        Toolbench().transform(trace(("assistant", text)))
    except Reject as problem:
        assert problem.code == "E11"  # noqa: PT017 - a plan would do as well
    assert time.process_time() - started < 1


def test_white_space_before_a_cue() -> None:
    started = time.process_time()
    Toolbench().transform(trace(("user", "a" + " " * 10**6 + "b")))
    assert time.process_time() - started < 1


def test_evidence_that_is_everywhere_and_nowhere() -> None:
    """A thousand values, each at a hundred thousand places inside a longer word: the order is all that is known."""
    values = json.dumps({"a": ["a" * size for size in range(2, 150)]})
    action = ("assistant", f"Action: f\nAction Input: {values}")
    started = time.process_time()
    made = Toolbench().transform(trace(*[action, ("function", "a" * 100_000)] * 8))
    assert isinstance(made, Sample)
    assert made.edge_kind == "sequence"
    assert time.process_time() - started < 1


@pytest.mark.parametrize("part", ["#", " ", "### ", "'Input' ", "**", ", "])
def test_marks_of_an_instruction(part: str) -> None:
    code = "### Instruction: a" + part * (10**6 // len(part))
    started = time.process_time()
    Apibench().transform(row(api_call="f()", code=code))
    assert time.process_time() - started < 1
