"""Bytes over the wire and from the cache, in words."""

from __future__ import annotations

import pytest

from coordinator.engine.state import LoaderStatus
from coordinator.engine.traffic import average_rate, has_traffic, speed, traffic, waits_for
from coordinator.events import LoaderState


def test_traffic_leaves_out_what_is_nothing() -> None:
    whole = LoaderStatus("STREAMING", wire=157_300_000, cached=20_000_000, to_fetch=160_000_000)
    assert traffic([whole], 12.4e6) == "over the wire 157.3 MB of 160 MB (12.4 MB/s), from the cache 20 MB"
    assert traffic([LoaderStatus(wire=5_000)], 0.0) == "over the wire 5 kB"
    assert traffic([LoaderStatus(cached=5_000)], 0.0) == "from the cache 5 kB"
    assert traffic([LoaderStatus(to_fetch=5_000)], 0.0) == "over the wire 0 B of 5 kB"
    assert traffic([LoaderStatus()], 0.0) == ""


def test_of_several_loaders_nobody_knows_how_much_has_to_come() -> None:
    several = [LoaderStatus(wire=1_000_000, to_fetch=9_000_000, cached=500_000), LoaderStatus(wire=2_000_000)]
    assert traffic(several, 1e6) == "over the wire 3 MB (1 MB/s), from the cache 500 kB"


def test_more_than_was_to_come_is_of_no_total() -> None:
    assert traffic([LoaderStatus(wire=7_000, to_fetch=5_000)], 0.0) == "over the wire 7 kB"


def test_the_average_is_since_the_loader_was_opened() -> None:
    status = LoaderStatus("STREAMING", wire=6_000, started=100.0)
    assert average_rate(status, 103.0) == 2_000
    status.ended = 102.0
    assert average_rate(status, 1_000.0) == 3_000
    assert average_rate(status, 102.0) == 3_000
    assert average_rate(LoaderStatus(wire=6_000), 5.0) == 0
    assert average_rate(LoaderStatus(wire=6_000, started=5.0), 5.0) == 0


@pytest.mark.parametrize(
    ("state", "until", "text"),
    [("STREAMING", 0.0, "network"), ("OPENING", 0.0, "network"), ("DONE", 0.0, ""), ("STREAMING", 20.0, "429")],
)
def test_only_a_loader_at_work_waits(state: LoaderState, until: float, text: str) -> None:
    assert waits_for(LoaderStatus(state, bound="network", waiting="429", until=until), 10.0) == text


def test_there_is_traffic_where_anything_comes_or_is_to_come() -> None:
    told = [LoaderStatus(), LoaderStatus(wire=1), LoaderStatus(cached=1), LoaderStatus(to_fetch=1)]
    assert [has_traffic(status) for status in told] == [False, True, True, True]


def test_speed() -> None:
    assert [speed(rate) for rate in (0, 0.5, 999, 640_000, 12.4e6)] == ["", "", "999 B/s", "640 kB/s", "12.4 MB/s"]
