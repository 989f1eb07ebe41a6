"""LMSYS-Chat-1M: a million conversations with 25 models, personal data replaced by NAME_1 and the like.

One `respond` node an assistant turn. Upstream keeps unsafe conversations on purpose and flags them: a
conversation with any flagged message is left out, and one without a verdict is a reject, not a benign row.
A model that answered nothing leaves an empty turn, which is no node.

Gated: the licence is accepted on the Hub. It forbids passing the text on, so the plans are not
redistributable. `conversation_id` is kept; upstream nowhere says that it is unique. Moderation categories
(eleven, some with a slash in the name) are read with their column but have no part in the plan.
"""

from __future__ import annotations

from coordinator.contract import ChatLoader, HubSource, Outcome, Reject, Row, Skip
from tracks.topaz._chat import column, flagged, plan


class Lmsys(ChatLoader):
    """One plan a conversation that moderation passed."""

    source = HubSource(
        repo="lmsys/lmsys-chat-1m",
        builder="parquet",
        files={"default-train": "data/train-*.parquet"},
        strided=True,
        columns=("conversation", "openai_moderation"),
        optional=("conversation_id", "model", "language", "redacted"),
        licence="LicenseRef-LMSYS-Chat-1M",
        gated=True,
        redistributable=False,
    )
    category = "conversation"

    def converse(self, row: Row) -> Outcome:
        """Moderation first: flagged conversations hold no benign plan."""
        verdicts = column(row, "openai_moderation")
        if flagged(verdicts):
            return Skip("flagged")
        if not verdicts:
            raise Reject("E05", "an empty list: nobody judged this conversation", "openai_moderation")
        return plan(row, row.get("conversation_id"))
