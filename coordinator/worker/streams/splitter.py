"""The items of a JSON array, cut out by brackets and quotes alone and not parsed.

So a bad item costs itself alone, and memory stays flat however long the text or one of its values is. What stands
between the items is checked here; what stands in them is for `base.parse_row` to judge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ...contract import strict_json
from .base import BOM, ENDLESS

CHUNK = 2**18
QUOTE, OPENING = b'"', b"[{"
# Every repeat is possessive: each byte is looked at once, whatever stands in the text.
_SPACE = re.compile(rb"[ \t\n\r]*+")
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_FLAT = rb'[^"{}\[\]]*+(?:%b[^"{}\[\]]*+)*+' % _STRING
_TO_BRACKET = re.compile(_FLAT, re.DOTALL)
_TO_COMMA = re.compile(_FLAT.replace(rb"{}", rb"{},"), re.DOTALL)
_TO_QUOTE = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)


def _shallow(depth: int) -> re.Pattern[bytes]:
    """A container of at most `depth` levels in one match, which is three times as fast as bracket by bracket."""
    pattern = rb"[\[{]%b[\]}]" % _FLAT
    for _ in range(depth - 1):
        pattern = rb"[\[{]%b(?:%b%b)*+[\]}]" % (_FLAT, pattern, _FLAT)
    return re.compile(pattern, re.DOTALL)


_SHALLOW = _shallow(8)


def _beginning(read: Callable[[int], bytes]) -> bytes:
    """The first bytes behind a byte order mark, which may arrive in pieces itself."""
    data = read(CHUNK)
    while 0 < len(data) < len(BOM) and (more := read(CHUNK)):
        data += more
    return data.removeprefix(BOM)


class Splitter:
    """A JSON text that is read as it is needed. Raises `ValueError` where its outline is not JSON's.

    `read(size)` gives the next bytes, none at the end. Values are cut at `limit` bytes.
    """

    def __init__(self, read: Callable[[int], bytes], limit: int) -> None:
        self._read = read
        self._limit = limit
        self._data = _beginning(read)
        self._at = 0
        self._begin = 0  # where the value at hand begins in the data
        self._kept = bytearray()  # what stood of it in earlier data, up to the limit
        self._passed = 0  # and how much that was

    def items(self, path: str) -> Iterator[tuple[bytes, int]]:
        """Each item's bytes and its full size. `path` is `item`, behind the keys that lead to the array, with dots."""
        *keys, _ = path.split(".")
        for key in keys:
            self._enter(key)
        yield from self._array()
        for _ in keys:
            self._leave()
        if self._peek():
            raise ValueError("text behind the end")

    def _array(self) -> Iterator[tuple[bytes, int]]:
        self._take(b"[")
        if self._peek() == b"]":
            self._at += 1
            return
        while True:
            yield self._value()
            if self._take(b",", b"]") == b"]":
                return

    def _enter(self, wanted: str) -> None:
        """Go to the value under the key `wanted` of the object that begins here."""
        more = self._take(b"{")
        while more != b"}" and self._peek() != b"}":
            if self._key() == wanted:
                return
            self._value()
            more = self._take(b",", b"}")
        raise ValueError(f"no key {wanted}")

    def _leave(self) -> None:
        """Pass over the rest of an object, behind one of its values."""
        while self._take(b",", b"}") == b",":
            self._key()
            self._value()

    def _key(self) -> object:
        self._take(QUOTE)
        self._mark(self._at - 1)
        self._end_string()
        key, _ = self._taken()
        self._take(b":")
        return strict_json(key)

    def _value(self) -> tuple[bytes, int]:
        """The value that begins here, cut at the limit, and its full size."""
        first = self._peek()
        if first in b",:]}":
            raise ValueError(f"a value expected, found {_shown(first)}")
        self._mark(self._at)
        if whole := _SHALLOW.match(self._data, self._at):
            self._at = whole.end()
        elif first in OPENING:  # deeper, or not yet read to its end
            self._end_container()
        else:
            self._stop(_TO_COMMA)
        return self._taken()

    def _end_container(self) -> None:
        depth = 0
        while True:
            depth += 1 if self._stop(_TO_BRACKET) in OPENING else -1
            self._at += 1
            if not depth:
                return

    def _stop(self, pattern: re.Pattern[bytes]) -> int:
        """Go to the next byte that `pattern` stops at outside a string, and give it."""
        while True:
            self._at = _end(pattern, self._data, self._at)
            if self._at == len(self._data):
                self._more()
            elif self._data[self._at] != QUOTE[0]:
                return self._data[self._at]
            else:  # the string goes on behind the data
                self._at += 1
                self._end_string()

    def _end_string(self) -> None:
        while True:
            self._at = _end(_TO_QUOTE, self._data, self._at)
            if self._data.startswith(QUOTE, self._at):
                self._at += 1
                return
            self._more()

    def _mark(self, begin: int) -> None:
        self._begin, self._kept, self._passed = begin, bytearray(), 0

    def _taken(self) -> tuple[bytes, int]:
        """What stands between the mark and here, cut at the limit, and its full size."""
        last = self._data[self._begin : self._at]
        if not self._passed:
            return last[: self._limit], len(last)
        self._kept += last[: self._limit - len(self._kept)]
        return bytes(self._kept), self._passed + len(last)

    def _more(self) -> None:
        """Read on within a value."""
        part = self._data[self._begin : self._at]
        self._kept += part[: self._limit - len(self._kept)]
        self._passed += len(part)
        if self._passed > ENDLESS:
            raise ValueError(f"a value without an end after {self._passed:,} bytes")
        more = self._read(CHUNK)
        if not more:
            raise ValueError("the text ends too early")
        self._data = self._data[self._at :] + more
        self._begin = self._at = 0

    def _peek(self) -> bytes:
        """The next byte that is no white space; nothing at the end."""
        while True:
            self._at = _end(_SPACE, self._data, self._at)
            if self._at < len(self._data):
                return self._data[self._at : self._at + 1]
            self._data, self._at = self._read(CHUNK), 0
            if not self._data:
                return b""

    def _take(self, *wanted: bytes) -> bytes:
        found = self._peek()
        if found not in wanted:
            raise ValueError(f"{b' or '.join(wanted).decode()} expected, found {_shown(found)}")
        self._at += 1
        return found


def _end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    """Where a pattern that always matches stops."""
    match = pattern.match(data, at)
    assert match is not None
    return match.end()


def _shown(byte: bytes) -> str:
    return ascii(byte.decode("latin-1")) if byte else "the end"
