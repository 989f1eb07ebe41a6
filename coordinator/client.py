"""The socket's near end: ask the engine of a repository, or watch it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from .control import Reply, Request, decode_reply, found_socket, is_private
from .errors import ExitCode, PolecatsError

TIMEOUT = 10.0
"""Seconds to wait for an answer: a run that merges does not answer."""
RUNNING = ExitCode.RUNNING


def ask(root: Path, request: Request) -> Reply | None:
    """The engine's reply, or None where no engine listens. Raises `PolecatsError` where it does not answer."""
    try:
        with _connect(root) as connection:
            if connection is None:
                return None
            connection.sendall(request.encode())
            with connection.makefile("rb") as lines:
                for line in lines:
                    return decode_reply(orjson.loads(line))
    except TimeoutError:
        raise PolecatsError("The run in progress does not answer; it may be merging. Try again.", RUNNING) from None
    except (OSError, ValueError):
        pass
    raise PolecatsError("The run in progress ended before it answered. Try again.", RUNNING)


def listens(root: Path) -> bool:
    """Whether an engine of the repository listens."""
    with _connect(root) as connection:
        return connection is not None


def watch(root: Path) -> Iterator[dict[str, Any]]:
    """The snapshot, then events, as they come; ends when the engine does. Nothing where none listens."""
    with _connect(root) as connection:
        if connection is None:
            return
        with suppress(ConnectionError), connection.makefile("rb") as lines:
            connection.sendall(Request("watch").encode())
            connection.settimeout(None)
            for line in lines:
                if not line.endswith(b"\n"):
                    return  # the engine went away in mid-line
                yield orjson.loads(line)


@contextmanager
def _connect(root: Path) -> Iterator[socket.socket | None]:
    """A connection to the repository's engine, or None. In a folder that others may write to, none is the user's."""
    path = found_socket(root)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        try:
            if not is_private(path.parent):
                raise FileNotFoundError(path)
            connection.connect(str(path))
        except OSError:
            listening = None
        else:
            listening = connection
        yield listening
