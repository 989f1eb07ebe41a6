"""The table of what came over the wire: only where anything did, and only columns that say something."""

from __future__ import annotations

import io

from rich.console import Console

from coordinator.engine.state import LoaderStatus, RunState
from coordinator.events import Bound, LoaderState
from coordinator.headless.table import print_traffic, traffic_table


def a_loader(
    state: LoaderState, wire: int = 0, cached: int = 0, to_fetch: int = 0, bound: Bound = "", ended: float | None = None
) -> LoaderStatus:
    return LoaderStatus(state, wire=wire, cached=cached, to_fetch=to_fetch, bound=bound, started=1_000.0, ended=ended)


def printed(width: int = 80, at: float = 1_010.0, ended: float | None = None, **loaders: LoaderStatus) -> list[str]:
    out = Console(file=io.StringIO(), width=width, highlight=False)
    named = {f"track/{name}": status for name, status in loaders.items()}
    print_traffic(out, RunState("r", "hub", started=1_000.0, ended=ended, loaders=named), at)
    return out.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


def test_bytes_and_speed_of_each_loader_and_of_all() -> None:
    lines = printed(
        one=a_loader("STREAMING", 124_000_000, 20_000_000, 160_000_000, "network"),
        two=a_loader("CAPPED", 4_000_000, to_fetch=9_000_000, bound="converter", ended=1_002.0),
        three=a_loader("QUEUED"),
    )
    assert [line.split() for line in lines[1:]] == [
        ["loader", "waits", "for", "over", "the", "wire", "to", "come", "MB/s", "from", "the", "cache"],
        ["track/one", "network", "124", "MB", "36", "MB", "12.4", "20", "MB"],
        ["track/two", "4", "MB", "2.0"],
        ["total", "128", "MB", "12.8", "20", "MB"],
    ]
    assert max(map(len, lines)) <= 80


def test_a_run_that_has_ended_is_as_fast_as_it_was() -> None:
    ended = a_loader("DONE", 4_000_000, ended=1_002.0)
    lines = printed(one=ended, two=ended, at=9_000.0, ended=1_004.0)
    assert [line.split()[-1] for line in lines[2:]] == ["2.0", "2.0", "2.0"]


def test_columns_of_nothing_are_left_out() -> None:
    lines = printed(one=a_loader("DONE", 4_000_000, ended=1_002.0), ended=1_002.0)
    assert [line.split() for line in lines[1:]] == [
        ["loader", "over", "the", "wire", "MB/s"],
        ["track/one", "4", "MB", "2.0"],
    ]


def test_what_a_429_makes_wait_says_so() -> None:
    limited = a_loader("STREAMING", 1_000_000, bound="network")
    limited.waiting, limited.until = "429 from the Hub", 1_040.0
    assert "429 from the Hub" in printed(one=limited)[2]


def test_a_run_without_the_hub_has_no_such_table() -> None:
    assert printed(one=a_loader("DONE", ended=1_002.0)) == []
    assert traffic_table(RunState(), 0.0) is None
