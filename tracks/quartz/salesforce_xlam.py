"""xLAM function calling 60k: one query, the tools on offer and the verified calls that answer it.

One JSON array; `answers` is JSON text, a list of `{name, arguments}`. Each call is a node; they answer the
query side by side, so there are no edges. `tools` (flat parameter maps, not JSON Schema) is not read: it
holds offers, not calls. An empty list of answers is a row without a plan.
"""

from __future__ import annotations

from coordinator.contract import HubSource, Loader, Outcome, Row, text_of
from tracks.quartz._recorded import column, side_by_side


class SalesforceXlam(Loader):
    """Parallel calls of general web APIs."""

    source = HubSource(
        repo="Salesforce/xlam-function-calling-60k",
        builder="array",
        files={"dataset-train": "xlam_function_calling_60k.json"},
        columns=("query", "answers"),
        optional=("id",),
        unique_ids=True,
        licence="CC-BY-4.0",
        gated=True,
    )
    category = "function_calling"

    def transform(self, row: Row) -> Outcome:
        """The calls of `answers`, in list order."""
        return side_by_side(text_of(row, "query"), column(row, "answers"), upstream_id=row.get("id"))
