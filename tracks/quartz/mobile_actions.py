"""Mobile Actions: a request to a phone and the device functions that fulfil it.

One line file in chat form. Each entry of an assistant message's `tool_calls` (an object, no id, no type) is
a node; the calls of one message are parallel. An assistant message has no `content` beside its calls, and
an empty argument object is a full call (`turn_on_flashlight`). The real split stands in the column
`metadata`, `train` or `eval`: both are read, and the value is kept as `upstream_split`. The developer
message (date line) is context, not a request.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coordinator.contract import Call, HubSource, Loader, Outcome, Reject, Row, calls, turns
from tracks.quartz._recorded import column, turn_by_turn

SPLITS = ("train", "eval")


class MobileActions(Loader):
    """Device functions of a phone."""

    source = HubSource(
        repo="google/mobile-actions",
        builder="lines",
        files={"dataset": "dataset.jsonl"},
        columns=("messages",),
        optional=("metadata",),
        licence="CC-BY-4.0",
    )
    category = "function_calling"

    def transform(self, row: Row) -> Outcome:
        """The calls of all assistant messages."""
        split = row.get("metadata")
        if split is not None and split not in SPLITS:
            raise Reject("E05", f"metadata is {split!r:.40}, not one of {SPLITS}", "metadata")
        extras = {"upstream_split": split} if split else {}
        return turn_by_turn(_turns(column(row, "messages")), extras=extras)


def _turns(messages: Any) -> Iterator[tuple[str, str, list[Call]]]:
    """(role, text, calls) of each message; only the assistant calls."""
    for (role, text), message in zip(turns(messages), messages, strict=True):
        yield role, text, calls(message.get("tool_calls")) if role == "assistant" else []
