"""`polecats fetch` over the stand-in of the Hub: what comes, what does not and why, and runs without a network."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coordinator.demo.hub import Fault, Hub
from coordinator.demo.network import Network, file_bytes
from tests.clones import COMMAND, Repository, eventually

FILES = "GET /datasets/*/resolve/*"
BIG = 9_000_000
"""Bytes of a file of four blocks."""
OFFLINE = {"HF_HUB_OFFLINE": "1"}


@pytest.fixture
def hub(repository: Repository, tmp_path: Path) -> Iterator[Hub]:
    """Three loaders of two tracks; their files are on a Hub."""
    for name in ("alpha/one", "alpha/two", "beta/one"):
        repository.loader(name)
    with Hub(repository.root / "sources") as running:
        repository.behind(running, tmp_path / "home")
        yield running


def big(repository: Repository, name: str, size: int = BIG) -> int:
    """A loader of a file of about so many bytes; the file's true size."""
    rows = [json.dumps({"n": n, "pad": "x" * 9_000}) for n in range(size // 9_020)]
    track, _, stem = name.partition("/")
    folder = repository.root / "sources" / "inv" / f"{track}-{stem}"
    folder.mkdir(parents=True)
    (folder / "rows.jsonl").write_text("\n".join(rows) + "\n")
    repository.loader(name)
    return (folder / "rows.jsonl").stat().st_size


def size_of(hub: Hub, *repos: str) -> int:
    return sum(file.stat().st_size for repo in repos for file in hub.files(f"inv/{repo}"))


def told(stdout: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stdout.splitlines()]


def layout(home: Path) -> list[str]:
    """The files and links in huggingface_hub's folder, but for locks and the tag."""
    found = (path.relative_to(home / "hub") for path in (home / "hub").rglob("*") if not path.is_dir())
    return sorted(str(path) for path in found if path.parts[0] not in (".locks", "CACHEDIR.TAG"))


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
    repository.loader("alpha/two", top="print('a word of the loader'); sys.stdout.write('and one more')")
    hub.faults.append(Fault(FILES, "status", 429, {"Retry-After": "1"}, times=1))
    done = repository.polecats("fetch", "--json")
    assert done.returncode == 0, done.stderr
    lines = told(done.stdout)
    assert [line["loader"] for line in lines] == ["alpha/one", "alpha/two", "beta/one"]
    assert lines[0] == {
        "loader": "alpha/one", "files": 1, "bytes": 290, "wire": 290, "no_room": 0, "warnings": [], "failure": None,
    }  # fmt: skip
    assert "waiting 1 s (429 from the Hub)\n" in done.stderr
    assert "a word of the loader\nand one more" in done.stderr


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


# --- what does not come


def test_the_others_go_on_where_one_fails(repository: Repository, hub: Hub) -> None:
    for name, top in (("broken", "import nowhere"), ("leaves", "sys.exit(3)"), ("gated", ""), ("absent", "")):
        repository.loader(f"beta/{name}", top=top)
    (hub.root / "inv" / "beta-absent").rename(repository.root / "elsewhere")
    hub.gated.add("inv/beta-gated")
    done = repository.polecats("fetch")
    assert done.returncode == 1
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert lines["beta/absent"].startswith("not_found: inv/beta-absent: ")
    assert lines["beta/broken"].startswith("loader_bug: ModuleNotFoundError: No module named 'nowhere'. Mend the")
    assert lines["beta/leaves"].startswith("loader_bug: SystemExit: 3")
    assert lines["beta/gated"].startswith("gated: inv/beta-gated: the dataset is gated, and no valid token was sent")
    fetched = [name for name, line in lines.items() if line.endswith("1 file, 290 B, 290 B fetched now")]
    assert fetched == ["alpha/one", "alpha/two", "beta/one"]
    assert lines["In the cache"] == "3 files, 870 B, 870 B of it fetched now. 4 loaders failed."
    for word in ("Traceback", "http", "127.0.0.1"):
        assert word not in done.stdout + done.stderr
    failed = {line["loader"]: line["failure"] for line in told(repository.polecats("fetch", "beta", "--json").stdout)}
    assert failed["beta/gated"]["failure_class"] == "gated"
    assert failed["beta/gated"]["reproduce"] == "polecats fetch beta/gated"


def test_bytes_that_are_not_the_hubs(repository: Repository, tmp_path: Path) -> None:
    big(repository, "alpha/big")
    repository.loader("alpha/one")
    with Hub(repository.root / "sources", Network(lfs=True)) as hub:
        repository.behind(hub, tmp_path / "home")
        hub.faults.append(Fault("GET /cdn/*", "garbled", times=1))
        done = repository.polecats("fetch")
        assert done.returncode == 1
        expected = "alpha/big: network: inv/alpha-big: rows.jsonl: the bytes that came are not those that the Hub lists"
        assert expected in done.stdout
        assert "alpha/one: 1 file, 290 B, 290 B fetched now" in done.stdout
        assert repository.polecats("fetch").returncode == 0


def test_files_that_the_limit_has_no_room_for(repository: Repository, hub: Hub) -> None:
    big(repository, "alpha/big")
    limit = {"POLECATS_CACHE_LIMIT": "1 kB"}
    done = repository.polecats("fetch", "alpha", **limit)
    assert done.returncode == 0
    no_room = "[cache] limit has no room for 1 file: runs stream it"
    assert f"alpha/big: nothing of it; {no_room}" in done.stdout.splitlines()
    assert file_bytes(hub.log.asked) == size_of(hub, "alpha-one", "alpha-two")
    both = size_of(hub, "alpha-one", "alpha-two")
    limit = {"POLECATS_CACHE_LIMIT": f"{both + 100} B"}
    assert f"beta/one: nothing of it; {no_room}" in repository.polecats("fetch", **limit).stdout.splitlines()
    kept = [line["files"] for line in told(repository.polecats("fetch", "--json", **limit, **OFFLINE).stdout)]
    assert kept == [0, 1, 1, 0], "what was fetched first does not go to make room for the rest"


def test_a_cache_that_is_off(repository: Repository, hub: Hub) -> None:
    done = repository.polecats("fetch", POLECATS_CACHE_LIMIT="0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "polecats: The cache is off: [cache] limit is 0. Raise it in config.toml, then fetch again.\n"


def test_a_disk_that_takes_no_such_file(repository: Repository, hub: Hub, tmp_path: Path) -> None:
    big(repository, "beta/big")
    repository.command = ["sh", "-c", 'ulimit -f 4000; exec "$@"', "sh", *COMMAND]
    done = repository.polecats("fetch")
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["alpha/one", "alpha/two"]
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"polecats: beta/big: {tmp_path / 'home' / 'assets' / 'polecats' / 'parts'}")
    assert sentence.endswith(
        "cannot be written: File too large. Mend that, or name another disk by HF_HOME, then fetch again: "
        "what is whole stays."
    )
    assert [name for name in layout(tmp_path / "home") if "beta" in name] == []
    repository.command = COMMAND
    assert repository.polecats("fetch").returncode == 0


def test_a_cache_that_cannot_be_written(repository: Repository, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "hub").touch()
    done = repository.polecats("fetch")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"polecats: alpha/one: {tmp_path / 'home' / 'hub'} cannot be written: ")
    assert len(done.stderr.splitlines()) == 1


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
