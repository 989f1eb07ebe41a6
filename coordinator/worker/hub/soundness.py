"""Whether a file that others brought into the cache has the bytes that the Hub lists: looked through once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from .facts import Facts
from .meter import METER
from .remote_file import RemoteFile

KIND = "sound"
PIECE = 2**20


class Soundness:
    """What was found sound is remembered by inode, size and time of writing, and looked through anew if these differ.

    A disk that changes bytes by itself, leaving all these, is not noticed.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._known: dict[str, bytes] = {}

    def holds(self, path: Path, file: RemoteFile) -> bool:
        """Whether the file at `path` has the SHA-256 that is listed; True where none is."""
        if not file.sha256:
            return True
        try:
            mark = _mark(path)
            if mark in (self._known.get(file.sha256), self._facts.recall(KIND, file.sha256)):
                return True
            if _sha256(path) != file.sha256:
                return False
        except FileNotFoundError:
            return False  # another process has just removed it
        self._known[file.sha256] = mark
        self._facts.remember(KIND, file.sha256, mark)
        return True


def _mark(path: Path) -> bytes:
    status = os.stat(path)
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}".encode()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            METER.add(len(piece))  # of a large file this takes a while, and is no stall
    return digest.hexdigest()
