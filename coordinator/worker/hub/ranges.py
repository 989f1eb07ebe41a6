"""Parts of the Hub's files: every answer is checked, every byte counts as progress, every wait has an end.

The Hub's own client takes any answer for the file (a login page, another version), holds an answer of any size back
until it is whole, and tries for up to half an hour. Here a part is asked for again from the byte at which it broke off.
The Hub answers for a large file with the address of a CDN, signed and good for a while: it is kept, and asked directly,
until it refuses.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import constants, get_session, hf_hub_url
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils._http import hf_raise_for_status

from ..failures import SourceError
from ..gate import Gate, reason_of
from ..streams.telling import ALTERED, telling
from .meter import STEP
from .remote_file import RemoteFile

WAITS = (1.0, 3.0, 9.0)
"""Seconds before a request is made again. With `HF_HUB_DOWNLOAD_TIMEOUT` a try, a silent server fails in 93 s, which
is before a loader counts as stalled, so that it is tried again by policy."""
RETRIED = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)
RETRIED_STATUS = (408, 500, 502, 503, 504)
"""The gate sees to 429."""
EXPIRED_STATUS = (400, 401, 403, 404, 410)
"""What a CDN says of an address that is no longer good."""
SENT, ANSWERED = "http11.send_request_headers.started", "http11.receive_response_headers.complete"
Sink = Callable[[bytes], None]
Fetch = Callable[[RemoteFile, int, int, Sink], None]
"""Gives the bytes of a file from a start to before an end to a sink, in order."""


class Latency:
    """How long the first byte of an answer takes, as measured so far, in seconds. For any number of threads."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def trace(self, clock: Callable[[], float] = time.monotonic) -> Callable[[str, Any], None]:
        """Takes a request's `trace` (see httpx2's extensions): the time to connect does not count."""
        asked = 0.0

        def trace(event: str, info: Any) -> None:
            nonlocal asked
            if event == SENT:
                asked = clock()
            elif event == ANSWERED and asked:
                self._measured(clock() - asked)

        return trace

    def _measured(self, seconds: float) -> None:
        self.seconds = min(seconds, self.seconds) if self.seconds else seconds


class _Part:
    """What is asked for, and how far it has come."""

    def __init__(self, start: int, end: int, take: Sink) -> None:
        self.done, self.end, self._take = start, end, take

    def add(self, chunk: bytes) -> None:
        """Hand on what has come; no more than was asked for."""
        chunk = chunk[: self.end - self.done]
        self._take(chunk)
        self.done += len(chunk)


class Address:
    """Where a file is to be had: at the Hub, which may send on to a CDN, whose address is kept while it is good.

    For any number of threads.
    """

    def __init__(self, file: RemoteFile) -> None:
        self._hub = hf_hub_url(file.repo, file.path, repo_type="dataset", revision=file.commit)
        self._known = ""
        self._asking = threading.Lock()

    @contextmanager
    def asked(self) -> Iterator[tuple[str, Callable[[str], None]]]:
        """Where to ask, and what takes the address that answered. While none is known, one asks and the others wait."""
        first = not self._known and self._asking.acquire()

        def found(url: str) -> None:
            nonlocal first
            self._known = url
            if first:
                first = False
                self._asking.release()

        try:
            if first and self._known:
                found(self._known)
            yield self._known or self._hub, found
        finally:
            if first:
                self._asking.release()

    def forget(self, url: str) -> bool:
        """An address is refused; returns whether it was one of a CDN, so that the Hub is to be asked for another."""
        if self._known == url != self._hub:
            self._known = ""
        return url != self._hub


class Fetcher:
    """Fetches parts of one file. For any number of threads. Raises `SourceError` for whatever keeps it from the bytes
    that were listed."""

    def __init__(self, file: RemoteFile, gate: Gate, latency: Latency) -> None:
        self.file, self._gate, self._latency = file, gate, latency
        self._address = Address(file)
        self._tags: dict[bytes, str] = {}
        self._lock = threading.Lock()

    def fetch(self, start: int, end: int, take: Sink) -> None:
        """Give the bytes from `start` to before `end` to `take`, in order, in as many requests as it takes."""
        part, waits = _Part(start, end, take), list(WAITS)
        with telling(self.file.place):
            while part.done < end:
                before = part.done
                try:
                    self._request(part)
                except _Expired:
                    continue
                except RETRIED as error:
                    if part.done == end:
                        return  # whole, and lost after that
                    if part.done - before >= STEP:
                        waits = list(WAITS)  # it gets on
                    if not waits:
                        raise
                    self._gate.rest(waits.pop(0), reason_of(error))

    def _request(self, part: _Part) -> None:
        """Ask for what is missing of a part, and hand it on as it comes."""
        with self._address.asked() as (url, found):
            headers = {"Range": f"bytes={part.done}-{part.end - 1}", "Accept-Encoding": "identity"}
            if _origin(url) == _origin(constants.ENDPOINT):
                headers |= build_hf_headers()
            extensions = {"trace": self._latency.trace()}
            with get_session().stream("GET", url, headers=headers, timeout=_timeout(), extensions=extensions) as answer:
                self._check(answer, part, url)
                found(str(answer.url))
                for chunk in answer.iter_raw():
                    if part.done == part.end:
                        break  # more comes than was asked for, maybe without an end
                    part.add(chunk)
        if part.done != part.end:
            raise httpx2.RemoteProtocolError(f"{part.end - part.done} bytes are missing", request=answer.request)

    def _check(self, answer: httpx2.Response, part: _Part, url: str) -> None:
        """Raises where the answer is not this part of this file."""
        if answer.status_code in EXPIRED_STATUS and self._address.forget(url):
            raise _Expired
        if answer.status_code in RETRIED_STATUS:
            raise _OutOfOrder(answer)
        if answer.is_error:
            answer.read()
            hf_raise_for_status(answer)
        given = answer.headers.get("Content-Range", "")
        if answer.status_code != 206:
            kind = answer.headers.get("Content-Type", "").partition(";")[0] or "nothing said"
            raise self._other(f"{answer.url.host} gave something else ({kind}) in its place")
        size = self.file.size
        if given != f"bytes {part.done}-{part.end - 1}/{size}" or not self._same(answer):
            raise self._other(f"changed while it was read, or is not the one of {size:,} bytes that was listed")

    def _same(self, answer: httpx2.Response) -> bool:
        """Whether the answer's file is the one that was listed, and that earlier answers came from."""
        first = answer.history[0] if answer.history else answer
        told = first.headers.get("X-Linked-Etag", "").strip('"')
        if told and self.file.sha256 and told != self.file.sha256:
            return False
        host, tag = answer.url.netloc, answer.headers.get("ETag", "")
        if not tag.startswith('"'):
            return True  # a weak one, or none: it says nothing of bytes
        with self._lock:
            return self._tags.setdefault(host, tag) == tag

    def _other(self, what: str) -> SourceError:
        return SourceError("network", f"{self.file.place}: {what}", ALTERED)


class _Expired(Exception):
    """The address that was kept is no longer good."""


class _OutOfOrder(httpx2.NetworkError):
    """A status that may pass; `response` has it."""

    def __init__(self, answer: httpx2.Response) -> None:
        super().__init__(f"status {answer.status_code}", request=answer.request)
        self.response = answer


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _timeout() -> float:
    return float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
