"""How long something has made no progress, when waits that were announced do not count. Pure: times come in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Idle:
    """`since`: when it got on last, moved on by what it waited from then; `until`: when its wait ends."""

    since: float = 0.0
    until: float = 0.0

    def progress(self, now: float) -> None:
        """It got on; of a wait that still lasts the rest does not count."""
        self.since = max(now, self.until)

    def wait(self, now: float, seconds: float) -> None:
        """It waits so long from now on; where two waits overlap, that is one."""
        end = now + seconds
        self.since += max(0.0, end - max(now, self.until))
        self.until = max(self.until, end)

    def waiting(self, now: float) -> bool:
        """Whether it is in a wait."""
        return now < self.until

    def seconds(self, now: float) -> float:
        """Seconds without progress or an announced wait."""
        return max(0.0, now - self.since)
