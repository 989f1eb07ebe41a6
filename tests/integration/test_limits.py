"""The Hub's limits hold for the whole run: two tracks behind a stand-in that answers 429, through the true clients."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.demo.hub import Fault, Hub
from tests.clones import Repository, eventually

FILES, ROWS = 14, 200
RATE = 40_000
"""Bytes a second, so that a track reads for some seconds."""
PASSED_ON = 0.3
"""Seconds from one worker's being told to the others' knowing it."""


class TimedHub(Hub):
    """A stand-in that remembers when it was asked for what."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[tuple[float, str]] = []

    def fault(self, request: str) -> Fault | None:
        """See `Hub.fault`."""
        self.asked.append((time.monotonic(), request))
        return super().fault(request)

    def of(self, loader: str, begin: float = 0.0, end: float = float("inf")) -> list[float]:
        """When it was asked for a loader's dataset."""
        return [at for at, request in list(self.asked) if f"inv/{loader}" in request and begin < at < end]


class Limit(Fault):
    """Answers 429 once both loaders are at work, and remembers when."""

    def __init__(self, hub: TimedHub, retry_after: str, times: int = 1) -> None:
        super().__init__("GET /datasets/inv/alpha-one/resolve/*", "status", 429, {"Retry-After": retry_after})
        self.hub, self.left, self.struck = hub, times, list[float]()
        self.lock = threading.Lock()

    def strikes(self, request: str) -> bool:
        """See `Fault.strikes`."""
        with self.lock:
            both = all(len(self.hub.of(name)) >= 6 for name in ("alpha-one", "beta-one"))
            if not both or "alpha-one/resolve" not in request or len(self.struck) >= self.left:
                return False
            self.struck.append(time.monotonic())
            return True


@pytest.fixture
def hub(repository: Repository) -> Iterator[TimedHub]:
    """Two loaders of many files each, served slowly."""
    for name in ("alpha/one", "beta/one"):
        repository.loader(name, rows=0)
        folder = repository.root / "sources" / "inv" / name.replace("/", "-")
        for file in range(FILES):
            lines = (f'{{"n": {number}, "pad": "{"x" * 20}"}}\n' for number in range(file * ROWS, (file + 1) * ROWS))
            (folder / f"{file:02}.jsonl").write_text("".join(lines))
    repository.commit()
    server = TimedHub(repository.root / "sources")
    with server:
        server.faults.append(Fault("GET /datasets/*", "slow", rate=RATE))
        repository.behind(server, repository.root / "home")
        repository.environment |= {"POLECATS_RUN_WORKERS": "2", "HF_HUB_DOWNLOAD_TIMEOUT": "5"}
        yield server


def test_one_track_is_limited_and_nobody_asks_before_the_time_is_over(repository: Repository, hub: TimedHub) -> None:
    limit = Limit(hub, "2")
    hub.faults.insert(0, limit)
    run = repository.start("run")
    assert run.end() == 0, "".join(run.errors)
    (struck,) = limit.struck
    for loader in ("alpha-one", "beta-one"):
        assert hub.of(loader, end=struck), "it had not begun: the test shows nothing"
        assert not hub.of(loader, struck + PASSED_ON, struck + 2.0)
        assert hub.of(loader, struck + 2.0)
    waits = {event["loader"]: event for event in run.of("loader_waiting")}
    assert set(waits) == {"alpha/one", "beta/one"}
    assert (waits["alpha/one"]["seconds"], waits["alpha/one"]["shared"]) == (2.0, True)
    assert (waits["beta/one"]["reason"], waits["beta/one"]["shared"]) == ("429 from the Hub", False)
    assert 1.0 < waits["beta/one"]["seconds"] < 3.1
    assert {status.state for status in repository.state().loaders.values()} == {"DONE"}
    assert [len(run.of("loader_opening", loader=name)) for name in waits] == [1, 1]
    assert len(repository.questions()) == 2 * FILES * ROWS


def test_a_wait_is_no_stall_and_a_stop_ends_it_at_once(repository: Repository, hub: TimedHub) -> None:
    hub.faults.insert(0, Limit(hub, "60"))
    run = repository.start("run", POLECATS_RUN_STALL_TIMEOUT="4")
    run.wait_for("loader_waiting", loader="alpha/one")
    run.wait_for("loader_waiting", loader="beta/one")
    status = repository.polecats("status").stdout
    assert status.count("WAITING") == 2
    assert "(429 from the Hub)" in status
    time.sleep(6.0)  # longer than what is a stall
    assert not run.of("loader_finished")
    begun = time.monotonic()
    assert repository.polecats("stop", "--all").returncode == 0
    assert run.end() == 130
    assert time.monotonic() - begun < 5.0
    ends = run.of("loader_finished")
    assert [event["state"] for event in ends] == ["STOPPED"] * 2
    assert all(event["counts"]["read"] > 0 for event in ends)


def test_more_than_is_waited_for_ends_the_loaders_with_the_time(repository: Repository, hub: TimedHub) -> None:
    limit = Limit(hub, "3600")
    hub.faults.insert(0, limit)
    done = repository.polecats("run", "--plain", POLECATS_RUN_LONGEST_WAIT="30")
    assert done.returncode == 1, done.stderr
    for name, status in repository.state().loaders.items():
        assert status.failure is not None
        assert status.failure.failure_class == "rate_limited"
        assert "[run] longest_wait is 30 s" in status.failure.sentence
        assert done.stderr.count(f"{name} ") > 0
    assert "waiting 3,600 s (429 from the Hub)" in done.stderr
    assert "BACKOFF" not in done.stderr
    assert not [at for at, _ in hub.asked if at > limit.struck[0] + PASSED_ON]
    assert eventually(lambda: not repository.alive(), 5.0)
