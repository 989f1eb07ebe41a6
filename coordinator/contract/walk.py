"""A plan's arguments, fast: their canonical JSON, and the scope that they give each call.

`rules.check_arguments` and `scope.derive` are the law; each walks all values by itself. Nearly all arguments are
ordinary, and that can be told from their names and types, and from operations on their JSON as a whole: no odd
number, nothing too long, no text that a detector of the scope may fire at. Whatever is not plainly so goes to the
two. A property test holds both ways to the same result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from . import rules, scope
from .canonical import is_plain_float, is_plain_scalar
from .plans import MAX_STRING
from .sample import Reject

Examined = tuple[bytes, bytes, int, int]
"""What rules and scope say of one call: canonical JSON of name and arguments, scope_volume, scope_sensitivity."""
_LAYERS = rules.MAX_DEPTH // 2
"""Objects within objects, at most: each layer is at most two deeper than the one above, by way of a list."""
_LONGEST_NAMES = 256
_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)
_PLAIN = frozenset((str, int, bool, type(None)))
_LEGAL = _PLAIN | {float, list, dict}
_OBJECTS = frozenset((dict,))

_Shape = tuple[bool, int, list[tuple[str, scope.Key]]]
"""What the names of an object say together: whether they are ordinary, their highest level, and those under which
a number or a list may state a volume."""


def _shape(names: Iterable[str]) -> _Shape:
    joined, level, amounts = "".join(names), 0, []
    for name in names:
        key = scope.KEYS[name]
        if key.level > level:
            level = key.level
        if key.role or key.listed:
            amounts.append((name, key))
    return joined.isascii() and len(joined) <= _LONGEST_NAMES, level, amounts


_SHAPES: dict[tuple[str, ...], _Shape] = scope.Vocabulary(_shape)
"""By the names of a call's arguments, which come again with its tool; those of inner objects often do not."""


def examine(calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Examined]:
    """What rules and scope say of each (tool name, arguments) of a plan.

    Raises `Reject` E11 for a call that is not legal, with its place in the plan.
    """
    told: list[Examined] = []
    for tool_name, arguments in calls:
        try:
            told.append(_ordinary(tool_name, arguments) or _by_rules(tool_name, arguments))
        except Reject as problem:
            raise _placed(problem, len(told)) from None
    if not is_quiet(b"".join([one[1] for one in told])):
        for index, one in enumerate(told):
            if not is_quiet(one[1]):
                try:
                    told[index] = _by_rules(*calls[index])
                except Reject as problem:
                    raise _placed(problem, index) from None
    return told


def _placed(problem: Reject, index: int) -> Reject:
    return Reject(problem.code, problem.message, f"execution_plan.nodes[{index}].{problem.field}")


def _by_rules(tool_name: str, arguments: dict[str, Any]) -> Examined:
    return rules.check_tool_name(tool_name), rules.check_arguments(arguments), *scope.derive(tool_name, arguments)


def _ordinary(tool_name: str, arguments: dict[str, Any]) -> Examined | None:
    """What `_by_rules` returns if the JSON turns out to be quiet; None for names or values that are not ordinary."""
    name, tool = rules.check_tool_name(tool_name), scope.TOOLS[tool_name]
    try:
        ordinary, level, amounts = _SHAPES[tuple(arguments)]
        volume = scope.stated(arguments, amounts, tool.counts) if amounts else 1
        inner = _inner(arguments)
        for _ in range(_LAYERS):
            if inner is None or not ordinary:
                return None
            if not inner:
                data = orjson.dumps(arguments, option=_OPTIONS)
                return name, data, *scope.settled(volume, max(level, tool.level))
            layer, inner = inner, []
            for values in layer:
                ordinary, of_names, amounts = _shape(values)
                level = max(level, of_names)
                volume = max(volume, scope.stated(values, amounts, tool.counts)) if amounts else volume
                below = _inner(values)
                if below is None or not ordinary:
                    return None
                inner += below
    except TypeError:  # a key that is no text, a lone surrogate, a value that JSON does not have
        pass
    return None


def _inner(values: dict[str, Any]) -> Sequence[dict[str, Any]] | None:
    """The objects among the values of one, and in lists of objects; None where a value is not ordinary."""
    kinds = set(map(type, values.values()))
    if kinds <= _PLAIN:
        return ()
    if not kinds <= _LEGAL:
        return None
    inner: list[dict[str, Any]] = []
    for value in values.values():
        kind = type(value)
        if kind is float:
            if not is_plain_float(value):
                return None
        elif kind is dict:
            inner.append(value)
        elif kind is list:
            inside = set(map(type, value))
            if inside == _OBJECTS:
                inner += value
            elif not inside <= _PLAIN and not all(map(is_plain_scalar, value)):
                return None
    return inner


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
        or _may_be_sql(data.lower())
    )


def _may_be_sql(data: bytes) -> bool:
    """Whether a text may be a statement, by words that it must hold; one that begins with white space counts."""
    if not (b"from" in data or b"set" in data or b"table" in data):
        return False
    return any(start in data for start in _SQL_STARTS)
