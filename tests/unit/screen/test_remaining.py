"""How long still: by rows, by bytes, and which of both counts."""

from __future__ import annotations

import pytest

from coordinator.engine.state import LoaderStatus, RunState
from coordinator.screen.remaining import Estimate, bytes_left, estimate, later, rows_left


def a_run(**loaders: LoaderStatus) -> RunState:
    return RunState("r", loaders={f"opal/{name}": status for name, status in loaders.items()})


def test_bytes_left_of_a_loader_a_track_and_all() -> None:
    state = a_run(
        a=LoaderStatus("STREAMING", to_fetch=100, wire=40),
        b=LoaderStatus("OPENING", to_fetch=10, wire=30),
        c=LoaderStatus("FAILED", to_fetch=50, wire=10),
    )
    state.loaders["ruby/d"] = LoaderStatus("QUEUED")
    assert bytes_left(state, "opal/a") == (60, True)
    assert bytes_left(state, "opal/b") == (None, True)
    assert bytes_left(state, "opal") == (60, True)
    assert bytes_left(state) == (60, False)
    assert bytes_left(RunState()) == (None, True)


def test_rows_left_know_no_other_track() -> None:
    state = a_run(a=LoaderStatus("STREAMING", rows=100))
    state.loaders["opalescent/b"] = LoaderStatus("STREAMING", rows=7)
    assert rows_left(state, "opal") == (100, True)
    assert rows_left(state) == (107, True)


@pytest.mark.parametrize(
    ("left", "exact", "speeds", "looked", "found"),
    [
        (1_000.0, True, (10.0, 10.0), 30.0, (100.0, "sure")),
        (1_000.0, True, (20.0, 10.0), 30.0, (100.0, "fair")),
        (1_000.0, True, (10.0, 10.0), 6.0, (100.0, "fair")),
        (1_000.0, True, (10.0, 10.0), 2.0, (100.0, "rough")),
        (1_000.0, False, (10.0, 10.0), 30.0, (100.0, "rough")),
        (1e9, True, (10.0, 10.0), 30.0, (1e8, "rough")),
        (1_000.0, True, (0.0, 10.0), 30.0, (None, "")),
        (None, True, (10.0, 10.0), 30.0, (None, "")),
    ],
)
def test_estimate(left: float | None, exact: bool, speeds: tuple[float, float], looked: float, found: Estimate) -> None:
    assert estimate(left, exact, speeds, looked) == found


@pytest.mark.parametrize(
    ("by_rows", "by_bytes", "alone", "found"),
    [
        ((10.0, "sure"), (30.0, "fair"), True, (30.0, "fair")),
        ((30.0, "sure"), (10.0, "fair"), True, (30.0, "sure")),
        ((30.0, "sure"), (None, ""), True, (30.0, "sure")),
        ((None, ""), (10.0, "sure"), True, (10.0, "fair")),
        ((None, ""), (10.0, "rough"), True, (10.0, "rough")),
        ((None, ""), (10.0, "sure"), False, (None, "")),
        ((None, ""), (None, ""), True, (None, "")),
    ],
)
def test_the_later_estimate_counts(by_rows: Estimate, by_bytes: Estimate, alone: bool, found: Estimate) -> None:
    assert later(by_rows, by_bytes, alone) == found
