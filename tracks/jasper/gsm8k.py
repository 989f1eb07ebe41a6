"""openai/gsm8k, config `main`: grade-school word problems whose solutions mark each calculation.

One `calculator(expression=...)` node for each `<<expression=result>>`, in order. A dataflow edge says that a
number in the expression is an earlier result; of equal results the latest counts. The last node,
`respond(answer=...)`, is fed by the last calculation and by every result that nothing else uses. Results may
be rounded and operands may begin with a dot, so numbers are compared as written and nothing is recomputed.
Rows without any mark (95 of 7,473) hold no calculation, so they are one `respond` node.
"""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from fractions import Fraction
from typing import Literal

from coordinator.contract import Call, HubSource, Loader, Reject, Row, Sample, respond, text_of
from coordinator.contract.plans import MAX_NODES

LONGEST = 8_192
MARK = re.compile(r"<<([^<>]*)>>")
NUMBER = re.compile(r"[-+]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})")
EdgeKind = Literal["dataflow", "sequence"]
SIGNS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.UAdd, ast.USub)
ARITHMETIC = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Constant, *SIGNS)


class Gsm8k(Loader):
    """Grade School Math 8K, train."""

    source = HubSource(
        repo="openai/gsm8k",
        builder="parquet",
        files={"main-train": "main/train-*.parquet"},
        columns=("question", "answer"),
        licence="MIT",
    )
    category = "math_reasoning"

    def transform(self, row: Row) -> Sample:
        """The calculations of the solution and the answer that they lead to."""
        question, solution = text_of(row, "question"), text_of(row, "answer")
        answer = solution.rpartition("####")[2].strip() if "####" in solution else ""
        if not answer:
            raise Reject("E05", "the solution has no final '#### answer' line", "answer")
        marks = MARK.findall(solution)
        if len(marks) >= MAX_NODES:
            raise Reject("E06", f"{len(marks) + 1} calls (1 to {MAX_NODES})", "execution_plan.nodes")
        steps = [_step(mark) for mark in marks]
        calls = [Call("calculator", {"expression": expression}) for expression, _ in steps]
        plan = [*calls, respond(answer)]
        kind: EdgeKind = "dataflow" if steps else "sequence"
        return Sample(question.strip(), plan, _edges(steps), kind, language="en")


def _step(mark: str) -> tuple[str, Fraction]:
    expression, equals, result = mark.rpartition("=")
    if not equals or not expression.strip():
        raise Reject("E11", f"not an expression and its result: {mark[:120]!r}", "answer")
    return expression.strip(), _number(result)


def _number(text: str) -> Fraction:
    plain = text.strip().replace(",", "")
    if not NUMBER.fullmatch(plain):
        raise Reject("E05", f"not a number: {text[:120]!r}", "answer")
    return Fraction(plain)


def _operands(expression: str) -> set[Fraction]:
    """The numbers of an arithmetic expression, and their negatives where a minus sign stands before them."""
    nodes: list[ast.AST] = []
    if len(expression) <= LONGEST and expression.isascii():  # no other is arithmetic, and to parse it may take long
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            nodes = list(ast.walk(ast.parse(expression, mode="eval")))
    if not nodes or not all(isinstance(node, ARITHMETIC) for node in nodes):
        raise Reject("E11", f"not arithmetic: {expression[:120]!r}", "answer")
    found = set()
    for node in nodes:
        match node:
            case ast.Constant(value=value):
                found.add(_number(str(value)))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)):
                found.add(-_number(str(value)))
    return found


def _edges(steps: list[tuple[str, Fraction]]) -> list[tuple[int, int]]:
    """Result to operand, and to the final answer (index `len(steps)`) from whatever is left over."""
    latest: dict[Fraction, int] = {}
    edges: set[tuple[int, int]] = set()
    for index, (expression, result) in enumerate(steps):
        edges.update((latest[value], index) for value in _operands(expression) if value in latest)
        latest[result] = index
    used = {start for start, _ in edges}
    return sorted(edges | {(index, len(steps)) for index in range(len(steps)) if index not in used})
