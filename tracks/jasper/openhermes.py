"""OpenHermes 2.5: about a million synthetic instructions, most of one turn, in one JSON array of 1.9 GB.

One `respond` node an answer. Some answers of the airoboros part spell a function and parameters, or a reWOO
plan: they are prose like the others, and no call is read out of them. System turns and the `system_prompt`
column are nobody's question and stay out of the query. The `weight` of a turn (a trainer's setting, mostly
null) has no part in the plan.

The card declares no licence. It declares English; a row that fills `language` speaks for itself.
Unsure: the types of the columns that are nearly always null (`id`, `language`, `category`): other than text
(or a number, for `id`) they are left out.
"""

from __future__ import annotations

from coordinator.contract import ChatLoader, HubSource, Outcome, Row, chat_plan
from tracks.jasper._chat import dialogue

LABELS = {"source": "source_label", "category": "subcategory", "language": "upstream_language"}


class Openhermes(ChatLoader):
    """One plan a conversation."""

    source = HubSource(
        repo="teknium/OpenHermes-2.5",
        builder="array",
        files={"default-train": "openhermes2_5.json"},
        columns=("conversations",),
        optional=("id", *LABELS),
    )
    category = "instruction_following"

    def converse(self, row: Row) -> Outcome:
        """A `respond` node for each `gpt` turn; the row's origin goes to the metadata."""
        labels = {name: row[column] for column, name in LABELS.items() if _filled(row.get(column))}
        upstream_id = row.get("id")
        return chat_plan(
            dialogue(row, "conversations", "from", "value"),
            upstream_id=upstream_id if type(upstream_id) in (str, int) else None,
            language=None if row.get("language") else "en",
            extras=labels,
        )


def _filled(value: object) -> bool:
    return isinstance(value, str) and value != ""
