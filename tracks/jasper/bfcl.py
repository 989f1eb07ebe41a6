"""gorilla-llm/Berkeley-Function-Calling-Leaderboard, v3: every question file, joined with its answers by id.

Four shapes of rows become plans: questions with a list of functions, whose answers give a list of acceptable
values for each argument (the first is the call; "" first means that the argument is left out); `exec_*`,
whose calls stand in the row as Python text; `sql`, one list level flatter; `multi_turn_*`, whose calls come a
list a turn and name their functions in companion documents. The calls of one question are parallel. Those of
several turns share a state (files, accounts) and are one sequence; what they returned is not recorded.
Categories in which no call is right, or none is given, are skipped as `no_reference_call`.

Traps: one id differs between question and answer; turns with an empty question list (a missing function turns
up there); positional arguments, named by the function's parameters; call text that is no literal call;
arguments with no acceptable value at all. Of the answers' extra arguments and renamed functions nothing is
corrected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from coordinator.contract import HubSource, JoinedLoader, Reject, Row, Sample, Skip, steps_plan
from tracks.jasper._bfcl import Parameters, answer_id, asked, parameters, reference

NO_REFERENCE = ("irrelevance", "live_irrelevance", "live_relevance", "rest", "chatable")
KINDS = (
    *("simple", "multiple", "parallel", "parallel_multiple", "java", "javascript", "sql"),
    *("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple"),
    *("exec_simple", "exec_multiple", "exec_parallel", "exec_parallel_multiple"),
    *(f"multi_turn_{kind}" for kind in ("base", "composite", "long_context", "miss_func", "miss_param")),
    *NO_REFERENCE,
)
DOCUMENTS = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TwitterAPI": "posting_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "VehicleControlAPI": "vehicle_control",
}


class Side(NamedTuple):
    """The companions: answers by id, and the parameter names of each class's functions."""

    answers: Mapping[str, Any]
    documents: Mapping[str, Parameters]


class Bfcl(JoinedLoader):
    """Berkeley Function-Calling Leaderboard v3."""

    source = HubSource(
        repo="gorilla-llm/Berkeley-Function-Calling-Leaderboard",
        builder="lines",
        files={f"BFCL_v3_{kind}": f"BFCL_v3_{kind}.json" for kind in KINDS},
        columns=("id", "question"),
        optional=("ground_truth", "function", "involved_classes"),
        companions={"answers": "possible_answer/*.json", "docs": "multi_turn_func_doc/*.json"},
        unique_ids=True,
        licence="Apache-2.0",
        evaluation_only=True,
    )
    category = "function_calling"

    def prepare(self, companions: Mapping[str, Mapping[str, list[dict[str, Any]]]]) -> Side:
        """Answers of all files by id, function parameters by document."""
        rows = [row for file in companions["answers"].values() for row in file if "id" in row]
        answers = {str(row["id"]): row.get("ground_truth") for row in rows}
        return Side(answers, {stem: parameters(file) for stem, file in companions["docs"].items()})

    def transform(self, row: Row, side: Side | None = None) -> Sample | Skip:
        """The reference calls of a question."""
        kind, key = row.split.removeprefix("BFCL_v3_"), row.get("id")
        answers = side.answers if side else {}
        truth = row.get("ground_truth") or answers.get(answer_id(str(key)))
        if not truth and kind in NO_REFERENCE:
            return Skip("no_reference_call")
        if not isinstance(truth, list) or not truth:
            raise Reject("E03", f"no answer for the question {key}", "ground_truth")
        if kind.startswith("multi_turn_"):
            return _conversation(row, truth, side or Side({}, {}), kind)
        known = parameters(row.get("function"))
        calls = [reference(item, known) for item in truth]
        return Sample(asked(row), calls, upstream_id=key, extras={"subcategory": kind})


def _conversation(row: Row, truth: list[Any], side: Side, kind: str) -> Sample | Skip:
    involved = row.get("involved_classes")
    if not isinstance(involved, list):
        raise Reject("E04", f"involved_classes is {type(involved).__name__}, not a list", "involved_classes")
    classes = [side.documents.get(DOCUMENTS.get(name, name), {}) for name in map(str, involved)]
    known = {name: names for document in classes for name, names in document.items()}
    planned = [[reference(text, known) for text in turn if text != ""] for turn in truth]
    steps = [[call] for turn in planned for call in turn]
    if not steps:
        return Skip("no_reference_call")
    last = max(index for index, turn in enumerate(planned) if turn)
    fields: dict[str, Any] = {"category": "multi_step_agent", "extras": {"subcategory": kind}}
    return steps_plan(asked(row, last + 1), steps, upstream_id=row.get("id"), **fields)
