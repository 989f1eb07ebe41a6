"""JSON Patch as RFC 6902 has it."""

from __future__ import annotations

import pytest

from coordinator.gates.patch import PatchError, apply, same

DOCUMENT = {"a": [1, 2], "b/c": {"~": None}}


@pytest.mark.parametrize(
    ("operation", "wanted"),
    [
        ({"op": "add", "path": "/a/1", "value": 9}, {"a": [1, 9, 2], "b/c": {"~": None}}),
        ({"op": "add", "path": "/a/-", "value": 9}, {"a": [1, 2, 9], "b/c": {"~": None}}),
        ({"op": "add", "path": "/a/2", "value": 9}, {"a": [1, 2, 9], "b/c": {"~": None}}),
        ({"op": "remove", "path": "/b~1c/~0"}, {"a": [1, 2], "b/c": {}}),
        ({"op": "replace", "path": "/a", "value": 0}, {"a": 0, "b/c": {"~": None}}),
        ({"op": "replace", "path": "", "value": 0}, 0),
        ({"op": "move", "from": "/a/0", "path": "/d"}, {"a": [2], "b/c": {"~": None}, "d": 1}),
        ({"op": "copy", "from": "/a/0", "path": "/d"}, {"a": [1, 2], "b/c": {"~": None}, "d": 1}),
        ({"op": "test", "path": "/a/0", "value": 1}, DOCUMENT),
    ],
)
def test_operations(operation, wanted):
    assert apply(DOCUMENT, [operation]) == wanted
    assert DOCUMENT == {"a": [1, 2], "b/c": {"~": None}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/a/3", "value": 9},
        {"op": "add", "path": "/a/01", "value": 9},
        {"op": "add", "path": "/x/y", "value": 9},
        {"op": "add", "path": "/a/0/z", "value": 9},
        {"op": "add", "path": "a", "value": 9},
        {"op": "add", "path": "/a"},
        {"op": "remove", "path": "/x"},
        {"op": "replace", "path": "/x", "value": 1},
        {"op": "test", "path": "/a/0", "value": True},
        {"op": "grow", "path": "/a"},
        {"path": 3},
        "remove",
    ],
)
def test_what_does_not_fit_is_refused(operation):
    with pytest.raises(PatchError):
        apply(DOCUMENT, [operation])


def test_sameness_is_that_of_json():
    assert same({"a": [1, 1.0]}, {"a": [1.0, 1]})
    assert not same(True, 1)
    assert not same([1], [1, 1])
    assert not same({"a": None}, {})
