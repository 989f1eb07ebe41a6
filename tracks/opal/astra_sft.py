"""astra_sft: the repository holds its licence text and no data, so no file matches and no row is
right.

Should data appear, rows are expected in the shape of Emperorizzis/ASTRA-SFT-1k: a `trajectory` of
qwen-agent messages, whose calls stand in `function_call` with arguments as JSON text. The plan is
these calls in order; a row without any is skipped `no_call`.

Trap: read as text, the repository gives rows of one column `text` with the licence's lines:
rejected E03.

Unsure: everything about data that are not there yet; a row without `trajectory` is rejected E03.
"""

from __future__ import annotations

from coordinator.contract import HubSource, Loader, Outcome, Reject, Row, Skip, steps_plan
from tracks.opal._messages import recorded


class AstraSft(Loader):
    """Trajectories of an agent, once upstream has any."""

    source = HubSource(
        repo="ykckevin/astra_sft",
        builder="lines",
        files={"default-train": "**/*.jsonl"},
        columns=("trajectory",),
        optional=("id", "query_info", "text"),
        licence="Apache-2.0",
        may_be_empty=True,
    )
    category = "multi_step_agent"

    def transform(self, row: Row) -> Outcome:
        """The recorded calls, in steps."""
        if row.keys() == {"text"}:
            raise Reject("E03", "only a column text: upstream holds its licence and no data", "trajectory")
        if row.get("trajectory") is None:
            raise Reject("E03", f"no trajectory; the row has {sorted(row)}", "trajectory")
        query, steps = recorded(row["trajectory"])
        if not steps:
            return Skip("no_call")
        return steps_plan(query or _generated(row), steps, upstream_id=row.get("id"))


def _generated(row: Row) -> str:
    """The question that the trajectory was generated from, for one that starts without it."""
    info = row.get("query_info")
    question = info.get("generated_question") if isinstance(info, dict) else None
    return question if isinstance(question, str) else ""
