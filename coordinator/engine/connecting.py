"""The connections to the Hub, shared out among the workers that run: never more than the limit in all.

A worker that is to have fewer is told at once, but has them open until its answers are whole. So what it had counts
as held until it says that it keeps to its new number, and nobody else gets it before that.
"""

from __future__ import annotations

from collections.abc import Iterable

from .work import Work


class Connecting:
    """Who has how many connections. `limit`: open at once in all; `slots`: workers that are busy at once in all."""

    def __init__(self, limit: int, slots: int) -> None:
        self._limit, self._slots = limit, slots
        self._shares = [limit]
        """What falls to the first worker that runs, to the second, and so on."""
        self._wanting = False
        """Whether a worker could start, were there a connection for it."""

    def share_out(self, active: Iterable[Work]) -> None:
        """Share them among the tracks that have not ended; those that run leave some to the one that starts next."""
        over_hub = [work for work in active if work.spec.source.over_hub]
        running = sorted((work for work in over_hub if work.worker is not None), key=lambda work: -work.connections)
        places = max(min(self._slots, len(over_hub)), len(running) + self._wanting, 1)
        each, more = divmod(self._limit, places)
        self._shares = [max(1, each + (place < more)) for place in range(places)]
        self._wanting = False
        for work, share in zip(running, self._shares, strict=False):
            if share < work.connections:
                work.take_connections(share)
        for work, share in zip(running, self._shares, strict=False):
            if share > work.connections:
                work.take_connections(min(share, work.held + self._free(running)))

    def _free(self, running: Iterable[Work]) -> int:
        return self._limit - sum(work.held for work in running)

    def admit(self, work: Work, works: Iterable[Work]) -> bool:
        """Whether a worker may start: with its share, or with what is free of it. Others give some back, where not."""
        if not work.spec.source.over_hub:
            return True
        running = [one for one in works if one.worker is not None and one.spec.source.over_hub]
        free, place = self._free(running), min(len(running), len(self._shares) - 1)
        self._wanting |= free < 1
        work.connections = min(self._shares[place], free)
        return free >= 1
