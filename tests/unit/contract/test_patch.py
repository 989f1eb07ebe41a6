"""The contract's RFC 6902 against the library `jsonpatch`, compiled and in Python, and the law that a patch changes
nothing it is given. What edits make of nodes is read alike in both ways, too."""

from __future__ import annotations

import copy
import sys
from contextlib import suppress
from typing import Any

import jsonpatch
import jsonpointer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.contract import Reject, patch
from coordinator.contract.compiled import MODULE
from coordinator.contract.patch import NAMES, add, apply, escape, remove, replace
from coordinator.contract.tiers import Parent, child
from tests.unit.contract.test_compiled import needs_native

NODE = ("node_id", "tool_name", "arguments", "provenance_tier")

KEYS = st.text(alphabet="ab/~0-", max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
STEPS = st.one_of(KEYS, st.sampled_from(["0", "1", "2", "-", "01"]))
PATHS = st.lists(STEPS, min_size=1, max_size=3).map(lambda steps: "".join(f"/{escape(step)}" for step in steps))
EDITS = st.one_of(st.builds(add, PATHS, VALUES), st.builds(replace, PATHS, VALUES), st.builds(remove, PATHS))


@settings(max_examples=400, deadline=None)
@given(document=st.dictionaries(KEYS, VALUES, max_size=3), edits=st.lists(EDITS, max_size=3))
def test_it_does_what_the_library_does(document: dict[str, Any], edits: list[dict[str, Any]]) -> None:
    before = copy.deepcopy(document)
    try:
        expected = jsonpatch.apply_patch(document, copy.deepcopy(edits))
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, AttributeError):
        for way in (apply, patch._applied):
            with pytest.raises(ValueError, match=r"."):
                way(document, edits)
    else:
        for way in (apply, patch._applied):
            assert way(document, edits) == expected
    assert document == before


@needs_native
@settings(max_examples=400, deadline=None)
@given(document=st.dictionaries(KEYS, VALUES, max_size=3), edits=st.lists(EDITS, min_size=1, max_size=4))
def test_what_plainly_fits_is_done_in_c_and_what_is_not_touched_is_shared(
    document: dict[str, Any], edits: list[dict[str, Any]]
) -> None:
    found = MODULE.apply_edits(document, edits, NAMES)
    try:
        expected = patch._applied(document, edits)
    except ValueError:
        assert found is NotImplemented
        return
    if found is NotImplemented:
        assert any(edit["op"] == "remove" or "~" in edit["path"] for edit in edits)
        return
    assert list(found.items()) == list(expected.items())
    for key, value in document.items():
        assert (found.get(key) is value) == (expected.get(key) is value)


@needs_native
def test_what_is_not_plain_is_left_to_python() -> None:
    def left(document: Any, *edits: Any) -> bool:
        return MODULE.apply_edits(document, list(edits), NAMES) is NotImplemented

    document = {"a": {"b": [1, {"c": 2}]}, "ü": [], "a~": 1}
    assert MODULE.apply_edits(document, (add("/a/b/1/c", 3),), NAMES)["a"]["b"] == [1, {"c": 3}]
    for odd in ((document,), ([1],), (1, add("/a", 1)), (document, 1), (document, {})):
        assert left(*odd), odd
    assert MODULE.apply_edits(document, iter([add("/a", 1)]), NAMES) is NotImplemented
    for path in ("", "a", "/ü", "/a~0", 1, "/x/y", "/a/b/2/c", "/a/b/01", "/a/b/1234567", "/a/b/3", "/a/b/x/c"):
        assert left(document, add(path, 1)), path
    for edit in (replace("/x", 1), replace("/a/b/-", 1), remove("/a"), {**add("/a", 1), "op": 1}, {"op": "add"}):
        assert left(document, edit), edit
    deep: Any = 1
    for _ in range(80):
        deep = {"a": deep}
    far = replace("/a" * 80, 2)
    assert left(deep, far)
    assert apply(deep, [far]) != deep
    for wrong in ((document, []), (document, [], ("a",)), (document, [], [*NAMES])):
        with pytest.raises(TypeError):
            MODULE.apply_edits(*wrong)


TIERS = st.sampled_from([1, 2, 3, 0, 4, True, 2**70, "1", None])
NODES = st.lists(
    st.fixed_dictionaries(
        {"tool_name": st.sampled_from(["look", "list_files"]), "arguments": st.sampled_from([{}, {"limit": 3}])},
        optional={"node_id": st.sampled_from(["a", "b", "c"]), "provenance_tier": TIERS | st.just(1)},
    ),
    max_size=4,
)


ENDS = st.sampled_from(["a", "b", "n0", "n1", "x", 1])
EDGES = st.lists(st.tuples(ENDS, ENDS).map(list) | st.tuples(ENDS, ENDS) | st.just(["a"]), max_size=4)


@given(nodes=NODES, edges=EDGES, own=st.integers(0, 2))
def test_edited_plans_are_looked_at_alike(nodes: list[dict[str, Any]], edges: list[Any], own: int) -> None:
    parent = Parent(record(own))
    edited = {"nodes": [*parent.nodes, *nodes], "edges": edges}

    def looked() -> Any:
        try:
            return child._looked_at(parent, edited, {})
        except (Reject, KeyError, ValueError, TypeError) as problem:
            return type(problem), str(problem)

    fast = looked()
    with pytest.MonkeyPatch.context() as context:
        context.setattr(child, "MODULE", None)
        assert looked() == fast


def record(nodes: int) -> dict[str, Any]:
    """What `Parent` reads of a row of so many nodes."""
    calls = [
        {"tool_name": "look", "arguments": {"at": at}, "provenance_tier": 1, "scope_volume": 1, "scope_sensitivity": 3}
        for at in range(nodes)
    ]
    plan = {"nodes": [{**call, "node_id": f"n{at}"} for at, call in enumerate(calls)], "edges": []}
    return {"metadata": {"source": "s", "query": "q"}, "original_id": "o", "execution_plan": plan}


@needs_native
def test_plans_that_are_not_plain_are_left_to_python() -> None:
    node = {"node_id": "a", "tool_name": "look", "arguments": {}, "provenance_tier": 1}
    known = {id(node["arguments"]): ("look", "said"), 5: 5}
    assert MODULE.look_at_plan([node], [], known, NODE) == ({"a": 0}, [("look", {}, 1)], ["said"], [])
    assert MODULE.look_at_plan([{**node, "tool_name": "list"}], [], known, NODE)[2] == [None]
    nodes = [{**node, "node_id": name} for name in "abc"]
    assert MODULE.look_at_plan(nodes, [["b", "c"], ("a", "b")], known, NODE)[3] == [(0, 1), (1, 2)]
    for odd in ({}, None, {**node, "node_id": 1}, {**node, "tool_name": None}, {**node, "provenance_tier": True}):
        assert MODULE.look_at_plan([node, odd], [], known, NODE) is NotImplemented
    for edge in (["b", "a"], ["a", "a"], ["a", "x"], ["a"], ["a", 1], "ab", None):
        assert MODULE.look_at_plan(nodes, [edge], known, NODE) is NotImplemented
    for edges in ([["a", "b"]] * 2, (), None):
        assert MODULE.look_at_plan(nodes, edges, known, NODE) is NotImplemented
    assert MODULE.look_at_plan((node,), [], known, NODE) is NotImplemented
    for wrong in (([], [], known), ([], [], [], NODE), ([], [], known, NODE[:3]), ([], [], known, (1, 2, 3, 4))):
        with pytest.raises(TypeError):
            MODULE.look_at_plan(*wrong)


@needs_native
def test_edits_that_put_values_at_known_places_are_told_in_c() -> None:
    known = {"/a": True, "/b": False}
    good = [add("/a", 1), replace("/a", None)]
    assert MODULE.are_puts(good, NAMES, known)
    assert MODULE.are_puts(tuple(good), NAMES, known)
    for odd in (
        add("/b", 1),
        add("/c", 1),
        remove("/a"),
        {**add("/a", 1), "x": 1},
        {"path": "/a", "op": "add", "value": 1},
        {**add("/a", 1), "op": "move"},
        {**add("/a", 1), "op": 1},
        {**add("/a", 1), "path": 1},
        None,
    ):
        assert not MODULE.are_puts([*good, odd], NAMES, known)
    assert not MODULE.are_puts(iter(good), NAMES, known)
    for wrong in ((good, NAMES), (good, NAMES[:3], known), (good, NAMES, [])):
        with pytest.raises(TypeError):
            MODULE.are_puts(*wrong)


@needs_native
def test_edits_hold_on_to_nothing() -> None:
    inner, value = {"c": [1]}, {"new": 1}
    document, edits = {"a": inner, "b": [inner]}, [add("/a/x", value), add("/b/0/c/-", value), replace("/b/0/c", value)]
    node = {"node_id": "a", "tool_name": "look up", "arguments": inner, "provenance_tier": 1}
    other, edge, places = {**node, "node_id": "b"}, ["a", "b"], {edit["path"]: True for edit in edits}
    held = (inner, inner["c"], value, document, document["b"], edits, edits[0], node, node["tool_name"], edge, edge[1])
    counts = [sys.getrefcount(one) for one in held]
    for _ in range(1_000):
        assert apply(document, edits)["b"] == [{"c": value}]
        with suppress(ValueError):
            apply(document, [*edits, add("/a/none/x", value)])
        MODULE.look_at_plan([node, other], [edge], {id(inner): ("look up", value)}, NODE)
        MODULE.look_at_plan([node, other], [edge, edge], {}, NODE)
        MODULE.look_at_plan([node, {**node, "provenance_tier": 9}], [], {}, NODE)
        MODULE.are_puts(edits, NAMES, places)
    assert [sys.getrefcount(one) for one in held] == counts


@needs_native
def test_keys_that_run_code_take_nothing_away() -> None:
    edits: list[Any] = []

    class Key(str):
        def __hash__(self) -> int:
            return hash("value")

        def __eq__(self, other: object) -> bool:
            for edit in edits[:]:
                edit.clear()
            edits.clear()
            return False

    for _ in range(100):
        edit = {"op": f"add {id(edits)}"[:3], "path": f"/a{id(edits)}", Key("x"): 1, "value": [id(edits)]}
        edits += [edit, edit]
        with suppress(RuntimeError, ValueError):
            assert MODULE.apply_edits({"a": {}}, edits, NAMES) is NotImplemented
        assert not edits


@pytest.mark.parametrize("path", ["", "a", "a/b"])
def test_a_pointer_starts_with_a_slash(path: str) -> None:
    with pytest.raises(ValueError, match="no pointer"):
        apply({"a": 1}, [replace(path, 2)])
