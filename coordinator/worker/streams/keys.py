"""JSON rows of which a loader reads only some keys: what stands under the others is skipped instead of parsed.

msgspec skips lists and objects in a quarter of the time in which they are parsed; regular expressions take longer than
parsing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import orjson

from ...contract import strict_json

SHARE, FIXED = 0.25, 1_000
"""Skipping what it can of a row costs as much as parsing this share of its bytes, and so many bytes more."""
_OPENING = (b"[", b"{")


class _Key:
    """A key where it stands. No two are equal, so that a dict of them keeps both where one is written twice."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


_DECODER = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=lambda kind, name: kind(name))


class KeyReader:
    """Reads of each row the values under `keys` alone.

    Their values are those of `strict_json`, which refuses the row for what it refuses in them. Apart from that, a row
    is refused if it is no object, if a key stands in it twice (however it is written), or if a skipped value is not
    JSON. Equal keys within a skipped value, bytes that are not UTF-8, and depth (as far as Python's stack goes) do not
    count. A row may be parsed whole and then cut down: what comes of it is the same, and only the time differs.

    A row without one of the `needed` keys is read whole: a person is told what stands in it instead.
    """

    def __init__(self, keys: Iterable[str], some: Iterable[bytes] = (), needed: Iterable[str] = ()) -> None:
        """Read `keys` of rows like `some`: these decide whether skipping pays."""
        self._needed = frozenset(needed)
        self._begins = {name: orjson.dumps(name) + b":" for name in keys}
        self._keys = frozenset(self._begins)
        self._skips = sum(map(self._saved, some)) > 0

    def read(self, data: bytes) -> Any:
        """The value of a row's text. Raises `ValueError` as `strict_json` does."""
        found = self._read(data)
        if isinstance(found, dict) and not self._needed <= found.keys():
            return strict_json(data)
        return found

    def _read(self, data: bytes) -> Any:
        if self._skips and (found := self._skipping(data)) is not None:
            return found
        try:
            value = strict_json(data)
        except ValueError:
            if (found := self._skipping(data)) is None:
                raise
            return found
        if not isinstance(value, dict) or self._keys.issuperset(value):
            return value
        return {name: item for name, item in value.items() if name in self._keys}

    def _saved(self, data: bytes) -> float:
        """Time that skipping saves in a row, in bytes that are parsed in it. Texts are parsed as fast as skipped."""
        members = _members(data)
        values = [bytes(raw) for key, raw in members.items() if key.name not in self._keys]
        skipped = sum(len(value) for value in values if value.startswith(_OPENING))
        return skipped - SHARE * len(data) - FIXED if members else 0

    def _skipping(self, data: bytes) -> dict[str, Any] | None:
        """The object under the keys, without a look into other values; None if the row is to be refused."""
        members = _members(data)
        names, read = set(), []
        for key, raw in members.items():
            name = key.name
            names.add(name)
            if name in self._begins:
                read.append(self._begins[name] + raw)
        if not members or len(names) < len(members):
            return None
        try:
            found: dict[str, Any] = strict_json(b"{" + b",".join(read) + b"}")
        except ValueError:
            return None
        return found


def _members(data: bytes) -> dict[_Key, msgspec.Raw]:
    """An object's keys in order, each with the text of its value; none of a text that is no object."""
    try:
        return _DECODER.decode(data)
    except (ValueError, RecursionError):
        return {}
