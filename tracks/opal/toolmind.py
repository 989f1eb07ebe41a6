"""ToolMind: multi-turn tool-use chats, synthesised from function graphs or rewritten from open
datasets.

The plan is all calls that the assistant makes in the row's chat, in steps; a chat without calls is
skipped `no_call`. Every file is read; the one derived from APIGen-MT is CC-BY-NC at its origin.

Traps: rows are turn slices of longer chats, so plans share beginnings; equal ones have the same
intent and are merged as duplicates. A key such as `id_marca` is text in one row and a number in
another: lines are read one by one, as written. Arguments are an object, seldom its text; other
lists and texts are rejected E11. A tool message's content is text or an object. Tools come in three
wrappings and are not read. Chats of up to some 250 calls exist; those with more than 64 are
rejected E06 when the plan is built.

Unsure: the files' folders; they are found in any.
"""

from __future__ import annotations

from coordinator.contract import HubSource, Loader, Outcome, Reject, Row, Skip, steps_plan
from tracks.opal._messages import recorded

FILES = (
    "graphsyn",
    "APIGen-MT-5k-query",
    "BUTTONInstruct-query",
    "ToolACE-query",
    "When2Call-query",
    "glaive-function-calling-v2-query",
    "tau-train-query",
    "xlam-function-calling-60k-query",
)


class Toolmind(Loader):
    """Chats with recorded tool calls."""

    source = HubSource(
        repo="Nanbeige/ToolMind",
        builder="lines",
        files={name: f"**/{name}.jsonl" for name in FILES},
        columns=("conversations",),
        licence="Apache-2.0",
    )
    category = "multi_step_agent"

    def transform(self, row: Row) -> Outcome:
        """All calls of the chat, in steps."""
        if "conversations" not in row:
            raise Reject("E03", f"no conversations; the row has {sorted(row)}", "conversations")
        query, steps = recorded(row["conversations"])
        return steps_plan(query, steps) if steps else Skip("no_call")
