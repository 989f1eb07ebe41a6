"""What is said over the engine's socket: JSON lines, bounded, nothing that runs code.

A client sends requests, `{"verb": ..., "targets": [...]}`; the engine answers `{"kind": "reply", ...}`. To a client
that watches it sends `{"kind": "snapshot", "state": ...}`, then every event as in the journal.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

import orjson

from .paths import Paths

Verb = Literal["watch", "restart", "stop", "start", "shutdown"]
MAX_REQUEST = 65_536
MAX_PATH = 107
"""Bytes that the path of a Unix socket may have."""
VERBS: tuple[str, ...] = get_args(Verb)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks. `targets`: `track` or `track/loader`; none means everything."""

    verb: Verb
    targets: list[str] = field(default_factory=list)

    def encode(self) -> bytes:
        """As a line."""
        return orjson.dumps(asdict(self)) + b"\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """The engine's answer: whether it was done, in a sentence, and the loaders that it concerns."""

    done: bool
    sentence: str
    loaders: list[str] = field(default_factory=list)

    def encode(self) -> bytes:
        """As a line."""
        return orjson.dumps({"kind": "reply", **asdict(self)}) + b"\n"


def decode_request(line: bytes) -> Request:
    """The request on a line. Raises `ValueError` for anything else."""
    data: Any = orjson.loads(line)
    verb = data.get("verb") if isinstance(data, dict) else None
    targets = data.get("targets", []) if isinstance(data, dict) else None
    if verb not in VERBS or not isinstance(targets, list) or not all(isinstance(name, str) for name in targets):
        raise ValueError("not a request")
    return Request(cast(Verb, verb), targets)


def decode_reply(data: dict[str, Any]) -> Reply:
    """The reply that `Reply.encode` wrote. Raises `ValueError` for anything else."""
    try:
        return Reply(bool(data["done"]), str(data["sentence"]), [str(name) for name in data["loaders"]])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a reply: {error}") from None


def socket_path(root: Path) -> Path:
    """Where an engine of a repository is to listen: a short path in a folder of the user's own."""
    name = f"polecats-{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    own = f"polecats-{os.getuid()}"
    for folder in (Path(runtime), Path(tempfile.gettempdir()) / own):
        usable = folder.is_absolute() and (folder.name == own or os.access(folder, os.W_OK | os.X_OK))
        if usable and len(os.fsencode(folder / name)) <= MAX_PATH:
            return folder / name
    return Path("/tmp") / own / name


def is_private(folder: Path) -> bool:
    """A folder of this user's, itself and no link to one, that nobody else may write to."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022


def found_socket(root: Path) -> Path:
    """Where the engine of a repository listens: as it said, for its environment may differ from the asker's."""
    try:
        said = Paths(root).socket.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        said = ""
    return Path(said) if said else socket_path(root)
