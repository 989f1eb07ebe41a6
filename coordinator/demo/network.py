"""What the stand-in's network is like: how far away, how wide, and where large files are kept; and a log of its use."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

CDN = "cdn"
"""The first part of a path on the CDN."""


@dataclass(frozen=True, slots=True)
class Network:
    """The manners of a network. By default it is none, and the Hub serves all files itself."""

    latency: float = 0.0
    """Seconds before each answer, and once more before the first one of a connection."""
    rate: float = 0.0
    """Bytes a second of each connection; 0: as fast as it goes."""
    lfs: bool = False
    """Large files are listed with their SHA-256, and come from a CDN, to which the Hub redirects."""
    large: int = 10 * 1024
    """Bytes from which on a file is large."""
    expires: float = 3_600.0
    """Seconds that an address of the CDN is good for."""
    uses: int = 0
    """Requests that an address of the CDN is good for; 0: any number."""


LOOPBACK = Network()
"""Near, wide, and without a CDN."""


@dataclass(slots=True)
class Asked:
    """One request. What it got grows while it is answered; `sent` counts bytes of the body."""

    method: str
    path: str
    range: str
    cdn: bool
    active: int
    """Requests under way as this one came, itself included."""
    open: int
    """Connections that were open then."""
    status: int = 0
    sent: int = 0

    @property
    def of_file(self) -> bool:
        """Whether it asks for a file, at the Hub or at the CDN."""
        return self.cdn or "/resolve/" in self.path


@dataclass
class Log:
    """All that the Hub and its CDN were asked for. For any number of threads."""

    asked: list[Asked] = field(default_factory=list)
    _busy: dict[socket.socket, bool] = field(default_factory=dict)
    """Each connection that we have not closed: whether a request of it is under way."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def opened(self, connection: socket.socket) -> None:
        """A client has connected."""
        with self._lock:
            self._busy[connection] = False

    def closed(self, connection: socket.socket) -> None:
        """A connection is over."""
        with self._lock:
            self._busy.pop(connection, None)

    def begin(self, connection: socket.socket, method: str, path: str, wanted: str, cdn: bool) -> Asked:
        """A request has come. What a client has closed is not counted, whether or not we have noticed that yet."""
        with self._lock:
            self._busy[connection] = True
            busy = [busy for other, busy in self._busy.items() if other is connection or _is_open(other)]
            asked = Asked(method, path, wanted, cdn, sum(busy), len(busy))
            self.asked.append(asked)
        return asked

    def end(self, connection: socket.socket) -> None:
        """The request of this connection is answered."""
        with self._lock:
            self._busy[connection] = False


def file_bytes(asked: Iterable[Asked]) -> int:
    """Bytes of files that were sent."""
    return sum(one.sent for one in asked if one.of_file and one.status in (200, 206))


def most_active(asked: Iterable[Asked]) -> int:
    """The most requests under way at once."""
    return max((one.active for one in asked), default=0)


def most_open(asked: Iterable[Asked]) -> int:
    """The most connections open at once while something was asked for."""
    return max((one.open for one in asked), default=0)


def _is_open(connection: socket.socket) -> bool:
    """Whether the client has not closed it."""
    try:  # what is encrypted cannot be peeked at as such, but below
        return socket.socket.recv(connection, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
