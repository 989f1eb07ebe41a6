"""Where the Hub keeps large files: another server, which knows signed addresses alone, and no token."""

from __future__ import annotations

import secrets
import threading
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .digests import mark
from .faults import Fault
from .network import CDN
from .serving import EXPIRED, Answering, Server

if TYPE_CHECKING:
    from .hub import Hub

XML = {"Content-Type": "application/xml"}
TWICE = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed'
    b"</Message><ArgumentName>Authorization</ArgumentName></Error>"
)


@dataclass(slots=True)
class _Signed:
    """An address that was given out: of which file, until when, in seconds since the epoch, and how often it is good
    for (negative: any number)."""

    path: Path
    until: float
    left: int


class Cdn(Server):
    """The server. Its host has another name than the Hub's, so that no client takes the two for one."""

    on_cdn = True

    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub, self.network, self.log, self.closing = hub, hub.network, hub.log, hub.closing
        self.url = f"http://localhost:{self.server_address[1]}"
        self._signed: dict[str, _Signed] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Serve no more."""
        self.shutdown()
        self._thread.join()
        self.server_close()

    def fault(self, request: str) -> Fault | None:
        """The first fault that hits this request; the Hub's hold here, too."""
        return self.hub.fault(request)

    def sign(self, path: Path) -> str:
        """A new address of a file."""
        signature, until = secrets.token_hex(16), self.hub.clock() + self.network.expires
        with self._lock:
            self._signed[signature] = _Signed(path, until, self.network.uses or -1)
        name = urllib.parse.quote(path.relative_to(self.hub.root).as_posix())
        return f"{self.url}/{CDN}/{name}?Expires={int(until)}&Signature={signature}&Key-Pair-Id=STANDIN"

    def admits(self, path: Path, signature: str) -> bool:
        """Whether an address is still good; counts."""
        with self._lock:
            signed = self._signed.get(signature)
            if signed is None or signed.path != path or not signed.left or self.hub.clock() >= signed.until:
                return False
            signed.left -= 1
            return True


class _Handler(Answering):
    server: Cdn

    def _route(self, parts: list[str]) -> None:
        path = self.server.hub.root / "/".join(parts[1:])
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if self.headers.get("Authorization"):
            return self._send(400, TWICE, XML)
        if parts[0] != CDN or not self.server.admits(path, query.get("Signature", [""])[0]):
            return self._send(403, EXPIRED, XML)
        return self._give(path, {"ETag": f'"{mark(path)[:32]}-9"', "Accept-Ranges": "bytes"})
