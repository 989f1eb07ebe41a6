"""The compiled readers read what Python reads and leave the rest to it; a module that is too old is known."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.contract import Call, Reject, calls, compiled, reading
from tests.unit.contract.test_build import WORDS

needs_native = pytest.mark.skipif(
    compiled.MODULE is None, reason="the native module is not there: no C compiler at installation"
)


@needs_native
@pytest.mark.parametrize(
    "text",
    [
        *('{"a":1,"a":2}', '[{"a":{"b":1,"b":"::"}}]', '{"a":"\\u003a"}', '{"a":"\\u003A","a":1}', '"\\\\u003a"'),
        *("[" * 150 + "]" * 150, "1e15", "1" * 30, "1e999", "{", "", '"\ud800"', b'"\xff"', "NaN", 5, None, ["{}"]),
    ],
)
def test_what_the_strict_reader_may_read_otherwise_is_left_to_it(text: Any) -> None:
    assert compiled.MODULE.read_json(orjson.loads, text) is NotImplemented


@needs_native
def test_what_both_readers_read_alike_is_read_quickly() -> None:
    for text in (
        '{"a":{"b:":":","ü:😀":[":"]},"c":[1.5,-2,null,true,""]}',
        b" [] ",
        "null",
        '"\\u0022"',
        "123456789012",
    ):
        assert compiled.MODULE.read_json(orjson.loads, text) == json.loads(text)
    with pytest.raises(KeyError):
        compiled.MODULE.read_json(lambda text: {}[text], "{}")
    with pytest.raises(TypeError):
        compiled.MODULE.read_json(orjson.loads)


PLAIN_CALL = {"name": "look", "arguments": {"at": 1}}
READABLE = st.recursive(
    st.sampled_from([PLAIN_CALL, {"name": " look ", "arguments": {}}, {"name": "x"}, {"name": "", "arguments": {}}])
    | st.fixed_dictionaries({"name": WORDS | st.integers(), "arguments": st.sampled_from([{}, None, "{}", "", [], 1])}),
    lambda inner: st.fixed_dictionaries({"type": st.just("function"), "function": inner}) | inner,
    max_leaves=3,
)


@given(st.lists(READABLE, max_size=4))
def test_recorded_calls_are_read_alike(recorded: list[Any]) -> None:
    def read() -> Any:
        try:
            return calls(recorded), {type(call) for call in calls(recorded)}
        except Reject as problem:
            return problem.code, problem.message

    fast = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "MODULE", None)
        assert read() == fast


@needs_native
def test_keys_that_run_code_take_nothing_away() -> None:
    recorded: list[Any] = []

    class Key(str):
        def __hash__(self) -> int:
            return hash("arguments")

        def __eq__(self, other: object) -> bool:
            for value in recorded[:]:
                value.clear()
            recorded.clear()
            return False

    for _ in range(100):
        call = {"name": f"look {id(recorded)}", Key("a"): 1, "arguments": {"at": [id(recorded)]}}
        recorded += [call, call]
        with suppress(RuntimeError):  # a dictionary that changes while it is looked at
            assert compiled.MODULE.read_calls(recorded, Call, ("function", "name", "arguments")) is NotImplemented
        assert not recorded


@needs_native
def test_reading_holds_on_to_nothing() -> None:
    arguments, name = {"at": [1]}, "look up"
    recorded: list[Any] = [{"function": {"name": name, "arguments": arguments}}, {"name": name, "arguments": arguments}]
    text = json.dumps(recorded) + " " * 100
    held = (arguments, name, recorded, recorded[0], text)
    counts = [sys.getrefcount(value) for value in held]
    for _ in range(1_000):
        assert len(calls(recorded)) == 2
        assert calls([*recorded, {"name": name, "arguments": "{}"}])
        reading.strict_json(text)
        with suppress(Reject):
            calls([*recorded, {"name": 1}])
    assert [sys.getrefcount(value) for value in held] == counts


@needs_native
def test_recorded_calls_that_are_plain_are_read_in_c() -> None:
    read = compiled.MODULE.read_calls
    wrapped = {"type": "function", "function": PLAIN_CALL}
    names = ("function", "name", "arguments")
    assert read([PLAIN_CALL, wrapped], Call, names) == [Call("look", {"at": 1})] * 2
    assert read([], Call, names) == []
    for odd in (
        None,
        "look",
        {},
        {"name": "look"},
        {"name": "look ", "arguments": {}},
        {"name": "l", "arguments": "{}"},
    ):
        assert read([PLAIN_CALL, odd], Call, names) is NotImplemented
    for wrong in (((), Call, names), ([], dict, names), ([], Call, ["a"]), ([], Call, ("a",)), ([],)):
        with pytest.raises(TypeError):
            read(*wrong)


@needs_native
def test_one_compiled_from_other_sources_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled.why_not_native() == ""
    monkeypatch.setattr("coordinator.contract._native.VERSION", 0)
    assert "other sources" in compiled.why_not_native()


@needs_native
def test_one_older_than_its_source_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module, source = tmp_path / "_native.so", tmp_path / "native" / "text.c"
    source.parent.mkdir()
    for path, time in ((module, 2_000), (source, 1_000)):
        path.touch()
        os.utime(path, (time, time))
    monkeypatch.setattr("coordinator.contract._native.__file__", str(module))
    assert not compiled.is_stale()
    os.utime(source, (3_000, 3_000))
    assert compiled.is_stale()
