"""`polecats cache` and what the doctor says of it, on a cache that polecats and huggingface_hub have filled."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from coordinator.cli.caching import cache
from coordinator.cli.context import context
from coordinator.cli.doctor import cached
from coordinator.cli.doctor.finding import Finding
from coordinator.config import CacheTable
from coordinator.errors import ExitCode, PolecatsError
from coordinator.worker.hub.store import Store
from tests.caches import FIRST, bring, fill, remote
from tests.clones import Repository

OTHER = "inv/other"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The cache that the environment names."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "assets"))
    return Store.usual(10**9)


Say = Callable[..., tuple[ExitCode, str]]


@pytest.fixture
def say(store: Store, capsys: pytest.CaptureFixture[str]) -> Say:
    """Call the command: its exit code and what it prints."""

    def call(*repos: str, clear: bool = False, as_json: bool = False, limit: str = "1 GB") -> tuple[ExitCode, str]:
        code = cache(CacheTable(limit=limit), repos, clear, as_json)
        return code, capsys.readouterr().out

    return call


def filled(store: Store) -> None:
    """Two whole files of one repository, one of another and parts of a second one."""
    for name, at in (("a", 1_000_000), ("b", 2_000_000)):
        file = remote(f"{name}.jsonl", name.encode() * 700_000)
        bring(store, file, name.encode() * 700_000)
        (record,) = (store.own / "files").glob(f"*{file.etag}*")
        os.utime(record, (at, at))
    bring(store, remote(repo=OTHER))
    fill(store, remote("c.jsonl", b"c", repo=OTHER), 3_000)


def test_a_list_of_repositories_that_used_last_on_top(store: Store, say: Say) -> None:
    filled(store)
    code, said = say()
    lines = said.splitlines()
    assert code == ExitCode.OK
    assert lines[0].split() == ["repository", "files", "size", "in", "parts", "last", "used"]
    assert lines[1].split()[:5] == [OTHER, "2", "3", "kB", "3"]
    day = time.strftime("%Y-%m-%d %H:%M", time.localtime(2_000_000))
    assert lines[2].split() == ["inv/alpha-one", "2", "1.4", "MB", *day.split()]
    assert lines[3] == f"4 files, 1.4 MB (of it 3 kB in parts) of 1 GB ([cache] limit in config.toml), in {store.hub}"
    assert len(lines) == 4
    assert say(OTHER)[1].splitlines()[1:][-1].startswith("2 files, 3 kB (of it 3 kB in parts) of 1 GB")


def test_nothing_is_cut_when_piped(store: Store, say: Say) -> None:
    repo = f"{'o' * 60}/{'n' * 90}"
    bring(store, remote(repo=repo))
    assert repo in "".join(line.split()[0] for line in say()[1].splitlines()[1:-1])


def test_json(store: Store, say: Say) -> None:
    filled(store)
    told = json.loads(say(as_json=True)[1])
    assert (told["limit"], told["hub"], told["own"]) == (10**9, str(store.hub), str(store.own))
    assert told["size"] == sum(file["size"] for file in told["files"]) == 1_403_004
    (file,) = [file for file in told["files"] if file["path"] == "b.jsonl"]
    assert file == {
        "repo": "inv/alpha-one",
        "path": "b.jsonl",
        "commit": FIRST,
        "size": 700_000,
        "used": 2_000_000.0,
        "whole": True,
    }
    removed = json.loads(say("inv/alpha-one", clear=True, as_json=True)[1])
    assert (removed["freed"], len(removed["removed"]), removed["kept"]) == (1_400_000, 2, [])


def test_an_empty_cache_says_so_and_stays_unmade(store: Store, say: Say, tmp_path: Path) -> None:
    assert say() == (
        ExitCode.OK,
        f"Nothing yet. What runs read of the Hub's files goes to {store.hub}, 1 GB at most "
        "([cache] limit in config.toml).\n",
    )
    assert "[cache] limit in config.toml is 0, so runs stream" in say(limit="0")[1]
    assert say(clear=True) == (ExitCode.OK, "Nothing was removed.\n")
    assert json.loads(say(as_json=True)[1])["files"] == []
    assert list(tmp_path.iterdir()) == []


def test_clearing_says_what_was_freed(store: Store, say: Say) -> None:
    filled(store)
    assert say("inv/alpha-one", clear=True) == (ExitCode.OK, "Removed: 2 files, 1.4 MB.\n")
    assert {entry.repo for entry in store.entries()} == {OTHER}
    assert say(clear=True) == (ExitCode.OK, "Removed: 2 files, 3 kB (of it 3 kB in parts).\n")
    assert store.entries() == []


def test_what_is_in_use_is_kept_and_named(store: Store, say: Say) -> None:
    filled(store)
    with store.in_use(remote(repo=OTHER)):
        code, said = say(OTHER, clear=True)
    assert code == ExitCode.SOME_FAILED
    removed, kept = said.splitlines()
    assert removed == "Removed: 1 file, 3 kB (of it 3 kB in parts)."
    assert kept.startswith("Kept: 1 file, 4 B. They are in use, or ")
    lock = store.parts_of(remote(repo=OTHER)).with_suffix(".lock")
    assert say(OTHER, clear=True)[0] == ExitCode.OK
    lock.touch()
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        fill(store, remote(repo=OTHER), 5)
        assert say(clear=True)[0] == ExitCode.SOME_FAILED
        code, told = say(clear=True, as_json=True)
        assert (code, json.loads(told)["kept"][0]["size"]) == (ExitCode.SOME_FAILED, 5)


def test_what_huggingface_hub_uses_too_is_left_to_it(store: Store, say: Say) -> None:
    path = bring(store, remote())
    theirs = path.with_name("theirs.jsonl")
    theirs.symlink_to(os.readlink(path))
    assert say(clear=True) == (
        ExitCode.OK,
        "Nothing was removed.\nLeft to huggingface_hub, which uses them, too: 1 file.\n",
    )
    assert theirs.read_bytes() == b"rows"


def test_a_repository_that_is_not_there_is_named_and_nothing_removed(store: Store, say: Say) -> None:
    filled(store)
    with pytest.raises(
        PolecatsError, match=r"nothing of inv/othr \(did you mean inv/other\?\)\. What it holds is"
    ) as caught:
        say(OTHER, "inv/othr", clear=True)
    assert caught.value.code == ExitCode.USAGE
    assert len(store.entries()) == 4


def test_what_a_record_says_reaches_no_terminal_raw(store: Store, say: Say) -> None:
    about = fill(store, remote(), 5).with_suffix(".json")
    about.write_bytes(about.read_bytes().replace(b'"repo":"inv/alpha-one"', b'"repo":"\\u001b[31m[red]"'))
    said = say()[1]
    assert "\x1b" not in said
    assert "[31m[red]" in said


def test_the_command_in_a_repository(make: Callable[[], Repository], store: Store) -> None:
    clone = make()
    clone.loader("alpha/one")
    clone.commit()
    places = {"HF_HUB_CACHE": str(store.hub), "HF_ASSETS_CACHE": str(store.own.parent)}
    clone.environment |= places
    filled(store)
    listed = clone.polecats("cache")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "inv/other" in listed.stdout
    assert "of 50 GB" in listed.stdout
    assert clone.polecats("cache", "--json").stdout.startswith('{"limit": 50000000000')
    assert f"  cache       1.4 MB of 50 GB in {store.hub}" in clone.polecats("doctor").stdout
    refused = clone.polecats("cache", "--clear", "inv/none")
    assert refused.returncode == 2
    assert refused.stderr.startswith("polecats: The cache holds nothing of inv/none")
    assert clone.polecats("cache", "--clear", "inv/other", "inv/alpha-one").stdout.startswith(
        "Removed: 4 files, 1.4 MB"
    )


# ---- the doctor


@pytest.fixture
def look(make: Callable[[], Repository], store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Finding]:
    """The doctor's finding at a limit."""
    clone = make()
    monkeypatch.chdir(clone.root)

    def call(limit: str) -> Finding:
        monkeypatch.setenv("POLECATS_CACHE_LIMIT", limit)
        (finding,) = cached.look(context())
        return finding

    return call


def test_a_cache_that_is_well(store: Store, look: Callable[[str], Finding], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert (look("1 MB").verdict, look("1 MB").sentence) == ("ok", f"0 B of 1 MB in {store.hub}")
    assert (look("0").verdict, "are streamed" in look("0").sentence) == ("ok", True)
    assert sorted(tmp_path.rglob("*")) == before, "looking changes nothing"


@pytest.mark.parametrize("name", ["hub", "assets"])
def test_a_cache_that_cannot_be_written(look: Callable[[str], Finding], tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    finding = look("1 MB")
    assert finding.verdict == "note"
    assert f"{tmp_path / name} is no folder: files of the Hub are streamed" in finding.sentence
    assert "set HF_HOME" in finding.sentence


def test_a_limit_beyond_the_disk(store: Store, look: Callable[[str], Finding], monkeypatch: pytest.MonkeyPatch) -> None:
    bring(store, remote("a.jsonl", b"a" * 5_000), b"a" * 5_000)
    monkeypatch.setattr(cached, "free_bytes", lambda path: 4_000)
    assert look("9 kB").verdict == "ok", "what is taken already is within the limit"
    finding = look("9001 B")
    assert finding.verdict == "note"
    assert "5 kB of 9001 B in " in finding.sentence
    assert "has only 4 kB free" in finding.sentence
    monkeypatch.setattr(cached, "free_bytes", lambda path: None)
    assert look("9001 B").verdict == "ok", "a disk that tells nothing"
