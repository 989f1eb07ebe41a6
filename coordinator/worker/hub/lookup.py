"""Whether a host's name can be looked up in time: without a network the system may take half a minute to say no."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx2

LONGEST_LOOK_UP = 3.0
"""Seconds after which there is no network."""


def looked_up(url: str, seconds: float = LONGEST_LOOK_UP, ask: Callable[..., Any] = socket.getaddrinfo) -> None:
    """Return once the name of the url's host is known, or known to be wrong: the client tells that.

    Raises `httpx2.ConnectTimeout`. Where a proxy stands between, that looks the name up.
    """
    parts = urlsplit(url)
    proxies = getproxies()
    if proxies.get(parts.scheme) or proxies.get("all"):
        return

    def look() -> None:
        with suppress(OSError):
            ask(parts.hostname, parts.port)

    thread = threading.Thread(target=look, name="lookup", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise httpx2.ConnectTimeout("the name was not looked up in time", request=httpx2.Request("GET", url))
