"""Writes the named journals of this folder: `python tests/journals/build.py`. The same bytes every time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

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
    LoaderQueued,
    LoaderWaiting,
    LoaderWarned,
    RunFinished,
    RunStarted,
    TrackChanged,
    WorkerDone,
    encode,
)

HERE = Path(__file__).parent
BEGIN = 1_800_000_000.0
RUN = "20270115-080000-0001234"
Timed = tuple[float, Event]
TRACKS = {
    "quartz": {"salesforce_xlam": 60_000, "toolbank": 72_007, "hermes_function_calling": 11_578, "glaive_v2": 112_960},
    "opal": {"wildchat": 530_000, "lmsys_chat_1m": 1_000_000, "oasst2": 13_854, "no_robots": 9_500},
    "jasper": {"math": 7_500, "math_hard": 2_300, "gsm8k": 7_473, "orca_math": 200_035},
    "topaz": {"code_feedback": 66_383, "evol_instruct_code": 111_272},
    "ruby": {"self_instruct": 175},
}
MISSING = Failure(
    "config_missing",
    "ValueError: Config name is missing. Please pick one among the available configs: ['algebra', 'geometry']",
    "Name a config in the loader's HubSource.",
    'Traceback (most recent call last):\n  File "/repo/tracks/jasper/math.py", line 41, in transform\n'
    '    load_dataset(REPO, split="train")\nValueError: Config name is missing.\n',
    "polecats check jasper/math",
)
GATED = Failure(
    "gated",
    "DatasetNotFoundError: Dataset 'Salesforce/xlam' is a gated dataset on the Hub",
    "Accept the licence on the dataset's Hub page, set HF_TOKEN, then run again.",
    "",
    "polecats check quartz/salesforce_xlam",
)
HOSTILE = "\x1b[31m[red]bold[/red] [@click=app.quit]x[/] \x07\x9b2J \u202egnp.exe 世界 \ud800 [/]"


def run_of(tracks: dict[str, dict[str, int]], after: Iterable[Timed], source: str = "hub") -> Iterator[Timed]:
    """A run's beginning, then `after` by time."""
    yield BEGIN, RunStarted(RUN, source, [f"{track}/{name}" for track, names in tracks.items() for name in names])
    for number, track in enumerate(tracks):
        yield BEGIN + 0.1, TrackChanged(track, "RUNNING", 0, 4_000_000 + number)
    yield from sorted(after, key=lambda one: one[0])


def reading(
    name: str, rows: int | None, rate: float, begin: float, end: float, rejects: int = 0, resumed: int = 0
) -> Iterator[Timed]:
    """A loader that reads evenly from `begin` to `end` (seconds of the run)."""
    yield BEGIN + begin, LoaderOpening(name)
    yield BEGIN + begin + 0.5, LoaderOpened(name, rows, resumed)
    second = begin + 1
    while second < end:
        read = resumed + int(rate * (second - begin))
        yield BEGIN + second, LoaderProgress(name, counted(read, rejects), read * 300)
        yield BEGIN + second, Heartbeat(name, read, 0, read * 300, 0.4)
        second += 2


def counted(read: int, rejects: int = 0) -> Counts:
    """A balance that closes."""
    lost = min(rejects, read)
    return Counts(read, read - lost, read - lost, {}, {"E07": lost} if lost else {})


def done(name: str, read: int, at: float, rejects: int = 0) -> Timed:
    """A loader's good end."""
    return BEGIN + at, LoaderFinished(name, "DONE", counted(read, rejects))


def failed(name: str, why: Failure, at: float) -> Timed:
    """A loader's bad end."""
    return BEGIN + at, LoaderFinished(name, "FAILED", Counts(), why)


def happy() -> Iterator[Timed]:
    """In the middle of a run with nothing wrong."""
    after = [
        *reading("quartz/salesforce_xlam", 60_000, 1_000, 1, 60),
        *reading("opal/wildchat", 530_000, 2_100, 1, 60, rejects=1_809),
        *reading("jasper/math", 7_500, 500, 1, 16),
        done("jasper/math", 7_500, 16),
        *reading("jasper/math_hard", 2_300, 300, 17, 60),
        *reading("topaz/code_feedback", None, 800, 1, 60),
        *reading("ruby/self_instruct", 175, 100, 1, 3),
        done("ruby/self_instruct", 175, 3),
        (BEGIN + 3.2, WorkerDone("ruby")),
        (BEGIN + 3.4, TrackChanged("ruby", "FINISHED")),
    ]
    return run_of(TRACKS, after)


def all_done() -> Iterator[Timed]:
    """Everything read, nothing wrong."""
    ends = [done(f"{t}/{name}", rows, 20.0, rows // 200) for t, names in TRACKS.items() for name, rows in names.items()]
    finished = [(BEGIN + 21, TrackChanged(track, "FINISHED")) for track in TRACKS]
    return run_of(TRACKS, [*ends, *finished, (BEGIN + 22, RunFinished(0))])


def all_failed() -> Iterator[Timed]:
    """No network: one incident."""
    ends = []
    for track, names in TRACKS.items():
        for number, name in enumerate(names):
            sentence = f"ConnectError: [Errno -3] Temporary failure in name resolution for {name}"
            why = Failure(
                "network", sentence, "Check the connection and run again.", "", f"polecats check {track}/{name}"
            )
            ends.append(failed(f"{track}/{name}", why, 5.0 + number))
        ends.append((BEGIN + 12, TrackChanged(track, "FINISHED")))
    return run_of(TRACKS, [*ends, (BEGIN + 13, RunFinished(3))])


def empty() -> Iterator[Timed]:
    """A run of nothing."""
    return run_of({}, [])


def many() -> Iterator[Timed]:
    """60 loaders in 10 tracks, with long names."""
    tracks = {
        f"track_{t:02}": {
            ("an_unreasonably_long_dataset_name_with_a_suffix_" if n % 3 == 0 else "set_") + f"{t}{n}": 10_000
            for n in range(6)
        }
        for t in range(10)
    }
    after: list[Timed] = []
    for number, (track, names) in enumerate(tracks.items()):
        first, second, *_ = names
        after += [*reading(f"{track}/{first}", 10_000, 1_000, 1, 11), done(f"{track}/{first}", 10_000, 11, number)]
        after += reading(f"{track}/{second}", 10_000, 50 + 10 * number, 12, 60)
    return run_of(tracks, after)


def stalled_retrying() -> Iterator[Timed]:
    """Something of everything: failed twice for one cause, gated, stalled, tried again, killed and queued again."""
    limited: FailureClass = "rate_limited"
    why = Failure(limited, "HTTPError: 429 Client Error: Too Many Requests", "Wait a while.", "", "polecats check x")
    hard = Failure(
        "config_missing", MISSING.sentence, MISSING.remedy, MISSING.traceback, "polecats check jasper/math_hard"
    )
    after = [
        failed("quartz/salesforce_xlam", GATED, 2),
        *reading("quartz/toolbank", 72_007, 900, 3, 24, rejects=12),
        *((BEGIN + 24 + n, Heartbeat("quartz/toolbank", 18_900, 0, 5_670_000, float(n))) for n in range(2, 76, 2)),
        *reading("opal/wildchat", 530_000, 2_100, 1, 20),
        (BEGIN + 20, LoaderFinished("opal/wildchat", "FAILED", counted(39_900), why)),
        (BEGIN + 90, TrackChanged("opal", "BACKOFF", 1, None, BEGIN + 118, "opal/wildchat: tried again")),
        failed("jasper/math", MISSING, 3),
        failed("jasper/math_hard", hard, 4),
        done("jasper/gsm8k", 7_473, 9),
        *reading("jasper/orca_math", 200_035, 1_500, 10, 100, rejects=9_211),
        *reading("topaz/code_feedback", 66_383, 400, 1, 100),
        (BEGIN + 5, LoaderWarned("topaz/code_feedback", "two files are smaller than they were")),
        (BEGIN + 30, LoaderQueued("ruby/self_instruct")),
        (BEGIN + 95, TrackChanged("ruby", "BACKOFF", 2, None, BEGIN + 140,
                                  "the worker of ruby/self_instruct ended by signal 9 without a word")),
    ]  # fmt: skip
    return run_of(TRACKS, after)


def waiting() -> Iterator[Timed]:
    """The Hub's limit holds for three tracks; a fourth waits for a moment because of something else."""
    limited = "429 from the Hub"
    after = [
        *reading("quartz/salesforce_xlam", 60_000, 1_000, 1, 30),
        (BEGIN + 29.5, LoaderWaiting("quartz/salesforce_xlam", 60.0, limited, shared=True)),
        *reading("opal/wildchat", 530_000, 2_100, 1, 32),
        (BEGIN + 30.2, LoaderWaiting("opal/wildchat", 59.4, limited)),
        (BEGIN + 31.0, LoaderOpening("jasper/math")),
        (BEGIN + 31.1, LoaderWaiting("jasper/math", 58.6, limited)),
        *reading("topaz/code_feedback", 66_383, 400, 1, 57),
        (BEGIN + 57.0, LoaderWaiting("topaz/code_feedback", 4.0, "500 from the Hub")),
        *reading("ruby/self_instruct", 175, 100, 1, 3),
        done("ruby/self_instruct", 175, 3),
        *((BEGIN + second, Heartbeat("opal/wildchat", 65_100, 0, 19_530_000, 0.4)) for second in range(33, 59)),
    ]
    return run_of(TRACKS, after)


def fetching() -> Iterator[Timed]:
    """Over the wire: bound by it, by the converter, by no bytes yet, of unknown rows; the Hub's limit; the cache."""
    after = [
        *over_wire("quartz/salesforce_xlam", 60_000, 700, 96_000_000, 1_100_000.0, "network"),
        *over_wire("opal/wildchat", 530_000, 2_100, 2_600_000_000, 10_400_000.0, "converter", cached=412_000_000),
        *over_wire("jasper/math", 7_500, 0, 160_000_000, 2_400_000.0, "network"),
        *over_wire("topaz/code_feedback", None, 800, 183_000_000, 1_900_000.0, "network"),
        *over_wire("ruby/self_instruct", 175, 100, 0, 0.0, "converter", cached=1_300_000, end=3),
        done("ruby/self_instruct", 175, 3),
    ]
    return run_of(TRACKS, after)


def over_wire(
    name: str,
    rows: int | None,
    rate: float,
    to_fetch: int,
    speed: float,
    bound: Bound,
    cached: int = 0,
    end: int = 60,
) -> Iterator[Timed]:
    """A loader that reads evenly from the Hub, at `rate` rows and `speed` bytes a second."""
    yield BEGIN + 1, LoaderOpening(name)
    yield BEGIN + 1.5, LoaderOpened(name, rows, 0, to_fetch)
    for second in range(2, end, 2):
        read, wire = int(rate * (second - 1)), int(speed * (second - 1))
        yield BEGIN + second, LoaderProgress(name, counted(read), wire + cached, 0, wire, cached)
        yield BEGIN + second, Heartbeat(name, read, 0, wire + cached, 0.4, wire, cached, bound)


def hostile() -> Iterator[Timed]:
    """Foreign text wherever text goes: markup, escapes, wide letters, bidi, half a surrogate."""
    clean = HOSTILE.encode("utf-8", "backslashreplace").decode()
    why = Failure("loader_bug", clean, clean, clean * 20, clean)
    after = [
        failed("quartz/salesforce_xlam", why, 2),
        (BEGIN + 3, LoaderWarned("opal/wildchat", clean)),
        (BEGIN + 4, TrackChanged("opal", "BACKOFF", 1, None, BEGIN + 20, clean)),
    ]
    return run_of(TRACKS, after, source=clean)


JOURNALS = (happy, all_done, all_failed, empty, many, stalled_retrying, waiting, fetching, hostile)


def write(folder: Path) -> None:
    """All journals."""
    for journal in JOURNALS:
        lines = [orjson.dumps({"at": at, **encode(event)}) for at, event in journal()]
        (folder / f"{journal.__name__}.jsonl").write_bytes(b"\n".join(lines) + b"\n")


if __name__ == "__main__":
    write(HERE)
