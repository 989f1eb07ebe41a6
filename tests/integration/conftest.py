"""Clones for the tests here, and a look at what their processes leave behind."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clones import Repository

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
