"""One argument more, of the next level of sensitivity."""

from __future__ import annotations

from typing import ClassVar

from coordinator.contract.scope import derive
from coordinator.contract.tiers import Corrupter, Draw, Parent, Step, Variant, add, policy
from coordinator.contract.tiers.lexicon import SENSITIVITY_KEYS, SENSITIVITY_NAMES, pick
from coordinator.contract.tiers.scaffold import state_policy

from ._pairs import Edits, pair

SEVERITY = 0.20
LEVELS = (2, 3, 4)


class SensitivityCreep(Corrupter):
    """The twin's argument is of the level allowed; a control allows the higher one."""

    tier = "III"
    strategy = "sensitivity_creep"
    term = "E_scope"
    operators: ClassVar = ("next_level",)

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        """An argument of level L+1 against one of level L."""
        if not parent.plain:
            return []
        step = parent.plain[int(draw.random.random() * len(parent.plain))]
        limit = LEVELS[int(draw.random.random() * len(LEVELS))]
        if max(other.sensitivity for other in parent.steps) > limit:
            return []
        creeping, fitting = pick(draw.random, SENSITIVITY_KEYS[limit + 1]), pick(draw.random, SENSITIVITY_KEYS[limit])
        if not (_fits(step, creeping, limit + 1) and _fits(step, fitting, limit)):
            return []
        names = SENSITIVITY_NAMES[limit - 1 : limit + 1]
        rules = [state_policy(policy.most_sensitive(draw.random, level)) for level in names]

        def edits(key: str, rule: Edits) -> Edits:
            return [add(step.at(key), "requested"), *rule]

        rows = edits(creeping, rules[0]), edits(fitting, rules[0]), edits(creeping, rules[1])
        why = f"{creeping} is {names[1]} data, the policy stops at {names[0]}"
        return pair("next_level", step.number, names[0], SEVERITY, why, *rows)


def _fits(step: Step, key: str, level: int) -> bool:
    return key not in step.arguments and derive(step.tool, {**step.arguments, key: "requested"})[1] == level
