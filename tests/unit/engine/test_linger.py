"""An engine whose run has ended serves on while somebody watches, and a while longer."""

from __future__ import annotations

from typing import Any

from coordinator.engine.engine import PATIENCE, Engine
from tests.fakes import FakeClock

TURN = 0.25
ROUND = 20 * PATIENCE


class Rounds:
    """A supervisor whose turns and rounds take time; at a turn a person brings loaders back, at another one leaves."""

    def __init__(self, clock: FakeClock, brought: int, leaves: int) -> None:
        self.clock, self.brought, self.leaves = clock, brought, leaves
        self.turns = 0
        self.ended = True

    def step(self, stopping: bool) -> None:
        self.turns += 1
        self.clock.now += TURN
        self.ended = self.turns != self.brought

    def go_on(self, stopping: Any) -> None:
        self.clock.now += ROUND
        self.ended = True


def serve(brought: int, leaves: int) -> tuple[int, int]:
    """(turns served, rounds ended) of an engine that is watched from the first turn on until `leaves`."""
    clock = FakeClock()
    rounds = Rounds(clock, brought, leaves)
    engine, ends = Engine(rounds, recorder=None), list[None]()  # type: ignore[arg-type]
    engine.watched = lambda: rounds.turns < rounds.leaves
    engine.linger(lambda: ends.append(None), clock)
    return rounds.turns, len(ends)


def test_it_leaves_a_while_after_the_last_one_who_watched() -> None:
    assert serve(brought=0, leaves=0) == (PATIENCE / TURN, 0)
    assert serve(brought=0, leaves=50) == (49 + PATIENCE / TURN, 0)


def test_a_long_round_that_was_brought_back_is_no_absence() -> None:
    assert serve(brought=10, leaves=200) == (199 + PATIENCE / TURN, 1)
    assert serve(brought=10, leaves=5) == (10 + PATIENCE / TURN, 1)
