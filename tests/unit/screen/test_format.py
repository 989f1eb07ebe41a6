"""Numbers as the screen shows them: short, aligned, never wider than their column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.screen import format as f
from coordinator.screen.columns import RATE
from coordinator.screen.palette import ASCII, UNICODE, Glyphs


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, ""),
        (0.04, ""),
        (0.4, "0.4"),
        (9.96, "10"),
        (900, "900"),
        (999.6, "1.0k"),
        (17_700, "17.7k"),
        (123_456, "123k"),
    ],
)
def test_rate(value: float, text: str) -> None:
    assert f.rate(value) == text


@pytest.mark.parametrize(
    ("seconds", "confidence", "text"),
    [
        (12, "sure", "00:12"),
        (12, "fair", "~00:12"),
        (7_300, "rough", "~2 h"),
        (3_500, "rough", "~1 h"),
        (90, "rough", "~2 min"),
        (3, "rough", "~1 min"),
        (200_000, "fair", "~2 d"),
        (3_900, "fair", "~1:05:00"),
        (None, "sure", ""),
        (5, "", ""),
    ],
)
def test_eta_says_how_sure_it_is(seconds: float | None, confidence: str, text: str) -> None:
    assert f.eta_text(seconds, confidence) == text


def test_times() -> None:
    assert f.span(761) == "00:12:41"
    assert [f.span(s, short=True) for s in (0, 41, 720, 10_900, 200_000)] == ["0s", "41s", "12m", "3h", "2d"]
    assert f.minutes(74) == "01:14"
    assert f.minutes(3_723) == "1:02:03"


def test_sizes_and_short_numbers() -> None:
    assert [f.size(n) for n in (0, 312 * 2**20, 1.1 * 2**30, 84 * 2**30, 2**40)] == ["0", "312M", "1.1G", "84G", "1T"]
    assert [f.short(n) for n in (7, 999, 1_000, 408_021, 1_000_000, 1_100_000)] == [
        "7",
        "999",
        "1k",
        "408k",
        "1M",
        "1.1M",
    ]
    assert f.number(408_021) == "408,021"


def test_bytes_a_second_fit_the_column_of_rates() -> None:
    assert [f.wire_rate(rate) for rate in (0, 0.5, 900, 640_000, 1.24e6, 12.4e6, 124e6)] == [
        "",
        "",
        "900B/s",
        "640kB/s",
        "1.2MB/s",
        "12MB/s",
        "124MB/s",
    ]


@given(st.floats(0, 1e15))
def test_short_forms_fit_their_columns(value: float) -> None:
    assert len(f.rate(value)) <= 5
    assert len(f.short(value)) <= 5
    assert len(f.size(value)) <= 5
    assert len(f.wire_rate(min(value, 9e14))) <= RATE


@given(st.floats(-1, 2), st.integers(0, 40), st.sampled_from([UNICODE, ASCII]))
def test_a_bar_has_its_width(fraction: float, width: int, glyphs: Glyphs) -> None:
    full, rest = f.bar(fraction, width, glyphs)
    assert len(full) + len(rest) == width


def test_a_bar_is_full_only_at_the_end() -> None:
    assert f.bar(0.999, 10, UNICODE) == ("━" * 9 + "╸", "")
    assert f.bar(1.0, 10, UNICODE) == ("━" * 10, "")


def test_a_spark_goes_from_zero_to_its_best_with_the_newest_right() -> None:
    assert f.spark_text([0, 1, 6], 5, UNICODE) == "   ▁▆"[:2] + " " + "▂▆"
    assert f.spark_text([], 4, UNICODE) == "    "
    assert f.spark_text([0, 0], 4, UNICODE) == "    "
    assert f.spark_text([1] * 20, 4, ASCII) == "####"
