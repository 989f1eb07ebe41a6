"""The fast looks at arguments, in Python and in C, say what rules and scope say, of anything."""

from __future__ import annotations

import datetime
import json
import math
import uuid
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coordinator.contract import Reject, examined, rules, scope, walk

TEXTS = st.sampled_from(
    [
        *(
            "",
            " ",
            "a",
            "plain words",
            "ünïcödé",
            "\0",
            "\ud800",
            "x" * 8_192,
            "x" * 8_193,
            '"',
            "\\",
            "\\u0000",
            "null",
        ),
        *("ana@example.test", "+1 202 555 0143", "202-555-0143", "0161-496-0000", "4111 1111 1111 1111", "1.0,", "e5"),
        *("GB82 WEST 1234 5698 7654 32", "-----BEGIN RSA PRIVATE KEY-----", "eyJhbGciOi.eyJzdWIi.sig", "*", "%", "**"),
        *(
            "select * from users",
            "  SELECT * FROM t",
            "\nDelete from x",
            "update t set a=1",
            "drop table t",
            "wıth a from",
        ),
        *("with x as (select 1) select * from x", "ſelect * from users", "select a from t where b", "TRUNCATE TABLE t"),
        *("2024-05-01", "2024-05-01 10:30:00", "123456789", "12 345 678 901 234", "a1b2c3d4e5f6a7b8c9", "3e5", "1.0}"),
    ]
)
NUMBERS = st.sampled_from(
    [
        *(0, 1, -1, 50, 123456789, 2**53 - 1, 2**53, -(2**53), 2**63, 2**64, 10**400, True, False, None),
        *(
            0.0,
            -0.0,
            1.5,
            50.0,
            1e15,
            1e16,
            123456789012345.6,
            1e-3,
            0.00099,
            1e-5,
            1e-7,
            5e-324,
            1e308,
            1.7976931348623157e308,
        ),
        *(math.nan, math.inf, -math.inf, 40.7127753, -73.5),
    ]
)
SCALARS = TEXTS | NUMBERS | st.integers() | st.floats() | st.text(max_size=20)
ODD = st.sampled_from(
    [(1, 2), {1}, b"x", datetime.date(2026, 1, 2), uuid.UUID(int=1), object(), type("S", (str,), {})("s")]
)
NAMES = st.sampled_from(
    [
        *(
            "city",
            "limit",
            "max_results",
            "page_size",
            "pages",
            "ids",
            "emails",
            "password",
            "recursive",
            "query",
            "sql",
        ),
        *("pattern", "é", "😀", "", "k" * 257, "user_id", "weather", "count", "a.b", "null", "select"),
    ]
) | st.text(max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(NAMES, VALUES | ODD, max_size=5)
TOOLS = st.sampled_from(["list_users", "get_weather", "send_email", "calculate", "run_sql", "get_password", "x"])


def outcome(read: Any) -> Any:
    try:
        return read()
    except Reject as problem:
        return problem.code, problem.message, problem.field


def is_legal(read: Any) -> bool:
    return not isinstance(outcome(read)[0], str)


def by_rules(name: str, arguments: dict[str, Any]) -> walk.Examined:
    said = rules.check_tool_name(name), rules.check_arguments(arguments), *scope.derive(name, arguments)
    return *said, orjson.dumps(arguments)


def ways() -> list[Any]:
    """The ways to examine that there are here."""
    native = examined.NATIVE
    absent = pytest.mark.skipif(native is None, reason="the native module is not there: no C compiler at installation")
    return [pytest.param(walk.examine, id="python"), pytest.param(native and native.examine, id="native", marks=absent)]


@pytest.mark.parametrize("examine", ways())
@settings(max_examples=800)
@given(st.lists(st.tuples(TOOLS, ARGUMENTS, st.just(1)), max_size=4))
@example([("x", {"a": {"b": [{"c": {"d": [1]}}]}}, 1), ("list_users", {"limit": [[1]]}, 1)])
@example([("x", {1: "a"}, 1)])  # type: ignore[dict-item]
@example([("x", {"b": {"d": 1, "c": [{"z": "ü", "y": {}}]}, "a": []}, 1)])
@example([("list_users", {"limit": 2**53 - 1, "page_size": 2**53 - 1, "pages": 2**53 - 1}, 1)])
@example([("x", {f"k{n}": n for n in range(65)}, 1)])
@example([("list_users", {"a": [{"limit": n} for n in range(20)]}, 1)])
@example([("x", {"a": "".join(map(chr, range(1, 256)))}, 1)])
@example([("x", {"a": "GB82"}, 1), ("x", {"a": "+4"}, 1), ("x", {"a": "a.eyJb"}, 1), ("x", {"a": "12345678(9"}, 1)])
@example([("x", {"a": "x" * 8_191, "b": "y"}, 1)])
def test_the_walk_says_what_the_rules_say(examine: Any, calls: list[tuple[str, dict[str, Any], int]]) -> None:
    slow = [outcome(lambda call=call: by_rules(*call[:2])) for call in calls]
    refused = [
        (code, message, f"execution_plan.nodes[{index}].{field}")
        for index, (code, message, field) in ((i, one) for i, one in enumerate(slow) if len(one) == 3)
    ]
    for _ in ("names are new", "names are known"):
        fast = outcome(lambda: examine(calls))
        assert fast == refused[0] if refused else fast == slow


@pytest.mark.parametrize("examine", ways())
@pytest.mark.parametrize("depth", range(1, 12))
@pytest.mark.parametrize("by_list", [False, True])
def test_depth(examine: Any, depth: int, by_list: bool) -> None:
    value: Any = 1
    for level in reversed(range(depth)):
        value = [value] if by_list and level % 2 else {"a": value}
    assert is_legal(lambda: by_rules("x", value)) == (depth <= rules.MAX_DEPTH)
    for _ in ("names are new", "names are known"):
        assert is_legal(lambda: examine([("x", value, 1)])) == (depth <= rules.MAX_DEPTH)


@given(st.dictionaries(NAMES, st.text() | TEXTS, max_size=4))
def test_quiet_json_holds_nothing_suspicious(arguments: dict[str, str]) -> None:
    try:
        data = json.dumps(arguments, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return
    if walk.is_quiet(data):
        assert scope.derive("x", arguments) == scope.derive("x", dict.fromkeys(arguments, "a"))
