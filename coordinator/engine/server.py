"""The socket's far end: a snapshot, then every change; and requests, each with its reply.

It lives in the supervisor's loop and never waits. A client that reads too slowly is dropped: it can come back and
get a new snapshot.
"""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Callable
from pathlib import Path

import orjson

from ..control import MAX_REQUEST, Reply, Request, decode_request, is_private
from ..disk import naming
from ..errors import ExitCode, PolecatsError
from ..events import Event, Heartbeat, LoaderProgress, encode
from .snapshot import encode_state
from .state import RunState

EVERY = 0.1
"""Seconds between two looks at a loader's progress."""
MAX_BEHIND = 8 * 2**20
"""Bytes that may wait for a client."""
Answer = Callable[[Request], Reply]
Snapshot = Callable[[], RunState]


class Server:
    """Serves one run on a Unix socket that only its user may open."""

    def __init__(self, path: Path, selector: selectors.BaseSelector, answer: Answer, snapshot: Snapshot) -> None:
        self._path, self._selector, self._answer, self._snapshot = path, selector, answer, snapshot
        self._clients: set[_Client] = set()
        self._held: dict[tuple[str, str], tuple[float, Event]] = {}
        self._told = float("-inf")
        self._listener = _listen(path)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def report(self, event: Event, state: RunState, at: float) -> None:
        """See `recorder.Reporter`: tell everyone who watches.

        Of progress and heartbeats a loader's newest goes out ten times a second at most: no eye and no figure
        needs more. Any other event takes what was held back with it, so that the order stays true.
        """
        if not self.watched:
            self._held.clear()
            return
        if isinstance(event, LoaderProgress | Heartbeat):
            self._held[event.kind, event.loader] = at, event
            if 0 <= at - self._told < EVERY:
                return
        else:
            self._held[event.kind, ""] = at, event
        self._told = at
        lines = b"".join(orjson.dumps({"at": when, **encode(held)}) + b"\n" for when, held in self._held.values())
        self._held.clear()
        for client in list(self._clients):
            if client.watches:
                self._send(client, lines)

    @property
    def watched(self) -> bool:
        """Whether anybody watches."""
        return any(client.watches for client in self._clients)

    def close(self) -> None:
        """Let everyone go and take the socket away."""
        for client in list(self._clients):
            self._drop(client)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # it went away again
        connection.setblocking(False)
        client = _Client(connection)
        self._clients.add(client)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._serve(client))

    def _serve(self, client: _Client) -> None:
        try:
            data = client.connection.recv(MAX_REQUEST)
        except BlockingIOError:
            self._send(client, b"")
            return
        except OSError:
            data = b""
        if not data or len(client.heard) + len(data) > MAX_REQUEST:
            self._drop(client)
            return
        *lines, client.heard = (client.heard + data).split(b"\n")
        for line in lines:
            self._request(client, line)

    def _request(self, client: _Client, line: bytes) -> None:
        try:
            request = decode_request(line)
        except ValueError:
            self._send(client, Reply(False, "That is no request.").encode())
            return
        if request.verb == "watch":
            client.watches = True
            state = encode_state(self._snapshot())
            self._send(client, orjson.dumps({"kind": "snapshot", "state": state}) + b"\n")
        else:
            self._send(client, self._answer(request).encode())

    def _send(self, client: _Client, data: bytes) -> None:
        """Send what can be sent now, keep the rest for when the client can take it."""
        client.waiting += data
        try:
            while client.waiting:
                sent = client.connection.send(client.waiting)
                del client.waiting[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)
            return
        if len(client.waiting) > MAX_BEHIND:
            self._drop(client)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.waiting else 0)
        if client in self._clients:
            self._selector.modify(client.connection, events, lambda: self._serve(client))

    def _drop(self, client: _Client) -> None:
        if client in self._clients:
            self._clients.discard(client)
            self._selector.unregister(client.connection)
            client.connection.close()


class _Client:
    """One connection: what it has said of a line so far, what waits for it, whether it watches."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.heard = b""
        self.waiting = bytearray()
        self.watches = False


def answers(path: Path) -> bool:
    """Whether anybody listens on a socket, if only one that is too busy, or suspended, to take a call."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (TimeoutError, BlockingIOError):
            return True
        except OSError:
            return False
    return True


def _listen(path: Path) -> socket.socket:
    """A listening socket at `path`, 0600 in a 0700 folder; one that nobody answers is replaced."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PolecatsError(f"{path.parent}: {error.strerror}. Set XDG_RUNTIME_DIR to a folder of yours.") from None
    if not is_private(path.parent):
        raise PolecatsError(f"{path.parent} is not yours alone. Set XDG_RUNTIME_DIR to a folder that is.")
    if answers(path):
        raise PolecatsError(f"An engine already listens on {path}.", ExitCode.RUNNING)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        with naming(path):
            listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(8)
    listener.setblocking(False)
    return listener
