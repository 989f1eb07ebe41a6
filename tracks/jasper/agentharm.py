"""AgentHarm, only its `harmless_benign` twins: ordinary requests and the functions that serve them.

The rows name functions and record neither arguments nor a trace: nodes in the order given, no arguments,
sequence edges. The names can sound alarming and the `category` is that of the harmful twin; the rows are
benign all the same. Each base behaviour comes as four prompts that share `id_original`. The card asks for
evaluation use only.

A file is one object, `{"canary_guid": ..., "behaviors": [...]}`. Track ruby reads the same rows as
`agentharm_benign`; the merge drops one of the two as exact duplicates.
Unsure: whether an `id` ("1-1") stands in one split only, so rows are numbered by split and keep it as
`upstream_id`.
"""

from __future__ import annotations

from coordinator.contract import Call, HubSource, Loader, Outcome, Reject, Row, Sample, Skip, chain, text_of

KEPT = {"subcategory": "category", "group": "id_original"}


class Agentharm(Loader):
    """One plan a prompt."""

    source = HubSource(
        repo="ai-safety-institute/AgentHarm",
        builder="array",
        files={
            "harmless_benign-test_public": "benchmark/benign_behaviors_test_public.json",
            "harmless_benign-validation": "benchmark/benign_behaviors_validation.json",
        },
        columns=("prompt", "target_functions"),
        optional=("id", *KEPT.values()),
        item="behaviors.item",
        licence="LicenseRef-MIT-with-safety-clause",
        evaluation_only=True,
    )
    category = "safety_baseline"

    def transform(self, row: Row) -> Outcome:
        """The target functions in order."""
        names = _names(row)
        if not names:
            return Skip("no_target_functions")
        prompt = text_of(row, "prompt").strip()
        if not prompt:
            raise Reject("E05", "empty prompt", "prompt")
        extras = {name: row[key] for name, key in KEPT.items() if isinstance(row.get(key), str)}
        extras["source_label"] = "harmless_benign"
        calls = [Call(name, {}) for name in names]
        return Sample(prompt, calls, chain(len(calls)), "sequence", upstream_id=row.get("id"), extras=extras)


def _names(row: Row) -> list[str]:
    if "target_functions" not in row:
        raise Reject("E03", f"no target_functions; the row has {sorted(row)}", "target_functions")
    names = row["target_functions"]
    if names is None:
        return []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Reject("E04", "target_functions is not a list of names", "target_functions")
    return [name.strip() for name in names]
