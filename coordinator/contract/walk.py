"""A plan's arguments, fast: their canonical JSON, and the scope that they give each call.

`rules.check_arguments` and `scope.derive` are the law; each walks all values by itself. Nearly all arguments are
ordinary, and that can be told from their names and types, and from operations on their JSON as a whole: no odd
number, nothing too long, no text that a detector of the scope may fire at. Whatever is not plainly so goes to the
two. A property test holds both ways to the same result, and the one in C, which `examined` prefers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from . import rules, scope
from .canonical import is_plain_scalar
from .plans import MAX_STRING
from .sample import Reject

Planned = tuple[str, Any, int]
"""A call: tool name, arguments, provenance tier."""
Examined = tuple[bytes, bytes, int, int, bytes]
"""What rules and scope say of a call: canonical JSON of its name and of its arguments, scope_volume,
scope_sensitivity; last, the arguments' JSON in their own order."""
_LONGEST_NAMES = 256
_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)

LEVEL, AMOUNT, LISTED = 7, 8, 16
"""Of an argument's name: its level; a number or flag under it may state a volume; a list may."""


def _argument(name: str) -> int:
    key = scope.KEYS[name]
    return key.level | (AMOUNT if key.role else 0) | (LISTED if key.listed else 0)


def _tool(name: str) -> tuple[bytes, bool, int]:
    """Canonical JSON of a tool's name, whether its amounts count, its level. Raises `Reject` E11."""
    tool = scope.TOOLS[name]
    return rules.check_tool_name(name), tool.counts, tool.level


ARGUMENTS: dict[str, int] = scope.Vocabulary(_argument)
TOOLS: dict[str, tuple[bytes, bool, int]] = scope.Vocabulary(_tool)


def stated(values: Mapping[str, Any], counts: bool) -> int:
    """The volume that an object of arguments states. `counts`: whether its tool's amounts count."""
    return scope.stated(values, [(name, scope.KEYS[name]) for name in values], counts)


_Shape = tuple[int, bool]
"""What the names of an object say together: their highest level, and whether a value may state a volume. The level is
`_ODD` where one of them is not ordinary."""
_ODD = -1


def _shape(names: Iterable[str]) -> _Shape:
    joined, level, amounts = "".join(names), 0, False
    if not joined.isascii() or len(joined) > _LONGEST_NAMES:
        return _ODD, False
    for name in names:
        said = ARGUMENTS[name]
        amounts = amounts or said > LEVEL
        level = max(level, said & LEVEL)
    return level, amounts


_SHAPES: dict[tuple[str, ...], _Shape] = scope.Vocabulary(_shape)
"""By the names of a call's arguments, which come again with its tool; those of inner objects often do not."""


def examine(calls: Sequence[Planned]) -> list[Examined]:
    """What rules and scope say of each call of a plan.

    Raises `Reject` E11 for a call that is not legal, with its place in the plan.
    """
    told = [_ordinary(name, arguments) for name, arguments, _ in calls]
    quiet = is_quiet(b"".join([one[1] for one in told if one is not None]))
    return [
        one if one is not None and (quiet or is_quiet(one[1])) else by_rules(calls[index], index)
        for index, one in enumerate(told)
    ]


def by_rules(call: Planned, index: int) -> Examined:
    """What rules and scope say of the call at `index` of a plan; its names are known from now on."""
    name, arguments, _ = call
    try:
        said = rules.check_tool_name(name), rules.check_arguments(arguments), *scope.derive(name, arguments)
    except Reject as problem:
        raise Reject(problem.code, problem.message, f"execution_plan.nodes[{index}].{problem.field}") from None
    TOOLS[name]
    _learn(arguments)
    return *said, orjson.dumps(arguments)


def _learn(value: Any) -> None:
    """Look up the names of legal arguments, so that they are ordinary when they come again."""
    if type(value) is dict:
        for name, inner in value.items():
            ARGUMENTS[name]
            _learn(inner)
    elif type(value) is list:
        for inner in value:
            _learn(inner)


def _ordinary(tool_name: str, arguments: dict[str, Any]) -> Examined | None:
    """What the rules say if the JSON turns out to be quiet; None for names or values that are not ordinary."""
    try:
        name, counts, level = TOOLS[tool_name]
        found = _look(arguments, _SHAPES[tuple(arguments)], counts, rules.MAX_DEPTH)
        data = orjson.dumps(arguments, option=_OPTIONS)
    except (TypeError, Reject):  # a key that is no text, a lone surrogate, a value that JSON does not have; an odd tool
        return None
    if found is None:
        return None
    volume, of_names = found
    return name, data, *scope.settled(volume, max(of_names, level)), orjson.dumps(arguments)


def _look(values: dict[str, Any], shape: _Shape, counts: bool, depth: int) -> tuple[int, int] | None:
    """(scope_volume, level) that an object and those in it give; None: not ordinary. `depth`: how deep it may be."""
    level, amounts = shape
    if level == _ODD or depth < 1:
        return None
    volume = stated(values, counts) if amounts else 1
    for value in values.values():
        kind = type(value)
        if kind is str or kind is int or kind is bool:
            continue
        if kind is dict:
            found = _look(value, _shape(value), counts, depth - 1)
        elif kind is list:
            found = _look_into(value, counts, depth - 1)
        elif is_plain_scalar(value):
            continue
        else:
            return None
        if found is None:
            return None
        volume = found[0] if found[0] > volume else volume
        level = found[1] if found[1] > level else level
    return volume, level


_NOTHING = (1, 0)


def _look_into(items: list[Any], counts: bool, depth: int) -> tuple[int, int] | None:
    """As `_look`, for a list of scalars, or of objects."""
    if depth < 1:
        return None
    volume, level = _NOTHING
    for item in items:
        kind = type(item)
        if kind is str or kind is int:
            continue
        found = _look(item, _shape(item), counts, depth - 1) if kind is dict else _NOTHING
        if found is None or not (kind is dict or is_plain_scalar(item)):
            return None
        volume, level = max(volume, found[0]), max(level, found[1])
    return volume, level


_MARKS = bytes.maketrans(b"123456789BCDEFGHIJKLMNOPQRSTUVWXYZ*%+", b"0" * 9 + b"A" * 25 + b"@" * 3)
_GAPS = b" ().-"
"""What may stand between the digits of a card or a telephone."""
_SQL_STARTS = (b'"select', b'"with', b'"delete', b'"update', b'"drop', b'"truncate', b'" ', b'"\\')


def is_quiet(data: bytes) -> bool:
    """Whether the JSON surely holds no text, and no integer, that rules or scope look at more closely.

    Few searches, as each costs: a run of nine digits is a card, a telephone or an integer that a float cannot hold;
    `@` stands for addresses, wildcards and telephones; capitals for an IBAN, a token, a key.
    """
    marks = data.translate(_MARKS, _GAPS)
    return not (
        b"@" in marks
        or b"000000000" in marks
        or (b"A" in marks and (b"AA00" in marks or b"eyJ" in data or b"-BEGIN" in data))
        or (b"\\" in data and b"\\u0000" in data)
        or len(data) > MAX_STRING
        or _may_be_sql(data.lower() if b"A" in marks else data)
    )


def _may_be_sql(data: bytes) -> bool:
    """Whether a text may be a statement: by words that one must hold, then by how its text begins."""
    words = b"from" in data or b" set" in data or b" table" in data or b"\\" in data
    return words and any(start in data for start in _SQL_STARTS)
