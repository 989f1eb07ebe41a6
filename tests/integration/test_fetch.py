"""`polecats fetch` over the stand-in of the Hub: what comes, on stdout and in parts, and runs without a network."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import termios
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL

import pytest

from coordinator.demo.hub import Fault, Hub
from coordinator.demo.network import Network, file_bytes
from tests.clones import PATIENCE, Repository, eventually
from tests.fetches import FILES, OFFLINE, big, layout, size_of, told

# --- what comes


@pytest.mark.parametrize(
    ("target", "repos"),
    [
        ([], ["alpha-one", "alpha-two", "beta-one"]),
        (["alpha"], ["alpha-one", "alpha-two"]),
        (["alpha/two"], ["alpha-two"]),
        (["one"], ["alpha-one", "beta-one"]),
    ],
)
def test_what_is_named_comes_once(repository: Repository, hub: Hub, target: list[str], repos: list[str]) -> None:
    first = repository.polecats("fetch", *target)
    assert (first.returncode, first.stderr) == (0, "")
    lines = first.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[: len(repos)]] == [repo.replace("-", "/") for repo in repos]
    assert all(line.endswith(" fetched now") for line in lines[: len(repos)])
    assert len(lines) == len(repos) + (len(repos) > 1)
    assert file_bytes(hub.log.asked) == size_of(hub, *repos)

    hub.log.asked.clear()
    second = repository.polecats("fetch", *target)
    assert (second.returncode, second.stderr) == (0, "")
    assert all(line.endswith("1 file, 290 B, all there before") for line in second.stdout.splitlines()[: len(repos)])
    assert [one.path for one in hub.log.asked if one.of_file] == []


def test_a_name_that_is_not_there(repository: Repository, hub: Hub) -> None:
    done = repository.polecats("fetch", "alpha/tow")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "polecats: There is no track or loader alpha/tow (did you mean alpha/two?).\n"
    assert hub.log.asked == []


def test_a_track_that_reads_nothing_of_the_hub(repository: Repository, hub: Hub) -> None:
    repository.loader("amber/drop")
    done = repository.polecats("fetch", "amber")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("polecats: amber reads the Tier I file, and nothing of the Hub")
    assert repository.polecats("fetch", "alpha").returncode == 0


def test_a_loader_that_brings_its_own_load(repository: Repository, hub: Hub) -> None:
    own = repository.paths.tracks / "alpha" / "two.py"
    own.write_text("class Own:\n    def load(self):\n        return []\n")
    done = repository.polecats("fetch", "alpha/two")
    assert (done.returncode, done.stdout) == (0, "alpha/two: nothing to fetch, it has a load() of its own\n")


def test_json_is_all_that_is_on_stdout(repository: Repository, hub: Hub) -> None:
    repository.loader("alpha/two", top="print('a word of the loader', flush=True); os.system('echo one of a child')")
    hub.faults.append(Fault(FILES, "status", 429, {"Retry-After": "1"}, times=1))
    done = repository.polecats("fetch", "--json")
    assert done.returncode == 0, done.stderr
    lines = told(done.stdout)
    assert [line["loader"] for line in lines] == ["alpha/one", "alpha/two", "beta/one"]
    assert lines[0] == {
        "loader": "alpha/one", "files": 1, "bytes": 290, "wire": 290, "no_room": 0, "warnings": [], "failure": None,
    }  # fmt: skip
    assert done.stderr == "waiting 1 s (429 from the Hub)\n"


def test_two_at_once_fetch_each_byte_once(repository: Repository, hub: Hub) -> None:
    size = big(repository, "alpha/big") + size_of(hub, "alpha-one", "alpha-two", "beta-one")
    runs = [repository.start("fetch") for _ in range(2)]
    assert [run.end() for run in runs] == [0, 0]
    assert [len(run.events) for run in runs] == [4, 4]
    assert file_bytes(hub.log.asked) == size
    assert sum(event["wire"] for run in runs for event in run.events) == size


# --- without a network


def test_what_was_fetched_runs_without_a_network(repository: Repository, hub: Hub) -> None:
    assert repository.polecats("fetch", "alpha").returncode == 0
    hub.log.asked.clear()
    run = repository.polecats("run", "--inline", "--plain", "--track", "alpha", **OFFLINE)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("not compared with the Hub: offline") == 2
    assert len(repository.questions()) == 60
    again = repository.polecats("fetch", **OFFLINE)
    assert again.returncode == 1
    lines = again.stdout.splitlines()
    assert "alpha/one: inv/alpha-one: not compared with the Hub: offline" in lines
    assert "alpha/one: 1 file, 290 B, all there before" in lines
    assert "beta/one: network: inv/beta-one: nothing may be fetched, as HF_HUB_OFFLINE is set" in again.stdout
    assert hub.log.asked == []


def test_what_is_known_but_not_there_is_missed_without_a_network(repository: Repository, hub: Hub) -> None:
    hub.faults.append(Fault(FILES, "status", 404))
    assert repository.polecats("fetch", "alpha/one").returncode == 1
    done = repository.polecats("fetch", "alpha/one", **OFFLINE)
    assert done.returncode == 1
    assert "alpha/one: network: inv/alpha-one: rows.jsonl: nothing may be fetched" in done.stdout


# --- in parts


def test_the_next_one_goes_on_where_one_was_interrupted(repository: Repository, hub: Hub, tmp_path: Path) -> None:
    size = big(repository, "alpha/big")
    hub.faults.append(Fault(FILES, "stall", after=2))
    run = repository.start("fetch", "alpha/big", HF_HUB_DOWNLOAD_TIMEOUT="60")
    parts = tmp_path / "home" / "assets" / "polecats" / "parts"

    def blocks() -> int:
        tables = [table.read_bytes() for table in parts.glob("*.have")]
        return sum(any(table[at : at + 16]) for table in tables for at in range(0, len(table), 16))

    assert eventually(lambda: blocks() == 2, 20)
    os.kill(run.child.pid, signal.SIGINT)
    assert run.end() == 130
    assert (run.events, "".join(run.errors)) == (
        [],
        "polecats: interrupted; the next fetch goes on from what has come.\n",
    )
    assert layout(tmp_path / "home") == []
    hub.faults.clear()
    done = repository.polecats("fetch", "alpha/big", "--json")
    assert done.returncode == 0, done.stderr
    (line,) = told(done.stdout)
    assert 0 < line["wire"] < size == line["bytes"]
    assert file_bytes(hub.log.asked) == size


# --- on a terminal


def seen(repository: Repository, **environment: str) -> list[str]:
    """What a terminal of 80 columns gets on stderr, erased or not, without colours."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    whole = {**repository.environment, "TERM": "xterm", **environment}
    command = [*repository.command, "fetch"]
    child = subprocess.Popen(command, cwd=repository.root, env=whole, stdin=DEVNULL, stdout=DEVNULL, stderr=slave)
    os.close(slave)
    found = b""
    with suppress(OSError), open(master, "rb", buffering=0) as terminal:  # it fails once the other end is closed
        while piece := terminal.read(65_536):
            found += piece
    assert child.wait(PATIENCE) == 0
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", found.decode()))


def test_a_bar_of_one_line_and_waits_above_it(repository: Repository, tmp_path: Path) -> None:
    big(repository, "alpha/big")
    name = "alpha/" + "a_long_name_" * 4 + "indeed"
    repository.loader(name)
    with Hub(repository.root / "sources", Network(rate=1_500_000)) as hub:
        repository.behind(hub, tmp_path / "home")
        hub.faults.append(Fault(FILES, "status", 429, {"Retry-After": "1"}, times=1))
        lines = seen(repository)
    assert "waiting 1 s (429 from the Hub)" in [line.rstrip() for line in lines]
    assert any(re.fullmatch(r"alpha/big +\S+ +[\d.]+/9\.0 MB [\d.]+ MB/s 0:00:\d\d", line.rstrip()) for line in lines)
    assert any(line.startswith("alpha/a_long_name_a_long_name") and "…" in line for line in lines)
    assert max(map(len, lines)) <= 78, "a terminal that echoes ^C begins no other line"


def test_no_bar_where_a_terminal_cannot_erase_it(repository: Repository, hub: Hub) -> None:
    assert seen(repository, TERM="dumb") == [""]
