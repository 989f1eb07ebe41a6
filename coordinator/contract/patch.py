"""RFC 6902 JSON Patch, the part that mutations state: add, remove and replace.

A patch never changes the document it is given: what lies on an edit's path is copied, the rest is shared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from .compiled import MODULE

Edit = Mapping[str, Any]
Own = dict[int, Any]
"""The copies that one patch has made, by `id`: they may be changed in place, and it keeps them alive."""
NAMES = ("op", "path", "value", "add", "replace")
"""Of the fields of an edit that puts a value somewhere, in order, and of the two operations that do."""


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


def apply(document: Any, edits: Sequence[Edit]) -> Any:
    """The document after all edits, in order. Raises `ValueError` for an edit that does not fit it."""
    found = NotImplemented if MODULE is None else MODULE.apply_edits(document, edits, NAMES)
    return _applied(document, edits) if found is NotImplemented else found


def _applied(document: Any, edits: Sequence[Edit]) -> Any:
    """See `apply`; in Python."""
    own: Own = {}
    root = [document]  # so that the document itself is a part of something
    for edit in edits:
        *way, last = steps(edit["path"])
        at: Any = root[0] if id(root[0]) in own else _owned(root, 0, edit, own)
        for step in way:
            place = step if type(at) is dict and step in at else _place(at, step, edit)
            part = at[place]
            at = part if id(part) in own else _owned(at, place, edit, own)
        _edit(at, last, edit)
    return root[0]


def _owned(value: Any, place: Any, edit: Edit, own: Own) -> Any:
    """The part of an own value at a place, made its own."""
    part = value[place]
    if type(part) is not dict and type(part) is not list:
        raise ValueError(f"{edit['path'][:80]!r} runs through a value that has no parts")
    part = value[place] = part.copy()
    own[id(part)] = part
    return part


def _place(value: Any, step: str, edit: Edit) -> str | int:
    """The key or the index that a step names, if something stands there."""
    if type(value) is dict:
        if step in value:
            return step
    elif (index := _index(step, edit)) < len(value):
        return index
    raise ValueError(f"nothing stands at {edit['path'][:80]!r}")


def _edit(value: Any, step: str, edit: Edit) -> None:
    if edit["op"] == "add" and type(value) is dict:
        value[step] = edit["value"]
    elif edit["op"] == "add":
        at = len(value) if step == "-" else _index(step, edit)
        if at > len(value):
            raise ValueError(f"nothing stands at {edit['path'][:80]!r}")
        value.insert(at, edit["value"])
    elif edit["op"] == "remove":
        del value[_place(value, step, edit)]
    else:
        value[_place(value, step, edit)] = edit["value"]


def _index(step: str, edit: Edit) -> int:
    if not (step.isascii() and step.isdigit()) or (step[0] == "0" and step != "0") or len(step) > 6:
        raise ValueError(f"{edit['path'][:80]!r} has a wrong index")
    return int(step)
