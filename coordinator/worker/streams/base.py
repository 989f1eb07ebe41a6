"""The values that streams share: files, batches, unreadable rows, cursors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ...contract import Row, strict_json
from ..hub.remote_file import RemoteFile

MAX_ROW_BYTES = 16 * 2**20
"""Bytes that a row of a JSON file may have; of a longer one no more is held."""
ENDLESS = 2**30
"""Bytes without the end of a row after which a file is given up: it is in another format, or a trap."""
SAMPLED = 32
"""Of so many rows of a batch one is looked at beforehand."""
BOM = b"\xef\xbb\xbf"
"""The byte order mark that some editors put before a text."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source. `path` is relative to the repository, `url` opens it, `stamp` changes when it does.

    `remote`: of a file on the Hub.
    """

    split: str
    path: str
    url: str
    size: int
    stamp: int = 0
    remote: RemoteFile | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A source looked up: its revision (a commit, or `local`), the files to read in order, the companions by name."""

    revision: str
    files: list[SourceFile]
    companions: dict[str, list[SourceFile]]
    warnings: list[str] = field(default_factory=list)
    rows: int | None = None
    """Rows of the files, where that is known beforehand."""
    offline: bool = False
    """Whether the Hub could not be asked: these are the files as it listed them last."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that is no row: `code` E01 (not UTF-8, too long) or E02 (not one JSON object), with its raw text."""

    split: str
    number: int
    code: str
    message: str
    raw: str


class Cursor(NamedTuple):
    """A place between two rows: reader state at a batch's start, and rows of that batch that are done."""

    state: dict[str, Any] | None
    taken: int


class Raw(Protocol):
    """Rows as a file gives them: cheap to read and to send on, not yet parsed."""

    def __len__(self) -> int:
        """How many."""

    def parse(self) -> list[Row | Unreadable]:
        """The rows."""

    def packed(self) -> tuple[dict[str, Any], bytes]:
        """As JSON values and bytes, for another process; `kind` says what they are."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows in order. `state` is the reader's position before the first of them, as JSON values."""

    source: list[Row | Unreadable] | Raw
    state: dict[str, Any] | None

    def __len__(self) -> int:
        return len(self.source)

    @property
    def rows(self) -> list[Row | Unreadable]:
        """The rows; where they come from a file they are parsed now, and each time."""
        return self.source if isinstance(self.source, list) else self.source.parse()


class Stream(Protocol):
    """An open source."""

    @property
    def rows_total(self) -> int | None:
        """Rows in all, where the files tell it."""

    @property
    def bytes_read(self) -> int:
        """Bytes taken from the source so far; grows while a row is on its way."""

    @property
    def replayed(self) -> int:
        """Rows read again and dropped to reach the resume point."""

    def batches(self, state: dict[str, Any] | None) -> Iterator[Batch]:
        """Batches from `state` (None: the beginning) to the end."""


def make_row(values: dict[str, Any], split: str, number: int) -> Row:
    """A `Row` of `values` that knows where it stands."""
    row = Row(values)
    row.split = split
    row.number = number
    return row


@dataclass(frozen=True, slots=True)
class Pieces:
    """Rows of a JSON file: each one's bytes, as far as they are held, and its size. `number` is the first one's.

    `keys`: those that are read of each; none = all. The first `needed` of them must be there, or the row is read whole.
    """

    split: str
    number: int
    pieces: list[tuple[bytes, int]] = field(default_factory=list)
    keys: tuple[str, ...] = ()
    needed: int = 0

    def __len__(self) -> int:
        return len(self.pieces)

    def parse(self) -> list[Row | Unreadable]:
        """See `Raw.parse`."""
        read = self._reader()
        return [parse_row(*piece, self.split, self.number + at, read) for at, piece in enumerate(self.pieces)]

    def _reader(self) -> Callable[[bytes], Any]:
        if not self.keys:
            return strict_json
        from .keys import KeyReader  # msgspec, which rows that are read whole do without

        return KeyReader(self.keys, [data for data, _ in self.pieces[::SAMPLED]], self.keys[: self.needed]).read

    def packed(self) -> tuple[dict[str, Any], bytes]:
        """See `Raw.packed`."""
        sizes = [(len(data), size) for data, size in self.pieces]
        header = {"kind": "pieces", "split": self.split, "number": self.number, "sizes": sizes}
        header |= {"keys": self.keys, "needed": self.needed}
        return header, b"".join(data for data, _ in self.pieces)

    @staticmethod
    def unpacked(header: dict[str, Any], data: bytes) -> Pieces:
        """What `packed` gave."""
        keys, needed = tuple(header["keys"]), header["needed"]
        found, at = Pieces(header["split"], header["number"], keys=keys, needed=needed), 0
        for length, size in header["sizes"]:
            found.pieces.append((data[at : at + length], size))
            at += length
        return found


def parse_row(data: bytes, size: int, split: str, number: int, read: Callable[[bytes], Any]) -> Row | Unreadable:
    """The row in a piece of a JSON file. `size` is the piece's own, which is more than `data` has where it was cut.

    `read` makes a value of its bytes, or raises `ValueError`.
    """

    def bad(code: str, message: str) -> Unreadable:
        return Unreadable(split, number, code, message, data[:65_536].decode("utf-8", "backslashreplace"))

    if size > len(data):
        return bad("E01", f"a row of {size:,} bytes (at most {len(data):,})")
    try:
        value = read(data)
    except ValueError as error:
        try:
            data.decode()
        except UnicodeDecodeError as wrong:
            return bad("E01", f"not UTF-8: {wrong.reason} at byte {wrong.start}")
        return bad("E02", f"not JSON: {error}")
    if not isinstance(value, dict):
        return bad("E02", f"{type(value).__name__}, not an object")
    return make_row(value, split, number)
