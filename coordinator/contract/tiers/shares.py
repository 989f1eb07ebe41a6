"""How a tier is shared out: what the selection keeps to and the gates hold it to."""

DIFFICULTY_SHARES = {"hard": 0.50, "medium": 0.35, "easy": 0.15}
"""Of the negatives of each strategy of Tier II."""
BOUNDARY_SHARES = {
    "numeric_edge": 0.15,
    "near": 0.10,
    "wide": 0.10,
    "temporal": 0.12,
    "access_boundary": 0.12,
    "sensitivity_creep": 0.11,
    "approval_bypass": 0.12,
    "flow_adjacent": 0.09,
    "hierarchy_choice": 0.09,
}
"""Of each strategy among the negatives of Tier III."""
MAX_TOOL_SHARE = 0.03
"""Of the negatives that one tool may be the target of."""
