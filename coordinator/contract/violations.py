"""The reject codes, each with its sentence, and the code that a schema error stands for."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .sample import Reject
from .schema import Record
from .tier_rules import check_tier

CODES = {
    "E01": "not UTF-8, a byte order mark, or a line over 64 KiB",
    "E02": "not one JSON object, a duplicate key, NaN or Infinity, or nested too deep",
    "E03": "a key is missing or does not belong",
    "E04": "a value has the wrong type",
    "E05": "a value is out of range or not in its list",
    "E06": "no node, or more than 64",
    "E07": "a node_id is wrong or stands twice",
    "E08": "an edge names no node",
    "E09": "an edge is a self loop or stands twice",
    "E10": "an edge runs backwards or out of order",
    "E11": "bad arguments or tool name",
    "E12": "a hash is malformed or not the recomputed one",
    "E13": "scope is not the derived one",
    "E14": "label, tier and violations disagree",
    "E15": "num_tools or has_tool_calls is wrong",
    "E16": "a mutation does not replay",
    "E17": "a group stands in two splits",
    "E18": "the same source and original_id stand twice",
    "E19": "an unknown major version of the contract",
}

_BY_FIELD = {
    "provenance_hash": "E12",
    "content_sha256": "E12",
    "intent_hash": "E12",
    "node_id": "E07",
    "schema_version": "E19",
    "num_tools": "E15",
}
_SHOWN = 64
_WRONG_TYPE_ENDS = ("_type", "_parsing")


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of one line."""

    code: str
    field: str
    message: str


def violations(error: ValidationError) -> list[Violation]:
    """A schema error as violations, in the order of the schema."""
    return [Violation(_code(item), _path(item["loc"]), item["msg"]) for item in error.errors(include_url=False)]


def first_violation(error: ValidationError) -> Reject:
    """The first of `violations` as a reject."""
    first = violations(error)[0]
    return Reject(first.code, f"{first.field}: {first.message}", first.field)


def _code(item: ErrorDetails) -> str:
    kind, location = item["type"], item["loc"]
    if kind in ("missing", "extra_forbidden"):
        return "E03"
    if kind.endswith(_WRONG_TYPE_ENDS):
        return "E04"
    last = str(location[-1]) if location else ""
    if last == "nodes" and kind in ("too_short", "too_long"):
        return "E06"
    if last == "tool_name":
        return "E11"
    return _BY_FIELD.get(last, "E05")


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{shown_key(step)}" if path else shown_key(step)
    return path


def shown_key(key: str) -> str:
    """A key as it is shown in a path: upstream may choose it, so it is cut short and always printable."""
    short = key if len(key) <= _SHOWN else key[:_SHOWN] + "…"
    return short if short.isprintable() else ascii(short)[1:-1]


def check_schema(line: bytes) -> None:
    """Raises `Reject` for a line of JSON that breaks the schema or the rules of its tier."""
    record = orjson.loads(line)
    try:
        Record.__pydantic_validator__.validate_python(record)
    except ValidationError as error:
        raise first_violation(error) from None
    check_tier(record)
