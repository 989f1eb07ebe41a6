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
from .canonical import is_plain_scalar
from .plans import MAX_STRING
from .sample import Reject

Examined = tuple[bytes, bytes, int, int]
"""What rules and scope say of one call: canonical JSON of name and arguments, scope_volume, scope_sensitivity."""
_LONGEST_NAMES = 256
_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)

_Shape = tuple[int, list[tuple[str, scope.Key]]]
"""What the names of an object say together: their highest level, and those under which a number or a list may state
a volume. The level is `_ODD` where one of them is not ordinary."""
_ODD = -1


def _shape(names: Iterable[str]) -> _Shape:
    joined, level, amounts = "".join(names), 0, []
    if not joined.isascii() or len(joined) > _LONGEST_NAMES:
        return _ODD, []
    for name in names:
        key = scope.KEYS[name]
        if key.level > level:
            level = key.level
        if key.role or key.listed:
            amounts.append((name, key))
    return level, amounts


def _tool(name: str) -> tuple[bytes, bool, int]:
    """Canonical JSON of a tool's name, whether its amounts count, its level. Raises `Reject` E11."""
    tool = scope.TOOLS[name]
    return rules.check_tool_name(name), tool.counts, tool.level


_TOOLS: dict[str, tuple[bytes, bool, int]] = scope.Vocabulary(_tool)
_SHAPES: dict[tuple[str, ...], _Shape] = scope.Vocabulary(_shape)
"""By the names of a call's arguments, which come again with its tool; those of inner objects often do not."""


def examine(calls: Sequence[tuple[str, Any, Any]]) -> list[Examined]:
    """What rules and scope say of each (tool name, arguments, ...) of a plan.

    Raises `Reject` E11 for a call that is not legal, with its place in the plan.
    """
    told: list[Examined] = []
    for tool_name, arguments, *_ in calls:
        try:
            told.append(_ordinary(tool_name, arguments) or _by_rules(tool_name, arguments))
        except Reject as problem:
            raise _placed(problem, len(told)) from None
    if not is_quiet(b"".join([one[1] for one in told])):
        for index, one in enumerate(told):
            if not is_quiet(one[1]):
                try:
                    told[index] = _by_rules(*calls[index][:2])
                except Reject as problem:
                    raise _placed(problem, index) from None
    return told


def node_of(tool_name: str, arguments: Any, tier: int, said: Examined, node_id: str, origin: bytes) -> dict[str, Any]:
    """The node of a call of which rules and scope say `said`; `origin` is the canonical JSON of who decided it."""
    name, data, volume, sensitivity = said
    return {
        "tool_name": tool_name,
        "arguments": arguments,
        "provenance_tier": tier,
        "provenance_hash": rules.provenance_hash(name, data, tier, origin),
        "scope_volume": volume,
        "scope_sensitivity": sensitivity,
        "node_id": node_id,
    }


def _placed(problem: Reject, index: int) -> Reject:
    return Reject(problem.code, problem.message, f"execution_plan.nodes[{index}].{problem.field}")


def _by_rules(tool_name: str, arguments: dict[str, Any]) -> Examined:
    return rules.check_tool_name(tool_name), rules.check_arguments(arguments), *scope.derive(tool_name, arguments)


def _ordinary(tool_name: str, arguments: dict[str, Any]) -> Examined | None:
    """What `_by_rules` returns if the JSON turns out to be quiet; None for names or values that are not ordinary."""
    name, counts, level = _TOOLS[tool_name]
    try:
        found = _look(arguments, _SHAPES[tuple(arguments)], counts, rules.MAX_DEPTH)
        data = orjson.dumps(arguments, option=_OPTIONS)
    except TypeError:  # a key that is no text, a lone surrogate, a value that JSON does not have
        return None
    if found is None:
        return None
    volume, of_names = found
    return name, data, *scope.settled(volume, of_names if of_names > level else level)


def _look(values: dict[str, Any], shape: _Shape, counts: bool, depth: int) -> tuple[int, int] | None:
    """(scope_volume, level) that an object and those in it give; None: not ordinary. `depth`: how deep it may be."""
    level, amounts = shape
    if level == _ODD or depth < 1:
        return None
    volume = scope.stated(values, amounts, counts) if amounts else 1
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
