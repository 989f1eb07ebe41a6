"""Rows of which only some keys are read: what comes of them is what comes of the whole, in whichever way it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coordinator.contract import HubSource, Row, strict_json
from coordinator.worker import frames
from coordinator.worker.streams import keys as keys_module
from coordinator.worker.streams.base import SAMPLED, Pieces, Unreadable
from coordinator.worker.streams.keys import KeyReader
from coordinator.worker.streams.opening import open_stream, read_companions
from coordinator.worker.streams.roots import FolderRoot

KEYS = ("a", 'b"', "é")
NAMES = st.sampled_from([*KEYS, "x", "y:", ""]) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=5)
BULKY = b'{"x": [%b]}' % b",".join([b"1"] * 9_000)


def readers(keys: tuple[str, ...] = KEYS) -> tuple[KeyReader, KeyReader]:
    """One that skips and one that parses whole rows."""
    return KeyReader(keys, [BULKY]), KeyReader(keys)


def told(reader: KeyReader, data: bytes) -> str:
    """What a row is, or why it is refused."""
    try:
        return repr(reader.read(data))
    except ValueError as error:
        return f"refused: {error}"


def both(data: bytes, keys: tuple[str, ...] = KEYS) -> str:
    """What either way makes of a row."""
    skipped, whole = (told(reader, data) for reader in readers(keys))
    assert skipped == whole
    return skipped


def by_strict_json(data: bytes) -> str:
    """What the whole row is, cut down to KEYS, or why it is refused."""
    try:
        whole = strict_json(data)
    except ValueError as error:
        return f"refused: {error}"
    return repr({name: whole[name] for name in whole if name in KEYS} if isinstance(whole, dict) else whole)


def is_sound(data: bytes) -> bool:
    """Whether the standard library takes a text for an object with no key twice. Of values it asks their grammar."""

    class Parsed(dict[str, Any]):
        twice = False

    def parsed(pairs: list[tuple[str, Any]]) -> Parsed:
        found = Parsed(pairs)
        found.twice = len(found) < len(pairs)
        return found

    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        text = data.decode(errors="surrogateescape")
        found = json.loads(text, object_pairs_hook=parsed, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, Parsed) and not found.twice


@given(OBJECTS, st.sampled_from([None, 0, 2]), st.booleans(), st.lists(st.sampled_from(KEYS), unique=True))
def test_it_is_the_whole_without_other_keys(
    value: dict[str, Any], indent: int | None, escaped: bool, keys: list[str]
) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=escaped).encode()
    assert both(data, tuple(keys)) == repr({name: item for name, item in strict_json(data).items() if name in keys})


PARTS = st.sampled_from(
    [
        *(b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b" ", b"0", b"-", b"1e9", b"NaN", b"null", b"\xff", b"\x01"),
        *(b'"a"', b'"a":', b'"x":', b'"\\u0061":', b'"\\ud800"', b'{"x":', b',"x":[', b"\n", b"\xef\xbb\xbf"),
    ]
)


@given(OBJECTS, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3), PARTS), max_size=3))
@example({}, [(1, 0, b',"x": 1')])
@example({"a": 1}, [(7, 0, b',"x": [}')])
@example({"a": 1}, [(7, 0, b',"x": 1, "\\u0078": 2')])
def test_a_broken_text_is_refused(value: dict[str, Any], edits: list[tuple[int, int, bytes]]) -> None:
    data = json.dumps(value).encode()
    for at, gone, part in edits:
        data = data[:at] + part + data[at + gone :]
    outcome, whole = both(data), by_strict_json(data)
    assert outcome == whole or ("refused" in whole and is_sound(data))


@given(st.lists(PARTS, max_size=9).map(b"".join) | st.binary(max_size=20))
def test_any_bytes_are_read_alike(data: bytes) -> None:
    outcome, whole = both(data), by_strict_json(data)
    assert outcome == whole or ("refused" in whole and is_sound(data))


DEEPEST = next(
    depth for depth in range(150, 250) if "refused" in by_strict_json(b'{"a": %b}' % (b"[" * depth + b"]" * depth))
)
"""Lists in a list, one more than an object may hold."""


@pytest.mark.parametrize(
    "value",
    [
        *(b"9" * 30, b"-0.0", b"1e999", b'"\\ud83d\\ude00"', b'{"n": {"m": 1.10}}', b"[" * 150 + b"]" * 150),
        *(b"9" * 5_000, b"NaN", b"01", b'{"n": 1, "n": 2}', b'"\\ud800"', b'"\xff"', b'"\t"', b"", b"[1,]"),
        *(b"[" * (DEEPEST - 1) + b"]" * (DEEPEST - 1), b"[" * DEEPEST + b"]" * DEEPEST),
    ],
)
def test_a_declared_value_fares_as_in_the_whole(value: bytes) -> None:
    outcome, alone = both(b'{"x": [1], "a": %b, "y": 1}' % value), by_strict_json(b'{"a": %b}' % value)
    assert outcome == alone or (outcome.startswith("refused") and alone.startswith("refused"))


@pytest.mark.parametrize(
    ("members", "taken"),
    [
        (b'"x": {"n": 1, "n": 2}', True),
        (b'"x": "\xff"', True),
        (b'"x": %b' % (b"[" * 300 + b"]" * 300), True),
        (b'"x": 1, "x": 2', False),
        (b'"x": 1, "\\u0078": 2', False),
        (b'"\\u0061": 1', False),
        (b'"x": {"n": 1}}', False),
        (b'"x": [1}', False),
        (b'"x": ["]', False),
        (b'"x": NaN', False),
        (b'"x": "\\ud800"', False),
        (b'"x": %b' % (b"[" * 10_000 + b"]" * 10_000), False),
        (b'"\\ud800": 1', False),
        (b'"\xff": 1', False),
        (b"x: 1", False),
        (b"", False),
    ],
)
def test_what_is_asked_of_what_is_skipped(members: bytes, taken: bool) -> None:
    for data in (b'{"a": 1, %b}' % members, b'{%b, "a": 1}' % members):
        assert both(data) == "{'a': 1}" if taken else "refused" in both(data)


def test_odd_rows_and_keys() -> None:
    assert both(b'{"b\\"": 1, "\xc3\xa9": 2, "x": {"n": 1, "n": 2}}') == repr({'b"': 1, "é": 2})
    assert both(b"{}") == both(b'{"x": {}}') == "{}"
    assert both(b"[1]") == "[1]"


class Parsed:
    """How many bytes are parsed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        monkeypatch.setattr(keys_module, "strict_json", self)

    def __call__(self, data: bytes) -> Any:
        self.bytes += len(data)
        return strict_json(data)


def parsed_share(rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> float:
    texts = [json.dumps(row).encode() for row in rows]
    parsed = Parsed(monkeypatch)
    assert len(Pieces("all", 0, [(text, len(text)) for text in texts], ("a",)).parse()) == len(rows)
    return parsed.bytes / sum(map(len, texts))


def test_lists_and_objects_are_skipped_where_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    big: dict[str, Any] = {"a": "y" * 900, "x": [{"n": n} for n in range(400)]}
    assert parsed_share([big] * 40, monkeypatch) < 0.3


@pytest.mark.parametrize("other", ["z" * 9_000, [1], None])
def test_other_rows_are_parsed_once(other: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parsed_share([{"a": "y" * 900, "x": other}] * 40, monkeypatch) == 1


def test_rows_from_all_over_a_batch_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    small, big = {"a": 1, "x": []}, {"a": 1, "x": [{"n": n} for n in range(400)]}
    assert parsed_share([small, *[big] * (2 * SAMPLED)], monkeypatch) < 0.1


def source(builder: Any, files: str, **more: Any) -> HubSource:
    return HubSource(repo="acme/it", builder=builder, files={"all": files}, **more)


def rows_of(root: Path, declared: HubSource) -> list[Row | Unreadable]:
    stream = open_stream(declared, FolderRoot(root).resolve(declared))
    return [row for batch in stream.batches(None) for row in batch.rows]


@pytest.mark.parametrize("builder", ["lines", "array"])
def test_a_source_is_read_as_it_declares(tmp_path: Path, builder: str) -> None:
    """A row without a needed key is read whole, as companions are, and an unreadable one keeps its text."""
    texts = [b'{"a": 1, "c": [1], "x": 3}', b'{"b": 1, "x": 2}', b'{"c": 2, "x": 0, "x": 1}', b'{"a": {"x": "\xff"}}']
    data = b"\n".join(texts) if builder == "lines" else b"[" + b",".join(texts) + b"]"
    folder = tmp_path / "acme" / "it"
    folder.mkdir(parents=True)
    (folder / "rows").write_bytes(data)
    (folder / "names").write_bytes(b'{"n": 1}')
    declared = source(builder, "rows", columns=("a",), optional=("c",), companions={"names": "names"})
    first, second, third, fourth = rows_of(tmp_path, declared)
    assert [first, second] == [{"a": 1, "c": [1]}, {"b": 1, "x": 2}]
    assert isinstance(third, Unreadable)
    assert isinstance(fourth, Unreadable)
    assert (third.code, third.raw.strip()) == ("E02", texts[2].decode())
    assert read_companions(FolderRoot(tmp_path).resolve(declared)) == {"names": {"names": [{"n": 1}]}}
    assert rows_of(tmp_path, source(builder, "rows"))[0] == {"a": 1, "c": [1], "x": 3}, "without keys all are read"


@given(st.lists(st.binary(max_size=9), max_size=4), st.lists(NAMES, max_size=3))
def test_keys_go_with_the_rows(texts: list[bytes], keys: list[str]) -> None:
    rows = Pieces("all", 7, [(text, len(text)) for text in texts], tuple(keys), len(keys) // 2)
    assert Pieces.unpacked(*frames.opened(frames.task(0, rows, 0))) == rows
    assert frames.rows_of(*frames.opened(frames.task(0, rows, 0))) == rows.parse()
