"""Which kills a chaos test deals out: at random moments, and between any two steps that an undisturbed run took."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass

Place = tuple[str, str]
"""(how, pattern of the step)."""
SAME = (
    (r"\b(part|rejects)-\d+\.", r"\1-00000."),
    (r"/tracks/\w+/\w+", "/tracks/TRACK/LOADER"),
    (r"\.jsonl\.\w{8}\.", ".jsonl.RANDOM."),
    (r"\b[0-9a-f]{40,64}\b", "DIGEST"),
    (r"/datasets--inv--[a-z]+", "/datasets--inv--NAME"),
)
"""Names that differ between two steps of one kind."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A kill to come; without a step it comes at a random moment."""

    victim: str
    how: str = ""
    step: str = ""

    @property
    def kind(self) -> str:
        """What it is counted as."""
        return f"{self.victim}, {'between steps' if self.step else 'at random'}"


def places(steps: Iterable[str], folder: str) -> list[Place]:
    """All places between the steps that were taken in a folder, kinds of steps in the order of their first."""
    kinds: dict[str, list[Place]] = {}
    for step in steps:
        kind = step
        for differing, name in SAME:
            kind = re.sub(differing, name, kind)
        if folder not in f"{kind}/":
            continue
        pattern = re.escape(kind).replace("00000", r"\d+").replace("RANDOM", r"\w+")
        pattern = pattern.replace("TRACK/LOADER", r"\w+/\w+").replace("DIGEST", "[0-9a-f]+").replace("NAME", "[a-z]+")
        lasting = step.startswith("fsync") and "." in step.rpartition("/")[2]
        kinds[kind] = [("torn", pattern), ("after", pattern)] if lasting else [("before", pattern)]
    return [place for found in kinds.values() for place in found]


def spread(items: list[Place], count: int) -> list[Place]:
    """So many of the items, in order: round after round of all, or evenly chosen ones."""
    return [items[at % len(items) if count > len(items) else at * len(items) // count] for at in range(count)]


def volleys(kills: int, chance: random.Random, committing: list[Place], merging: list[Place]) -> list[list[Strike]]:
    """So many strikes, half at random moments, half between steps, a fifth the engine's, in the order they come in.

    Those at steps of workers come in pairs, one a track. The engine's own steps are last, as its merge is.
    """
    workers, engines = kills // 5 * 2, kills // 20
    merges = kills // 2 - workers - engines
    mine = [Strike("worker", *place) for place in spread(committing, workers)]
    mixed = [mine[at : at + 2] for at in range(0, workers, 2)]
    mixed += [[Strike("engine", *place)] for place in spread(committing, engines)]
    mixed += [[Strike("worker")]] * workers + [[Strike("engine")]] * (kills - kills // 2 - workers)
    chance.shuffle(mixed)
    return mixed + [[Strike("engine", *place)] for place in spread(merging, merges)]
