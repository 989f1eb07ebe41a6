"""What goes wrong between a client and the Hub all along: each request may be hit, by chance, from a seed."""

from __future__ import annotations

import fnmatch
import random
from dataclasses import dataclass, field

from coordinator.demo.hub import Fault, Hub

FILES = "GET /datasets/*/resolve/*"
STALLED = "stall"


@dataclass(slots=True)
class Chance(Fault):
    """A fault that hits a share of the requests that match, by chance, and never lets more than is usual pass."""

    share: float = 0.0
    passed: int = 0
    random: random.Random = field(default_factory=random.Random)

    def strikes(self, request: str) -> bool:
        """Whether this request is hit; counts."""
        if not fnmatch.fnmatch(request, self.match):
            return False
        hit = self.random.random() < self.share or self.passed >= 1 / self.share
        self.passed = 0 if hit else self.passed + 1
        self.hits += hit
        return hit


def weather(hub: Hub, seed: int, share: float) -> dict[str, Chance]:
    """Let each kind of fault hit a share of the requests for files, stalls (which cost seconds) half of that.

    Calls are refused at the same share: there the clients do not try again, the loader fails, the engine decides.
    """
    chance = random.Random(seed)
    kinds = {
        "reset": Chance(FILES, "reset"),
        "cut": Chance(FILES, "cut"),
        "429": Chance(FILES, "status", code=429, headers={"Retry-After": "0"}),
        "500": Chance(FILES, "status", code=500),
        "stall": Chance(FILES, "stall"),
    }
    for fault in kinds.values():
        fault.share, fault.random = share / 2 if fault.kind == "stall" else share, chance
    calls = Chance("* /api/*", "status", code=503, share=share, random=chance)
    hub.faults = [*kinds.values(), calls]
    return kinds | {"503 of a call": calls}
