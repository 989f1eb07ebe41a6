"""Rates and ETAs come from what was seen, in memory that does not grow."""

from __future__ import annotations

import sys

import pytest

from coordinator.engine.state import LoaderStatus, RunState, TrackStatus
from coordinator.events import Counts
from coordinator.screen.history import BUCKETS, LOOKS, History


def a_run(*names: str, rows: int | None = 100_000) -> RunState:
    state = RunState(run="r", started=0.0)
    for name in names:
        state.loaders[name] = LoaderStatus(state="STREAMING", rows=rows)
        state.tracks[name.partition("/")[0]] = TrackStatus(state="RUNNING")
    return state


def move(state: RunState, name: str, rows: int) -> None:
    state.loaders[name].counts = Counts(rows, rows, rows)


def played(seconds: int, speed: int = 100, rows: int | None = 100_000) -> tuple[RunState, History]:
    state, history = a_run("opal/a", "opal/b", "ruby/c", rows=rows), History()
    for second in range(seconds + 1):
        move(state, "opal/a", second * speed)
        move(state, "opal/b", second * speed * 2)
        history.feed(state, 1_000.0 + second)
    return state, history


def test_rates_of_a_loader_a_track_and_all() -> None:
    _, history = played(30)
    assert history.rate("opal/a", 1_030) == pytest.approx(100)
    assert history.rate("opal", 1_030) == pytest.approx(300)
    assert history.rate(None, 1_030) == pytest.approx(300)
    assert history.rate("ruby/c", 1_030) == 0
    assert history.rate("nobody/x", 1_030) == 0


def test_a_rate_ends_when_nothing_is_told_any_more() -> None:
    _, history = played(30)
    assert history.rate(None, 1_041) == 0


def test_what_was_committed_before_is_no_rate() -> None:
    state, history = a_run("opal/a"), History()
    history.feed(state, 0.0)
    state.loaders["opal/a"].resumed = 50_000
    state.loaders["opal/a"].counts = Counts(50_100, 50_100, 50_100)
    history.feed(state, 1.0)
    assert history.rate("opal/a", 1.0) == pytest.approx(100, rel=0.01)
    state.loaders["opal/a"] = LoaderStatus(state="DONE", counts=Counts(90_000, 90_000, 90_000), reused=True)
    history.feed(state, 2.0)
    assert history.rate("opal/a", 2.0) == pytest.approx(50, rel=0.01)


def test_a_screen_that_comes_late_sees_no_jump() -> None:
    state, history = a_run("opal/a"), History()
    move(state, "opal/a", 1_000_000)
    history.feed(state, 500.0)
    history.feed(state, 501.0)
    assert history.rate(None, 501.0) == 0
    assert max(history.series(None, 20)) == 0


def test_a_loader_that_starts_over_does_not_count_backwards() -> None:
    state, history = played(10)
    move(state, "opal/a", 0)
    history.feed(state, 1_011.0)
    assert history.rate("opal/a", 1_011.0) >= 0


def test_spark_and_series_tell_the_speed() -> None:
    _, history = played(60)
    assert history.spark("opal/a", 10)[-8:-1] == pytest.approx([100] * 7)
    series = history.series(None, 12)
    assert len(series) == 12
    assert series[3:-1] == pytest.approx([300] * 8)
    assert history.series("nobody", 4) == [0.0] * 4
    assert history.span() == (1_000.0, 1_060.0)


def test_idle_is_time_without_any_movement() -> None:
    state, history = played(10)
    for second in range(11, 20):
        state.loaders["opal/a"].bytes_read += 1 if second < 15 else 0
        history.feed(state, 1_000.0 + second)
    assert history.idle("opal/a", 1_019.0) == 5
    assert history.idle("nobody/x", 1_019.0) == 0


def test_an_eta_grows_surer() -> None:
    state, history = played(3)
    assert history.eta("opal/a", state, 1_003)[1] == "rough"
    state, history = played(10)
    assert history.eta("opal/a", state, 1_010)[1] == "fair"
    state, history = played(60)
    seconds, confidence = history.eta("opal/a", state, 1_060)
    assert (round(seconds or 0), confidence) == (940, "sure")


def test_no_eta_without_a_total_or_movement() -> None:
    state, history = played(60, rows=None)
    assert history.eta("opal/a", state, 1_060) == (None, "")
    state, history = played(60)
    assert history.eta("ruby/c", state, 1_060) == (None, "")


def test_an_eta_over_an_unknown_loader_is_rough() -> None:
    state, history = played(60)
    state.loaders["ruby/c"].rows = None
    seconds, confidence = history.eta(None, state, 1_060)
    assert confidence == "rough"
    assert seconds == pytest.approx((100_000 * 3 - 18_000) / 300, rel=0.01)


def over_the_wire(seconds: int, speed: int, to_fetch: int = 0, rows: int | None = 100_000) -> tuple[RunState, History]:
    """Loader `opal/a` reads 100 rows and `speed` bytes a second, of `to_fetch` in all."""
    state, history = a_run("opal/a", "ruby/c", rows=rows), History()
    state.loaders["opal/a"].to_fetch = to_fetch
    for second in range(seconds + 1):
        move(state, "opal/a", second * 100)
        state.loaders["opal/a"].wire = second * speed
        history.feed(state, 1_000.0 + second)
    return state, history


def test_rates_over_the_wire_of_a_loader_a_track_and_all() -> None:
    state, history = over_the_wire(30, 5_000)
    assert [history.wire_rate(name, 1_030) for name in ("opal/a", "opal", None)] == [pytest.approx(5_000)] * 3
    assert history.wire_rate("ruby/c", 1_030) == history.wire_rate("nobody/x", 1_030) == 0
    assert history.wire_rate(None, 1_041) == 0
    state.loaders["opal/a"].wire = 0  # another worker begins to count anew
    history.feed(state, 1_031.0)
    assert 0 < history.wire_rate("opal/a", 1_031) < 5_000


def test_bytes_that_came_before_the_screen_are_no_rate() -> None:
    state, history = a_run("opal/a"), History()
    state.loaders["opal/a"].wire = 10**9
    history.feed(state, 500.0)
    history.feed(state, 501.0)
    assert history.wire_rate(None, 501.0) == 0


def test_of_rows_and_bytes_the_later_end_counts() -> None:
    state, history = over_the_wire(60, 1_000, to_fetch=2_060_000)  # rows end in 940 s, bytes in 2,000 s
    for name in ("opal/a", "opal"):
        seconds, confidence = history.eta(name, state, 1_060)
        assert (round(seconds or 0), confidence) == (2_000, "sure")
    state, history = over_the_wire(60, 1_000, to_fetch=70_000)
    assert round(history.eta("opal/a", state, 1_060)[0] or 0) == 940


def test_bytes_alone_give_an_eta_where_the_network_is_waited_for() -> None:
    state, history = over_the_wire(60, 1_000, to_fetch=160_000, rows=None)
    assert history.eta("opal/a", state, 1_060) == (100, "fair")
    assert history.eta(None, state, 1_060) == (None, "")  # of ruby/c nothing is known
    state.loaders["opal/a"].bound = "converter"
    assert history.eta("opal/a", state, 1_060) == (None, "")


def test_rows_that_wait_for_their_first_bytes_have_the_eta_of_these() -> None:
    state, history = a_run("opal/a"), History()
    state.loaders["opal/a"].to_fetch = 50_000
    for second in range(11):
        state.loaders["opal/a"].wire = second * 1_000
        history.feed(state, 1_000.0 + second)
    assert history.eta("opal/a", state, 1_010) == (40, "fair")


def test_a_new_run_begins_anew() -> None:
    state, history = played(10)
    state.run = "next"
    history.feed(state, 1_011.0)
    assert history.span() == (1_011.0, 1_011.0)


def test_memory_stays_flat_over_a_day() -> None:
    state, history = a_run("opal/a"), History()
    for second in range(0, 86_400, 5):
        move(state, "opal/a", second)
        history.feed(state, float(second))
    trace = history._traces["opal/a"]
    assert len(trace.buckets) <= BUCKETS
    assert len(history._times) <= 2 * LOOKS
    assert sys.getsizeof(trace.samples) < 10_000
    assert len(trace.samples) == len(trace.rows) == len(trace.wire) == len(history._times)
    assert history.series("opal/a", 10)[5] == pytest.approx(1.0, rel=0.05)
