"""Reading a ToolBench trace: its messages in both layouts, its actions, and what its edges rest on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from coordinator.contract import Call, Reject, arguments, join_texts, strict_json, turns

# Possessive repeats: a text of a megabyte is read in one pass, whatever stands in it.
ACTION = re.compile(r"(?:^|\n)Action:[ \t]*+([^\n]++)\n++Action Input:[ \t]*+(.*)", re.DOTALL)
STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
ESCAPES = str.maketrans({"\n": r"\n", "\r": r"\r", "\t": r"\t"})
STEP = re.compile(r"Step \d+:\s*")
BEGIN = "Begin!"
RETRY = "This is not the first time you try this task"
"""How the tree search that made the traces begins when it asks, as a user, for another action."""
WITH_DIGIT = re.compile(r"(?<!\w)(?=\w*\d)\w[\w.,:/-]*\w")
MOST_LOOKED_AT = 50_000_000
"""Characters in all, each as often as there are values to be found: seconds, where text is made to be slow."""
Message = tuple[str, str]


def messages(value: Any) -> list[Message]:
    """(role, text) of `conversations`: a dict of two lists, or a list of {from, value}."""
    if isinstance(value, dict):
        roles, texts = value.get("from"), value.get("value")
        if not isinstance(roles, list) or not isinstance(texts, list) or len(roles) != len(texts):
            raise Reject("E04", f"conversations are not two lists of one length but {sorted(value)}")
        value = [{"from": role, "value": text} for role, text in zip(roles, texts, strict=True)]
    return turns(value, role="from", text="value")


def asked(trace: list[Message], key: Any) -> str:
    """The user's texts without the closing cue; of a trace without any, the query in the row's id."""
    said = (text for role, text in trace if role == "user" and not text.lstrip().startswith(RETRY))
    query = join_texts(text.rstrip().removesuffix(BEGIN) for text in said)
    return query or STEP.sub("", key if isinstance(key, str) else "", count=1).strip()


def action_name(text: str) -> str:
    """The name of the action in an assistant's text; empty where it holds a thought alone."""
    found = ACTION.search(text)
    return found[1].strip() if found else ""


def action(text: str) -> Call:
    """The action in an assistant's text. Raises `Reject` E11 where its input is no object."""
    found = ACTION.search(text)
    if not found:
        raise Reject("E11", "no action in an assistant's text", "conversations")
    return Call(found[1].strip(), _input(found[2]))


def _input(text: str) -> dict[str, Any]:
    """An action's arguments. Line breaks and tabs may stand raw in a string, as upstream's own reader has it."""
    try:
        return arguments(text)
    except Reject:
        mended = STRING.sub(lambda string: string[0].translate(ESCAPES), text)
        if mended == text:
            raise
        return arguments(mended)


def evidence(trace: list[Message], query: str, calls: list[Call]) -> list[tuple[int, int]] | None:
    """Edges into every later node, each from the latest response with one of its values, or None.

    Of a trace that is too big to be looked through, the order is all that is known: None.
    """
    responses = _responses(trace)
    found = [set(_values(call)) for call in calls[:-1]] + [set(_tokens(call)) for call in calls[-1:]]
    if sum(map(len, found)) * (len(query) + sum(map(len, responses))) > MOST_LOOKED_AT:
        return None
    edges = []
    for index, values in enumerate(found[1:], start=1):
        fresh = [value for value in values if not _holds(query, value)]
        sources = [at for at in range(index) if any(_holds(responses[at], value) for value in fresh)]
        if not sources:
            return None
        edges.append((sources[-1], index))
    return edges


def _responses(trace: list[Message]) -> list[str]:
    """What came back after each action."""
    responses: list[str] = []
    for role, text in trace:
        if role == "assistant" and action_name(text):
            responses.append("")
        elif role == "function" and responses:
            responses[-1] += f"\n{_unwrapped(text)}"
    return responses


def _unwrapped(text: str) -> str:
    """The response in `{"error": ..., "response": "..."}`, free of JSON escapes; other text as it is."""
    try:
        value = strict_json(text)
    except ValueError:
        return text
    response = value.get("response") if isinstance(value, dict) else None
    return response if isinstance(response, str) else text


def _tokens(call: Call) -> list[str]:
    """Of an answer in prose only what has a digit in it is distinct enough to be recognised."""
    return WITH_DIGIT.findall(call.arguments["answer"])


def _values(call: Call) -> Iterator[str]:
    """The texts and numbers in a call's arguments that have two characters or more."""
    pending: list[Any] = list(call.arguments.values())
    while pending:
        value = pending.pop()
        if isinstance(value, dict | list):
            pending += value.values() if isinstance(value, dict) else value
        elif isinstance(value, str | int | float) and not isinstance(value, bool) and len(str(value)) > 1:
            yield str(value)


def _holds(text: str, value: str) -> bool:
    """Whether `value` stands in `text` as a whole, not within a longer word or number."""
    return value in text and bool(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text))
