"""MMAU, the "Massive Multitask Agent Understanding" benchmark of text tasks: its tool-use execution
file.

A row is a chat so far (`messages`) and the assistant message that is due next (`target_message`).
The plan is the calls that `messages` record, then the target's; a row in which nobody calls is
skipped `no_call`.

Traps: the repository's other files have other schemas, so this one is named. `tools` are merely
offered and never become nodes. Arguments are JSON text or an object. A plan file's row has
`target_plan_number` and no target message.

Unsure: the key of the id (`id` or `deliverable_id`). A row without `target_message` is rejected
E03.
"""

from __future__ import annotations

from typing import Any

from coordinator.contract import HubSource, Loader, Outcome, Reject, Row, Skip, steps_plan
from tracks.opal._messages import recorded


class AppleMmau(Loader):
    """Tool-use tasks with the call that is due."""

    source = HubSource(
        repo="apple/mmau",
        builder="lines",
        files={"tool_use_execution_all_20240712": "tool_use_execution_all_*.jsonl"},
        columns=("messages", "target_message"),
        optional=("id", "deliverable_id"),
        licence="CC-BY-SA-4.0",
    )
    category = "function_calling"

    def transform(self, row: Row) -> Outcome:
        """The calls already made, then those of the target message."""
        query, steps = recorded([*_history(row), _target(row)])
        if not steps:
            return Skip("no_call")
        return steps_plan(query, steps, upstream_id=row.get("id") or row.get("deliverable_id"))


def _history(row: Row) -> list[Any]:
    messages = row.get("messages")
    if not isinstance(messages, list):
        raise Reject("E03", f"no list of messages; the row has {sorted(row)}", "messages")
    return messages


def _target(row: Row) -> dict[str, Any]:
    target = row.get("target_message")
    if not isinstance(target, dict):
        raise Reject("E03", f"no target_message, as in plan files; the row has {sorted(row)}", "target")
    return target | {"role": "assistant"}
