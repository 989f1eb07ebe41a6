"""The Hub's files by ranges: every answer is checked, every byte counts as progress, every wait has an end.

In a worker this is what `hf://` means, also to `datasets`. The Hub's own client takes any answer for the file (a login
page, another version), holds an answer of any size back until it is whole, and tries for up to half an hour. Opening a
file asks the server nothing: that it is there, and its size, is known from the listing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import fsspec
import httpx2
from huggingface_hub import HfFileSystem, constants, get_session
from huggingface_hub.hf_file_system import HfFileSystemFile
from huggingface_hub.utils._http import hf_raise_for_status

from ..failures import SourceError
from ..gate import Gate, reason_of
from .telling import ALTERED, telling
from .watched import METER, STEP

WAITS = (1.0, 3.0, 9.0)
"""Seconds before a request is made again. With `HF_HUB_DOWNLOAD_TIMEOUT` a try, a silent server fails in 93 s, which
is before a loader counts as stalled, so that it is tried again by policy."""
RETRIED = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)
RETRIED_STATUS = (408, 500, 502, 503, 504)
"""The gate sees to 429."""


class RangeFileSystem(HfFileSystem):
    """`HfFileSystem` whose files are `RangeFile`s. Knows what was listed, by path."""

    sizes: dict[str, int] = {}  # noqa: RUF012  of the process: `datasets` makes instances of its own
    gate = Gate()
    """What pauses go by."""

    @classmethod
    def listed(cls, urls: Iterable[tuple[str, int]]) -> None:
        """Take up files and their sizes in bytes; from now on `hf://` means this."""
        fsspec.register_implementation("hf", cls, clobber=True)
        cls.sizes |= {cls._strip_protocol(url): size for url, size in urls}

    def glob(self, path: str, *args: Any, **options: Any) -> Any:
        """A listed file is itself, whatever its name looks like."""
        path = self._strip_protocol(path)
        return [path] if path in self.sizes else super().glob(path, *args, **options)

    def _open(
        self, path: str, mode: str = "rb", block_size: int | None = None, revision: str | None = None, **options: Any
    ) -> RangeFile:
        options = {"size": self.sizes.get(path), **options}
        return RangeFile(self, path, revision, mode=mode, block_size=block_size or "default", **options)

    def _repo_and_revision_exist(self, *asked: object) -> tuple[bool, None]:
        return True, None


class RangeFile(HfFileSystemFile):
    """A file that is read by ranges. Raises `SourceError` for whatever keeps it from the bytes that were listed."""

    _tag: tuple[str, str] = ("", "")
    """The host that answered last, and the file's strong ETag there."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`, in as many requests as it takes."""
        got, waits = bytearray(), list(WAITS)
        with telling(self._place):
            while True:
                before = len(got)
                try:
                    self._request(start, end, got)
                    return bytes(got)
                except RETRIED as error:
                    if len(got) == end - start:
                        return bytes(got)  # whole, and lost after that
                    if len(got) - before >= STEP:
                        waits = list(WAITS)  # it gets on
                    if not waits:
                        raise
                    self.fs.gate.rest(waits.pop(0), reason_of(error))

    def _request(self, start: int, end: int, got: bytearray) -> None:
        """Append what is missing of a range to `got`, as it comes."""
        first = start + len(got)
        headers = {"Range": f"bytes={first}-{end - 1}", "Accept-Encoding": "identity"}
        headers |= self.fs._api._build_hf_headers()
        with get_session().stream("GET", self.url(), headers=headers, timeout=_timeout()) as answer:
            self._check(answer, first, end)
            for chunk in answer.iter_raw():
                got += chunk
                METER.add(len(chunk))
        if len(got) != end - start:
            raise httpx2.RemoteProtocolError(f"{len(got)} of {end - start} bytes came", request=answer.request)
        METER.settle()

    def _check(self, answer: httpx2.Response, first: int, end: int) -> None:
        """Raises where the answer is not this part of this file."""
        if answer.status_code in RETRIED_STATUS:
            raise _OutOfOrder(answer)
        if answer.is_error:
            answer.read()
            hf_raise_for_status(answer)
        host, given = answer.url.host, answer.headers.get("Content-Range", "")
        if answer.status_code != 206:
            kind = answer.headers.get("Content-Type", "").partition(";")[0] or "nothing said"
            raise self._other(f"{host} gave something else ({kind}) in its place")
        tag = (host, answer.headers.get("ETag", ""))
        if given != f"bytes {first}-{end - 1}/{self.size}" or (self._tag[0] == host and self._tag != tag):
            raise self._other(f"changed while it was read, or is not the one of {self.size:,} bytes that was listed")
        self._tag = tag if tag[1].startswith('"') else ("", "")

    @property
    def _place(self) -> str:
        repo, _, path = self.path.removeprefix("datasets/").partition("@")
        return f"{repo}: {path.partition('/')[2]}"

    def _other(self, what: str) -> SourceError:
        return SourceError("network", f"{self._place}: {what}", ALTERED)


class _OutOfOrder(httpx2.NetworkError):
    """A status that may pass; `response` has it."""

    def __init__(self, answer: httpx2.Response) -> None:
        super().__init__(f"status {answer.status_code}", request=answer.request)
        self.response = answer


def _timeout() -> float:
    return float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
