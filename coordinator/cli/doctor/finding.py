"""What a look at one thing gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Verdict = Literal["ok", "note", "bad"]
"""`bad` stands in the way of a run or a merge; a `note` does not, but should be known."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    verdict: Verdict
    subject: str
    sentence: str
    mend: Callable[[], str] | None = None
    """What `--fix` does about it; returns what there is to say of that. Raises `PolecatsError` or `OSError`."""

    def but(self, verdict: Verdict, said: str) -> Finding:
        """The finding with another verdict, and more to say."""
        return replace(self, verdict=verdict, sentence=f"{self.sentence} {said}", mend=None)
