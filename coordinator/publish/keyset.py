"""A set of 16-byte keys for files of millions of lines: some 25 bytes a key, where a set of `bytes` takes 100."""

from __future__ import annotations

from struct import Struct

KEY_BYTES = 16
_PER_SHELF = 16
_KEY, _HEAD = Struct(f"{KEY_BYTES}s"), Struct(f"<I{KEY_BYTES - 4}x")


class KeySet:
    """Exact, by whole keys. Those that begin alike stand one after another on a shelf, which is one bytes object.

    `expected` keys in all decide on the number of shelves: about 16 keys on each. More only make it slower.
    """

    def __init__(self, expected: int) -> None:
        number = 1 << (expected // _PER_SHELF).bit_length()
        self._shelves, self._mask = [b""] * number, number - 1

    def add(self, key: bytes) -> bool:
        """Put a key in; whether it is new."""
        return not self.add_all(key)

    def __contains__(self, key: bytes) -> bool:
        return _holds(self._shelves[int.from_bytes(key[:4], "little") & self._mask], key)

    def add_all(self, keys: bytes) -> list[int]:
        """Put keys in, one after another in `keys`; the positions of those that were there already."""
        shelves, mask, repeated = self._shelves, self._mask, []
        heads = [head & mask for (head,) in _HEAD.iter_unpack(keys)]
        for position, (place, (key,)) in enumerate(zip(heads, _KEY.iter_unpack(keys), strict=True)):
            shelf = shelves[place]
            if key in shelf and _holds(shelf, key):
                repeated.append(position)
            else:
                shelves[place] = shelf + key
        return repeated


def _holds(shelf: bytes, key: bytes) -> bool:
    """Whether a key stands on a shelf; the end of one and the beginning of the next may look like it."""
    at = shelf.find(key)
    while at > 0 and at % KEY_BYTES:
        at = shelf.find(key, at + 1)
    return at >= 0
