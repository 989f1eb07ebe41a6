"""Reading what upstream wrote: JSON without surprises, Python literals, calls in their many wrappings.

Everything here takes hostile text: nothing is executed, a failure is a `Reject` with a reason, never a guess.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from unicodedata import combining

import jiter
import orjson

from .compiled import MODULE
from .sample import Call, Reject

MAX_LITERAL = 262_144
"""Characters of Python source that are parsed at most: `ast` takes memory and stack in proportion."""
MAX_MARKS = 256
"""Accents in a row that a Python literal may have: `ast` normalises names, in time that grows with their square."""
_SIGNS = re.compile(rf"[^\x00-\x7f\w]{{{MAX_MARKS},}}")

_MOST_COMMON = ("function", "name", "arguments")
"""The names in a recorded call of the most common form."""
LONGEST_TROUBLE = 200
"""Characters of a parser's complaint that are kept: it quotes the text."""


def strict_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises `ValueError` on bad JSON, NaN, Infinity, lone surrogates, equal keys, depth 200.

    Integers are exact up to 4,300 digits. A number too big for a float is infinite, as IEEE 754 has it: `build`
    refuses it where it would be published.
    """
    if MODULE is not None:
        value = MODULE.read_json(orjson.loads, text)  # in two thirds of the strict reader's time
        if value is not NotImplemented:
            return value
    try:
        source = text.encode() if isinstance(text, str) else text
        return jiter.from_json(source, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True)
    except ValueError as error:
        raise ValueError(str(error)[:LONGEST_TROUBLE]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result


def literal(text: str) -> Any:
    """The value of a text that is JSON or a Python literal (tuples become lists). Raises `Reject` E11.

    A Python literal may hold what JSON cannot (infinity, lone surrogates); `build` refuses such arguments.
    """
    try:
        return strict_json(text)
    except ValueError as not_json:
        if "duplicate key" in str(not_json):
            raise Reject("E11", f"duplicate key in {_shown(text)}") from None
    if len(text) > MAX_LITERAL:
        raise Reject("E11", f"{len(text)} characters that are not JSON")
    try:
        return _from_ast(_parsed(text))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise Reject("E11", f"neither JSON nor a Python literal: {_shown(text)}") from None


def _parsed(text: str) -> ast.expr:
    """The one expression that `text` is. Odd escapes are no reason to warn, or to fail where warnings do."""
    if not text.isascii() and any(sum(map(bool, map(combining, run))) > MAX_MARKS for run in _SIGNS.findall(text)):
        raise ValueError("a heap of accents")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text.strip(), mode="eval").body


def _from_ast(node: ast.expr) -> Any:
    """A literal's value. Unlike `ast.literal_eval` it refuses equal keys, sets, bytes, complex numbers."""
    match node:
        case ast.Constant(value=str() | int() | float() | bool() | None as value):
            return value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_from_ast(item) for item in items]
        case ast.Dict(keys=keys, values=values) if all(isinstance(key, ast.Constant) for key in keys):
            return _unique([(_key(key), _from_ast(item)) for key, item in zip(keys, values, strict=True)])
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)) if (
            type(value) is not bool
        ):
            return -value
        case ast.Name(id="true"):
            return True
        case ast.Name(id="false"):
            return False
        case ast.Name(id="null"):
            return None
    raise ValueError("not a literal")


def _key(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise ValueError("a key that is not a string")


def python_call(text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """`a.b(1, x="y")` -> ("a.b", [1], {"x": "y"}). Raises `Reject` E11 unless one call with literals."""
    try:
        if len(text) > MAX_LITERAL:
            raise ValueError("too long")
        node = _parsed(text)
        if not isinstance(node, ast.Call):
            raise ValueError("not a call")
        keywords = _unique([(_keyword(k), _from_ast(k.value)) for k in node.keywords])
        return _dotted(node.func), [_from_ast(argument) for argument in node.args], keywords
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise Reject("E11", f"not one Python call with literal values: {_shown(text)}") from None


def _keyword(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise ValueError("**")
    return keyword.arg


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    raise ValueError("not a dotted name")


def calls(value: Any) -> list[Call]:
    """The calls in a recorded answer: null, a call, a list of calls, or text of either (JSON or a literal).

    Each call is `{"name", "arguments"}`, bare or wrapped as `{"type": "function", "function": {...}}`, itself
    possibly text. Raises `Reject` E11 for anything else.
    """
    if isinstance(value, str):
        value = literal(value) if value.strip() else None
    if value is None:
        return []
    if not isinstance(value, list):
        return [call(value)]
    plain = NotImplemented if MODULE is None else MODULE.read_calls(value, Call, _MOST_COMMON)
    return [call(item) for item in value] if plain is NotImplemented else plain


def call(value: Any) -> Call:
    """One recorded call (see `calls`). `arguments` may be an object, its text, null or absent."""
    if isinstance(value, str):
        value = literal(value)
    if isinstance(value, dict):
        wrapped = value.get("function")
        value = wrapped if isinstance(wrapped, dict) else value
        name = value.get("name")
        if isinstance(name, str):
            return Call(
                name.strip(), arguments(value["arguments"] if "arguments" in value else value.get("parameters"))
            )
    raise Reject("E11", f"not a call with a name: {_shown(value)}")


def arguments(value: Any) -> dict[str, Any]:
    """A call's arguments as an object; null, empty text and an empty list are none. Raises `Reject` E11."""
    if isinstance(value, str):
        value = literal(value) if value.strip() else None
    if isinstance(value, dict):
        return value
    if value is None or value == []:
        return {}
    raise Reject("E11", f"arguments are not an object: {_shown(value)}")


def blocks(text: str, tag: str) -> Iterator[str]:
    """The contents of `<tag>...</tag>` in order; an unclosed last block runs to the end of the text."""
    start_mark, end_mark = f"<{tag}>", f"</{tag}>"
    start = text.find(start_mark)
    while start >= 0:
        start += len(start_mark)
        end = text.find(end_mark, start)
        if end < 0:
            yield text[start:]
            return
        yield text[start:end]
        start = text.find(start_mark, end)


def plain(value: Any, *, drop_null: bool = False) -> Any:
    """A parquet value as JSON: dates as ISO strings, tuples as lists; with `drop_null`, null struct keys go.

    Parquet merges the keys of all rows into one struct, so null there means absent. In JSON a null is data.
    Raises `Reject` E11 for bytes and for what is nested too deep to walk.
    """
    try:
        return _plain(value, drop_null)
    except RecursionError:
        raise Reject("E11", "nested too deep") from None


def _plain(value: Any, drop_null: bool) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item, drop_null) for key, item in value.items() if not (drop_null and item is None)}
    if isinstance(value, list | tuple):
        return [_plain(item, drop_null) for item in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        raise Reject("E11", "binary value")
    return value


def text_of(row: Mapping[str, Any], *names: str) -> str:
    """The first of the columns `names` that holds text. Raises `Reject` E03 (absent) or E04 (not text)."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str):
            return value
        if value is not None:
            raise Reject("E04", f"{name} is {type(value).__name__}, not text", name)
    raise Reject("E03", f"no text in {' or '.join(names)}; the row has {sorted(row)}", names[0])


def _shown(value: Any) -> str:
    try:
        text = value if isinstance(value, str) else repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or nested too deep to write
        text = f"<{type(value).__name__}>"
    return repr(text[:120] + ("…" if len(text) > 120 else ""))
