"""Requests for the ranges that are read: all of them, in order, neighbours together, none too large."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.worker.hub import spans as module
from coordinator.worker.hub.remote_file import RemoteFile
from coordinator.worker.hub.spans import LARGEST_GAP, LEAST_GAP, PIECE, Range, Span, gap_of, in_pieces, spans_of

SIZE = 100 * PIECE
FILES = [RemoteFile("acme/it", "1" * 40, f"{name}.parquet", SIZE, "e" * 64) for name in "ab"]
GAP = 1_000


def one(start: int, end: int, step: int = 0, sure: bool = True, file: int = 0) -> Range:
    return Range(FILES[file], start, end, step, sure)


def brief(spans: list[Span]) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in spans]


@st.composite
def read(draw: st.DrawFn) -> list[Range]:
    """Ranges as a reader gives them: mostly forwards, of either file, of all sizes, in steps."""
    found, place, step = list[Range](), 0, 0
    for _ in range(draw(st.integers(0, 12))):
        place = max(0, place + draw(st.integers(-3 * GAP, 3 * GAP)))
        size = draw(st.sampled_from([0, 1, 10, GAP, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE]))
        step += draw(st.integers(0, 1))
        found.append(one(place, place + size, step, draw(st.booleans()), draw(st.integers(0, 1))))
        place += size
    return found


@given(read(), st.sampled_from([0, 1, GAP]))
def test_every_range_is_asked_for_once_in_order(ranges: list[Range], gap: int) -> None:
    spans, at = list(spans_of(ranges, gap)), 0
    for want in ranges:
        place = want.start
        while place < want.end:
            span = spans[at]
            assert (span.file, span.sure) == (want.file, want.sure)
            assert span.start <= place < span.end
            assert span.last >= want.step
            place = min(want.end, span.end)
            at += place == span.end
    assert at == len(spans), "none goes on behind what is read"
    assert all(0 < span.needed <= span.end - span.start <= PIECE for span in spans)


@given(read())
def test_needed_counts_what_is_read(ranges: list[Range]) -> None:
    needed = sum(span.needed for span in spans_of(ranges, GAP))
    assert needed == sum(want.end - want.start for want in ranges)


def test_neighbours_go_together_up_to_the_gap() -> None:
    ranges = [one(0, 10), one(10 + GAP, 20 + GAP), one(21 + 2 * GAP, 30 + 2 * GAP)]
    assert brief(list(spans_of(ranges, GAP))) == [(0, 20 + GAP), (21 + 2 * GAP, 30 + 2 * GAP)]


@pytest.mark.parametrize(
    "other", [one(20, 30, file=1), one(20, 30, sure=False), one(5, 30), one(20, PIECE + 1)], ids=str
)
def test_another_file_a_guess_a_step_back_or_too_many_bytes_go_alone(other: Range) -> None:
    assert len(list(spans_of([one(0, 10), other], GAP))) == 2


def test_a_range_larger_than_a_piece_is_cut() -> None:
    spans = list(spans_of([one(5, 5 + 2 * PIECE + 7, step=3)], GAP))
    assert brief(spans) == [(5, 5 + PIECE), (5 + PIECE, 5 + 2 * PIECE), (5 + 2 * PIECE, 12 + 2 * PIECE)]
    assert {(span.needed == span.end - span.start, span.last) for span in spans} == {(True, 3)}


def test_a_span_is_of_use_up_to_its_last_range() -> None:
    (span,) = spans_of([one(0, 10, step=1), one(10, 20, step=4)], GAP)
    assert (span.last, span.needed) == (4, 20)


def test_empty_ranges_ask_for_nothing() -> None:
    assert list(spans_of([one(0, 0), one(5, 5)], GAP)) == []
    assert brief(list(spans_of([one(0, 10), one(10, 10), one(10, 20)], GAP))) == [(0, 20)]


def test_spans_come_before_all_ranges_are_known() -> None:
    def endless() -> object:
        yield from (one(n * PIECE, n * PIECE + 10) for n in range(2))
        raise AssertionError("it was read too far")

    assert brief([next(spans_of(endless(), GAP))]) == [(0, 10)]  # type: ignore[arg-type]


def test_the_gap_is_what_takes_as_long_as_an_answer() -> None:
    assert gap_of(0.0) == LEAST_GAP
    assert gap_of(3_600.0) == LARGEST_GAP
    assert gap_of(0.05) <= 0.05 * module.FASTEST < 2 * gap_of(0.05)
    for a, b in pairwise(n / 1_000 for n in range(500)):
        assert gap_of(a) <= gap_of(b)


@given(st.integers(0, SIZE), st.sampled_from([PIECE, PIECE - 1, SIZE]))
def test_a_file_in_pieces(start: int, piece: int) -> None:
    pieces = list(in_pieces(FILES[0], start, piece, sure=True))
    assert [part.end for part in pieces[:-1]] == [part.start for part in pieces[1:]]
    assert (pieces[0].start, pieces[-1].end) == (start, SIZE) if start < SIZE else pieces == []
