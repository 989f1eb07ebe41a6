"""Whole processes, measured from outside, in turn; and figures made of them: a median and its spread."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

LAUNCH = Path(__file__).with_name("launch.py")
Command = Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a process and all that came of it: seconds, and megabytes of the biggest one at its biggest."""

    wall: float
    cpu: float
    peak: float
    output: str = ""


@dataclass(slots=True)
class Figure:
    """One row of the table: a ratio or an amount, of each round. `goal` is a limit, from above or below."""

    name: str
    what: str
    unit: str
    values: list[float]
    goal: float | None = None
    more_is_better: bool = False
    raw: dict[str, list[float]] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.values)

    @property
    def reached(self) -> bool | None:
        """Whether the median is on the right side of the goal; None without one."""
        if self.goal is None:
            return None
        return self.median >= self.goal if self.more_is_better else self.median <= self.goal

    def as_json(self) -> dict[str, Any]:
        """For the stored run."""
        return {**asdict(self), "median": self.median}


def run(command: Command, cwd: Path, environment: dict[str, str], output: Path | None = None) -> Cost:
    """Run a command to its end. Raises `RuntimeError` with what it said where it fails."""
    ours, theirs = os.pipe()
    whole = [sys.executable, "-I", "-S", str(LAUNCH), str(theirs), *map(str, command)]
    with output.open("wb") if output else tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as errors:
        done = subprocess.run(
            whole,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=errors,
            pass_fds=[theirs],
            check=False,
        )
        os.close(theirs)
        with open(ours, "rb") as report:
            cost = report.read()
        if done.returncode:
            errors.seek(0)
            end = errors.read().decode(errors="replace")[-500:]
            raise RuntimeError(f"{' '.join(map(str, command))}: exit code {done.returncode}: {end}")
        return Cost(**json.loads(cost), output="" if output else _text(said))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def alternate(rounds: int, **commands: Callable[[], Cost]) -> dict[str, list[Cost]]:
    """Each of the commands in turn, so many rounds: what slows the machine down for a while slows all of them."""
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            found[name].append(command())
    return found


def walls(costs: list[Cost]) -> list[float]:
    """Wall seconds of each round."""
    return [cost.wall for cost in costs]


def cpus(costs: list[Cost]) -> list[float]:
    """Processor seconds of each round."""
    return [cost.cpu for cost in costs]


def ratios(above: list[float], below: list[float]) -> list[float]:
    """Round by round."""
    return [a / b for a, b in zip(above, below, strict=True)]
