"""A run without a network: what was finished stays so, what is in the cache is read, and the rest fails at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator.demo.hub import Hub
from tests.clones import Repository

DONE, CACHED, MISSING = ["alpha/done", "gamma/done"], ["alpha/cached"], ["alpha/missing", "beta/one", "beta/two"]
ROWS = 40
SOON = 5.0
"""Seconds from a run's start to the failure of a loader that cannot be read."""
NO_NETWORK = {"HF_ENDPOINT": "http://127.0.0.1:9"}
FORBIDDEN = {"HF_HUB_OFFLINE": "1"}
SURROUNDINGS = {
    "no network": (NO_NETWORK, "127.0.0.1 cannot be reached", "Check the connection, the proxy (HTTPS_PROXY)"),
    "forbidden": (FORBIDDEN, "nothing may be fetched, as HF_HUB_OFFLINE is set", "Unset HF_HUB_OFFLINE and run again"),
}


@pytest.fixture
def repository(make: Callable[[], Repository], tmp_path: Path) -> Repository:
    """A clone in which some loaders have ended, one has its files in the cache, and the others have nothing."""
    made = make()
    for name in (*DONE, *CACHED, *MISSING):
        made.loader(name, rows=ROWS)
    made.commit()
    with Hub(made.root / "sources") as hub:
        made.behind(hub, tmp_path / "home")
        for arguments in (["run", *(f"--loader={name}" for name in DONE)], ["fetch", *CACHED]):
            done = made.polecats(*arguments)
            assert done.returncode == 0, done.stderr
    return made


@pytest.mark.parametrize("surrounding", SURROUNDINGS)
def test_what_is_here_is_used_and_the_rest_fails_soon_with_what_to_do(repository: Repository, surrounding: str) -> None:
    environment, what, remedy = SURROUNDINGS[surrounding]
    begun = time.time()
    run = repository.start("run", **environment)
    assert run.end() == 1, run.errors
    ends = {event["loader"]: event for event in run.of("loader_finished")}
    assert len(ends) == len(run.of("loader_finished")), "nothing is tried again"
    assert {name: ends[name]["state"] for name in (*DONE, *CACHED)} == dict.fromkeys((*DONE, *CACHED), "DONE")
    assert [ends[name]["reused"] for name in (*DONE, *CACHED)] == [True, True, False]
    for name in MISSING:
        failure = ends[name]["failure"]
        assert (failure["failure_class"], failure["offline"]) == ("network", True)
        assert ends[name]["at"] - begun < SOON
        assert failure["sentence"] == f"inv/{name.replace('/', '-')}: {what}"
        assert failure["remedy"].startswith(remedy)
    warned = {event["loader"]: event["sentence"] for event in run.of("loader_warned")}
    assert warned == {
        name: f"inv/{name.replace('/', '-')}: not compared with the Hub: offline" for name in (*DONE, *CACHED)
    }
    assert len(repository.questions()) == 3 * ROWS

    said = repository.polecats("failures", **environment).stdout
    for name in MISSING:
        assert f"inv/{name.replace('/', '-')}: {what}" in said
    assert said.count(f"do: {remedy}") == len(MISSING)
    assert "Traceback" not in said


@pytest.mark.parametrize("environment", [NO_NETWORK, FORBIDDEN], ids=["no network", "forbidden"])
def test_a_run_of_what_is_here_ends_well(repository: Repository, environment: dict[str, str]) -> None:
    wanted = [f"--loader={name}" for name in (*DONE, *CACHED)]
    done = repository.polecats("run", "--plain", *wanted, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("not compared with the Hub: offline") == 3
    assert "FAILED" not in done.stderr
    first = repository.merged()
    again = repository.polecats("run", "--plain", *wanted, **environment)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("DONE, as committed before") == 3
    assert repository.merged() == first
    status = json.loads(repository.polecats("status", "--json").stdout)["loaders"]
    assert {item["state"] for item in status.values()} == {"DONE"}
