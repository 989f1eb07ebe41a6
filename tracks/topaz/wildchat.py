"""WildChat-1M: 838 thousand conversations with ChatGPT, one `respond` node an assistant turn.

Left out: `toxic` rows (the verdict on the whole conversation or on one message) and rows in which
moderation flagged a message. The verdict of the row is due; the list of verdicts on messages may be empty
beside it.

Personal data (`hashed_ip`, `header`, `country`, `state`) is not read where it is a column; inside
`conversation` parquet delivers it with the text, and only role, text and `toxic` are used. Timestamps are
datetimes, null on user turns; none is used. `conversation_hash` can repeat, so it names no row.
Unsure: the name and type of `toxic`; a row without a true or false there is a reject.
"""

from __future__ import annotations

from coordinator.contract import ChatLoader, HubSource, Outcome, Reject, Row, Skip
from tracks.topaz._chat import column, flagged, plan


class Wildchat(ChatLoader):
    """One plan a conversation that is neither toxic nor flagged."""

    source = HubSource(
        repo="allenai/WildChat-1M",
        builder="parquet",
        files={"default-train": "data/train-*.parquet"},
        strided=True,
        columns=("conversation", "toxic"),
        optional=("conversation_hash", "model", "language", "redacted", "openai_moderation"),
        licence="ODC-By-1.0",
    )
    category = "conversation"

    def converse(self, row: Row) -> Outcome:
        """Verdicts first: what is toxic or flagged holds no benign plan."""
        if _toxic(row):
            return Skip("toxic")
        if flagged(row.get("openai_moderation") or []):
            return Skip("flagged")
        return plan(row, row.get("conversation_hash"))


def _toxic(row: Row) -> bool:
    verdict, messages = column(row, "toxic"), column(row, "conversation")
    if not isinstance(verdict, bool):
        raise Reject("E04", f"toxic is {type(verdict).__name__}, not true or false", "toxic")
    listed = messages if isinstance(messages, list) else []
    return verdict or any(isinstance(message, dict) and message.get("toxic") for message in listed)
