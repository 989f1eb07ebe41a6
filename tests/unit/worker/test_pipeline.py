"""The pipeline: every row ends as exactly one thing, and an end of any kind leaves the rows before it committed."""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.contract import Call, HubSource, LabelMap, Loader, Reject, Row, Sample, Skip
from coordinator.contract.build import Identity
from coordinator.events import Counts
from coordinator.worker.failures import SourceError
from coordinator.worker.parts import PartWriter, read_commits
from coordinator.worker.pipeline import (
    COMMIT_SECONDS,
    FIRST_COMMIT_SECONDS,
    Converter,
    Drive,
    Lines,
    TransformBug,
    convert,
    quarantined,
    standard_label,
)
from coordinator.worker.streams.base import Batch, Unreadable, make_row

WHO = Identity("acme/it", "it", "function_calling")
Act = Callable[[Row], Any]


def sample(row: Any) -> Sample:
    return Sample(f"Do {row['n']}.", [Call("act", {"n": row["n"]})])


class It(Loader):
    """Does what the test says."""

    source = HubSource(repo="acme/it", builder="lines", files={})
    category = "function_calling"

    def __init__(self, act: Act = sample, labels: LabelMap | None = None) -> None:
        self.act = act
        self.source = HubSource(repo="acme/it", builder="lines", files={}, labels=labels)  # type: ignore[misc]

    def transform(self, row: Row) -> Any:
        return self.act(row)


class Rows:
    """A stream of `total` rows in batches of `size`; its state is the number of its first row."""

    rows_total: int | None = None
    bytes_read = 0
    replayed = 0

    def __init__(self, total: int, size: int = 100, end: Exception | None = None) -> None:
        self.total, self.size, self.end = total, size, end

    def batches(self, state: dict[str, Any] | None) -> Iterator[Batch]:
        for begin in range(state["at"] if state else 0, self.total, self.size):
            rows: list[Row | Unreadable] = [
                make_row({"n": n}, "train", n) for n in range(begin, min(begin + self.size, self.total))
            ]
            yield Batch(rows, {"at": begin})
        if self.end:
            raise self.end


class Run:
    """One loader's folder, driven as often as wanted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts = Counts()

    def __call__(self, rows: Rows, act: Act = sample, cap: int = 0, stop_after: int = -1, tick: float = 0) -> str:
        writer = PartWriter(self.folder, lambda handle: None)
        writer.open({})
        self.counts = writer.last.counts.copy() if writer.last else Counts()
        calls = itertools.count(1)
        ticks = itertools.count()
        drive = Drive(writer, cap, lambda: next(calls) == stop_after, lambda: None, lambda: next(ticks) * tick)
        return convert(rows, Converter(It(act), WHO, None, self.counts), drive)

    def numbers(self) -> list[int]:
        """n of every committed line, in order."""
        commits, _ = read_commits(self.folder)
        files = [self.folder / commit.part.name for commit in commits if commit.part]
        lines = [line for path in files for line in path.read_bytes().splitlines()]
        return [json.loads(line)["execution_plan"]["nodes"][0]["arguments"]["n"] for line in lines]

    def rejects(self) -> list[dict[str, Any]]:
        commits, _ = read_commits(self.folder)
        files = [self.folder / commit.rejects.name for commit in commits if commit.rejects]
        return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "it")


def outcome(act: Act, row: Any = None, labels: LabelMap | None = None) -> Any:
    given_row = make_row(row or {"n": 1}, "train", 5)
    return Converter(It(act, labels), WHO).outcome(given_row)


def raising(error: BaseException) -> Act:
    def act(row: Row) -> Any:
        raise error

    return act


ACTS: dict[str, Act] = {
    "sample": sample,
    "skip": lambda row: Skip("no_call"),
    "none": lambda row: [],
    "two": lambda row: [sample(row), sample(row)],
    "reject": raising(Reject("E11", "no")),
    "key": raising(KeyError("x")),
    "type": raising(TypeError()),
    "bad": lambda row: Sample("", []),
    "half": lambda row: [sample(row), None],
    "nonsense": lambda row: 7,
}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*ACTS, "unreadable"]), max_size=40))
def test_the_balance_closes_for_every_mixture(kinds: list[str]) -> None:
    converter = Converter(It(lambda row: ACTS[row["kind"]](row)), WHO)
    lines = 0
    for number, kind in enumerate(kinds):
        row: Any = make_row({"n": number, "kind": kind}, "train", number)
        made = converter.ended(Unreadable("train", number, "E02", "no", "x") if kind == "unreadable" else row)
        converter.count(made)
        lines += made.number if isinstance(made, Lines) else 0
    counts = converter.counts
    assert counts.closes()
    assert counts.read == len(kinds)
    assert counts.samples == lines
    assert counts.accepted == kinds.count("sample") + kinds.count("two")
    assert counts.skipped.get("no_plan", 0) == kinds.count("none")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyError("x"), "E03"),
        (IndexError(), "E03"),
        (TypeError(), "E04"),
        (AttributeError(), "E04"),
        (ValueError(), "E05"),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "no"), "E05"),
        (ZeroDivisionError(), "E05"),
        (OverflowError(), "E05"),
        (RecursionError(), "E11"),
        (Reject("E08", "no"), "E08"),
        (Reject("BAD", "no"), "E04"),
        (Reject(None, "no"), "E04"),  # type: ignore[arg-type]
    ],
)
def test_what_a_row_can_do_to_a_transform_is_a_reject(error: Exception, code: str) -> None:
    assert outcome(raising(error)).code == code


@pytest.mark.parametrize("error", [RuntimeError("x"), OSError("x"), AssertionError(), NameError("x"), MemoryError()])
def test_what_no_row_can_do_is_the_loaders_bug(error: Exception) -> None:
    with pytest.raises(TransformBug, match="train-5") as caught:
        outcome(raising(error))
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "made", [None, 7, "x", {"query": "x"}, (), object(), Sample, [None], [[]], iter([]), [Skip("a")]]
)
def test_nonsense_from_a_transform_is_a_reject(made: Any) -> None:
    assert outcome(lambda row: made).code == "E04"


@pytest.mark.parametrize("reason", ["", "Two words", "x" * 65, "\ud800", None, 7, ["x"], {}])
def test_a_reason_that_cannot_be_counted_is_a_reject(reason: Any) -> None:
    assert outcome(lambda row: Skip(reason)).code == "E04"


def test_a_list_gives_a_line_each_with_its_own_id() -> None:
    made = outcome(lambda row: [sample(row), sample(row)])
    assert [json.loads(line.data)["original_id"] for line in made] == ["train-5.0", "train-5.1"]
    assert [json.loads(line.data)["original_id"] for line in outcome(sample)] == ["train-5"]


def test_a_bug_names_the_row_and_keeps_the_rows_before(run: Run) -> None:
    def act(row: Row) -> Sample:
        if row["n"] == 50_000:
            raise RuntimeError("odd")
        return sample(row)

    with pytest.raises(TransformBug, match="train-50000"):
        run(Rows(50_100, 1_000), act)
    assert run.numbers() == list(range(50_000))
    assert run(Rows(50_100, 1_000)) == "done"
    assert run.numbers() == list(range(50_100))


@pytest.mark.parametrize("error", [ConnectionError("gone"), SourceError("parse", "broken", "mend"), OSError(5, "io")])
def test_a_source_that_ends_badly_keeps_the_rows_before(run: Run, error: Exception) -> None:
    with pytest.raises(type(error)):
        run(Rows(250, end=error))
    assert run.numbers() == list(range(250))
    assert run(Rows(300)) == "done"
    assert run.numbers() == list(range(300))


@pytest.mark.parametrize("cap", [1, 99, 100, 101, 250])
def test_the_cap_is_exact_and_raising_it_goes_on(run: Run, cap: int) -> None:
    assert run(Rows(300), cap=cap) == "capped"
    assert run.numbers() == list(range(cap))
    assert run(Rows(300), cap=cap) == "capped"
    assert run(Rows(300), cap=cap + 1) == "capped"
    assert run.numbers() == list(range(cap + 1))
    assert run(Rows(300)) == "done"
    assert run.numbers() == list(range(300))
    assert run.counts.samples == 300


def test_a_cap_that_is_not_reached_is_done(run: Run) -> None:
    assert run(Rows(300), cap=300) == "done"


def test_it_stops_after_the_batch_and_goes_on(run: Run) -> None:
    for stops in (1, 2, 3):  # the batch that holds the cursor comes once more, with no row left
        assert run(Rows(350), stop_after=min(stops, 2)) == "stopped"
        assert run.numbers() == list(range(100 * stops))
    assert run(Rows(350)) == "done"
    assert run.numbers() == list(range(350))


def test_a_cursor_of_longer_batches_still_counts_rows(run: Run) -> None:
    assert run(Rows(300, 100), cap=90) == "capped"
    assert run(Rows(300, 40)) == "done"
    assert run.numbers() == list(range(300))


def test_time_makes_it_commit(run: Run) -> None:
    assert run(Rows(500), tick=COMMIT_SECONDS) == "done"
    assert len(read_commits(run.folder)[0]) == 6


def test_the_first_commit_comes_early_and_the_next_at_their_time(run: Run) -> None:
    assert run(Rows(1_000), tick=FIRST_COMMIT_SECONDS) == "done"
    assert [commit.counts.read for commit in read_commits(run.folder)[0]] == [100, 1_000]


def every(count: int, error: Exception) -> Act:
    return lambda row: raising(error)(row) if row["n"] % 10 < count else sample(row)


@pytest.mark.parametrize(("error", "failure_class"), [(Reject("E11", "no"), "contract"), (KeyError("x"), "loader_bug")])
def test_a_fifth_of_rejects_is_too_much_after_a_thousand_rows(run: Run, error: Exception, failure_class: str) -> None:
    assert run(Rows(5_000), every(2, error)) == "done"
    other = Run(run.folder.with_name("other"))
    with pytest.raises(SourceError, match="rows rejected") as caught:
        other(Rows(5_000), every(3, error))
    assert caught.value.failure_class == failure_class
    assert other.counts.read == 1_000
    assert len(other.rejects()) == 300


def test_rows_of_which_none_is_accepted_or_skipped_are_a_failure(run: Run, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="3 of 3"):
        run(Rows(3), raising(Reject("E11", "no")))
    assert Run(tmp_path / "skipped")(Rows(3), lambda row: Skip("no_call")) == "done"
    assert Run(tmp_path / "none")(Rows(0)) == "done"


RAWS = [
    {"at": datetime.datetime(2026, 1, 2), "b": b"\xff", "n": 2**70},
    {"text": "\ud800", "nested": {"\udfff": ["\ud800"]}},
    {1: {2: 3}, "set": {4}},
    {"nan": float("nan")},
]


@pytest.mark.parametrize("raw", RAWS)
@pytest.mark.parametrize("message", ["plain", "half \ud800", "x" * 5_000, None])
def test_quarantine_holds_any_row(raw: dict[Any, Any], message: Any) -> None:
    problem = Reject("E11", message, "a.\ud800")
    record = json.loads(quarantined(make_row(raw, "train", 7), problem, "trace \udfff"))
    assert (record["split"], record["number"], record["code"]) == ("train", 7, "E11")
    assert record["raw"]
    assert len(record["message"]) <= 2_000


def test_quarantine_holds_a_row_too_deep_to_write() -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    assert json.loads(quarantined(make_row({"x": deep}, "train", 1), Reject("E02", "deep"), ""))["raw"]


def test_an_unforeseen_exception_is_kept_with_its_traceback(run: Run) -> None:
    run(Rows(10), every(1, KeyError("missing")))
    (record,) = run.rejects()
    assert record["raw"] == {"n": 0}
    assert "KeyError: 'missing'" in record["traceback"]
    assert "test_pipeline.py" in record["message"]


LABELS = LabelMap(
    column="a.verdict", labels={"safe": "benign", "bad": "adversarial", None: "boundary"}, skips={"odd": "odd"}
)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"a": {"verdict": "safe"}}, "benign"),
        ({"a": {"verdict": "bad"}}, "adversarial"),
        ({"a": {"verdict": None}}, "boundary"),
        ({"a": {"verdict": "odd"}}, Skip("odd")),
    ],
)
def test_a_label_is_standardised(row: Any, expected: Any) -> None:
    assert standard_label(row, LABELS) == expected


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"a": {"verdict": "new"}}, "E05"),
        ({"a": {"verdict": ["safe"]}}, "E04"),
        ({"a": {"verdict": 1.0}}, "E04"),
        ({"a": {}}, "E03"),
        ({"a": None}, "E03"),
        ({"a": "safe"}, "E03"),
        ({}, "E03"),
    ],
)
def test_an_unclear_label_is_never_benign(row: Any, code: str) -> None:
    with pytest.raises(Reject) as caught:
        standard_label(row, LABELS)
    assert caught.value.code == code


def test_an_open_vocabulary_is_skipped() -> None:
    labels = LabelMap(column="v", labels={None: "benign"}, other="attack")
    assert standard_label(Row({"v": "anything"}), labels) == Skip("attack")


def test_one_rows_label_does_not_stick_to_the_next() -> None:
    shared = Sample("Do it.", [Call("act", {})])
    made = [outcome(lambda row: shared, {"a": {"verdict": verdict}}, LABELS) for verdict in ("bad", "safe")]
    assert isinstance(made[0], Reject), "a negative without a mutation"
    assert made[0].code == "E14"
    assert json.loads(made[1][0].data)["label"] == "benign"
