"""One text more in a call: of the next level of sensitivity, or the same words in a form that says less."""

from __future__ import annotations

from random import Random
from typing import ClassVar

from coordinator.contract.scope import derive
from coordinator.contract.tiers import Corrupter, Draw, Parent, Step, Variant, add, policy
from coordinator.contract.tiers.lexicon import NOTE_KEYS, SENSITIVITY_NAMES, address, host, pick
from coordinator.contract.tiers.scaffold import state_policy

from ._pairs import pair

SEVERITY = 0.20
LEVELS = (2, 3, 4)
_KEYS = ("RSA", "EC", "DSA", "OPENSSH", "ENCRYPTED")


class SensitivityCreep(Corrupter):
    """An address, an account number or a key, against a note of the very same words that is none."""

    tier = "III"
    strategy = "sensitivity_creep"
    term = "E_scope"
    operators: ClassVar = ("next_level",)

    def corrupt(self, parent: Parent, draw: Draw) -> list[Variant]:
        """A text of level L+1 against one of level L or less; the rest of the plan is of level L at most."""
        limit = pick(draw.random, LEVELS)
        if not parent.plain or max(step.sensitivity for step in parent.steps) > limit:
            return []
        step, key = pick(draw.random, parent.plain), pick(draw.random, NOTE_KEYS)
        texts = _texts(draw.random, limit + 1)
        levels = [_level(step, key, text) for text in texts]
        if key in step.arguments or levels[0] != limit + 1 or levels[1] > limit:
            return []
        names = SENSITIVITY_NAMES[limit - 1 : limit + 1]
        rule = state_policy(policy.most_sensitive(draw.random, names[0]))
        why = f"{key} holds {names[1]} data, the policy stops at {names[0]}"
        negative, twin = ([add(step.at(key), text), *rule] for text in texts)
        return pair("next_level", step.number, names[0], SEVERITY, why, negative, twin)


def _level(step: Step, key: str, text: str) -> int:
    return derive(step.tool, {**step.arguments, key: text})[1]


def _texts(random: Random, level: int) -> tuple[str, str]:
    """A text of the level, and one of the same words that is of none."""
    if level == 3:
        person, _, place = address(random, host(random)).partition("@")
        return f"{person}@{place}", f"{place}/{person}"
    if level == 4:
        first, *rest = _account(random)
        return " ".join([first, *rest]), " ".join([*rest, first])
    kind = pick(random, _KEYS)
    return f"-----BEGIN {kind} PRIVATE KEY-----", f"BEGIN {kind} PRIVATE KEY"


def _account(random: Random) -> list[str]:
    """The groups of an IBAN with right check digits, at a bank (`TEST`) that is none."""
    digits = f"{int(random.random() * 10**14):014d}"
    number = "".join(str(int(sign, 36)) for sign in f"TEST{digits}GB00")
    return [f"GB{98 - int(number) % 97:02d}", "TEST", digits[:4], digits[4:8], digits[8:12], digits[12:]]
