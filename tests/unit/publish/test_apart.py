"""Work in a fork: what it returns and raises comes back, its memory and its life do not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from coordinator.errors import ExitCode, PolecatsError
from coordinator.publish.apart import apart
from tests.clones import eventually, is_alive

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest-xdist has a thread of its own, which this work does not concern."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)


@LINUX
def test_a_result_comes_from_another_process() -> None:
    pid, data = apart(lambda: (os.getpid(), bytes(2**20)), "It")
    assert pid != os.getpid()
    assert len(data) == 2**20


def test_in_place_while_there_are_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert apart(os.getpid, "It") == os.getpid()


def refuse() -> None:
    raise PolecatsError("No.", ExitCode.RUNNING)


def test_a_refusal_comes_with_its_code() -> None:
    with pytest.raises(PolecatsError, match=r"^No\.$") as caught:
        apart(refuse, "It")
    assert caught.value.code == ExitCode.RUNNING


@LINUX
def test_a_bug_comes_with_its_traceback() -> None:
    def divide() -> float:
        return 1 / 0

    with pytest.raises(ZeroDivisionError) as caught:
        apart(divide, "It")
    assert "in divide" in caught.value.__notes__[0]


@LINUX
def test_one_that_is_killed_is_a_sentence() -> None:
    with pytest.raises(PolecatsError, match=r"^The merge ended with exit code -9 without a word") as caught:
        apart(lambda: os.kill(os.getpid(), signal.SIGKILL), "The merge")
    assert caught.value.code == ExitCode.REFUSED


PARENT = """
import os, sys, time
from pathlib import Path
from coordinator.publish.apart import apart
def work():
    Path(sys.argv[1]).write_text(str(os.getpid()))
    try:
        time.sleep(60)
    finally:
        Path(sys.argv[1]).with_suffix(".left").touch()
try:
    apart(work, "It")
except KeyboardInterrupt:
    os._exit(7)
"""


@LINUX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_ends_with_who_asked_for_it(tmp_path: Path, number: int) -> None:
    child = tmp_path / "child"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, child])
    assert eventually(lambda: child.exists() and child.read_text() != "", 20)
    pid = int(child.read_text())
    parent.send_signal(number)
    assert parent.wait(20) == (7 if number == signal.SIGINT else -signal.SIGKILL)
    assert eventually(lambda: not is_alive(pid), 20)
    assert child.with_suffix(".left").exists() == (number == signal.SIGINT)
