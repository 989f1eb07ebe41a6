"""Small things that are true of the Hub's files for good, kept because each spares a request."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from contextlib import suppress
from pathlib import Path

from xxhash import xxh3_128_digest

from ...disk import removed_on_error
from .retained import Fact, listed, touch

DIGEST = 16
"""Bytes before what is kept: its XXH3, so that what a power cut has left is known for what it is."""
_WORD = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


class Facts:
    """A folder of them, each a file `<kind>--<key>`. The folder need not be there. Nothing raises `OSError`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def remember(self, kind: str, key: str, data: bytes) -> None:
        """Keep it, if the disk lets us."""
        path = self._path(kind, key)
        beside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with removed_on_error(beside):
                beside.write_bytes(xxh3_128_digest(data) + data)
                os.replace(beside, path)

    def recall(self, kind: str, key: str) -> bytes | None:
        """What was remembered, byte by byte, or nothing. It counts as used."""
        path = self._path(kind, key)
        with suppress(OSError):
            told = path.read_bytes()
            touch(path)
            digest, data = told[:DIGEST], told[DIGEST:]
            return data if xxh3_128_digest(data) == digest else None
        return None

    def all(self) -> list[Fact]:
        """As what takes room."""
        return [Fact(path, status) for path, status in listed(self._folder).items()]

    def _path(self, kind: str, key: str) -> Path:
        word = key if _WORD.fullmatch(key) else hashlib.sha256(key.encode(errors="replace")).hexdigest()
        return self._folder / f"{kind}--{word}"
