"""The contract's RFC 6902 against the library `jsonpatch`, and the law that a patch changes nothing it is given."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import jsonpointer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.contract.patch import add, apply, escape, remove, replace

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
        with pytest.raises(ValueError, match=r"."):
            apply(document, edits)
    else:
        assert apply(document, edits) == expected
    assert document == before


@pytest.mark.parametrize("path", ["", "a", "a/b"])
def test_a_pointer_starts_with_a_slash(path: str) -> None:
    with pytest.raises(ValueError, match="no pointer"):
        apply({"a": 1}, [replace(path, 2)])
