"""Which lines of which part are published: exact duplicates fall, quotas cut, in input order, by keys alone.

The outcome depends on the inputs' order and content, never on when a part was written.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from stat import S_ISREG

import orjson

from ..worker.parts import Commit, PartFile
from .inputs import Input
from .keyset import KEY_BYTES, KeySet


@dataclass(slots=True)
class Tally:
    """What became of one loader's samples: samples = kept + duplicates + conflicts + beyond_quota + damaged."""

    samples: int = 0
    kept: int = 0
    duplicates: int = 0
    conflicts: int = 0
    """Another sample with the same (source, original_id) was kept (E18)."""
    beyond_quota: int = 0
    damaged: int = 0
    damaged_parts: list[str] = field(default_factory=list)
    """Names of the part files that are missing or not what was committed."""

    def closes(self) -> bool:
        """Whether every sample is accounted for."""
        return self.samples == self.kept + self.duplicates + self.conflicts + self.beyond_quota + self.damaged


def read_keys(item: Input, keys: PartFile, rows: int) -> bytes | None:
    """The keys of a part of so many rows, or None where their file is not what was committed (see `keys_of`)."""
    data = committed(item.folder, keys)
    return data if data is not None and len(data) == KEY_BYTES * rows else None


def keys_of(lines: list[bytes]) -> bytes | None:
    """What the keys file of these lines holds, from the lines alone; None where they are no lines of ours."""
    try:
        keys = [bytes.fromhex(orjson.loads(line)["metadata"]["intent_hash"])[:KEY_BYTES] for line in lines]
    except (ValueError, KeyError, TypeError):
        return None
    return b"".join(keys) if all(len(key) == KEY_BYTES for key in keys) else None


def read_part(item: Input, part: PartFile) -> bytes | None:
    """A part's bytes, or None where they are missing or not what was committed."""
    data = committed(item.folder, part)
    return data if data is not None and sum(1 for _ in BytesIO(data)) == part.rows else None


def committed(folder: Path, file: PartFile) -> bytes | None:
    """The bytes of a committed file. It is a regular file: a link would lead out of the folder, a pipe block."""
    try:
        handle = os.open(folder / file.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as content:
            status = os.fstat(handle)
            data = content.read() if S_ISREG(status.st_mode) and status.st_size == file.bytes else b""
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == file.sha256 else None


def stands(item: Input, part: PartFile) -> bool:
    """Whether a part is there in the size that was committed (its bytes are not read)."""
    try:
        status = (item.folder / part.name).lstat()
    except OSError:
        return False
    return S_ISREG(status.st_mode) and status.st_size == part.bytes


class Selection:
    """Decides line by line, remembering what was kept. One pass over all inputs."""

    def __init__(self, inputs: Iterable[Input]) -> None:
        inputs = list(inputs)
        repositories = Counter(str(item.source.get("id")) for item in inputs)
        self._shared = {repo for repo, loaders in repositories.items() if loaders > 1}
        self._seen = KeySet(sum(map(_rows, inputs)))
        self._ids = KeySet(sum(_rows(item) for item in inputs if self.needs_ids(item)))

    def needs_ids(self, item: Input) -> bool:
        """Whether original ids of this input can repeat: upstream names them, or two loaders share the source."""
        return bool(item.source.get("unique_ids", True)) or item.source.get("id") in self._shared

    def decide(self, item: Input, keys: bytes, lines: list[bytes] | None, room: int, tally: Tally) -> Sequence[int]:
        """Positions of the lines to keep, at most `room` (-1: no limit).

        `lines` are needed if `needs_ids` and there is room.
        """
        rows = len(keys) // KEY_BYTES
        if lines is None and not 0 <= room < rows:
            return self._all_but_duplicates(keys, rows, tally)
        kept = []
        for position in range(rows):
            key = keys[position * KEY_BYTES : (position + 1) * KEY_BYTES]
            if key in self._seen:
                tally.duplicates += 1
            elif room == 0:
                tally.beyond_quota += 1
            elif lines is not None and self._conflict(lines[position]):
                tally.conflicts += 1
            else:
                self._seen.add(key)
                kept.append(position)
                room -= 1
        tally.kept += len(kept)
        return kept

    def _all_but_duplicates(self, keys: bytes, rows: int, tally: Tally) -> Sequence[int]:
        """What `decide` keeps where nothing but the keys decides."""
        repeated = set(self._seen.add_all(keys))
        tally.duplicates += len(repeated)
        tally.kept += rows - len(repeated)
        return [position for position in range(rows) if position not in repeated] if repeated else range(rows)

    def _conflict(self, line: bytes) -> bool:
        record = orjson.loads(line)
        name = f"{record['metadata']['source']}#{record['original_id']}"
        return not self._ids.add(hashlib.sha256(name.encode()).digest()[:KEY_BYTES])


def _rows(item: Input) -> int:
    return 0 if item.left_out else sum(part.rows for _, part, _ in parts_of(item))


def parts_of(item: Input) -> Iterator[tuple[Commit, PartFile, PartFile]]:
    """The commits of an input that hold lines, with their part and keys."""
    for commit in item.commits:
        if commit.part and commit.keys:
            yield commit, commit.part, commit.keys
