"""What every Python process of a chaos test loads first, for its folder stands on PYTHONPATH: it dies where it is told.

A step is a call by which a file comes to last: `fsync PATH`, `replace PATH`, `rename PATH`, `link PATH`. The folder
`$PYTHON_CHAOS` may hold `steps`, to which each step is written, a line each; and strikes, files `*.armed` of JSON:
`step`, a pattern; `skip`, how many such steps a process takes unharmed; `how`: "before" or "after" the step, or "torn"
(the file loses its end first, as when the machine had written only a part); `whom`: "self" or "parent", which for
a worker is the engine. The process that comes to the step renames the file to `*.struck` and sends SIGKILL. Exactly
one process gets to do so.

Naps are short: the Hub's clients wait for minutes between two tries.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

FOLDER = os.environ.get("PYTHON_CHAOS", "")
STEPS = f"{FOLDER}/steps"
LONGEST_NAP = 0.2
TORN = 9
"""Bytes that a torn file lacks."""
Call = Callable[..., Any]
_passed: Counter[str] = Counter()
_rename, _sleep = os.rename, time.sleep
_engine = os.getppid()
"""In a worker: it is a fork of a process that the engine started."""


def _path(call: str, arguments: tuple[Any, ...]) -> str:
    """What the step makes last: the file itself, or its new name."""
    place = os.readlink(f"/proc/self/fd/{arguments[0]}") if call == "fsync" else arguments[-1]
    return os.path.abspath(os.fsdecode(place))


def _note(step: str) -> None:
    with open(STEPS, "a") as steps:
        steps.write(f"{step}\n")


def _due(step: str) -> dict[str, Any] | None:
    """The strike that this step is the place for, if this process is the first to come there."""
    for name in os.listdir(FOLDER):
        armed = f"{FOLDER}/{name}"
        with suppress(FileNotFoundError):  # another process was first
            if not name.endswith(".armed"):
                continue
            with open(armed) as text:
                strike = json.load(text)
            if not re.fullmatch(strike["step"], step):
                continue
            _passed[name] += 1
            if _passed[name] > strike["skip"]:
                _rename(armed, armed.replace(".armed", ".struck"))
                return dict(strike)
    return None


def _kill(whom: str) -> None:
    os.kill(os.getpid() if whom == "self" else _engine, signal.SIGKILL)


def _struck(name: str, call: Call) -> Call:
    """The call, deadly where a strike waits for it."""

    @wraps(call)
    def step(*arguments: Any, **more: Any) -> Any:
        path = _path(name, arguments)
        if os.path.exists(STEPS):
            _note(f"{name} {path}")
        strike = _due(f"{name} {path}")
        if strike and strike["how"] == "torn":
            os.truncate(path, max(0, os.stat(path).st_size - TORN))
        if strike and strike["how"] != "after":
            _kill(strike["whom"])
        result = call(*arguments, **more)
        if strike:
            _kill(strike["whom"])
        return result

    return step


if FOLDER:
    for name in ("fsync", "replace", "rename", "link"):
        setattr(os, name, _struck(name, getattr(os, name)))
    time.sleep = lambda seconds: _sleep(min(seconds, LONGEST_NAP))
