"""The state is what the journal says, whatever came in, and nothing in it harms a terminal."""

from __future__ import annotations

import copy
import json
import tempfile
import unicodedata
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.engine import journal
from coordinator.engine.journal import Journal
from coordinator.engine.recorder import Recorder, harmless
from coordinator.engine.state import RunState, reduce, replay
from coordinator.events import (
    Bound,
    Counts,
    Event,
    Failure,
    FailureClass,
    Heartbeat,
    LoaderFinished,
    LoaderOpened,
    LoaderOpening,
    LoaderProgress,
    LoaderState,
    LoaderWaiting,
    LoaderWarned,
    RunFinished,
    RunStarted,
    TrackChanged,
    TrackState,
    WorkerDone,
    decode,
    encode,
)

NAMES = ["opal/a", "opal/b", "ruby/c"]
SURROGATES = st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF)
TEXT = st.text(st.characters() | SURROGATES | st.sampled_from("\x1b\x07\n\t[/]\u202e\u2028"), max_size=12)
NATURAL = st.integers(0, 2**53)
TALLY = st.dictionaries(TEXT, NATURAL, max_size=3)
COUNTS = st.builds(Counts, NATURAL, NATURAL, NATURAL, TALLY, TALLY)
FAILURE = st.builds(Failure, st.sampled_from(get_args(FailureClass)), TEXT, TEXT, TEXT, TEXT)
LOADER = st.sampled_from(NAMES)
BOUND = st.sampled_from(get_args(Bound))
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(LoaderOpening, LOADER),
    st.builds(LoaderOpened, LOADER, st.none() | NATURAL, NATURAL, NATURAL),
    st.builds(LoaderProgress, LOADER, COUNTS, NATURAL, NATURAL, NATURAL, NATURAL),
    st.builds(LoaderWarned, LOADER, TEXT),
    st.builds(LoaderWaiting, LOADER, st.floats(0, 1e9), TEXT, st.booleans()),
    st.builds(
        LoaderFinished, LOADER, st.sampled_from(get_args(LoaderState)), COUNTS, st.none() | FAILURE, st.booleans()
    ),
    st.builds(
        TrackChanged,
        st.sampled_from(["opal", "ruby"]),
        st.sampled_from(get_args(TrackState)),
        NATURAL,
        st.none() | NATURAL,
        st.none() | st.floats(0, 2e9),
        TEXT,
    ),
    st.builds(Heartbeat, LOADER | st.just(""), NATURAL, NATURAL, NATURAL, st.floats(0, 1e6), NATURAL, NATURAL, BOUND),
    st.builds(WorkerDone, st.sampled_from(["opal", "ruby"])),
    st.builds(RunFinished, st.integers(0, 255)),
    st.builds(RunStarted, TEXT, TEXT, st.permutations(NAMES)),
)


@pytest.fixture
def started() -> RunState:
    state = RunState()
    reduce(state, RunStarted("r1", "hub", NAMES), 1.0)
    return state


# ---- the law


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS, max_size=30))
def test_a_replayed_journal_gives_the_live_state(events: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs" / "r1" / journal.JOURNAL
        written, told, times = Journal(path), [], iter(range(1_000))
        recorder = Recorder(written, [lambda event, state, at: told.append((at, event))], lambda: next(times) + 0.125)
        recorder.emit(RunStarted("r1", "hub", NAMES))
        for event in events:
            recorder.emit(event)
        written.close()
        assert replay(journal.read(path)) == recorder.state
        assert list(journal.read(path)) == told


@given(EVENTS)
def test_decode_is_the_inverse_of_encode(event: Event) -> None:
    assert decode(encode(event)) == event
    assert decode(json.loads(json.dumps(encode(event)))) == event


@pytest.mark.parametrize(
    "data", [{}, {"kind": "x"}, {"kind": "loader_opening"}, {"kind": "run_finished", "exit_code": 0, "more": 1}]
)
def test_what_is_no_event_is_not_decoded(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not an event"):
        decode(data)


@given(EVENTS)
def test_decoding_leaves_its_input_alone(event: Event) -> None:
    data = encode(event)
    before = copy.deepcopy(data)
    decode(data)
    assert data == before


# ---- the table


def test_a_run_from_beginning_to_end(started: RunState) -> None:
    assert list(started.loaders) == NAMES
    reduce(started, LoaderOpening("opal/a"), 2.0)
    reduce(started, LoaderOpened("opal/a", 10, 3), 3.0)
    status = started.loaders["opal/a"]
    assert (status.state, status.rows, status.resumed, status.started) == ("STREAMING", 10, 3, 2.0)
    reduce(started, LoaderProgress("opal/a", Counts(5, 5, 5), 100, 1), 4.0)
    reduce(started, LoaderFinished("opal/a", "DONE", Counts(10, 9, 9, {"no_plan": 1})), 5.0)
    assert (status.state, status.counts.read, status.ended, status.failure) == ("DONE", 10, 5.0, None)
    reduce(started, RunFinished(0), 6.0)
    assert (started.exit_code, started.ended, started.of("DONE"), started.failed) == (0, 6.0, ["opal/a"], [])


def test_a_loader_that_begins_again_has_failed_no_more(started: RunState) -> None:
    failure = Failure("network", "no answer", "try again")
    reduce(started, LoaderOpening("opal/a"), 2.0)
    reduce(started, LoaderFinished("opal/a", "FAILED", Counts(), failure), 3.0)
    assert started.failed == ["opal/a"]
    reduce(started, LoaderOpening("opal/a"), 4.0)
    status = started.loaders["opal/a"]
    assert (started.failed, status.state, status.started, status.ended) == ([], "OPENING", 2.0, None)


def test_a_track_stands_where_its_worker_said_last(started: RunState) -> None:
    assert list(started.tracks) == ["opal", "ruby"]
    reduce(started, TrackChanged("opal", "BACKOFF", 2, None, 9.5, "killed"), 2.0)
    status = started.tracks["opal"]
    assert (status.state, status.attempt, status.until, status.note) == ("BACKOFF", 2, 9.5, "killed")
    reduce(started, Heartbeat("opal/b", 5, 1, 100, 3.5), 3.0)
    assert (started.tracks["opal"].idle, started.loaders["opal/b"].bytes_read) == (3.5, 100)
    assert started.tracks["ruby"].state == "PENDING"


def test_bytes_over_the_wire_and_what_is_waited_for_are_as_last_told(started: RunState) -> None:
    status = started.loaders["opal/a"]
    reduce(started, LoaderOpened("opal/a", None, 0, 160), 2.0)
    reduce(started, Heartbeat("opal/a", 5, 0, 90, 0.5, 70, 20, "network"), 3.0)
    assert (status.to_fetch, status.wire, status.cached, status.bound) == (160, 70, 20, "network")
    reduce(started, LoaderProgress("opal/a", Counts(9, 9, 9), 110, 0, 85, 25), 4.0)
    assert (status.to_fetch, status.wire, status.cached, status.bound) == (160, 85, 25, "network")


@pytest.mark.parametrize(
    "event", [LoaderOpened("x/y", 9, 2), LoaderProgress("x/y", Counts(1, 1, 1), 7), Heartbeat("x/y", 1, 0, 7, 0.5)]
)
def test_an_event_of_a_journal_that_knew_no_wire_is_still_one(event: Event) -> None:
    old = {key: value for key, value in encode(event).items() if key not in ("to_fetch", "wire", "cached", "bound")}
    assert len(old) < len(encode(event))
    assert decode(old) == event


def test_the_same_warning_stands_once(started: RunState) -> None:
    for _ in range(3):
        reduce(started, LoaderWarned("opal/a", "slow"), 2.0)
    assert started.loaders["opal/a"].warnings == ["slow"]


def test_a_new_run_starts_from_nothing(started: RunState) -> None:
    reduce(started, LoaderWarned("opal/a", "slow"), 2.0)
    reduce(started, RunFinished(1), 3.0)
    reduce(started, RunStarted("r2", "samples", ["ruby/c"]), 4.0)
    fresh = RunState()
    reduce(fresh, RunStarted("r2", "samples", ["ruby/c"]), 4.0)
    assert started == fresh


STRANGERS: list[Event] = [
    LoaderOpening("x/y"),
    LoaderOpened("x/y", None, 0),
    LoaderProgress("x/y", Counts()),
    LoaderWarned("x/y", "hm"),
    LoaderFinished("x/y", "DONE", Counts()),
    Heartbeat("x/y", 1, 0, 0, 0.0),
    TrackChanged("x/y", "RUNNING"),
]


@pytest.mark.parametrize("event", STRANGERS, ids=lambda event: event.kind)
def test_an_unknown_loader_changes_nothing(started: RunState, event: Event, tmp_path: Path) -> None:
    before = copy.deepcopy(started)
    with pytest.raises(ValueError, match="x/y"):
        reduce(started, event, 9.0)
    assert started == before
    written = Journal(tmp_path / journal.JOURNAL)
    recorder = Recorder(written, [lambda *told: pytest.fail("told")], lambda: 1.0)
    with pytest.raises(ValueError, match="x/y"):
        recorder.emit(event)
    written.close()
    assert not (tmp_path / journal.JOURNAL).read_bytes(), "what was not entered is not in the journal"


def test_replay_passes_over_events_of_loaders_that_the_run_does_not_have(started: RunState) -> None:
    """The line that began the run may be the one that is torn."""
    events: list[tuple[float, Event]] = [(1.0, RunStarted("r1", "hub", NAMES)), *((2.0, event) for event in STRANGERS)]
    assert replay(events) == started
    assert replay(events[1:]) == RunState()


# ---- harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]8;;http://x\x07click\x1b]8;;\x07", "\\x1b]8;;http://x\\x07click\\x1b]8;;\\x07"),
        ("\x1b]52;c;ZXZpbA==\x9c", "\\x1b]52;c;ZXZpbA==\\x9c"),
        ("\x9b2J", "\\x9b2J"),
        ("safe\u202egpj.exe", "safe\\u202egpj.exe"),
        ("a\u2066b\u2069c\u061c\u200f", "a\\u2066b\\u2069c\\u061c\\u200f"),
        ("a\u2028b\u2029", "a\\u2028b\\u2029"),
        ("\ud800 \udfff", "\\ud800 \\udfff"),
        ("over\rwrite\b\0", "over\\x0dwrite\\x08\\x00"),
        ("kept\n\tİzmir 东京 👩‍👩‍👧 [/] [bold]", "kept\n\tİzmir 东京 👩‍👩‍👧 [/] [bold]"),
    ],
)
def test_what_a_terminal_obeys_is_shown_instead(text: str, shown: str) -> None:
    assert harmless(text) == shown


@given(TEXT)
def test_harmless_text_is_plain_and_stays_as_it_is(text: str) -> None:
    shown = harmless(text)
    assert harmless(shown) == shown
    assert not {unicodedata.category(char) for char in shown if char not in "\n\t"} & {"Cc", "Cs"}
    assert not any(unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI") for char in shown)
    shown.encode()


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_every_text_of_an_event_is_made_harmless_and_no_count_is_lost(event: Event) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written, told = Journal(Path(folder) / "j"), list[Event]()
        recorder = Recorder(written, [lambda entered, state, at: told.append(entered)], lambda: 1.0)
        recorder.emit(RunStarted("r1", "hub", NAMES))
        recorder.emit(event)
        written.close()
    assert all(harmless(text) == text for text in texts(asdict(told[-1])))
    counts, entered = getattr(event, "counts", Counts()), getattr(told[-1], "counts", Counts())
    assert (entered.skips, entered.rejects) == (counts.skips, counts.rejects)


def test_two_reasons_that_are_shown_alike_are_one(tmp_path: Path) -> None:
    written = Journal(tmp_path / "j")
    recorder = Recorder(written, clock=lambda: 1.0)
    recorder.emit(RunStarted("r1", "hub", NAMES))
    recorder.emit(LoaderProgress("opal/a", Counts(3, skipped={"\x1b": 1, "\\x1b": 2})))
    written.close()
    assert recorder.state.loaders["opal/a"].counts == Counts(3, skipped={"\\x1b": 3})


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in texts(item)]
    return [text for item in value for text in texts(item)] if isinstance(value, list) else []
