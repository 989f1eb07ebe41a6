"""The run's events as JSON lines on stdout, each with its time; for programs."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

import orjson

from ..engine.state import RunState
from ..events import Event, encode


def json_reporter(event: Event, state: RunState, at: float) -> None:
    """See `engine.recorder.Reporter`."""
    json_line({"at": at, **encode(event)})


def json_line(value: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    with suppress(OSError):  # nobody reads any more, or the disk is full: no reason to end a run
        sys.stdout.write(orjson.dumps(value).decode() + "\n")
        sys.stdout.flush()
