"""Clones for the tests here, and a look at what their processes leave behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coordinator.demo.hub import Hub
from tests.clones import Repository
from tests.disks import Mount

Make = Callable[[], Repository]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Repository] = []
    runtime = Path(tempfile.mkdtemp(prefix="polecats-test-"))  # short: a socket's path is

    def repository() -> Repository:
        made.append(Repository(tmp_path / f"clone-{len(made)}", str(runtime)))
        return made[-1]

    yield repository
    for item in made:
        for child in item.started:
            if child.poll() is None:
                child.kill()
            child.wait(10)
        assert item.all_gone(), item.alive()
        for child in item.started:
            for stream in (child.stdout, child.stderr):
                if stream is not None:
                    stream.close()
    killed = any(child.returncode == -signal.SIGKILL for item in made for child in item.started)
    left = list(runtime.iterdir())
    shutil.rmtree(runtime)
    assert killed or not left


@pytest.fixture
def repository(make: Make) -> Repository:
    return make()


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Puts a small disk of its own at a folder."""
    mounted: list[Path] = []

    def put(folder: Path, options: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False) if shutil.which("mount") else None
        if done is None or done.returncode:
            pytest.skip(f"a disk of its own cannot be mounted here: {done.stderr.strip() if done else 'no mount'}")
        mounted.append(folder)
        return folder

    yield put
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def hub(repository: Repository, tmp_path: Path) -> Iterator[Hub]:
    """Three loaders of two tracks; their files are on a Hub."""
    for name in ("alpha/one", "alpha/two", "beta/one"):
        repository.loader(name)
    with Hub(repository.root / "sources") as running:
        repository.behind(running, tmp_path / "home")
        yield running
