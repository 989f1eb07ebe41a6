"""Digests of served files, as the Hub has them: calculated once for each state of a file."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

PIECE = 2**17
"""Bytes that are read at once."""


def mark(path: Path) -> str:
    """What changes when a file does, without reading it: its ETag, its id in a listing."""
    status = path.stat()
    return hashlib.sha1(f"{path}\0{status.st_size}\0{status.st_mtime_ns}".encode()).hexdigest()


def update(digest: Any, path: Path) -> None:
    """Add a file's bytes to a hash."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)


def pointer(sha256: str, size: int) -> bytes:
    """What git has in place of a large file."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def blob_id(data: bytes) -> str:
    """What git calls these bytes."""
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data)).hexdigest()


class Digests:
    """For any number of threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def sha256(self, path: Path) -> str:
        """Of a file, in hex."""
        return self._once("sha256", path, lambda: _sha256(path))

    def blob_id(self, path: Path) -> str:
        """What git calls a small file."""
        return self._once("blob", path, lambda: blob_id(path.read_bytes()))

    def _once(self, kind: str, path: Path, calculate: Callable[[], str]) -> str:
        key = kind, mark(path)
        with self._lock:
            if key not in self._known:
                self._known[key] = calculate()
            return self._known[key]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    update(digest, path)
    return digest.hexdigest()
