"""Answering over HTTP as the Hub and its CDN do: files by ranges, with faults, at a network's pace, and noted."""

from __future__ import annotations

import io
import json
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from .faults import Fault
from .network import LOOPBACK, Asked, Log

MOVED = "moved"
"""The folder to which a redirect leads."""
BITE = 2**17
"""Bytes that are sent at once at most."""
NOTICED = 0.002
"""Seconds: what is shorter is not waited for, as the clock of a sleep is no finer."""
EXPIRED = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access denied</Message></Error>'
)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file, from `start` to before `end`."""

    path: Path
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def open(self) -> BinaryIO:
        """The file, at the part's start."""
        file = self.path.open("rb")
        file.seek(self.start)
        return file


Body = bytes | Part


class Server(ThreadingHTTPServer):
    """A server on loopback that a handler below answers for."""

    daemon_threads = True
    request_queue_size = 128
    on_cdn = False
    network = LOOPBACK
    url: str
    closing: threading.Event
    """Set as the server closes: ends what stalls, drips or waits."""

    @cached_property
    def log(self) -> Log:
        """All that was asked for."""
        return Log()

    def fault(self, request: str) -> Fault | None:
        """The first fault that hits this request."""
        raise NotImplementedError

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class Answering(BaseHTTPRequestHandler):
    """Answers the requests of one connection; `_route` knows what there is."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server
    fault: Fault | None = None
    record: Asked | None = None

    def setup(self) -> None:
        """A connection has been made."""
        super().setup()
        self.server.log.opened(self.connection)
        self._wait(self.server.network.latency)

    def finish(self) -> None:
        """It is over."""
        self.server.log.closed(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """As it is, and noted."""
        if self.record is not None:
            self.record.status = code
        super().send_response(code, message)

    def _answer(self) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        wanted, log = self.headers.get("Range", ""), self.server.log
        self.record = log.begin(self.connection, self.command, path, wanted, self.server.on_cdn)
        try:
            self.posted = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._wait(self.server.network.latency)
            self._answer_to(path)
        finally:
            log.end(self.connection)

    do_HEAD = do_GET = do_POST = _answer

    def _answer_to(self, path: str) -> None:
        self.fault = self.server.fault(f"{self.command} {path}")
        match self.fault.kind if self.fault else "":
            case "reset":
                self._reset()
            case "stall":
                self._fall_silent()
            case "status" if self.fault:
                self._send(self.fault.code, json.dumps({"error": "injected"}).encode(), self.fault.headers)
            case "page":
                self._send(200, b"<!doctype html><title>Log in</title>", {"Content-Type": "text/html"})
            case "moved":
                self._send(302, b"", {"Location": f"{self.server.url}/{MOVED}{self.path}"})
            case "expired":
                self._send(403, EXPIRED, {"Content-Type": "application/xml"})
            case _:
                self._route(path.removeprefix(f"/{MOVED}").strip("/").split("/"))

    def _route(self, parts: list[str]) -> None:
        raise NotImplementedError

    # --- files

    def _give(self, path: Path, headers: dict[str, str]) -> None:
        """A file, or the part of it that is asked for."""
        total = path.stat().st_size
        if self._is("other", "tag"):
            headers = {**headers, "ETag": '"other"'}
            total = total * 2 // 3 if self._is("other") else total
        wanted = self.headers.get("Range")
        if not wanted or self._is("whole"):
            return self._send(200, Part(path, 0, total), headers)
        start, end = _bounds(wanted, total)
        if start >= total:
            return self._send(416, b"", {"Content-Range": f"bytes */{total}"})
        if self._is("short"):
            end = start + (end - start) // 2
        first = start + 1 if self._is("shifted") else start
        told = f"bytes {first}-{first + end - start}/{total}"
        return self._send(206, Part(path, start, end + 1), {**headers, "Content-Range": told})

    # --- answers

    def _send(self, code: int, body: Body, headers: dict[str, str]) -> None:
        self.send_response(code)
        told = len(body) + 100 if self._is("lie") else len(body)
        for key, value in {**headers, "Content-Length": str(told)}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self._stream(body, len(body) // 2 if self._is("cut", "silent") else len(body))
        if self._is("cut"):
            self._reset()
        elif self._is("silent"):
            self._fall_silent()
        elif self._is("lie"):
            self.close_connection = True

    def _stream(self, body: Body, count: int) -> None:
        """The first bytes of a body, in small bites, at the pace of the network or of the fault."""
        rate = self.fault.rate if self.fault and self.fault.kind == "slow" else self.server.network.rate
        bite = max(1, min(BITE, int(rate / 10))) if rate else BITE
        begun, sent = time.monotonic(), 0
        for piece in _pieces(body, count, bite):
            garbled = not sent and self._is("garbled")
            self.wfile.write(bytes([piece[0] ^ 0xFF]) + piece[1:] if garbled else piece)
            sent += len(piece)
            if self.record is not None:
                self.record.sent = sent
            if rate and self._wait(begun + sent / rate - time.monotonic()):
                break
        if sent < count:  # the server closes, or the file has become shorter
            self.close_connection = True

    def _is(self, *kinds: str) -> bool:
        return self.fault is not None and self.fault.kind in kinds

    def _wait(self, seconds: float) -> bool:
        """Let time pass; returns whether the server closes."""
        return seconds > NOTICED and self.server.closing.wait(seconds)

    def _fall_silent(self) -> None:
        self.wfile.flush()
        self.server.closing.wait()
        self.close_connection = True

    def _reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.server.log.closed(self.connection)
        self.connection.close()


def _bounds(wanted: str, total: int) -> tuple[int, int]:
    """First and last byte of `bytes=5-9`, `bytes=5-` or `bytes=-3`."""
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    start = int(first) if first else max(0, total - int(last))
    return start, min(int(last), total - 1) if first and last else total - 1


def _pieces(body: Body, count: int, bite: int) -> Iterator[bytes]:
    """The first `count` bytes of a body, or fewer where it has become shorter."""
    with io.BytesIO(body) if isinstance(body, bytes) else body.open() as file:
        while count > 0 and (piece := file.read(min(bite, count))):
            count -= len(piece)
            yield piece
