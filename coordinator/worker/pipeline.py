"""One loader's rows, one after another: label, transform, build, count. Every row ends as exactly one thing.

`Converter` decides what a row is; `convert` drives a stream through it (or through other processes that each have
one, see `pool`) into parts. A row's own trouble is a value
(rejected, kept raw); an exception that no odd row explains is the loader's bug and ends it.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import orjson

from ..contract import JoinedLoader, Loader, Reject, Row, Sample, Skip
from ..contract.build import Identity, Line, build
from ..contract.loader import LabelMap
from ..contract.violations import CODES
from ..events import MOST_REASONS, Counts
from ..redaction import redacted
from .failures import SourceError
from .parts import PartWriter
from .streams.base import Batch, Cursor, Stream, Unreadable

PART_BYTES = 8 * 2**20
COMMIT_SECONDS = 5.0
FIRST_COMMIT_SECONDS = 0.25
"""The first commit comes early: a source that gives rows is known to be written, too."""
PROGRESS_SECONDS = 0.25
REJECT_SHARE = 0.2
REJECT_ROWS = 1_000
LONGEST_SHOWN = 160
LONGEST_MESSAGE = 2_000
ROW_ERRORS: dict[type[Exception], str] = {
    LookupError: "E03",
    TypeError: "E04",
    AttributeError: "E04",
    ValueError: "E05",
    ArithmeticError: "E05",
    RecursionError: "E11",
}
"""What an unforeseen row raises in a transform, and the code it is rejected under."""
OTHER_REASONS = "other_reasons"
"""Where rows are counted whose reasons are too many to be told apart."""
_REASON = re.compile(r"[a-z][a-z0-9_]{0,63}")


class TransformBug(Exception):
    """A transform raised what no odd row explains; the cause is the exception, `row` names the row."""

    def __init__(self, row: str) -> None:
        super().__init__(row)
        self.row = row


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rejected row: its code, what is wrong with it, its quarantine record; `raised`: by what nobody foresaw."""

    code: str
    message: str
    record: bytes
    raised: bool = False


class Lines(NamedTuple):
    """The lines that a row gives, joined by newlines, and their keys, joined: they go together wherever they go."""

    number: int
    data: bytes
    keys: bytes

    @classmethod
    def of(cls, lines: list[Line]) -> Lines:
        """The lines, joined."""
        if len(lines) == 1:
            return cls(1, *lines[0])
        return cls(len(lines), b"\n".join([line.data for line in lines]), b"".join([line.key for line in lines]))


Outcome = Lines | Skip | Rejected
"""What becomes of a row."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Outcomes of the rows at `places` of the batch that begins at `state`."""

    state: dict[str, Any] | None
    places: range
    outcomes: Iterator[Outcome]


Convert = Callable[[Iterable[Batch], int], Iterator[Piece]]
"""From batches, of which so many rows are done already, to pieces in the same order."""


class _Unforeseen(Reject):
    """Of a row whose transform raised an exception that it does not know; the cause is the exception."""


@dataclass(slots=True)
class Converter:
    """A loader applied to single rows, and the balance of what became of them."""

    loader: Loader
    identity: Identity
    side: Any = None
    counts: Counts = field(default_factory=Counts)
    raised: int = 0
    """Rejected rows whose transform raised an unforeseen exception."""
    problem: str = ""
    """What was wrong with the row rejected last."""

    def outcome(self, row: Row | Unreadable) -> list[Line] | Skip | Reject:
        """What the row is. Raises `TransformBug`."""
        if isinstance(row, Unreadable):
            return Reject(row.code, row.message)
        position = f"{row.split}-{row.number}"
        try:
            return self._lines(row, position)
        except Reject as problem:
            problem.__traceback__ = None  # of one that is raised again and again it would grow with the rows
            if problem.code in CODES:
                return problem
            return Reject("E04", f"transform raised a Reject with {str(problem.code)[:80]!r}, which is no code")
        except Exception as error:
            code = next((code for kind, code in ROW_ERRORS.items() if isinstance(error, kind)), None)
            if code is None:
                raise TransformBug(position) from error
            rejected = _Unforeseen(code, f"{type(error).__name__}: {error} ({_place(error)})")
            rejected.__cause__ = error
            return rejected

    def _lines(self, row: Row, position: str) -> list[Line] | Skip:
        labels = self.loader.source.labels
        label = None if labels is None else standard_label(row, labels)
        if isinstance(label, Skip):
            return label
        made = self.loader.transform(row) if self.side is None else self._joined(row)
        if isinstance(made, Skip):
            return _counted(made)
        samples = made if isinstance(made, list) else [made]
        lines: list[Line] = []
        for index, sample in enumerate(samples):
            if not isinstance(sample, Sample):
                raise Reject("E04", f"transform gave {type(sample).__name__}, not a Sample or a Skip")
            if label is not None and sample.label is None:
                sample = replace(sample, label=label)
            line = build(sample, self.identity, position if len(samples) == 1 else f"{position}.{index}")
            if isinstance(line, Skip):
                return line
            lines.append(line)
        return lines or Skip("no_plan")

    def _joined(self, row: Row) -> Any:
        assert isinstance(self.loader, JoinedLoader)
        return self.loader.transform(row, self.side)

    def ended(self, row: Row | Unreadable) -> Outcome:
        """What becomes of the row. Raises `TransformBug`."""
        outcome = self.outcome(row)
        if isinstance(outcome, list):
            return Lines.of(outcome)
        if isinstance(outcome, Skip):
            return outcome
        raised = isinstance(outcome, _Unforeseen)
        trace = "".join(traceback.format_exception(outcome.__cause__)) if raised else ""
        if outcome.__cause__:
            outcome.__cause__.__traceback__ = None  # as in `outcome`
        message = str(outcome.message).encode("utf-8", "backslashreplace").decode()[:LONGEST_MESSAGE]
        return Rejected(outcome.code, message, quarantined(row, outcome, trace), raised)

    def convert(self, batches: Iterable[Batch], done: int) -> Iterator[Piece]:
        """See `Convert`: row by row, as the pieces are read."""
        for batch in batches:
            rows = batch.rows
            yield Piece(batch.state, range(done, len(rows)), map(self.ended, rows[done:] if done else rows))
            done = max(0, done - len(rows))

    def count(self, outcome: Outcome) -> None:
        """Enter an outcome into the balance."""
        counts = self.counts
        counts.read += 1
        if isinstance(outcome, Lines):
            counts.accepted += 1
            counts.samples += outcome.number
        elif isinstance(outcome, Skip):
            _enter(counts.skipped, outcome.reason)
        else:
            _enter(counts.rejected, outcome.code)
            self.problem = outcome.message
            self.raised += isinstance(outcome, Rejected) and outcome.raised

    def check_health(self, finished: bool) -> None:
        """Raises `SourceError` where so many rows are rejected that the loader cannot be right."""
        counts = self.counts
        bad = counts.rejects > REJECT_SHARE * counts.read if counts.read >= REJECT_ROWS else False
        barren = finished and counts.read > 0 and not counts.accepted and not counts.skips
        if not (bad or barren):
            return
        codes = ", ".join(f"{code} {n:,}" for code, n in sorted(counts.rejected.items(), key=lambda item: -item[1]))
        raised = self.raised > counts.rejects / 2
        raise SourceError(
            "loader_bug" if raised else "contract",
            f"{counts.rejects:,} of {counts.read:,} rows rejected ({codes}){_shown(self.problem)}",
            "Look at the rejected rows (polecats failures), then mend the loader.",
        )


def _shown(message: Any) -> str:
    """The beginning of a row's trouble, in a line; nothing where nothing is known of it."""
    text = " ".join(_writable(message)[:LONGEST_SHOWN].split())
    return f"; the last: {text}" if text else ""


def standard_label(row: Row, labels: LabelMap) -> Any:
    """The label that the source's map gives a row, or a `Skip`. Raises `Reject` E05."""
    value: Any = row
    for key in labels.column.split("."):
        if not isinstance(value, Mapping) or key not in value:
            raise Reject(
                "E03",
                f"no {labels.column}, which decides the label; the row has {sorted(row)}",
                labels.column,
            )
        value = value[key]
    if not isinstance(value, str | int | bool | None):
        raise Reject("E04", f"{labels.column} is {type(value).__name__}, not a label", labels.column)
    if value in labels.labels:
        return labels.labels[value]
    reason = labels.skips.get(value, labels.other)
    if reason is None:
        raise Reject("E05", f"unknown label {value!r} in {labels.column}", labels.column)
    return Skip(reason)


def quarantined(row: Row | Unreadable, problem: Reject, trace: str) -> bytes:
    """The quarantine record of a rejected row: where, why, and the raw row. No part of it holds a credential."""
    raw: Any = row.raw if isinstance(row, Unreadable) else row
    record = {
        "split": row.split,
        "number": row.number,
        "code": problem.code,
        "field": _writable(problem.field),
        "message": _writable(problem.message)[:LONGEST_MESSAGE],
        "traceback": _writable(trace),
    }
    return redacted(_dumped(record, raw).decode()).encode()


def _dumped(record: dict[str, Any], raw: Any) -> bytes:
    try:
        return orjson.dumps({**record, "raw": raw}, default=str, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, RecursionError):
        with suppress(RecursionError):
            return orjson.dumps({**record, "raw": ascii(raw)})
        return orjson.dumps({**record, "raw": "nested too deep to be written"})


def _writable(text: Any) -> str:
    """As UTF-8 can hold it, without credentials: a transform's words may quote half a surrogate pair, or a token."""
    return redacted(str(text).encode("utf-8", "backslashreplace").decode())


def _enter(tally: dict[str, int], reason: str) -> None:
    if reason not in tally and len(tally) >= MOST_REASONS - 1:
        reason = OTHER_REASONS
    tally[reason] = tally.get(reason, 0) + 1


def _counted(skip: Skip) -> Skip:
    """The skip, if its reason can be counted: one that quotes the row would grow with the source."""
    if isinstance(skip.reason, str) and _REASON.fullmatch(skip.reason):
        return skip
    raise Reject("E04", f"transform skipped with {str(skip.reason)[:80]!r}, which is no snake_case word")


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    frame = frames[-1]
    return f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"


@dataclass(slots=True)
class Drive:
    """What `convert` needs beside the converter: where rows go, when to stop, whom to tell, what time it is."""

    writer: PartWriter
    cap: int
    """Samples at most; 0 = all."""
    stopping: Callable[[], bool]
    progress: Callable[[], None]
    clock: Callable[[], float]


def convert(stream: Stream, converter: Converter, drive: Drive, elsewhere: Convert | None = None) -> str:
    """Drive the stream from the last commit to its end, the cap or a stop; returns `done`, `capped` or `stopped`.

    `elsewhere` converts the rows, if not `converter` itself, which then only counts. Commits by size and time and at
    the end. Whatever ends it early, the rows before are committed first.
    """
    last = drive.writer.last
    state, taken = last.cursor if last else Cursor(None, 0)
    committed = told = drive.clock()
    pause = FIRST_COMMIT_SECONDS
    try:
        for piece in (elsewhere or converter.convert)(stream.batches(state), taken):
            for place in piece.places:
                if drive.cap and converter.counts.samples >= drive.cap:
                    return _end(drive, Cursor(state, taken), converter, "capped")
                _enter_row(next(piece.outcomes), converter, drive.writer)
                state, taken = piece.state, place + 1
            converter.check_health(finished=False)
            now = drive.clock()
            if drive.writer.size >= PART_BYTES or now - committed >= pause:
                drive.writer.commit(Cursor(state, taken), converter.counts, done=False)
                committed, pause = now, COMMIT_SECONDS
            if now - told >= PROGRESS_SECONDS:
                drive.progress()
                told = now
            if drive.stopping():
                return _end(drive, Cursor(state, taken), converter, "stopped")
        converter.check_health(finished=True)
    except OSError:
        with suppress(OSError):  # a network that fails leaves the disk; a disk that fails tells so twice
            _end(drive, Cursor(state, taken), converter, "stopped")
        raise
    except Exception:
        _end(drive, Cursor(state, taken), converter, "stopped")
        raise
    return _end(drive, Cursor(state, taken), converter, "done")


def _enter_row(outcome: Outcome, converter: Converter, writer: PartWriter) -> None:
    converter.count(outcome)
    if isinstance(outcome, Lines):
        writer.add(*outcome)
    elif isinstance(outcome, Rejected):
        writer.reject(outcome.record)


def _end(drive: Drive, cursor: Cursor, converter: Converter, how: str) -> str:
    drive.writer.commit(cursor, converter.counts, done=how == "done")
    return how
