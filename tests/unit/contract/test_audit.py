"""The quick look at a line never passes what the rules refuse, and passes what a loader writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.contract import Call, Sample, audit
from coordinator.contract.audit import Auditor, sound
from coordinator.contract.build import Identity, Line, build

HERE = Path(__file__).parent
FIXTURES = sorted((HERE / "rejects").glob("*.jsonl"))


def line(**extras: Any) -> bytes:
    calls = [Call("send_mail", {"to": "a@b.org", "count": 3, "rate": 0.5}), Call("look_up", {"of": ["x", None, True]})]
    sample = Sample("Tell a@b.org thrice.", calls, [(0, 1)], "dataflow", language="en", extras=extras)
    made = build(sample, Identity("org/name", "name", "function_calling"), "train-17")
    assert isinstance(made, Line)
    return made.data


LINES = [line(), line(note={"a": [1, 2.5]}, policy="none", scope_budget=3), (HERE / "good.jsonl").read_bytes()[:-1]]


def by_rules(data: bytes, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the rules alone say."""
    with monkeypatch.context() as patch:
        patch.setattr(audit, "sound", lambda line: None)
        return Auditor().audit(data)


@pytest.mark.parametrize("data", LINES[:2])
def test_what_a_loader_writes_is_passed(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sound(data) == json.loads(data)
    assert by_rules(data, monkeypatch) == []


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_what_is_refused_is_never_passed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for data in path.read_bytes().split(b"\n"):
        assert sound(data) is None or by_rules(data, monkeypatch) == []


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in places(item, (*path, key)))]


PLACES = [(data, path) for data in LINES for path in places(json.loads(data))[1:]]
LIKE = [True, False, None, 0, 1, 1.0, 2, 2.0, -1, 5, 10_000, 2**53, 2**64, "", "1", "1.0", "1.7", "2.0", "I", "II"]
VALUES = st.sampled_from([*LIKE, "benign", "none", "sequence", "respond", "0" * 64, "x" * 300, "\0", "é", [], {}, [[]]])
VALUES |= st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=4), st.lists, max_leaves=4)


@settings(max_examples=1_500, deadline=None)
@given(place=st.sampled_from(PLACES), value=VALUES, key=st.none() | st.sampled_from(["policy", "provenance", "x"]))
def test_no_other_value_in_any_place_is_passed_unless_the_rules_pass_it(
    place: tuple[bytes, tuple[Any, ...]], value: Any, key: str | None
) -> None:
    record = json.loads(place[0])
    holder = record
    for step in place[1][:-1]:
        holder = holder[step]
    if key is not None and isinstance(holder, dict):
        holder[key] = value
    else:
        holder[place[1][-1]] = value
    try:
        data = orjson.dumps(record)
    except TypeError:  # an integer that it does not write
        data = json.dumps(record, separators=(",", ":")).encode()
    with pytest.MonkeyPatch.context() as patch:
        expected = by_rules(data, patch)
    assert Auditor().audit(data) == expected
    if sound(data):
        assert expected == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"scope_volume":1', b'"scope_volume":1.0'),
        (b'"scope_volume":1', b'"scope_volume":true'),
        (b'"num_tools":2', b'"num_tools":2.0'),
        (b'"provenance_tier":1', b'"provenance_tier":true'),
        (b'"has_tool_calls":true', b'"has_tool_calls":1'),
        (b'"edges":[["train-17_tool_0","train-17_tool_1"]]', b'"edges":[{"train-17_tool_0":0,"train-17_tool_1":0}]'),
        (b'"rate":0.5', b'"rate":0.5,"rate":0.5'),
        (b'"label":"benign"', b'"label":"benign","label":"benign"'),
        (b'"original_id":"train-17"', b'"original_id":"train-17\\n"'),
    ],
)
def test_what_python_takes_for_equal_is_not(old: bytes, new: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    data = LINES[0].replace(old, new)
    assert data != LINES[0]
    assert sound(data) is None
    assert by_rules(data, monkeypatch) == Auditor().audit(data) != []
