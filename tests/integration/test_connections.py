"""A run of 25 loaders over a far Hub: never more connections or requests at once than config.toml lets, restarts
included; and one answer of 429 holds all workers, over however many connections they ask."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.demo.hub import Fault, Hub
from coordinator.demo.network import Network, most_active, most_open
from tests.clones import Repository

TRACKS = ("alpha", "beta", "gamma", "delta", "omega")
NAMES = ("one", "two", "three", "four", "five")
FILES, ROWS = 6, 300
"""Files of a source, and rows of a file; a file is large enough for the CDN."""
MOST = 5
WAIT = 2
"""Seconds that the Hub asks to wait."""
PASSED_ON = 0.5
"""Seconds from one worker's being told to the others' knowing it, and to the end of what is under way."""


class TimedHub(Hub):
    """A stand-in that remembers when it was asked, and that it has once answered 429."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, Network(latency=0.05, lfs=True))
        self.asked = list[float]()
        self.struck: float | None = None

    def fault(self, request: str) -> Fault | None:
        """See `Hub.fault`."""
        self.asked.append(time.monotonic())
        found = super().fault(request)
        if found is not None:
            self.struck = time.monotonic()
        return found


@pytest.fixture
def hub(repository: Repository) -> Iterator[TimedHub]:
    for track in TRACKS:
        for name in NAMES:
            repository.loader(f"{track}/{name}", rows=0)
            folder = repository.root / "sources" / "inv" / f"{track}-{name}"
            for file in range(FILES):
                lines = (f'{{"n": {n}, "pad": "{"x" * 40}"}}\n' for n in range(file * ROWS, (file + 1) * ROWS))
                (folder / f"{file}.jsonl").write_text("".join(lines))
    repository.commit()
    with TimedHub(repository.root / "sources") as server:
        repository.behind(server, repository.root / "home")
        repository.environment |= {
            "POLECATS_HUB_CONNECTIONS": str(MOST),
            "POLECATS_RUN_WORKERS": "3",
            "HF_HUB_DOWNLOAD_TIMEOUT": "10",
            "HF_HUB_ETAG_TIMEOUT": "10",
        }
        yield server


@pytest.mark.parametrize("limit", ["0", "1 GB"], ids=["streamed", "cached"])
def test_never_more_connections_than_the_limit_over_all_workers(
    repository: Repository, hub: TimedHub, limit: str
) -> None:
    run = repository.start("run", POLECATS_CACHE_LIMIT=limit)
    run.wait_for("track_changed", state="FINISHED")
    first = run.of("track_changed", state="FINISHED")[0]["track"]
    again = f"{first}/{NAMES[-1]}"
    file = repository.own(first) / first / f"{NAMES[-1]}.py"
    file.write_text(file.read_text().replace("'first'", "'second'"))
    assert repository.polecats("restart", again).returncode == 0
    assert run.end() == 0, run.errors
    assert {status.state for status in repository.state().loaders.values()} == {"DONE"}
    assert len(repository.questions()) == len(TRACKS) * len(NAMES) * FILES * ROWS
    assert repository.makers()[again] == {"second"}
    asked = hub.log.asked
    assert len(asked) > len(TRACKS) * len(NAMES) * FILES
    assert 1 < most_active(asked) <= MOST
    assert most_open(asked) <= MOST


def test_an_answer_of_429_holds_every_connection_of_every_worker(repository: Repository, hub: TimedHub) -> None:
    hub.faults.append(Fault("GET /datasets/*", "status", 429, {"Retry-After": str(WAIT)}, times=1, after=40))
    run = repository.start("run")
    assert run.end() == 0, run.errors
    struck = hub.struck
    assert struck is not None
    assert len({event["loader"].partition("/")[0] for event in run.of("loader_waiting")}) > 1
    assert not [at for at in hub.asked if struck + PASSED_ON < at < struck + WAIT]
    assert [at for at in hub.asked if at > struck + WAIT]
    assert len(repository.questions()) == len(TRACKS) * len(NAMES) * FILES * ROWS
