"""Disks that are full, read-only or broken: a clean end in a sentence, nothing half, and the same bytes afterwards."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.clones import PATIENCE, ROOT, Repository
from tests.disks import Mount, files, fill, remount

BIG = '"x" * 2_000'
REFUSALS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT)
KINDS = {"open", "write", "fsync", "replace", "rename", "link", "mkdir", "truncate"}
INLINE = ("run", "--inline", "--plain")
WORDS = "the disk is full|quota is used up|the disk failed|read-only"


def halves(root: Path) -> list[str]:
    """What no step may leave behind."""
    return [name for folder in ("worktrees/.state", "data") for name in files(root / folder) if name.endswith(".tmp")]


# --- every step of a run, refused once or from there on, by a disk that is not there


@pytest.fixture
def published(repository: Repository) -> Repository:
    """A clone that published, one of whose loaders was edited since: a run sets its parts aside, redoes and merges."""
    repository.loader("opal/a", rows=8)
    repository.loader("opal/b", rows=5, each="row['n' if row['n'] != 3 else 'gone']")
    assert repository.polecats("run", "--inline", "--plain").returncode == 0
    repository.loader("opal/a", by='"second"')
    return repository


@pytest.mark.parametrize(
    ("how", "every"),
    [("once", 7), pytest.param("once", 1, marks=pytest.mark.slow), pytest.param("lasting", 1, marks=pytest.mark.slow)],
)
def test_a_run_that_is_refused_at_any_step_ends_in_a_sentence_and_loses_nothing(
    published: Repository, how: str, every: int
) -> None:
    before = sha256(published.merged()).hexdigest()
    command = [sys.executable, "-m", "tests.refusing", str(published.root), how, str(every), *map(str, REFUSALS)]
    done = subprocess.run(
        [*command, "--", *INLINE], cwd=ROOT, env=published.environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(runs) > 70 // every
    assert every > 1 or {run["what"].split()[0] for run in runs} >= KINDS
    new = runs[0]["final"]["sha256"]
    assert new != before
    for run in runs:
        assert "Traceback" not in run["said"], run
        assert run["code"] in (0, 1, 2, 3, 4), run
        assert run["code"] == 0 or re.search(WORDS, run["said"]), run
        assert run["after"] in (before, new) or run["code"] == 1, run  # without the loader that failed: a file, too
        assert run["again"]["code"] == 0, run
        assert run["final"] == {"sha256": new, "manifest": new, "left": []}, run


# --- true disks, small ones


def grown(repository: Repository, rows: int = 1_500) -> Repository:
    """Two tracks with a source of some megabytes each, and one with a small one."""
    repository.loader("opal/a", rows=rows, by=BIG)
    repository.loader("ruby/b", rows=rows, by=BIG)
    repository.loader("topaz/c", rows=5)
    repository.commit()
    return repository


def test_a_full_disk_under_the_workers(repository: Repository, mount: Mount) -> None:
    whole = grown(repository).inline()
    state = mount(repository.paths.state, "size=6m")
    filler = fill(state, leave=2_500_000)
    run = repository.start("run", "--no-merge")
    assert run.end() == 1
    failed = [event for event in run.of("loader_finished") if event["failure"]]
    assert {event["failure"]["failure_class"] for event in failed} == {"disk_full"}
    said = [event["failure"]["sentence"] for event in failed]
    size = r"[\d.,]+ ([KM]i)?B"  # of a segment, whose size depends on the time it took, or of a record of some bytes
    assert all(re.search(rf"the disk is full \((needs {size}, )?{size} free\)", sentence) for sentence in said), said
    assert any("needs" in sentence for sentence in said), said
    assert not run.of("track_changed", state="BACKOFF")
    assert {event["track"] for event in run.of("track_changed", state="FINISHED")} == {"opal", "ruby", "topaz"}
    assert run.of("loader_finished", loader="topaz/c", state="DONE")
    told = [line for line in run.errors if "disk_full" in line]
    assert len(told) == 1, run.errors
    assert not halves(repository.root)
    assert sorted(repository.state().failed) == sorted(event["loader"] for event in failed)
    filler.unlink()
    remount(state, "size=60m")
    assert repository.polecats("run", "--plain").returncode == 0
    assert repository.merged() == whole


def test_a_disk_too_full_to_begin_with(repository: Repository, mount: Mount) -> None:
    repository.loader("opal/a")
    repository.commit()
    state = mount(repository.paths.state, "size=3m")
    fill(state, leave=100_000)
    done = repository.polecats("run", "--plain")
    assert done.returncode == 2
    assert re.search(r"the disk is full: a run needs 1\.0 MiB at the very least, .* KiB free", done.stderr)
    assert files(state) == ["filler"]


def test_a_disk_without_inodes(repository: Repository, mount: Mount) -> None:
    repository.loader("opal/a")
    repository.commit()
    state = mount(repository.paths.state, "size=8m,nr_inodes=80")
    for number in range(40):
        (state / f"filler-{number}").touch()
    done = repository.polecats("run", "--plain")
    assert done.returncode == 2
    assert "needs 64 new files (inodes) at the very least" in done.stderr


def test_a_merge_onto_a_full_disk_is_refused_before_it_begins(repository: Repository, mount: Mount) -> None:
    data = mount(repository.root / "data", "size=5m")
    repository.loader("opal/a", rows=100)
    repository.commit()
    assert repository.polecats("run", "--inline").returncode == 0
    before = {name: (data / name).read_bytes() for name in files(data)}
    grown(repository)
    filler = fill(data, leave=1_000_000)
    done = repository.polecats("run", "--inline", "--plain")
    assert done.returncode == 4
    assert re.search(r"the merge needs 4\.\d MiB, .* KiB free", done.stderr), done.stderr
    assert "there is no room for" in repository.polecats("merge", "--dry-run").stderr
    filler.unlink()
    assert {name: (data / name).read_bytes() for name in files(data)} == before
    remount(data, "size=40m")
    assert repository.polecats("merge").returncode == 0
    assert len(repository.questions()) == 100 + 1_500 + 5


@pytest.mark.parametrize("place", ["worktrees/.state", "data"])
def test_a_read_only_disk(repository: Repository, mount: Mount, place: str) -> None:
    repository.loader("opal/a")
    repository.commit()
    disk = mount(repository.root / place, "size=8m")
    assert repository.polecats("run", "--inline").returncode == 0
    before = repository.merged()
    remount(disk, "ro")
    done = repository.polecats("run", "--plain")
    assert done.returncode == (4 if place == "data" else 1)
    assert "read-only" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert repository.polecats("status").returncode == 0
    assert repository.polecats("merge").returncode == (0 if place != "data" else 4)
    remount(disk, "rw")
    assert repository.polecats("run", "--plain").returncode == 0
    assert repository.merged() == before


def test_logs_and_events_that_a_full_disk_does_not_take_end_no_run(repository: Repository) -> None:
    repository.loader("opal/a")
    repository.commit()
    for arguments, code in ((["--plain"], 1), (["--json"], 1), (["--plain", "--fresh"], 0)):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [*repository.command, "run", "--inline", *arguments],
                cwd=repository.root,
                env=repository.environment,
                stdin=subprocess.DEVNULL,
                stdout=full if code else subprocess.DEVNULL,
                stderr=full if not code else subprocess.PIPE,
                timeout=PATIENCE,
            )
        assert done.returncode == code, done.stderr
        assert not code or b"standard output cannot be written: the disk is full" in done.stderr
        assert repository.state().loaders["opal/a"].state == "DONE"
        assert len(repository.questions()) == 30


def test_a_link_to_the_output_stays_and_what_it_names_is_written(repository: Repository) -> None:
    repository.loader("opal/a")
    repository.commit()
    elsewhere = repository.root / "elsewhere"
    (repository.root / "data").mkdir()
    (repository.root / "data" / "tier1.jsonl").symlink_to(elsewhere / "big.jsonl")
    assert repository.polecats("run", "--inline").returncode == 0
    assert (repository.root / "data" / "tier1.jsonl").is_symlink()
    assert files(elsewhere) == ["README.md", "big.jsonl", "big.manifest.json"]
    assert repository.polecats("merge").returncode == 0
    assert len(repository.questions()) == 30


def test_an_output_that_takes_no_file_is_told_before_the_run(repository: Repository) -> None:
    repository.loader("opal/a")
    repository.commit()
    os.mkfifo(repository.root / "pipe")
    for output in (".", "pipe", "/dev/full", "config.toml/x.jsonl", "x" * 300):
        done = repository.polecats("run", "--inline", "--replace", "--output", output)
        assert done.returncode == 4, (output, done.stderr)
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert "Choose another file with --output." in done.stderr
    assert not repository.paths.runs.exists()
    assert Path("/dev/full").is_char_device()
    assert (repository.root / "pipe").is_fifo()
