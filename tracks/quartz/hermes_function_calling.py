"""Hermes function calling v1: chats whose calls stand as `<tool_call>` blocks in the assistant's text.

Read are the three configs with calls: `func_calling_singleturn` (ends in the calls), `func_calling` (goes
on to an answer) and `glaive_func_calling` (several turns). Each block of a `gpt` turn is a node, blocks of
one turn are parallel, turns follow in order; a chat without a block holds no plan.

Traps: the system text itself shows `<tool_call>` and an empty `<tools> </tools>`, so calls are read from
`gpt` turns alone; a call is JSON or a Python literal; a block may be wrapped in a written-out backslash and
n; a misplaced brace puts `name` inside `arguments`, from where it is taken only if it names a tool on
offer. Any other broken call is rejected (E11). The ids are no key: the configs share rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coordinator.contract import (
    Call,
    HubSource,
    Loader,
    Outcome,
    Reject,
    Row,
    arguments,
    blocks,
    calls,
    literal,
    turns,
)
from tracks.quartz._recorded import column, turn_by_turn

_AROUND = " \t\r\n" + r"\n"
"""The characters that may stand around a call: white space, and the two of a written-out line break."""


class HermesFunctionCalling(Loader):
    """Calls made in the text of a chat, one turn or several."""

    source = HubSource(
        repo="NousResearch/hermes-function-calling-v1",
        builder="array",
        files={
            "func_calling_singleturn-train": "func-calling-singleturn.json",
            "func_calling-train": "func-calling.json",
            "glaive_func_calling-train": "glaive-function-calling-5k.json",
        },
        columns=("conversations",),
        optional=("id", "category", "subcategory"),
        licence="Apache-2.0",
    )
    category = "function_calling"

    def transform(self, row: Row) -> Outcome:
        """The `<tool_call>` blocks of all gpt turns."""
        chat = turns(column(row, "conversations"), role="from", text="value")
        named = {"source_category": row.get("category"), "subcategory": row.get("subcategory")}
        extras = {key: text for key, text in named.items() if isinstance(text, str) and text}
        return turn_by_turn(_with_calls(chat), upstream_id=row.get("id"), extras=extras)


def _with_calls(chat: list[tuple[str, str]]) -> Iterator[tuple[str, str, list[Call]]]:
    """Each turn with the calls in it."""
    offers = [tools for speaker, text in chat if speaker == "system" for tools in blocks(text, "tools")]
    for speaker, text in chat:
        made = blocks(text, "tool_call") if speaker in ("gpt", "assistant") else ()
        yield speaker, text, [call for block in made for call in _calls(block, offers)]


def _calls(block: str, offers: list[str]) -> list[Call]:
    """The calls of one block, nearly always one."""
    value = literal(block.strip(_AROUND))
    return calls([_lifted(item, offers) for item in (value if isinstance(value, list) else [value])])


def _lifted(value: Any, offers: list[str]) -> Any:
    """The call with a `name` that slipped into `arguments` lifted back out."""
    if not isinstance(value, dict) or "arguments" not in value or value.keys() & {"name", "function"}:
        return value
    inner = arguments(value["arguments"])
    name = inner.pop("name", None)
    if not any(f"{quote}{name}{quote}" in tools for tools in offers for quote in "'\""):
        raise Reject("E11", f"a call without a name, and {name!r} within its arguments is no tool on offer")
    return {"name": name, "arguments": inner}
