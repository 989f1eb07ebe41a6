"""What a gate says: a figure, the bound that it is held to, a verdict and a sentence; and the report of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf


class Verdict(StrEnum):
    """Only GREEN lets a draft through by itself."""

    GREEN = "green"
    RED = "red"
    COULD_NOT_RUN = "could not run"


@dataclass(frozen=True, slots=True)
class Bound:
    """A closed interval."""

    low: float = -inf
    high: float = inf

    def holds(self, figure: float) -> bool:
        """Whether `figure` lies in the interval; a ten-billionth beside it is rounding."""
        return self.low - 1e-10 <= figure <= self.high + 1e-10

    def __str__(self) -> str:
        if self.low == -inf:
            return f"<= {self.high:g}"
        if self.high == inf:
            return f">= {self.low:g}"
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate's outcome. `leaks` are the features behind a figure as (feature, weight or share), worst first."""

    name: str
    figure: float | None
    bound: Bound
    verdict: Verdict
    sentence: str
    leaks: tuple[tuple[str, float], ...] = ()


def judged(
    name: str, figure: float, bound: Bound, sentence: str, leaks: Iterable[tuple[str, float]] = (), why_not: str = ""
) -> Gate:
    """A gate whose figure decides; `why_not`, where there is one, says why the figure rests on too little."""
    if why_not:
        return Gate(name, figure, bound, Verdict.COULD_NOT_RUN, why_not, tuple(leaks))
    verdict = Verdict.GREEN if bound.holds(figure) else Verdict.RED
    return Gate(name, figure, bound, verdict, sentence, tuple(leaks))


def could_not_run(name: str, bound: Bound, why_not: str) -> Gate:
    """A gate without a figure."""
    return Gate(name, None, bound, Verdict.COULD_NOT_RUN, why_not)


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on one file. `accepted` maps a gate's name to the reason why its verdict is lived with."""

    file: str
    tier: str
    rows: int
    sha256: str
    gates: tuple[Gate, ...]
    accepted: Mapping[str, str] = field(default_factory=dict)

    @property
    def refusing(self) -> tuple[Gate, ...]:
        """The gates that keep a draft from its final name."""
        return tuple(
            gate for gate in self.gates if gate.verdict is not Verdict.GREEN and gate.name not in self.accepted
        )

    @property
    def passed(self) -> bool:
        """Whether a draft may take its final name."""
        return bool(self.gates) and not self.refusing
