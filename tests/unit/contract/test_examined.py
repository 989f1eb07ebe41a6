"""The native module and Python give the same lines, and the native one outlives whatever it is handed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.contract import Call, Reject, Sample, Skip, compiled, examined, rules, walk
from coordinator.contract.build import Identity, Line, build
from tests.unit.contract.test_build import ARGUMENTS, WORDS
from tests.unit.contract.test_build import CALLS as CALLS_OF_ANY

NATIVE: Any = examined.NATIVE
WHO = Identity("example/giveaways", "giveaways", "function_calling", unique_ids=True)
CALLS = st.lists(st.builds(Call, WORDS, ARGUMENTS, st.integers(1, 3)), min_size=1, max_size=6)
COUNTS = st.integers(0, 70)
NAMES = ("to", "query", "path", "sql", "limit")
TOLD = st.tuples(st.binary(max_size=9), st.binary(max_size=99), st.just(1), st.just(2), st.just(b"{}"))
needs_native = pytest.mark.skipif(
    NATIVE is None, reason="the native module is not there: no C compiler at installation"
)


def outcome(sample: Sample) -> Any:
    try:
        return build(sample, WHO, "train-0")
    except Reject as problem:
        return problem.code, problem.message, problem.field


@needs_native
@settings(max_examples=400)
@given(CALLS, st.text(min_size=1, max_size=12), st.booleans())
def test_both_ways_give_the_same_line(calls: list[Call], query: str, chained: bool) -> None:
    edges = [(index, index + 1) for index in range(len(calls) - 1)] if chained else []
    sample = Sample(query, calls, edges, "sequence" if edges else "none")
    fast = outcome(sample)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examined, "NATIVE", None)
        assert outcome(sample) == fast
    assert outcome(sample) == fast


@needs_native
@pytest.mark.parametrize("sizes", [[10], [8_000] * 9, [8_000] * 2, [1] * 64, [65_000], []])
def test_plans_are_the_same(sizes: list[int]) -> None:
    told = [(b'"a"', b"{}", 10_000, 5, b'{"a":"%b"}' % (b"x" * size)) for size in sizes]
    calls, origins = [("a", {}, 1 + size % 3) for size in sizes], [b"{}"] * len(sizes)
    for edges in ([], [(0, 1)], [(at, at + 1) for at in range(len(sizes))], [(2**62, 2**63 - 1)] * 70):
        slow = examined.plan_in_python(told, calls, "train-7", origins, edges)
        assert NATIVE.plan(told, calls, "train-7", origins, edges) == slow
        assert NATIVE.plan(told, tuple(calls), "train-7", origins, tuple(edges)) == slow


@needs_native
@pytest.mark.parametrize("edge", [[0, 1], (0,), (0, 1, 2), (0, -1), (0, "1"), (0, True), (0, 2**70), None])
def test_edges_that_are_no_pairs_of_places_are_left_to_python(edge: Any) -> None:
    assert NATIVE.plan([], [], "a", [], [(0, 1), edge]) is NotImplemented


@needs_native
def test_threads_do_not_write_into_each_other() -> None:
    """Hashing more than some kilobytes lets another thread run."""
    made = [_big(number) for number in range(4)]
    alone = [examined.plan_in_python(*one) for one in made]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(100):
            assert list(pool.map(lambda one: NATIVE.plan(*one), made)) == alone


def _big(number: int) -> Any:
    text = b'{"a":"%b"}' % (b"%d" % number * 7_000)
    return [(b'"a"', text, 1, 2, text)] * 6, [("a", {}, 1)] * 6, f"train-{number}", [b"{}"] * 6, [(0, number)]


SAID = (b"", b"", 1, 1, b"")
CALL = ("a", {}, 1)


@needs_native
@pytest.mark.parametrize(
    "arguments",
    [
        ([], [CALL], "a", [], []),
        ([None], [CALL], "a", [b""], []),
        ([SAID[:4]], [CALL], "a", [b""], []),
        ([(b"", b"", "1", 1, b"")], [CALL], "a", [b""], []),
        ([(b"", b"", 10**40, 1, b"")], [CALL], "a", [b""], []),
        ([SAID], [("a", {}, "1")], "a", [b""], []),
        ([SAID], [("a", {}, 10**40)], "a", [b""], []),
        ([SAID], [("a", {})], "a", [b""], []),
        ([SAID], [["a", {}, 1]], "a", [b""], []),
        ([SAID], [CALL], "é", [b""], []),
        ([SAID], [CALL], b"a", [b""], []),
        ([SAID], [CALL], "a", [""], []),
        ([SAID], [CALL], "a", [], []),
        ([SAID], [CALL], "a", [b""], None),
        (1, [], "a", [], []),
        ([], [], "a", []),
        (None,),
        (),
    ],
)
def test_a_plan_of_anything_else_raises(arguments: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        NATIVE.plan(*arguments)


@needs_native
@given(st.lists(CALLS_OF_ANY | st.tuples(st.text(), st.just({}), st.just(1)), max_size=3))
def test_plain_calls_are_told_alike(calls: list[Any]) -> None:
    fast = NATIVE.are_plain(calls, Call)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examined, "NATIVE", None)
        assert examined.are_plain(calls, Call) == fast


QUERIES = st.text(max_size=30) | st.text(st.sampled_from('ab Ç\t\n\x1c\x85\u2028\u3000"\\ \0ﬁ'), max_size=30)


@needs_native
@given(QUERIES, st.lists(TOLD, max_size=3), st.lists(st.tuples(COUNTS, COUNTS), max_size=3))
def test_duplicates_are_known_alike(query: str, told: list[Any], edges: list[tuple[int, int]]) -> None:
    for ends in (edges, tuple(edges), [list(edge) for edge in edges]):
        assert examined.intent_hash(rules.folded(query), told, ends) == rules.intent_hash(query, told, edges)  # type: ignore[arg-type]


@needs_native
def test_a_text_that_is_in_order_is_hashed_in_c() -> None:
    told = examined.examine([Call("list_users", {"limit": 3})])
    for text in ("", "a", "a b c", "ü b 😀", 'say "no\\"'):
        assert NATIVE.intent_hash(text, told, [(0, 1)]) == rules.intent_of(text, told, [(0, 1)])
    for text in (" ", "a ", " a", "a  b", "a\tb", "a\u3000b", "\ud800"):
        assert NATIVE.intent_hash(text, told, []) is NotImplemented
    assert NATIVE.intent_hash("a", told, [(0, 2**70)]) is NotImplemented
    for wrong in (
        ("a", told),
        ("a", (told[0],), []),
        ("a", [1], []),
        ("a", [()], []),
        (b"a", told, []),
        ("a", told, 1),
    ):
        with pytest.raises(TypeError):
            NATIVE.intent_hash(*wrong)


SUSPICIOUS = (
    "kim@firm.example",
    "*",
    "%",
    "4111 1111 1111 1111",
    "GB82 WEST 1234 5698 7654 32",
    "+4915112345678",
    "select * from users",
    "SELECT name FROM a WHERE b = 1",
    "eyJhbGciOi.eyJzdWIiOi.x",
    "a",
    "ü@",
    "@\0",
    '"@',
)
TEXTS = st.recursive(
    st.sampled_from(SUSPICIOUS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=12,
)


@needs_native
@settings(max_examples=600)
@given(st.sampled_from(["run_sql", "search_mail", "list_users"]), st.dictionaries(st.sampled_from(NAMES), TEXTS))
def test_texts_say_the_same_of_a_call(tool: str, arguments: dict[str, Any]) -> None:
    """A text at which a detector may fire is judged by the name that it is under, in lists and in inner objects."""
    calls = [Call(tool, arguments)]
    try:
        expected = [walk.by_rules(calls[0], 0)]
    except Reject:
        for way in (NATIVE.examine, walk.examine):
            with pytest.raises(Reject):
                way(calls)
    else:
        assert NATIVE.examine(calls) == walk.examine(calls) == expected


@needs_native
def test_a_call_of_ordinary_names_is_judged_in_c_whatever_its_texts() -> None:
    asked: list[Any] = []
    plans = _plans(of_text=lambda *text: asked.append(text) or (7, 4), max_bytes=200)
    inner = {"limit": ["d@x", {"limit": "c@x"}, "b@x"]}
    for arguments in ({"limit": "a@x"}, {"limit": [inner, "a@x"]}):
        assert plans.examine([("x", arguments, 1)])[0][2:4] == (7, 4)
    assert [text for text, _, _ in asked] == ["a@x", "d@x", "c@x", "b@x", "a@x"]
    with pytest.raises(ZeroDivisionError):  # more of them than it has room for
        plans.examine([("x", {"limit": ["a@x"] * 9}, 1)])


@needs_native
def test_what_is_asked_about_stays_while_the_arguments_change() -> None:
    arguments: dict[str, Any] = {}
    asked: list[str] = []

    def of_text(text: str, name: str, tool: str) -> tuple[int, int]:
        arguments.clear()
        asked.extend((f"{len(asked)}!", text))
        return 1, 0

    arguments["limit"] = [f"{number}@x" for number in range(3)]
    _plans(of_text=of_text).examine([("x", arguments, 1)])
    assert asked[1::2] == ["0@x", "1@x", "2@x"]


@needs_native
@pytest.mark.parametrize("calls", [None, 1, [1], [()], [("x",)], [(1, {}, 1)], [("x", [], 1)]])
def test_what_is_no_call_raises(calls: Any) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError, Reject)):
        NATIVE.examine(calls)


def _bug(*anything: Any) -> Any:
    raise ZeroDivisionError


@needs_native
@pytest.mark.parametrize(
    ("changed", "call"),
    [
        ({"by_rules": _bug}, ("y", {}, 1)),
        ({"stated": _bug}, ("x", {"limit": 1}, 1)),
        ({"stated": lambda values, counts: "1"}, ("x", {"limit": 1}, 1)),
        ({"of_text": _bug}, ("x", {"limit": "a@b"}, 1)),
        ({"of_text": lambda text, name, tool: 1}, ("x", {"limit": "a@b"}, 1)),
        ({"of_text": lambda text, name, tool: (1, "2")}, ("x", {"limit": "a@b"}, 1)),
        ({"tools": {"x": 1}}, ("x", {}, 1)),
        ({"tools": {"x": (b"", True, None)}}, ("x", {}, 1)),
        ({"arguments": {"limit": None}}, ("x", {"limit": 1}, 1)),
    ],
)
def test_what_it_is_given_may_fail(changed: dict[str, Any], call: Any) -> None:
    plans = _plans(**changed)
    with pytest.raises((ZeroDivisionError, TypeError)):
        plans.examine([call])


@needs_native
@pytest.mark.parametrize(
    "changed",
    [{"node": ()}, {"provenance": (1, 2, 3, 4, 5)}, {"max_bytes": 0}, {"tools": []}, {"arguments": 1}],
)
def test_tables_must_be_tables(changed: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        _plans(**changed)


@needs_native
def test_it_is_made_once_and_never_empty() -> None:
    plans = _plans()
    with pytest.raises((TypeError, ValueError)):
        plans.__init__(**_tables())
    empty = type(NATIVE).__new__(type(NATIVE))
    for use in (lambda: empty.examine([("x", {}, 1)]), lambda: empty.plan([], [], "a", [], [])):
        with pytest.raises(ValueError, match="tables"):
            use()


def _tables(**changed: Any) -> dict[str, Any]:
    whole = {
        "tools": {"x": (b'"x"', True, 1)},
        "arguments": {"limit": 10},
        "stated": lambda values, counts: 1,
        "of_text": lambda text, name, tool: (1, 0),
        "by_rules": _bug,
        "node": (b"",) * 9,
        "provenance": (b"",) * 5,
        "sha256": hashlib.sha256,
        "max_bytes": 64,
        "max_depth": 8,
        "max_integer": 9,
        "max_volume": 9,
        "default_level": 2,
    }
    return whole | changed


def _plans(**changed: Any) -> Any:
    return type(NATIVE)(**_tables(**changed))


@needs_native
def test_nothing_is_kept_of_calls() -> None:
    calls = [
        Call("list_users", {"zeta": ["ü"], "alpha": {"limit": 3}, "text": "x" * 50}),
        Call("x", {"a": "a@b.example"}),
    ]
    edges = [(0, 1)]
    told = examined.examine(calls)
    counts = [sys.getrefcount(value) for value in (*calls[0].arguments.values(), calls, *told[0])]
    for _ in range(1_000):
        again = examined.examine(calls)
        examined.plan_json(told, calls, "train-0", [b"{}", b"{}"], edges)
    del again
    assert [sys.getrefcount(value) for value in (*calls[0].arguments.values(), calls, *told[0])] == counts


def test_python_alone_does_it_too() -> None:
    code = (
        "from coordinator.contract import Call, Sample, examined\n"
        "from coordinator.contract.build import Identity, build\n"
        "assert examined.NATIVE is None\n"
        "sample = Sample('Who?', [Call('list_users', {'limit': 5, 'by': 'name'})])\n"
        "print(build(sample, Identity('a/b', 'c', 'function_calling'), 'train-0').data.decode())"
    )
    environment = os.environ | {compiled.NO_NATIVE: "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    made = build(
        Sample("Who?", [Call("list_users", {"limit": 5, "by": "name"})]),
        Identity("a/b", "c", "function_calling"),
        "train-0",
    )
    assert isinstance(made, Line)
    assert not isinstance(made, Skip)
    assert done.stdout.strip() == made.data.decode()
