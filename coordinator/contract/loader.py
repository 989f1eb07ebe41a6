"""How a track declares a loader: a `HubSource` (what is read) and a pure `transform` (what a row means)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from .sample import Category, Label, Outcome, Skip

Builder = Literal["parquet", "lines", "array"]
"""`parquet`: columns by `datasets`; `lines`: one JSON object a line; `array`: one JSON array, read item by item."""


class Row(dict[str, Any]):
    """A source row: its columns as a dict, and where it stands.

    `split` is the key of `HubSource.files` that it was read under, `number` counts from 0 within that split.
    Parquet values arrive as Python objects: a struct is a dict with every key present (None where null), a
    timestamp a `datetime`. JSON rows arrive as written.
    """

    __slots__ = ("number", "split")
    split: str
    number: int


@dataclass(frozen=True, kw_only=True)
class LabelMap:
    """Label standardisation, declared: the value at `column` (dotted path) decides label or skip.

    A value that is in neither map goes to quarantine (E05), never to benign. JSON null is the key None.
    `other` names the skip reason for all values not listed, where upstream's vocabulary is open but known not
    to be benign.
    """

    column: str
    labels: Mapping[Any, Label]
    skips: Mapping[Any, str] = field(default_factory=dict)
    other: str | None = None


@dataclass(frozen=True, kw_only=True)
class HubSource:
    """A Hugging Face dataset, by explicit files; the same paths hold for a local copy in Hub layout.

    `files` maps a split name to a glob over the repository's paths (`*` within a folder, `**` across). The split
    name stands in front of row numbers in `original_id`: `<config>-<split>`, or the file's stem where the source
    has no config. Splits are read in this order, a glob's files in name order. A split without a file is a
    warning as long as another has one.

    `columns` are read and must be there; `optional` ones are read where they are. Neither = all. A parquet file without
    one of its `columns` fails the source. Of lines and arrays these are an object's own keys, and one that is not there
    is for `transform` to judge. What stands under other keys is skipped: it must be JSON, but equal keys, bad UTF-8 or
    depth in it are not looked for. A row, and what is retained of a rejected one, holds the declared keys
    alone, unless one of `columns` is missing.
    `companions` are read whole and given to `JoinedLoader.prepare`. `item` is where an array's rows stand: `item` in a
    file that is an array, `behaviors.item` in one that is an object with the array under that key.
    Files whose names end in `.gz` are unpacked as they are read (lines and arrays).
    `strided` (parquet): rows come in slices from all over the source instead of in its order, so that a sample of it
    (`max_samples`, `--target`) is one of the whole.
    `unique_ids`: upstream declares `Sample.upstream_id` unique within the source.
    """

    repo: str
    builder: Builder
    files: Mapping[str, str]
    companions: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    item: str = "item"
    strided: bool = False
    revision: str = "main"
    labels: LabelMap | None = None
    unique_ids: bool = False
    licence: str = "unknown"
    gated: bool = False
    evaluation_only: bool = False
    redistributable: bool = True
    may_be_empty: bool = False


class Loader(ABC):
    """One dataset of one track.

    A subclass sets `source` and `category` and writes `transform`. Options are keyword parameters of its
    `__init__` (config.toml passes them); it keeps no other state, so the same row always gives the same outcome.
    """

    source: ClassVar[HubSource]
    category: ClassVar[Category]
    label: ClassVar[Label] = "benign"

    @abstractmethod
    def transform(self, row: Row) -> Outcome:
        """The row's plan, a `Skip`, or several plans. Raises `Reject` for a row that should convert and does not."""


class JoinedLoader(Loader):
    """A loader whose rows need the source's companions."""

    @abstractmethod
    def prepare(self, companions: Mapping[str, Mapping[str, list[dict[str, Any]]]]) -> Any:
        """Index the companions once. `companions[name][file stem]` is that file's list of rows."""

    @abstractmethod
    def transform(self, row: Row, side: Any = None) -> Outcome:
        """As `Loader.transform`; `side` is what `prepare` returned."""


class ChatLoader(Loader):
    """A loader of conversations without tool calls: `include_chat = false` leaves all its rows out."""

    def __init__(self, include_chat: bool = True) -> None:
        self.include_chat = include_chat

    def transform(self, row: Row) -> Outcome:
        """Skip `chat_excluded` when chat is switched off, else what `converse` makes of the row."""
        return self.converse(row) if self.include_chat else Skip("chat_excluded")

    @abstractmethod
    def converse(self, row: Row) -> Outcome:
        """As `Loader.transform`, for a row that is wanted."""
