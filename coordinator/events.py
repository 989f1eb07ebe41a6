"""What a worker tells: plain values that travel as JSON and stand in the journal.

Each event class has a `kind`; `encode` and `decode` are inverse. No behaviour, no clock.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from types import UnionType
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

FailureClass = Literal[
    "gated",
    "not_found",
    "config_missing",
    "split_missing",
    "script_unsupported",
    "schema_cast",
    "parse",
    "network",
    "rate_limited",
    "stalled",
    "empty_upstream",
    "contract",
    "loader_bug",
    "killed",
    "out_of_memory",
    "disk_full",
    "disk_error",
    "worktree",
    "auth",
    "internal",
]
TrackState = Literal["PENDING", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "STOPPED", "FINISHED", "FATAL"]
LoaderState = Literal[
    "QUEUED", "OPENING", "STREAMING", "DONE", "CAPPED", "EMPTY", "FAILED", "STALLED", "SKIPPED", "STOPPED"
]


Bound = Literal["", "network", "converter"]
"""What keeps a loader that reads from the Hub from being faster: bytes that have not come, or rows that wait to be
converted; empty where nothing comes over the wire."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a loader failed: class, what happened, what to do, the traceback if any, a command that shows it again."""

    failure_class: FailureClass
    sentence: str
    remedy: str
    traceback: str = ""
    reproduce: str = ""
    offline: bool = False
    """Whether the Hub was not even reached."""


@dataclass(slots=True)
class Counts:
    """The balance of a loader: read = accepted + sum(skipped) + sum(rejected), in rows; samples are lines."""

    read: int = 0
    accepted: int = 0
    samples: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)

    @property
    def skips(self) -> int:
        """Rows skipped, all reasons."""
        return sum(self.skipped.values())

    @property
    def rejects(self) -> int:
        """Rows rejected, all codes."""
        return sum(self.rejected.values())

    def closes(self) -> bool:
        """Whether every row that was read is accounted for."""
        return self.read == self.accepted + self.skips + self.rejects

    def copy(self) -> Counts:
        """A copy that later rows do not change."""
        return Counts(self.read, self.accepted, self.samples, dict(self.skipped), dict(self.rejected))


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins: its id, source and loaders (`track/loader`) in merge order."""

    kind: ClassVar[str] = "run_started"
    run: str
    source: str
    loaders: list[str]


@dataclass(frozen=True, slots=True)
class TrackChanged:
    """A track's worker changes state. `until`: when a BACKOFF ends (seconds since the epoch); `note`: why."""

    kind: ClassVar[str] = "track_changed"
    track: str
    state: TrackState
    attempt: int = 0
    pid: int | None = None
    until: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class LoaderQueued:
    """A loader waits (again) for its worker: asked for by a person, or to be tried again."""

    kind: ClassVar[str] = "loader_queued"
    loader: str


@dataclass(frozen=True, slots=True)
class LoaderOpening:
    """A loader's source is being looked up and opened."""

    kind: ClassVar[str] = "loader_opening"
    loader: str


@dataclass(frozen=True, slots=True)
class LoaderOpened:
    """Rows are about to flow. `rows` is the total where the files tell it; `resumed` rows were committed before.

    `to_fetch`: bytes that have to come over the wire for it, where that is known (0: none, or not known).
    """

    kind: ClassVar[str] = "loader_opened"
    loader: str
    rows: int | None
    resumed: int
    to_fetch: int = 0


@dataclass(frozen=True, slots=True)
class LoaderProgress:
    """Where a loader stands. `replayed`: rows read again and dropped to reach the resume point."""

    kind: ClassVar[str] = "loader_progress"
    loader: str
    counts: Counts
    bytes_read: int = 0
    replayed: int = 0
    wire: int = 0
    """Bytes that came over the wire for it."""
    cached: int = 0
    """Bytes of its files that were read from the cache on disk and had been there before."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A worker lives. Progress is a change of rows, replayed or bytes; `idle` is seconds since the last."""

    kind: ClassVar[str] = "heartbeat"
    loader: str
    rows: int
    replayed: int
    bytes_read: int
    idle: float
    wire: int = 0
    cached: int = 0
    bound: Bound = ""
    """What it waited for most since the last one."""
    connects: int = 0
    """Times that it was told of another number of connections to the Hub, and keeps to the last."""


@dataclass(frozen=True, slots=True)
class LoaderWaiting:
    """A loader waits `seconds` from now before it asks again. `shared`: the Hub said so, it holds for the whole run."""

    kind: ClassVar[str] = "loader_waiting"
    loader: str
    seconds: float
    reason: str
    shared: bool = False


@dataclass(frozen=True, slots=True)
class LoaderWarned:
    """Something a person should know that does not stop the loader."""

    kind: ClassVar[str] = "loader_warned"
    loader: str
    sentence: str


@dataclass(frozen=True, slots=True)
class LoaderFinished:
    """A loader's end. `reused`: everything was committed by an earlier run."""

    kind: ClassVar[str] = "loader_finished"
    loader: str
    state: LoaderState
    counts: Counts
    failure: Failure | None = None
    reused: bool = False


@dataclass(frozen=True, slots=True)
class WorkerDone:
    """A worker's last word: every loader it was given has ended. Success is read from this, not from an exit code."""

    kind: ClassVar[str] = "worker_done"
    track: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run's end; `exit_code` as `errors.ExitCode`."""

    kind: ClassVar[str] = "run_finished"
    exit_code: int


Event = (
    RunStarted
    | TrackChanged
    | LoaderQueued
    | LoaderOpening
    | LoaderOpened
    | LoaderProgress
    | Heartbeat
    | LoaderWaiting
    | LoaderWarned
    | LoaderFinished
    | WorkerDone
    | RunFinished
)
_CLASSES: dict[str, type[Event]] = {cls.kind: cls for cls in get_args(Event)}
_HINTS: dict[type[Any], dict[str, Any]] = {cls: get_type_hints(cls) for cls in (*_CLASSES.values(), Counts, Failure)}
_LARGEST = 2**53
MOST_REASONS = 1_000
"""Different reasons that a balance tells apart at most: the state of a run stays small, whatever a loader says."""
Checked = TypeVar("Checked", bound=Event | Counts | Failure)


def encode(event: Event) -> dict[str, Any]:
    """The event as JSON values."""
    return {"kind": event.kind, **asdict(event)}


def decode(data: dict[str, Any]) -> Event:
    """The event that `encode` wrote. Raises `ValueError` for anything else."""
    values = dict(data)
    try:
        cls = _CLASSES[values.pop("kind")]
        if isinstance(values.get("counts"), dict):
            values["counts"] = decode_counts(values["counts"])
        if isinstance(values.get("failure"), dict):
            values["failure"] = _checked(Failure(**values["failure"]))
        return _checked(cls(**values))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an event: {error}") from None


def decode_counts(data: dict[str, Any]) -> Counts:
    """The counts that an event or a commit holds. Raises `TypeError` for anything else."""
    return _checked(Counts(**data))


def _checked(value: Checked) -> Checked:
    """The value, if each of its fields is what it is declared to be: a worker's line may hold anything."""
    for item in fields(value):
        if not _fits(getattr(value, item.name), _HINTS[type(value)][item.name]):
            raise TypeError(f"{item.name} is {type(getattr(value, item.name)).__name__}")
    return value


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is UnionType:
        return any(_fits(value, one) for one in inner)
    if origin is list:
        return isinstance(value, list) and all(_fits(item, inner[0]) for item in value)
    if origin is dict:
        few = isinstance(value, dict) and len(value) <= MOST_REASONS
        return few and all(_fits(k, inner[0]) and _fits(v, inner[1]) for k, v in value.items())
    if hint in (int, float):
        return isinstance(value, int | hint) and not isinstance(value, bool) and 0 <= value <= _LARGEST
    return isinstance(value, hint)
