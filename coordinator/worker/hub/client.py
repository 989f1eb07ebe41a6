"""The client through which all requests to the Hub go, also those for parts of files: it obeys the Hub's limits.

A 429, or a 503 that says when to come again, shuts the gate of the whole run; the request is made again once it
opens. Calls of the API, which the Hub's library makes once, are made again after a fault that may pass. The pauses
that the libraries make by themselves are known by what they log alone, and told as waits. Each thread has a connection
of its own, and never more than one.
"""

from __future__ import annotations

import logging
import os
import re
import ssl
import threading
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx2
from huggingface_hub import constants, set_client_factory
from huggingface_hub.utils._http import default_client_factory

from ..failures import REMEDIES, SourceError
from ..gate import Gate, Interrupted, reason_of
from .connections import Connections

FIRST_PAUSE = 1.0
"""Seconds before the second try; doubles with each, and the Hub may ask for more."""
LIMITED_TRIES = 6
"""Answers in a row that say to come again later, after which a loader fails and is tried again by policy."""
API_TRIES = 4
LONGEST_SILENCE = 20.0
"""Seconds without a byte after which a request is given up whose caller sets no limit."""
LONGEST_CONNECT = 4.0
"""Seconds that the first connection to the Hub may take, or there is no network."""
PASSING = (408, 500, 502, 503, 504)
LARGEST = 366 * 86_400.0
"""Seconds: what a server asks for beyond is a mistake."""
_WINDOW = re.compile(r"\br=0\b.*?\bt=(\d+)")
"""Of `RateLimit: "api";r=0;t=55`: nothing remains of the window, which ends in 55 s."""
_PAUSE = re.compile(r"(?:Retrying in|Waiting) ([\d.]+) ?s")
_STATUS = re.compile(r"HTTP Error (\d{3})")


@cache
def govern(gate: Gate, connections: Connections) -> GovernedClient:
    """Let the Hub's libraries send all requests through `gate` and `connections`, and tell of their own pauses."""
    _forget_impossible_token()
    hooks = default_client_factory().event_hooks
    client = GovernedClient(gate, connections, event_hooks=hooks, follow_redirects=True, timeout=None)
    connections.close = client.close_own
    set_client_factory(lambda: client)
    teller = PauseTeller(gate)
    for library in ("huggingface_hub", "datasets"):
        logging.getLogger(library).addHandler(teller)
    return client


def _forget_impossible_token() -> None:
    """Where HF_HOME lies below a plain file, the Hub's library fails at each call instead of finding no token."""
    try:
        os.stat(constants.HF_TOKEN_PATH)
    except NotADirectoryError:
        constants.HF_TOKEN_PATH = os.devnull
    except OSError:
        return


def _unused(request: httpx2.Request) -> httpx2.Response:
    raise RuntimeError(f"{request.url} is asked for by a thread's own client")


@cache
def _trust() -> ssl.SSLContext:
    """The certificates that are trusted, read once for all connections."""
    return httpx2.create_ssl_context()


class GovernedClient(httpx2.Client):
    """The Hub's client with a gate before each request; each thread's requests go over one connection of its own."""

    def __init__(
        self, gate: Gate, connections: Connections, transport: httpx2.BaseTransport | None = None, **options: Any
    ) -> None:
        super().__init__(transport=httpx2.MockTransport(_unused), **options)  # each thread has one of its own
        self._gate, self.connections = gate, connections
        self._options = {**options, "transport": transport}
        self.reached = False
        """Whether the Hub, or anything in its place, has answered yet."""
        self._threads = threading.local()

    def _one(self) -> httpx2.Client:
        """The calling thread's client, which has a connection at most."""
        own: httpx2.Client | None = getattr(self._threads, "client", None)
        if own is None:
            limits = httpx2.Limits(max_connections=1, max_keepalive_connections=1)
            own = self._threads.client = httpx2.Client(verify=_trust(), limits=limits, **self._options)
        return own

    def close_own(self) -> None:
        """Close the calling thread's connection."""
        own: httpx2.Client | None = getattr(self._threads, "client", None)
        if own is not None:
            self._threads.client = None
            own.close()

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """As `httpx2.Client.send`. Raises `SourceError` where the Hub does not let this worker in."""
        with self.connections.one(self._gate.stopping) as taken:
            if not taken:
                raise Interrupted
            return self._send(request, **options)

    def _send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        attempt = 0
        if not any((request.extensions.get("timeout") or {}).values()):
            request.extensions["timeout"] = httpx2.Timeout(LONGEST_SILENCE).as_dict()  # some calls set none
        if not self.reached:
            request.extensions["timeout"]["connect"] = LONGEST_CONNECT
        while True:
            attempt += 1
            self._gate.enter()
            try:
                response = self._one().send(request, **options)
            except (httpx2.NetworkError, httpx2.RemoteProtocolError) as error:
                if attempt >= self._tries(error) or not _is_call(request):
                    raise
                self._gate.rest(_delay(attempt), reason_of(error))
                continue
            self.reached = True
            if not self._refused(request, response, attempt):
                return response
            response.close()

    def _tries(self, error: Exception) -> int:
        """How often a call is made: a Hub that has not been reached yet is taken for absent soon."""
        return API_TRIES if self.reached or not isinstance(error, httpx2.ConnectError) else 2

    def _refused(self, request: httpx2.Request, response: httpx2.Response, attempt: int) -> bool:
        """Whether the request is to be made again; returns when that may be thought of."""
        status = response.status_code
        asked = asked_pause(response.headers, time.time()) if status in (429, 503) else None
        if status == 429 or asked is not None:
            response.close()
            self._gate.shut(max(asked or 0.0, _delay(attempt)), f"{status} from the Hub")
            if attempt >= LIMITED_TRIES:
                raise SourceError(
                    "rate_limited",
                    f"the Hub answered {status} {attempt} times in a row to {request.method} {request.url.path}",
                    REMEDIES["rate_limited"],
                )
            return True
        if status in PASSING and attempt < API_TRIES and _is_call(request):
            self._gate.rest(_delay(attempt), f"{status} from the Hub")
            return True
        return False


def _is_call(request: httpx2.Request) -> bool:
    """Whether a request asks about a repository: those for its files are tried again by whoever reads them."""
    return request.url.path.startswith("/api/")


def _delay(attempt: int) -> float:
    return FIRST_PAUSE * 2.0 ** (attempt - 1)


def asked_pause(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that an answer asks to wait, None where it does not; `now` in seconds since the epoch.

    `Retry-After` in seconds or as a date (against the answer's own `Date`), or the end of the `RateLimit` window.
    """
    told = [seconds for seconds in (_retry_after(headers, now), _window(headers)) if seconds is not None]
    return min(max(told), LARGEST) if told else None


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    wanted = _date(text)
    if wanted is None:
        return None
    asked_at = _date(headers.get("Date", ""))
    return max(0.0, wanted - (now if asked_at is None else asked_at))


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _window(headers: Mapping[str, str]) -> float | None:
    told = _WINDOW.search(headers.get("RateLimit", ""))
    return float(told[1]) if told else None


class PauseTeller(logging.Handler):
    """Hears the libraries say that they pause before they try again, and why."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(logging.WARNING)
        self._gate, self._cause = gate, ""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell the gate of a pause. Raises `Interrupted` where the loader is to stop: the pause comes next."""
        text = record.getMessage()
        pause, status = _PAUSE.search(text), _STATUS.search(text)
        if pause:
            self._gate.announce(float(pause[1]), self._cause or "connection lost")
            self._cause = ""
        elif status:
            self._cause = f"{status[1]} from the Hub"
