"""JSON Patch (RFC 6902) on JSON values, without a library: this side must not share the writer's mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson


class PatchError(ValueError):
    """A patch that does not fit its document."""


def apply(document: Any, operations: Iterable[Any]) -> Any:
    """A changed copy of `document`. Raises `PatchError`."""
    holder = {"": _copy(document)}
    for operation in operations:
        if not isinstance(operation, Mapping) or not isinstance(operation.get("path"), str):
            raise PatchError("an operation is no object with a path")
        try:
            _apply(holder, operation)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise PatchError(f"{operation.get('op')} {operation['path']}: {error}") from None
    return holder[""]


def _copy(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value))


def _apply(holder: dict[str, Any], operation: Mapping[str, Any]) -> None:
    path = operation["path"]
    match operation.get("op"):
        case "add":
            _add(holder, path, _copy(operation["value"]))
        case "remove":
            _remove(holder, path)
        case "replace":
            _remove(holder, path)
            _add(holder, path, _copy(operation["value"]))
        case "move":
            _add(holder, path, _remove(holder, operation["from"]))
        case "copy":
            _add(holder, path, _copy(_get(holder, operation["from"])))
        case "test":
            if not same(_get(holder, path), operation["value"]):
                raise ValueError("the value is another one")
        case _:
            raise ValueError("no such operation")


def same(one: Any, other: Any) -> bool:
    """JSON equality: true is not 1, and 1 is 1.0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(item, other[key]) for key, item in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _steps(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise ValueError("not a JSON Pointer")
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")]


def _at(owner: Any, step: str) -> Any:
    """The key or index that `step` names in `owner`, which must hold it."""
    if isinstance(owner, list):
        if not step.isdecimal() or (len(step) > 1 and step[0] == "0") or int(step) >= len(owner):
            raise IndexError(step)
        return int(step)
    if not isinstance(owner, dict) or step not in owner:
        raise KeyError(step)
    return step


def _get(holder: Any, path: str) -> Any:
    for step in _steps(path):
        holder = holder[_at(holder, step)]
    return holder


def _owner(holder: Any, path: str) -> tuple[Any, str]:
    *steps, last = _steps(path)
    for step in steps:
        holder = holder[_at(holder, step)]
    return holder, last


def _remove(holder: Any, path: str) -> Any:
    owner, last = _owner(holder, path)
    return owner.pop(_at(owner, last))


def _add(holder: Any, path: str, value: Any) -> None:
    owner, last = _owner(holder, path)
    if isinstance(owner, dict):
        owner[last] = value
    elif not isinstance(owner, list):
        raise KeyError(last)
    elif last in ("-", str(len(owner))):
        owner.append(value)
    else:
        owner.insert(_at(owner, last), value)
