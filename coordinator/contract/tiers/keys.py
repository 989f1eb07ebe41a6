"""The light key of a row: 32 bytes that the final selection reads instead of the line."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

from ..mutation import Difficulty
from .child import Made
from .corrupter import Corrupter, Variant
from .draw import Draw, number

DIFFICULTIES: tuple[Difficulty, ...] = ("hard", "medium", "easy")
_PLACES = {difficulty: place for place, difficulty in enumerate(DIFFICULTIES)}
_LAYOUT = struct.Struct(">QQQBBBBI")
KEY_BYTES = _LAYOUT.size


class Key(NamedTuple):
    """What the selection needs to know of one row."""

    seed: int
    """Seed of the draw: rows of one block share it."""
    group: int
    """The parent's group id as a number."""
    tool: int
    """A hash of the tool that the row is about."""
    corrupter: int
    """Place of the strategy in the tier's order."""
    difficulty: int
    """Place in `DIFFICULTIES`."""
    operator: int
    """Place in the corrupter's operators, held-out ones behind."""
    is_mutant: int
    line_bytes: int = 0
    """Length of the line with its newline."""


pack = _LAYOUT.pack
"""From the fields of a key, in their order, to its 32 bytes."""


def unpack(data: bytes) -> list[Key]:
    """The keys of a keys file or a piece of it."""
    return [Key(*fields) for fields in _LAYOUT.iter_unpack(data)]


@lru_cache(65_536)
def _of_tool(tool: str) -> int:
    return number("target", tool)


def key_of(corrupter: Corrupter, draw: Draw, variant: Variant, group: str, row: Made) -> bytes:
    """The packed key of a row just made. It stands at place 0: who puts strategies together knows the tier's order."""
    return pack(
        draw.seed,
        int(group, 16),
        _of_tool(row.tool),
        0,
        _PLACES[variant.difficulty],
        corrupter.places[variant.operator],
        variant.positive is not None,
        len(row.line) + 1,
    )
