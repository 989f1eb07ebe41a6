"""Which lines of which part are published: exact duplicates fall, quotas cut, in input order, by keys alone.

The outcome depends on the inputs' order and content, never on when a part was written.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

import orjson

from ..worker.parts import Commit, PartFile, checksum
from .inputs import Input
from .keyset import KEY_BYTES, KeySet

if TYPE_CHECKING:
    from numpy import uint64
    from numpy.typing import NDArray


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
    return data if data is not None and data.endswith(b"\n") and data.count(b"\n") == part.rows else None


def committed(folder: Path, file: PartFile) -> bytes | None:
    """The bytes of a committed file, or None where they are not what was committed."""
    try:
        with opened(folder, file) as content:
            data = content.readall()
    except OSError:
        return None
    return data if checksum(data).hexdigest() == file.xxh3 else None


@contextmanager
def opened(folder: Path, file: PartFile) -> Iterator[FileIO]:
    """A committed file to read from. Raises `OSError`, also where it has another size, or is no regular file: a link
    would lead out of the folder, a pipe block."""
    handle = os.open(folder / file.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb", buffering=0) as content:
        status = os.fstat(handle)
        if not S_ISREG(status.st_mode) or status.st_size != file.bytes:
            raise OSError(f"{file.name} is not what was committed")
        yield content


def stands(item: Input, part: PartFile) -> bool:
    """Whether a part is there in the size that was committed (its bytes are not read)."""
    try:
        status = (item.folder / part.name).lstat()
    except OSError:
        return False
    return S_ISREG(status.st_mode) and status.st_size == part.bytes


class Selection:
    """Decides line by line, remembering what was kept. One pass over all inputs.

    All keys are read at once: of those that stand once, which most do, no more needs to be known. It holds 16 bytes a
    row, and some 25 for each key that comes again.
    """

    def __init__(self, inputs: Iterable[Input]) -> None:
        inputs = [item for item in inputs if not item.left_out]
        repositories = Counter(str(item.source.get("id")) for item in inputs)
        self._shared = {repo for repo, loaders in repositories.items() if loaders > 1}
        self._keys: dict[tuple[str, str], bytes] = {}
        self.mended: dict[tuple[str, str], str] = {}
        """By (input, part): the file of keys that is damaged, where the lines of the part told them instead."""
        for item in inputs:
            for _, part, keys in parts_of(item):
                self._read_keys(item, part, keys)
        self._repeated = _repeated(self._keys.values())
        self._seen = KeySet(len(self._repeated))
        self._ids = KeySet(sum(_rows(item) for item in inputs if self.needs_ids(item)))

    def _read_keys(self, item: Input, part: PartFile, keys: PartFile) -> None:
        name = item.name, part.name
        known = read_keys(item, keys, part.rows)
        if known is None and (data := read_part(item, part)) is not None:
            known = keys_of(data.splitlines(keepends=True))
            self.mended |= {name: keys.name} if known is not None else {}
        if known is not None:
            self._keys[name] = known

    def keys(self, item: Input, part: PartFile) -> bytes | None:
        """The keys of a part, or None where nothing tells them."""
        return self._keys.get((item.name, part.name))

    def takes_whole(self, item: Input, part: PartFile) -> bool:
        """Whether, where there is room, all lines of a part are kept, whatever else is."""
        keys = self.keys(item, part)
        return keys is not None and not self.needs_ids(item) and not self._suspects(keys)

    def needs_ids(self, item: Input) -> bool:
        """Whether original ids of this input can repeat: upstream names them, or two loaders share the source."""
        return bool(item.source.get("unique_ids", True)) or item.source.get("id") in self._shared

    def decide(self, item: Input, keys: bytes, lines: list[bytes] | None, room: int, tally: Tally) -> Sequence[int]:
        """Positions of the lines to keep, at most `room` (-1: no limit).

        `lines` are needed if `needs_ids` and there is room.
        """
        rows = len(keys) // KEY_BYTES
        suspects = self._suspects(keys)
        if lines is None and not suspects and not 0 <= room < rows:
            tally.kept += rows
            return range(rows)
        kept = []
        for position in range(rows):
            suspect = position in suspects
            key = keys[position * KEY_BYTES : (position + 1) * KEY_BYTES] if suspect else b""
            if suspect and key in self._seen:
                tally.duplicates += 1
            elif room == 0:
                tally.beyond_quota += 1
            elif lines is not None and self._conflict(lines[position]):
                tally.conflicts += 1
            else:
                if suspect:
                    self._seen.add(key)
                kept.append(position)
                room -= 1
        tally.kept += len(kept)
        return kept

    def _suspects(self, keys: bytes) -> set[int]:
        """Positions of the keys that may stand elsewhere, too: all that do, and few others."""
        if not len(self._repeated):
            return set()
        import numpy

        heads = _heads([keys])
        places = numpy.searchsorted(self._repeated, heads)
        places[places == len(self._repeated)] = 0
        found: list[int] = numpy.flatnonzero(self._repeated[places] == heads).tolist()
        return set(found)

    def _conflict(self, line: bytes) -> bool:
        record = orjson.loads(line)
        name = f"{record['metadata']['source']}#{record['original_id']}"
        return not self._ids.add(hashlib.sha256(name.encode()).digest()[:KEY_BYTES])


def _heads(keys: Iterable[bytes]) -> NDArray[uint64]:
    """The first 8 bytes of each key; keys of one part stand one after another."""
    import numpy  # not needed by most commands, and slow to import

    whole = numpy.frombuffer(b"".join(keys), dtype=numpy.uint64)
    return whole.reshape(-1, KEY_BYTES // 8)[:, 0]


def _repeated(keys: Iterable[bytes]) -> NDArray[uint64]:
    """The heads that stand more than once, in order."""
    import numpy

    heads = numpy.sort(_heads(keys))
    return numpy.unique(heads[1:][heads[1:] == heads[:-1]])


def _rows(item: Input) -> int:
    return sum(part.rows for _, part, _ in parts_of(item))


def parts_of(item: Input) -> Iterator[tuple[Commit, PartFile, PartFile]]:
    """The commits of an input that hold lines, with their part and keys."""
    for commit in item.commits:
        if commit.part and commit.keys:
            yield commit, commit.part, commit.keys
