"""Readers of hostile text: a value or a `Reject`, never a guess, never another exception, never long."""

from __future__ import annotations

import json
import time
import warnings
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coordinator.contract import (
    Call,
    Reject,
    arguments,
    blocks,
    call,
    calls,
    literal,
    plain,
    python_call,
    strict_json,
    text_of,
)

SECONDS = 1.0

# ---- strict_json

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text(st.sampled_from('":{},\\ \t\n\0u0232a'))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**14, 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values are written alike (1 and 1.0 and True are not)."""
    return json.dumps(left) == json.dumps(right)


@given(
    JSON,
    st.booleans(),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :"), (",\n", "\t:\r\n")]),
    st.sampled_from([None, 0, 1]),
)
@example({'":': '":', ':"': '\\":', '\\"': ':"'}, False, (",", ":"), None)
@example({"a": 2**64, "b": -(2**63) - 1, "c": 10**300}, True, (",", ":"), None)
def test_strict_json_is_json(value: Any, escaped: bool, separators: tuple[str, str], indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=escaped, separators=separators, indent=indent)
    assert same(strict_json(text), json.loads(text))
    assert same(strict_json(text.encode()), json.loads(text))


@given(st.dictionaries(TEXT, JSON, min_size=1, max_size=4), JSON, st.data())
def test_a_key_that_stands_twice_is_always_found(value: dict[str, Any], other: Any, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(value)))
    items = [*value.items(), (key, other)]
    written = [
        json.dumps(name, ensure_ascii=data.draw(st.booleans()))
        + data.draw(st.sampled_from([":", " :", "\n: "]))
        + json.dumps(item, ensure_ascii=data.draw(st.booleans()))
        for name, item in data.draw(st.permutations(items))
    ]
    text = "{" + ",".join(written) + "}"
    for whole in (
        text,
        f"[1,{text}]",
        f'{{"x":[{text}],"y":"\\":"}}',
        f'{{"\\u0022:":"\\u0022\\u003a","x":{text}}}',
    ):
        with pytest.raises(ValueError, match="duplicate key"):
            strict_json(whole)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":1,"\\u0061":1}',
        '{"a" :1,"a"\n:1}',
        '{"a":1,"b":2,"a":"\\":"}',
        '{"a":1,"a":"\\u0022:"}',
        '{"a":"\\u0022\\u003a","a":1}',
        '{"a":1,"a":"\\u0022:\\u0022:"}',
        '{"a":{"b":1,"c":2},"a":"\\u0022:\\u0022:\\u0022:"}',
        '{"x":{"a":1,"a":2}}',
        '[{"a":1},{"a":1,"a":2}]',
        '{"":1,"":2}',
        '{"a\\"":1,"a\\u0022":2}',
        '{"a/":1,"a\\/":2}',
        '{"é":1,"\\u00e9":2}',
        '{"😀":1,"\\ud83d\\ude00":2}',
    ],
)
def test_duplicate_keys(text: str) -> None:
    with pytest.raises(ValueError, match="duplicate key"):
        strict_json(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9007199254740993", 9007199254740993),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2**64),
        ("-9223372036854775809", -(2**63) - 1),
        ('{"id":123456789012345678901234567890}', {"id": 123456789012345678901234567890}),
        ("[12345678901234567.0]", [12345678901234567.0]),
        ("-0.0", -0.0),
        ("1e999", float("inf")),
        ("[-1e999]", [float("-inf")]),
        ("1" * 400, int("1" * 400)),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\u0000"', "\0"),
        (" [ ] ", []),
        ('{"a":{"a":1}}', {"a": {"a": 1}}),
        ('[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}]),
        ('{"a":"b\\":","c":":"}', {"a": 'b":', "c": ":"}),
    ],
)
def test_strict_json_keeps_the_value(text: str, value: Any) -> None:
    read = strict_json(text)
    assert same(read, value)
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "{", "[1,]", '{"a":1,}', "{'a':1}", "[1] 2", "01", "+1", ".5", "1.", "0x1", "True", "nul"),
        *("NaN", "[NaN]", "Infinity", "-Infinity", "1" * 5000),
        *(
            '"\\ud800"',
            '"\\udc00\\ud800"',
            '"\ud800"',
            '{"\\udfff":1}',
            '"\\x41"',
            '"a\nb"',
            '"\0"',
            "\ufeff1",
        ),
        *("[" * 300 + "]" * 300, "[" * 100_000, "[" * 5000 + "]" * 5000, '{"a":' * 5000 + "1" + "}" * 5000),
        *(b"\xff", b'"\xed\xa0\x80"', b"\xef\xbb\xbf1", b"", '{"a" :1'.encode("utf-16")),
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_strict_json_refuses(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own words
        strict_json(text)


@pytest.mark.parametrize("depth", [1, 100, 198])
def test_depth_does_not_hide_a_duplicate_key(depth: int) -> None:
    text = "[" * depth + '{"a":1,"a":2}' + "]" * depth
    with pytest.raises(ValueError, match="duplicate key"):
        strict_json(text)


# ---- literal and python_call

BOMBS = {
    **{
        f"{part!a} x {count}": part * count
        for count in (100, 10_000, 100_000)
        for part in ("(", "-", "~", "[", "{", "a.")
    },
    **{
        f"{part!a} x 30000": part * 30_000 + end
        for part in (
            "not ",
            "lambda:",
            "1+",
            "1<",
            "1if 1else ",
            "{1:",
            "f(",
            "a and ",
            "a[",
            "'a' ",
            "1,",
            '"',
            "\\\n",
            "\t",
        )
        for end in ("", "1")
    },
    "parentheses": "(" * 190 + "1" + ")" * 190,
    "lists": "[" * 190 + "1" + "]" * 190,
    "calls": "f(" * 190 + "1" + ")" * 190,
    "call chain": "f" + "()" * 100_000,
    "lambdas": "(lambda: " * 90 + "1" + ")" * 90,
    "million": "x" * 1_000_000,
    "million quotes": "'" * 1_000_000,
    "million in a list": "[" + "1," * 500_000 + "'a']",
    "long list": "['a'" + ",1" * 120_000 + "]",
    "long call": "f(" + "1," * 120_000 + ")",
    "digits": "9" * 200_000,
    "hex": "0x" + "f" * 200_000,
    "f-strings": "f'{f\"{f'{1}'}\"}'",
    "nul": "'a\0b'",
    "surrogate": "'\ud800",
    "power": "9**9**9**9",
    "repeat": "'x' * 10**10",
    "comprehension": "[x for x in range(10**10)]",
}


def refusal(read: Any, text: str) -> Reject | None:
    """The reject that a reader raises; any other exception goes on."""
    try:
        read(text)
    except Reject as problem:
        return problem
    return None


def is_sound(problem: Reject | None) -> bool:
    """Whether a reject, if there is one, can be counted and shown."""
    return problem is None or (problem.code == "E11" and len(problem.message.encode()) < 1000)


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("read", [literal, python_call, calls])
def test_a_bomb_is_a_reject_or_a_value_and_soon(read: Any, name: str) -> None:
    started = time.process_time()
    assert is_sound(refusal(read, BOMBS[name]))
    assert time.process_time() - started < SECONDS


SOURCE = st.text() | st.text(st.sampled_from("()[]{}'\"\\,:=*+-.#0123456789abefjlnrux_ \n\t\0\ud800é"), max_size=40)


@settings(max_examples=300)
@given(SOURCE)
@example("{'a': 1, **{}}")
@example("f(a=1, a=2)")
@example("'\\N{foo}'")
@example("0777")
@example("1__0")
@example("'\\ud800'")
def test_readers_raise_nothing_but_reject(text: str) -> None:
    for read in (literal, python_call, calls, call, arguments):
        assert is_sound(refusal(read, text))


@given(JSON)
def test_literal_reads_json_and_python_alike(value: Any) -> None:
    assert same(literal(json.dumps(value)), value)
    assert same(literal(repr(value)), value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': (1, -2.5, None), 'b': True}", {"a": [1, -2.5, None], "b": True}),
        ("{'a': true, 'b': false, 'c': null}", {"a": True, "b": False, "c": None}),
        ("'a' 'b'", "ab"),
        (" {} ", {}),
        ("()", []),
        ("0x10", 16),
        ("{'n': 123456789012345678901}", {"n": 123456789012345678901}),
        ("r'\\d'", "\\d"),
    ],
)
def test_literal(text: str, value: Any) -> None:
    assert same(literal(text), value)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "a",
            "None None",
            "{1, 2}",
            "b'x'",
            "1j",
            "1+1j",
            "2+2",
            "f'{1}'",
            "f(1)",
            "x.y",
            "lambda: 1",
            "...",
        ),
        *(
            "{'a': 1, 'a': 2}",
            '{"a": 1, "a": 2}',
            "{1: 2}",
            "{None: 1}",
            "{**{}}",
            "[*[]]",
            "{('a',): 1}",
            "+1",
            "--1",
        ),
        *(
            "~1",
            "not True",
            "-True",
            "-'a'",
            "nan",
            "NaN",
            "inf",
            "[x for x in []]",
            "(a := 1)",
            "a = 1",
            "1; 2",
            "import os",
        ),
        *("__import__('os')", "'a", "{'a': 1", "'a' % 'b'", "'a'.b", "[1][0]", "-None", "\0", "'\ud800'"),
    ],
    ids=ascii,
)
def test_literal_refuses(text: str) -> None:
    with pytest.raises(Reject) as caught:
        literal(text)
    assert caught.value.code == "E11"


def test_an_odd_escape_is_read_alike_whatever_warnings_do() -> None:
    text = r"{'path': 'a\/b\d'}"
    outcomes = []
    for action in ("error", "ignore", "default"):
        with warnings.catch_warnings(record=action == "default") as told:
            warnings.simplefilter(action)
            outcomes.append(literal(text))
        assert not told
    assert outcomes == [{"path": r"a\/b\d"}] * 3


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("f()", ("f", [], {})),
        (' a.b.c(1, "x", y=[True], z={"k": None}) ', ("a.b.c", [1, "x"], {"y": [True], "z": {"k": None}})),
        ("f(-1, x=(1, 2))", ("f", [-1], {"x": [1, 2]})),
        ("f(x=true)", ("f", [], {"x": True})),
    ],
)
def test_python_call(text: str, parts: Any) -> None:
    assert python_call(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        *(
            "f",
            "f(",
            "f(x)",
            "f(x=y)",
            "f(*a)",
            "f(**{})",
            "f(a=1, a=2)",
            "f()()",
            "f().g()",
            "f[0]()",
            "(lambda: 1)()",
        ),
        *(
            "f(g(1))",
            "f(1) f(2)",
            "f(1); g(2)",
            "f(1), g(2)",
            "'a'()",
            "'a'.join([])",
            "x = f(1)",
            "f(x={1: 2})",
            "await f()",
        ),
        *("f(x={'a': 1, 'a': 2})", "", "f(1 for x in y)", "f(" + "1," * 200_000 + ")"),
    ],
    ids=lambda text: ascii(text)[:25],
)
def test_python_call_refuses(text: str) -> None:
    with pytest.raises(Reject) as caught:
        python_call(text)
    assert caught.value.code == "E11"


# ---- calls

BARE: dict[str, Any] = {"name": "find", "arguments": {"a": 1}}
FIND = Call("find", {"a": 1})


@pytest.mark.parametrize(
    "value",
    [
        BARE,
        [BARE],
        json.dumps(BARE),
        json.dumps([BARE]),
        repr(BARE),
        repr([BARE]),
        [json.dumps(BARE)],
        json.dumps([json.dumps(BARE)]),
        {"name": " find ", "arguments": '{"a": 1}'},
        {"name": "find", "arguments": "{'a': 1}"},
        {"name": "find", "parameters": {"a": 1}},
        {"type": "function", "function": BARE},
        {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"a": 1}'}},
        json.dumps({"type": "function", "function": BARE}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_call_in_its_wrappings(value: Any) -> None:
    assert calls(value) == [FIND]


@pytest.mark.parametrize("value", [None, "", "  \n", [], "[]", "null", "None"])
def test_no_calls(value: Any) -> None:
    assert calls(value) == []


@pytest.mark.parametrize("value", [None, {}, "", " ", [], "{}", "[]", "null"])
def test_no_arguments(value: Any) -> None:
    assert arguments(value) == {}
    assert call({"name": "f", "arguments": value}) == Call("f", {})
    assert call({"name": "f"}) == Call("f", {})


@pytest.mark.parametrize(
    "value",
    [
        *(
            7,
            True,
            "find",
            "find(a=1)",
            {"arguments": {}},
            {"name": None},
            {"name": 1},
            [None],
            [[BARE]],
            {"function": "f"},
        ),
        *({"name": "f", "arguments": [1]}, {"name": "f", "arguments": 1}, {"name": "f", "arguments": "a=1"}),
        *(
            {"name": "f", "arguments": '{"a":1,"a":2}'},
            '{"name":"f","name":"g"}',
            {"name": "f", "arguments": "[1]"},
        ),
        *("0x" + "f" * 10_000, "[" * 900 + "]" * 900, "7", '"text"'),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_call(value: Any) -> None:
    with pytest.raises(Reject) as caught:
        calls(value)
    assert caught.value.code == "E11"


def test_calls_keep_their_order_and_a_null_argument() -> None:
    value = [{"name": "b", "arguments": {"x": None}}, {"name": "a"}, {"name": "b"}]
    assert calls(value) == [Call("b", {"x": None}), Call("a", {}), Call("b", {})]


# ---- blocks, plain, text_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("<t>a</t>", ["a"]),
        ("x<t>a</t>y<t>\nb\n</t>z", ["a", "\nb\n"]),
        ("<t>a", ["a"]),
        ("<t>a</t><t>b", ["a", "b"]),
        ("<t></t>", [""]),
        ("<t><t>a</t></t>", ["<t>a"]),
        ("</t><t>a</t>", ["a"]),
        ("<T>a</T>", []),
        ("<t >a</t>", []),
    ],
)
def test_blocks(text: str, found: list[str]) -> None:
    assert list(blocks(text, "t")) == found


def test_blocks_are_found_in_linear_time() -> None:
    started = time.process_time()
    assert len(list(blocks("<t>" * 100_000, "t"))) == 1
    assert len(list(blocks("<t></t>" * 100_000, "t"))) == 100_000
    assert time.process_time() - started < SECONDS


def test_plain() -> None:
    value = {
        "d": date(2026, 1, 2),
        "t": datetime(2026, 1, 2, 3, 4),
        "n": None,
        "l": (1, None, {"x": None}),
        "f": Decimal("1.5"),
    }
    assert plain(value) == {
        "d": "2026-01-02",
        "t": "2026-01-02T03:04:00",
        "n": None,
        "l": [1, None, {"x": None}],
        "f": 1.5,
    }
    assert plain(value, drop_null=True) == {
        "d": "2026-01-02",
        "t": "2026-01-02T03:04:00",
        "l": [1, None, {}],
        "f": 1.5,
    }
    assert value["n"] is None


def test_plain_refuses_bytes_and_endless_depth() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for value in (b"x", [{"a": b""}], endless):
        with pytest.raises(Reject) as caught:
            plain(value)
        assert caught.value.code == "E11"


def test_text_of() -> None:
    assert text_of({"a": None, "b": "x"}, "a", "b") == "x"
    assert text_of({"a": "", "b": "x"}, "a", "b") == ""
    for row, code in (({}, "E03"), ({"a": None}, "E03"), ({"a": 1, "b": "x"}, "E04")):
        with pytest.raises(Reject) as caught:
            text_of(row, "a", "b")
        assert caught.value.code == code
