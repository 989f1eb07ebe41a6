"""RFC 6902 JSON Patch, the part that mutations state: add, remove and replace.

A patch never changes the document it is given: what lies on an edit's path is copied, the rest is shared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

Edit = Mapping[str, Any]
Own = dict[int, Any]
"""The copies that one patch has made, by `id`: they may be changed in place, and it keeps them alive."""


def add(path: str, value: Any) -> dict[str, Any]:
    """The edit that puts `value` at `path`."""
    return {"op": "add", "path": path, "value": value}


def replace(path: str, value: Any) -> dict[str, Any]:
    """The edit that puts `value` in the place of what stands at `path`."""
    return {"op": "replace", "path": path, "value": value}


def remove(path: str) -> dict[str, Any]:
    """The edit that takes away what stands at `path`."""
    return {"op": "remove", "path": path}


def escape(key: str) -> str:
    """A key as one step of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1") if "~" in key or "/" in key else key


@lru_cache(16_384)
def steps(path: str) -> tuple[str, ...]:
    """The steps of a JSON pointer. Raises `ValueError` unless it starts with a slash."""
    if not path.startswith("/"):
        raise ValueError(f"{path[:80]!r} is no pointer into the row")
    parts = path[1:].split("/")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts) if "~" in path else tuple(parts)


def apply(document: Any, edits: Iterable[Edit]) -> Any:
    """The document after all edits, in order. Raises `ValueError` for an edit that does not fit it."""
    own: Own = {}
    for edit in edits:
        document = _applied(document, steps(edit["path"]), 0, edit, own)
    return document


def _applied(value: Any, path: tuple[str, ...], depth: int, edit: Edit, own: Own) -> Any:
    kind = type(value)
    if kind is not dict and kind is not list:
        raise ValueError(f"{edit['path'][:80]!r} runs through a value that has no parts")
    if id(value) not in own:
        value = value.copy()
        own[id(value)] = value
    if kind is dict:
        _in_object(value, path, depth, edit, own)
    else:
        _in_list(value, path, depth, edit, own)
    return value


def _in_object(value: dict[str, Any], path: tuple[str, ...], depth: int, edit: Edit, own: Own) -> None:
    last = depth == len(path) - 1
    key, op = path[depth], edit["op"]
    if key not in value and not (last and op == "add"):
        raise ValueError(f"nothing stands at {edit['path'][:80]!r}")
    if not last:
        value[key] = _applied(value[key], path, depth + 1, edit, own)
    elif op == "remove":
        del value[key]
    else:
        value[key] = edit["value"]


def _in_list(value: list[Any], path: tuple[str, ...], depth: int, edit: Edit, own: Own) -> None:
    op, last = edit["op"], depth == len(path) - 1
    adds = last and op == "add"
    at = len(value) if path[depth] == "-" and adds else _index(path[depth], edit)
    if at >= len(value) + adds:
        raise ValueError(f"nothing stands at {edit['path'][:80]!r}")
    if not last:
        value[at] = _applied(value[at], path, depth + 1, edit, own)
    elif op == "remove":
        del value[at]
    elif op == "add":
        value.insert(at, edit["value"])
    else:
        value[at] = edit["value"]


def _index(step: str, edit: Edit) -> int:
    if not (step.isascii() and step.isdigit()) or (step[0] == "0" and step != "0") or len(step) > 6:
        raise ValueError(f"{edit['path'][:80]!r} has a wrong index")
    return int(step)
