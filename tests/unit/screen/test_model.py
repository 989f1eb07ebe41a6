"""Incidents, rows and totals as a person reads them."""

from __future__ import annotations

import pytest

from coordinator.engine.state import LoaderStatus, RunState, TrackStatus
from coordinator.events import Counts, Failure, FailureClass, LoaderState
from coordinator.screen.history import History
from coordinator.screen.model import (
    FoldRow,
    LoaderRow,
    RowItem,
    Selection,
    TrackRow,
    incidents,
    mark_of,
    rows,
    selected,
    totals,
)

NOW = 1_000.0


def failure(failure_class: FailureClass, sentence: str = "it broke") -> Failure:
    return Failure(failure_class, sentence, "mend it", "", "polecats check x")


def a_run(**tracks: dict[str, LoaderState]) -> RunState:
    state = RunState(run="r", source="demo", started=900.0)
    for track, loaders in tracks.items():
        state.tracks[track] = TrackStatus(state="RUNNING")
        for loader, now in loaders.items():
            state.loaders[f"{track}/{loader}"] = LoaderStatus(state=now, started=910.0)
    return state


def fail(state: RunState, name: str, why: Failure, at: float = 950.0) -> None:
    status = state.loaders[name]
    status.state, status.failure, status.ended = "FAILED", why, at


def tree(state: RunState, **how: object) -> list[RowItem]:
    return rows(state, History(), NOW, **how)  # type: ignore[arg-type]


def keys(items: list[RowItem]) -> list[str]:
    return [item.key for item in items]


# --- incidents


def test_one_cause_is_one_incident() -> None:
    state = a_run(jasper={"math": "FAILED", "hard": "FAILED"}, opal={"chat": "FAILED"})
    fail(state, "jasper/math", failure("parse", "row 12 of jasper/math is torn"), 960)
    fail(state, "jasper/hard", failure("parse", "row 977 of jasper/hard is torn"), 950)
    fail(state, "opal/chat", failure("parse", "another thing"), 940)
    found = incidents(state, NOW)
    assert [one.title for one in found] == ["opal/chat", "jasper/math +1"]
    assert found[1].since == 950
    assert found[1].loaders == ("jasper/math", "jasper/hard")


def test_all_failed_by_the_network_is_one_incident() -> None:
    state = a_run(jasper={str(n): "FAILED" for n in range(25)})
    for n, name in enumerate(state.loaders):
        fail(state, name, failure("network", f"cannot reach host number {n} for {name}"))
    state.tracks["jasper"].state = "FINISHED"
    (one,) = incidents(state, NOW)
    assert len(one.loaders) == 25
    assert one.needs_you


def test_what_waits_for_a_person_comes_first_and_alone_counts() -> None:
    state = a_run(a={"x": "STREAMING"}, b={"y": "FAILED"}, c={"z": "FAILED"}, d={"w": "QUEUED"})
    state.tracks["a"].idle = 74
    fail(state, "b/y", failure("gated"), 990)
    fail(state, "c/z", failure("network"), 900)
    state.tracks["d"] = TrackStatus("BACKOFF", attempt=1, until=NOW + 18, note="the worker of d/w ended by signal 9")
    found = incidents(state, NOW)
    assert [(one.loaders[0], one.mark, one.needs_you) for one in found] == [
        ("b/y", "gated", True),
        ("c/z", "retry", False),
        ("a/x", "stalled", False),
        ("d/w", "retry", False),
    ]
    assert "01:14" in found[2].sentence
    assert found[3].sentence.endswith("attempt 2 in 00:18")
    assert totals(state, History(), NOW).needs_you == 1


def test_a_transient_failure_waits_for_a_person_once_its_track_has_ended() -> None:
    state = a_run(c={"z": "FAILED"})
    fail(state, "c/z", failure("network"))
    assert mark_of(state, "c/z") == "retry"
    state.tracks["c"].state = "FINISHED"
    assert mark_of(state, "c/z") == "failed"
    assert incidents(state, NOW)[0].needs_you


def test_a_loader_that_stalled_for_good_waits_for_a_person() -> None:
    state = a_run(c={"z": "STALLED"})
    state.loaders["c/z"].failure, state.loaders["c/z"].ended = failure("stalled"), 980.0
    (one,) = incidents(state, NOW)
    assert (one.needs_you, one.mark) == (True, "stalled")


def test_nothing_wrong() -> None:
    assert incidents(a_run(a={"x": "DONE", "y": "STREAMING"}), NOW) == []
    assert incidents(RunState(), NOW) == []


# --- rows


def big() -> RunState:
    return a_run(
        a={"one": "DONE", "two": "STREAMING", "three": "DONE", "four": "QUEUED", "five": "QUEUED", "six": "FAILED"},
        b={"one": "DONE", "two": "QUEUED"},
    )


def test_rows_are_in_the_order_of_the_run_whatever_happens() -> None:
    state = big()
    before = keys(tree(state))
    state.loaders["a/two"].state = "DONE"
    fail(state, "a/five", failure("parse"))
    assert keys(tree(state)) == before == ["a", *[n for n in state.loaders if n[0] == "a"], "b", "b/one", "b/two"]


def test_finished_fold_before_queued_and_only_without_room() -> None:
    state = big()
    assert not any(isinstance(item, FoldRow) for item in tree(state, height=10))
    assert keys(tree(state, height=9)) == ["a", "a/two", "a/four", "a/five", "a/six", "a:done", "b", "b/one", "b/two"]
    assert keys(tree(state, height=5)) == ["a", "a/two", "a/six", "a:done", "a:queued", "b", "b/one", "b/two"]


def test_nothing_folds_under_the_cursor() -> None:
    assert "a/four" in keys(tree(big(), height=5, keep="a/four"))
    assert "a/five" in keys(tree(big(), height=5, keep="a/four"))


def test_a_track_folds_by_hand() -> None:
    items = tree(big(), folded={"a"})
    assert keys(items) == ["a", "b", "b/one", "b/two"]
    assert isinstance(items[0], TrackRow)
    assert items[0].folded


def test_a_filter_finds_names_and_marks_also_in_folded_tracks() -> None:
    assert keys(tree(big(), filter="ONE", folded={"a"})) == ["a", "a/one", "b", "b/one"]
    assert keys(tree(big(), filter="queued")) == ["a", "a/four", "a/five", "b", "b/two"]
    assert tree(big(), filter="nowhere") == []


@pytest.mark.parametrize(
    ("state", "why", "mark", "word", "reason"),
    [
        ("QUEUED", None, "queued", "queued", ""),
        ("OPENING", None, "running", "opening", ""),
        ("STREAMING", None, "running", "running", ""),
        ("DONE", None, "done", "done", ""),
        ("CAPPED", None, "done", "capped", ""),
        ("EMPTY", None, "done", "empty", ""),
        ("STOPPED", None, "stopped", "stopped", ""),
        ("FAILED", failure("config_missing"), "failed", "FAILED", "config_missing"),
        ("FAILED", failure("gated"), "gated", "GATED", "accept the terms, set HF_TOKEN"),
        ("STALLED", failure("stalled"), "stalled", "STALLED", "stalled"),
        ("FAILED", failure("rate_limited"), "retry", "retry", "rate_limited, again"),
    ],
)
def test_a_state_has_a_mark_a_word_and_a_reason(
    state: LoaderState, why: Failure | None, mark: str, word: str, reason: str
) -> None:
    run = a_run(a={"x": state})
    run.loaders["a/x"].failure = why
    row = tree(run)[1]
    assert isinstance(row, LoaderRow)
    assert (row.mark, row.word, row.reason) == (mark, word, reason)


def test_an_opening_loader_says_what_it_reads_again() -> None:
    run = a_run(a={"x": "OPENING"})
    run.loaders["a/x"].replayed = 12_000
    row = tree(run)[1]
    assert isinstance(row, LoaderRow)
    assert row.reason == "replaying row 12,000"


def test_a_track_row_sums_up() -> None:
    state = a_run(a={"x": "DONE", "y": "STREAMING"})
    state.loaders["a/x"].counts = Counts(100, 90, 180, {}, {"E01": 10})
    state.loaders["a/y"].counts, state.loaders["a/y"].rows = Counts(50, 50, 50), 100
    row = tree(state)[0]
    assert isinstance(row, TrackRow)
    assert (row.done, row.loaders, row.samples, row.rejected, row.fraction) == (1, 2, 230, 10, 0.75)


# --- totals and the selection


def test_totals() -> None:
    state = a_run(a={"x": "DONE", "y": "STREAMING", "z": "QUEUED"})
    state.loaders["a/x"].counts = Counts(100, 100, 200)
    state.loaders["a/y"].counts, state.loaders["a/y"].rows = Counts(50, 50, 100), 100
    found = totals(state, History(), NOW)
    assert (found.samples, found.expected, found.rough) == (300, 600, True)
    assert (found.running, found.queued, found.done, found.loaders) == (1, 1, 1, 3)
    assert found.elapsed == 100
    state.ended = 950.0
    assert totals(state, History(), NOW).elapsed == 50
    assert totals(RunState(), History(), NOW).expected is None


def test_what_comes_over_the_wire_is_in_rows_and_totals() -> None:
    state, history = a_run(a={"x": "STREAMING", "y": "DONE"}), History()
    for second in range(5):
        for status in state.loaders.values():
            status.wire = second * 1_000
        history.feed(state, NOW - 4 + second)
    found = {row.key: row.wire_rate for row in rows(state, history, NOW) if isinstance(row, LoaderRow)}
    assert found == {"a/x": pytest.approx(1_000), "a/y": 0}
    assert totals(state, history, NOW).wire_rate == pytest.approx(2_000)
    state.ended = NOW
    assert totals(state, history, NOW).wire_rate == 0


def test_a_selection_means_loaders() -> None:
    state = big()
    assert selected(state, Selection("a", "two")) == ["a/two"]
    assert selected(state, Selection("b")) == ["b/one", "b/two"]
    assert len(selected(state, Selection())) == 8
    assert Selection("a", "two").name == "a/two"
