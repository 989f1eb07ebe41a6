"""What the plain lines say of the Hub's traffic, and that without it they say nothing of it."""

from __future__ import annotations

import pytest

from coordinator.engine.state import RunState, reduce
from coordinator.events import (
    Counts,
    Event,
    Heartbeat,
    LoaderFinished,
    LoaderOpened,
    LoaderOpening,
    LoaderProgress,
    LoaderWaiting,
    RunStarted,
)
from coordinator.headless.plain import PlainReporter

NAME = "opal/a"


def told(capsys: pytest.CaptureFixture[str], *events: tuple[float, Event]) -> list[str]:
    """What a reporter prints of a loader's events, without clock and name."""
    state, reporter = RunState(), PlainReporter()
    begin: list[tuple[float, Event]] = [(0.0, RunStarted("r", "hub", [NAME])), (0.0, LoaderOpening(NAME))]
    for at, event in [*begin, *events]:
        reduce(state, event, at)
        reporter(event, state, at)
    return [line.split(NAME, 1)[1].strip() for line in capsys.readouterr().err.splitlines()]


def test_a_loader_over_the_wire_says_where_its_bytes_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    counts = Counts(1_000, 1_000, 1_000)
    lines = told(
        capsys,
        (0.0, LoaderOpened(NAME, 2_000, 0, 160_000_000)),
        (9.0, Heartbeat(NAME, 900, 0, 0, 0.1, 100_000_000, 20_000_000, "network")),
        (10.0, LoaderProgress(NAME, counts, wire=124_000_000, cached=20_000_000)),
        (20.0, LoaderFinished(NAME, "DONE", counts)),
    )
    assert lines[0] == "reading of 2,000 rows, 160 MB come over the wire"
    assert lines[1].endswith(
        " 100 rows/s; over the wire 124 MB of 160 MB (12.4 MB/s), from the cache 20 MB, waits for: network"
    )
    assert lines[2].endswith(" 50 rows/s; over the wire 124 MB of 160 MB (6.2 MB/s), from the cache 20 MB")


def test_a_wait_for_the_hub_is_told_with_the_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(
        capsys,
        (0.0, LoaderOpened(NAME, 2_000, 0)),
        (9.0, LoaderWaiting(NAME, 31.0, "429 from the Hub")),
        (10.0, LoaderProgress(NAME, Counts(5, 5, 5), wire=1_000_000)),
    )
    assert lines[1:] == [
        "waiting 31 s (429 from the Hub)",
        "5 rows: 5 accepted, 0 skipped, 0 rejected, 0 rows/s; over the wire 1 MB (100 kB/s), "
        "waits for: 429 from the Hub",
    ]


def test_a_loader_without_the_hub_says_what_it_always_said(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(
        capsys,
        (0.0, LoaderOpened(NAME, 10, 2)),
        (1.0, Heartbeat(NAME, 4, 0, 400, 0.1)),
        (6.0, LoaderProgress(NAME, Counts(8, 8, 8), 800)),
    )
    assert lines == [
        "reading of 10 rows, goes on after 2 rows",
        "8 rows: 8 accepted, 0 skipped, 0 rejected, 1 rows/s",
    ]
