"""What a worker prints, on its way to its log: line by line, without credentials.

The engine reads and writes, not the worker: so the last words of one that crashes are kept, and no loader's code
writes past this. Pieces end where a line ends, or a word of a line that is too long: in no credential.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from ...redaction import redacted

PIECE = 2**16
"""Bytes that are held back at most for the end of a line."""


def keep_output(printed: Any, log: Path) -> threading.Thread:
    """A thread that copies a connection to the end of a log until nobody can print any more; then it closes both.

    A log that cannot be written costs what was printed, never the worker: the thread reads on.
    """
    thread = threading.Thread(target=_copy, args=(printed, log), name=f"log of {log.stem}", daemon=True)
    thread.start()
    return thread


def _copy(printed: Any, log: Path) -> None:
    target = _opened(log)
    with printed, open(printed.fileno(), "rb", buffering=0, closefd=False) as source:
        rest = b""
        while data := source.read(PIECE):
            ready, rest = _split(rest + data)
            _write(target, ready)
        _write(target, rest)
    if target is not None:
        target.close()


def _opened(log: Path) -> FileIO | None:
    with suppress(OSError):
        return open(log, "ab", buffering=0, opener=lambda path, flags: os.open(path, flags, 0o600))
    return None


def _split(data: bytes) -> tuple[bytes, bytes]:
    """What may be written, and what waits for more: the last line, or the last word of one that is too long."""
    end = data.rfind(b"\n") + 1
    if len(data) - end > PIECE:
        end += data[end:].rfind(b" ") + 1 or len(data) - end
    return data[:end], data[end:]


def _write(target: FileIO | None, data: bytes) -> None:
    text = redacted(data.decode("utf-8", "surrogateescape"))
    if target is not None and text:
        with suppress(OSError):
            target.write(text.encode("utf-8", "surrogateescape"))
