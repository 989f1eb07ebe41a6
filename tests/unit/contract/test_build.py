"""The writer and the auditor hold one law, and every derived value can be recomputed from the line alone."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import json
import types
import unicodedata
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from coordinator.contract import RESPOND, Call, Reject, Sample, Skip, chain, chat_plan, respond
from coordinator.contract.audit import Auditor
from coordinator.contract.build import Identity, Line, build
from coordinator.contract.schema import shipped_schema
from coordinator.contract.violations import CODES

WHO = Identity("example/giveaways", "giveaways", "function_calling", unique_ids=True)
GOOD = Path(__file__).with_name("good.jsonl").read_bytes().removesuffix(b"\n")
SCHEMA = Draft202012Validator(json.loads(shipped_schema()))


def built(sample: Sample, who: Identity = WHO, position: str = "train-0") -> dict[str, Any]:
    """The record of a sample that must be accepted."""
    line = build(sample, who, position)
    assert isinstance(line, Line)
    assert Auditor().audit(line.data) == []
    return dict(json.loads(line.data))


def rejected(sample: Sample, who: Identity = WHO, position: str = "train-0") -> Reject:
    """Why a sample that must be refused is."""
    with pytest.raises(Reject) as caught:
        build(sample, who, position)
    return caught.value


def one(arguments: Any = None, name: Any = "search", tier: Any = 1, **fields: Any) -> Sample:
    """A sample of one call."""
    return Sample(fields.pop("query", "Find it."), [Call(name, arguments or {}, tier)], **fields)


class Text(str):
    """A string that writes itself otherwise."""


# ---- the law


TEXTS = (
    st.text(st.characters(), max_size=12)
    | st.text(st.characters(categories=["Cs", "Cc", "Ll"]), max_size=4)
    | st.sampled_from(["", "a\0", "\ud800", "x\n", "é", "e\u0301", "K", "unknown_tool", RESPOND, "\u2028", "😀"])
)
WORDS = st.sampled_from(["search_mail", "list_files", "limit", "ids", "query", "password", "all", "page", "a.b"])
STRANGE = st.sampled_from(
    [
        b"x",
        {1, 2},
        (1, 2),
        object(),
        10**4000,
        2**53,
        -(2**64),
        float("nan"),
        float("inf"),
        datetime.date(2026, 1, 2),
        decimal.Decimal("1.5"),
        Text("x"),
        types.MappingProxyType({"a": 1}),
        OrderedDict(a=1),
        {1: 2},
        {None: 1},
        {"\ud800": 1},
        {("a",): 1},
        1 + 2j,
        int,
        "x" * 9000,
        ["y" * 8000] * 3,
        [[[[[[[[[1]]]]]]]]],
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.floats() | TEXTS
SOUND = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-1e20, 1e20) | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | WORDS, inner, max_size=3),
    max_leaves=6,
)
VALUES = SOUND | st.recursive(SCALARS | STRANGE, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
ARGUMENTS = st.dictionaries(st.text(max_size=6) | WORDS, SOUND, max_size=4) | st.dictionaries(
    TEXTS | WORDS, VALUES, max_size=3
)
CALLS = st.builds(Call, WORDS, ARGUMENTS, st.integers(1, 3)) | st.builds(
    Call, TEXTS | WORDS | STRANGE, ARGUMENTS | VALUES, st.integers(-1, 4) | STRANGE
)
IDS = st.none() | st.integers() | TEXTS | st.sampled_from(["17", "17\n", "a/b", ".x", "x" * 128, "x" * 129, 10**4000])
ORIGINS = st.fixed_dictionaries(
    {"source_type": st.text(max_size=3), "source_id": TEXTS, "content_sha256": st.just("0" * 64) | TEXTS}
)
PROVENANCE = st.dictionaries(
    st.sampled_from(["17_tool_0", "train-5_tool_0", "train-5_tool_1"]) | TEXTS, ORIGINS | VALUES, max_size=2
)
EXTRAS = st.dictionaries(TEXTS | WORDS, VALUES, max_size=2) | st.fixed_dictionaries(
    {},
    optional={
        "provenance": PROVENANCE | VALUES,
        "language": VALUES,
        "upstream_id": VALUES,
        "policy": VALUES,
        "source_label": VALUES,
        "scope_budget": VALUES,
        "num_tools": VALUES,
    },
)
EDGES = st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), max_size=3) | st.sampled_from(
    [
        [(0, 1)],
        [(0, 1), (1, 2)],
        [(0, 1), (0, 1)],
        [(0, 1, 2)],
        [(0,)],
        [("a", "b")],
        [(0, 1.0)],
        [(False, True)],
        None,
        3,
    ]
)


def mostly(sound: st.SearchStrategy[Any], hostile: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Sound three times of four, so that a sample with one fault is as likely as one with many."""
    return st.one_of(sound, sound, sound, hostile)


HOSTILE = st.builds(
    Sample,
    query=mostly(st.text(min_size=1, max_size=20), TEXTS | STRANGE),
    calls=mostly(
        st.lists(st.builds(Call, WORDS, ARGUMENTS, st.integers(1, 3)), min_size=1, max_size=3),
        st.lists(CALLS, max_size=3) | st.sampled_from([None, 7, [("x", {})], ["x"], "xy"]),
    ),
    edges=mostly(st.just([]), EDGES),
    edge_kind=mostly(
        st.sampled_from(["sequence"]), st.sampled_from(["none", "dataflow", "inferred", 1, None, ["none"]])
    ),
    upstream_id=mostly(st.none() | st.integers(0, 99), IDS | STRANGE),
    language=mostly(st.sampled_from([None, "en", "zh-TW"]), TEXTS | STRANGE),
    category=mostly(st.sampled_from([None, "conversation"]), TEXTS | STRANGE),
    label=mostly(st.none(), st.sampled_from(["benign", "adversarial", "boundary", "", "safe", 0, [], {}])),
    extras=mostly(st.just({}), EXTRAS | st.sampled_from([None, [], "x"])),
)


def outcome(sample: Sample, who: Identity, position: str) -> Line | Skip | Reject:
    """What becomes of a sample; any exception but `Reject` goes on."""
    try:
        return build(sample, who, position)
    except Reject as problem:
        return problem


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sample=HOSTILE,
    unique=st.booleans(),
    position=st.sampled_from(["train-5", "main-train-5", "a b", "", "\ud800"]),
)
@example(one(extras={"provenance": [1]}), True, "train-5")
@example(one(extras={"provenance": {"train-5_tool_0": {"a": float("nan")}}}), True, "train-5")
@example(one(extras={"\ud800": 1}), True, "train-5")
@example(one(extras={7: 1}), True, "train-5")
@example(one(name=["unhashable"]), True, "train-5")
@example(one(tier="1"), True, "train-5")
@example(one(label="safe"), True, "train-5")
@example(one(edges=[(0, 0.5)]), True, "train-5")
@example(Sample("q", [Call("x", ["a"])]), True, "train-5")  # type: ignore[arg-type]
def test_what_the_writer_accepts_the_auditor_accepts(sample: Sample, unique: bool, position: str) -> None:
    who = Identity("example/giveaways", "giveaways", "function_calling", unique_ids=unique)
    line = outcome(sample, who, position)
    if isinstance(line, Reject):
        assert line.code in CODES
        json.dumps([line.code, line.field, line.message], ensure_ascii=False).encode()
        return
    if isinstance(line, Skip):
        assert line.reason == "too_long"
        return
    assert b"\n" not in line.data
    assert Auditor().audit(line.data) == []
    assert SCHEMA.is_valid(json.loads(line.data))
    assert line.key.hex() == json.loads(line.data)["metadata"]["intent_hash"][:32]
    assert line == build(sample, who, position)
    assert_recomputable(line.data)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.builds(Call, WORDS, st.dictionaries(WORDS | st.text(max_size=4), SOUND), st.integers(1, 3)),
        min_size=1,
    ),
    st.text(min_size=1),
)
def test_a_sound_sample_is_accepted(calls: list[Call], query: str) -> None:
    calls = [call for call in calls if "\0" not in json.dumps(call.arguments, ensure_ascii=False)]
    calls = [call for call in calls if b"\\u0000" not in json.dumps(call.arguments).encode()] or [Call("a")]
    record = built(Sample(query, calls[:64], chain(len(calls[:64])), "sequence"))
    assert [node["arguments"] for node in record["execution_plan"]["nodes"]] == [c.arguments for c in calls[:64]]


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where there is anything in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, item in items for path in paths(item, (*at, key)))]


PATHS = paths(json.loads(GOOD))[1:]
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.sampled_from(["17_tool_0", "17_tool_2", "benign", "I", "II", "none", "0" * 64, "1.1", 1, 2, "x" * 20_000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | WORDS, inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PATHS), JSON_VALUES), min_size=1, max_size=2))
def test_the_auditor_bears_any_line_and_refuses_what_the_schema_refuses(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    record = json.loads(GOOD)
    for path, value in changes:
        holder = record
        try:
            for step in path[:-1]:
                holder = holder[step]
            holder[path[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue
    found = Auditor().audit(json.dumps(record).encode())
    for violation in found:
        assert violation.code in CODES
        f"{violation.field} {violation.message}".encode()
    if not SCHEMA.is_valid(record):
        assert found
    if not found:
        assert_recomputable(json.dumps(record).encode())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=50), st.integers(0, len(GOOD)), st.integers(0, 20))
def test_the_auditor_bears_any_bytes(noise: bytes, at: int, cut: int) -> None:
    for line in (noise, GOOD[:at] + noise + GOOD[at + cut :]):
        assert all(violation.code in CODES for violation in Auditor().audit(line))


@pytest.mark.parametrize("filler", ["[" * 150 + "]" * 150, "1" * 30, '{"a":' * 150 + "1" + "}" * 150])
def test_the_auditor_measures_nodes_that_orjson_cannot_write(filler: str) -> None:
    line = GOOD.replace(b'"limit":5', f'"limit":{filler},"pad":"{"x" * 8000}","pad2":"{"y" * 8000}"'.encode())
    assert "E11" in {violation.code for violation in Auditor().audit(line)}


# ---- recomputed by hand


def sha(value: Any) -> str:
    """SHA-256 of canonical JSON."""
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def assert_recomputable(line: bytes) -> None:
    """Recomputes ids, counts and hashes as a stranger would, from the contract's text."""
    record = json.loads(line)
    plan, metadata, ids = record["execution_plan"], record["metadata"], []
    for index, node in enumerate(plan["nodes"]):
        ids.append(node["node_id"])
        assert node["node_id"] == f"{record['original_id']}_tool_{index}"
        request = {
            "source_type": "user_request",
            "source_id": f"{metadata['source']}#{record['original_id']}",
            "content_sha256": hashlib.sha256(metadata["query"].encode()).hexdigest(),
        }
        said = {key: node[key] for key in ("tool_name", "arguments", "provenance_tier")}
        origin = (metadata.get("provenance") or {}).get(node["node_id"], request)
        assert node["provenance_hash"] == sha({"v": "gatling.prov/1", **said, "origin": origin})
    query = " ".join(unicodedata.normalize("NFKC", metadata["query"]).casefold().split())
    called = [[node["tool_name"], node["arguments"]] for node in plan["nodes"]]
    pairs = [[ids.index(start), ids.index(end)] for start, end in plan["edges"]]
    assert metadata["intent_hash"] == sha([query, called, pairs])
    assert metadata["num_tools"] == len(plan["nodes"])
    assert metadata["has_tool_calls"] == any(node["tool_name"] != "respond" for node in plan["nodes"])


def test_the_good_line_is_recomputable() -> None:
    assert_recomputable(GOOD)


def test_an_own_origin_stands_in_for_the_request() -> None:
    origin = {"source_type": "mail", "source_id": "inbox/5", "content_sha256": "a" * 64}
    plain, own = built(one()), built(one(extras={"provenance": {"train-0_tool_0": origin}}))
    assert_recomputable(json.dumps(own).encode())
    hashes = [record["execution_plan"]["nodes"][0]["provenance_hash"] for record in (plain, own)]
    assert hashes[0] != hashes[1]
    assert own["metadata"]["intent_hash"] == plain["metadata"]["intent_hash"]


@pytest.mark.parametrize(
    ("provenance", "code"),
    [
        ([], "E04"),
        ("x", "E04"),
        ({"train-0_tool_0": None}, "E04"),
        ({"train-0_tool_0": {"source_type": "mail"}}, "E03"),
        ({"train-0_tool_1": {"source_type": "a", "source_id": "b", "content_sha256": "a" * 64}}, "E05"),
        ({"train-0_tool_0": {"source_type": "a", "source_id": "\ud800", "content_sha256": "a" * 64}}, "E05"),
        ({"train-0_tool_0": {"source_type": "a", "source_id": "b", "content_sha256": "A" * 64}}, "E12"),
        ({"train-0_tool_0": {"source_type": "a", "source_id": {1}, "content_sha256": "A" * 64}}, "E04"),
    ],
)
def test_an_own_origin_is_checked(provenance: Any, code: str) -> None:
    problem = rejected(one(extras={"provenance": provenance}))
    assert problem.code == code
    assert problem.field.startswith("metadata.provenance")


def intent(sample: Sample, **fields: Any) -> str:
    """The intent hash of a sample."""
    text: str = built(sample, **fields)["metadata"]["intent_hash"]
    return text


def test_intent_ignores_ids_case_space_tier_source_and_label() -> None:
    base = intent(one({"a": 1}, query="Find  the STRASSE\n now"))
    for same in (
        one({"a": 1}, query=" find the straße now "),
        one(
            {"a": 1.0},
            query="ﬁnd the strasse\u3000now",
            upstream_id=9,
            tier=3,
            language="en",
            label="benign",
        ),
    ):
        assert intent(same) == base
    other = Identity("other/source", "other", "conversation")
    assert intent(one({"a": 1}, query="find the strasse now"), who=other, position="test-99") == base


@pytest.mark.parametrize(
    "other",
    [
        one({"a": 1}, query="Find her."),
        one({"a": 2}),
        one({"a": "1"}),
        one({"a": 1}, name="Search"),
        Sample("Find it.", [Call("search", {"a": 1})] * 2, [], "sequence"),
    ],
)
def test_intent_tells_other_plans_apart(other: Sample) -> None:
    assert intent(other) != intent(one({"a": 1}))


def test_intent_tells_edges_apart() -> None:
    calls = [Call("a"), Call("b"), Call("c")]
    kinds: tuple[list[tuple[int, int]], ...] = ([], [(0, 1)], [(0, 1), (1, 2)], [(0, 2)])
    assert len({intent(Sample("q", calls, edges, "sequence")) for edges in kinds}) == len(kinds)


# ---- ids


@pytest.mark.parametrize(
    ("upstream", "unique", "original_id", "kept"),
    [
        (None, True, "train-0", None),
        ("", True, "train-0", None),
        (17, True, "17", None),
        (0, True, "0", None),
        ("live_simple_3-2.0:x", True, "live_simple_3-2.0:x", None),
        ("x" * 128, True, "x" * 128, None),
        ("x" * 129, True, "train-0", "x" * 129),
        (17, False, "train-0", "17"),
        ("17\n", True, "train-0", "17\n"),
        (" 17", True, "train-0", " 17"),
        ("a/b", True, "train-0", "a/b"),
        ("_a", True, "train-0", "_a"),
        ("\u0661\u0667", True, "train-0", "\u0661\u0667"),
        (-1, True, "train-0", "-1"),
    ],
)
def test_the_original_id(upstream: Any, unique: bool, original_id: str, kept: str | None) -> None:
    who = Identity("example/giveaways", "giveaways", "function_calling", unique_ids=unique)
    record = built(one(upstream_id=upstream), who)
    assert record["original_id"] == original_id
    assert record["metadata"].get("upstream_id") == kept
    assert record["execution_plan"]["nodes"][0]["node_id"] == f"{original_id}_tool_0"


def test_an_upstream_id_that_is_kept_is_not_overwritten() -> None:
    assert rejected(one(upstream_id="a/b", extras={"upstream_id": "c"})).code == "E03"


@pytest.mark.parametrize("position", ["", "a b", "-1", "x" * 129, "é-1", "train-1\n"])
def test_a_position_that_is_no_id_is_refused(position: str) -> None:
    assert rejected(one(), position=position).code == "E05"


# ---- values


@pytest.mark.parametrize(
    "arguments",
    [
        {"n": 2**53},
        {"n": -(2**53)},
        {"n": 10**5000},
        {"n": [float("nan")]},
        {"n": float("-inf")},
        {"n": "\ud800"},
        {"\ud800": 1},
        {"é\udfff": 1.5},
        {"n": "a\0"},
        {"a\0": 1},
        {"n": {"x": [1.5, "\0"]}},
        {1: 2},
        {None: 2},
        {Text("a"): 1},
        {"n": Text("a")},
        {"n": (1, 2)},
        {"n": {1}},
        {"n": b"x"},
        {"n": datetime.date(2026, 1, 2)},
        {"n": decimal.Decimal(1)},
        {"n": OrderedDict()},
        {"n": types.MappingProxyType({})},
        {"n": "x" * 8193},
        {"x" * 8193: 1},
        {"n": [[[[[[[[]]]]]]]]},
        {"a": "x" * 8000, "b": "y" * 8000, "c": "z" * 400},
    ],
    ids=lambda arguments: ascii(arguments)[:30] if arguments != {"n": 10**5000} else "5000 digits",
)
def test_arguments_beyond_the_limits_are_refused(arguments: Any) -> None:
    problem = rejected(one(arguments))
    assert problem.code == "E11"
    assert problem.field.startswith("execution_plan.nodes[0]")


def test_arguments_that_hold_themselves_are_refused() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = [endless]
    assert rejected(one(endless)).code == "E11"
    assert rejected(one(extras={"x": endless})).code == "E04"
    assert rejected(one(extras={"provenance": endless})).code == "E04"


@pytest.mark.parametrize(
    "arguments",
    [
        {"n": 2**53 - 1, "m": -(2**53) + 1},
        {"n": [1e16, 50.0, -0.0, 5e-324, 1e300]},
        {"n": [[[[[[[1]]]]]]]},
        {"n": "x" * 8192},
        {"n": "\x01\x7f\u2028\uffff😀", "\uffff": 1, "😀": 2},
        {"n": None, "t": True, "": {}},
        {"n": "\\u0000"},
    ],
)
def test_arguments_at_the_limits_are_kept(arguments: dict[str, Any]) -> None:
    assert built(one(arguments))["execution_plan"]["nodes"][0]["arguments"] == arguments


@pytest.mark.parametrize("arguments", [types.MappingProxyType({"a": 1}), OrderedDict(a=1)])
def test_any_mapping_will_do_as_the_arguments_themselves(arguments: Mapping[str, Any]) -> None:
    assert built(one(arguments))["execution_plan"]["nodes"][0]["arguments"] == {"a": 1}


@pytest.mark.parametrize(
    ("sample", "code", "field"),
    [
        (Sample("q", []), "E06", "execution_plan.nodes"),
        (Sample("q", [Call("a")] * 65), "E06", "execution_plan.nodes"),
        (Sample("q", None), "E04", "execution_plan.nodes"),  # type: ignore[arg-type]
        (Sample("q", [("a", {}, 1)]), "E04", "execution_plan.nodes[0]"),  # type: ignore[list-item]
        (Sample(None, [Call("a")]), "E04", "metadata.query"),  # type: ignore[arg-type]
        (Sample("", [Call("a")]), "E05", "metadata.query"),
        (Sample("\ud800", [Call("a")]), "E05", "metadata.query"),
        (one(name=7), "E04", "execution_plan.nodes[0].tool_name"),
        (one(name="none"), "E11", "execution_plan.nodes[0].tool_name"),
        (one(name=""), "E11", "execution_plan.nodes[0].tool_name"),
        (one(name=" a"), "E11", "execution_plan.nodes[0].tool_name"),
        (one(name="\ud800"), "E11", "execution_plan.nodes[0].tool_name"),
        (one([1]), "E04", "execution_plan.nodes[0].arguments"),
        (one(tier=True), "E04", "execution_plan.nodes[0].provenance_tier"),
        (one(tier=1.0), "E04", "execution_plan.nodes[0].provenance_tier"),
        (one(tier=0), "E05", "execution_plan.nodes[0].provenance_tier"),
        (one(edges=[(0, 1)], edge_kind="sequence"), "E08", "execution_plan.edges[0]"),
        (one(edges=[(-1, 0)], edge_kind="sequence"), "E08", "execution_plan.edges[0]"),
        (one(edges=[(0, 0)], edge_kind="sequence"), "E09", "execution_plan.edges[0]"),
        (one(edges=[("a", "b")]), "E04", "execution_plan.edges"),
        (one(edges=[(False, True)]), "E04", "execution_plan.edges"),
        (Sample("q", [Call("a")] * 2, [(0, 1), (0, 1)], "sequence"), "E09", "execution_plan.edges[1]"),
        (Sample("q", [Call("a")] * 2, [(1, 0)], "sequence"), "E10", "execution_plan.edges[0]"),
        (Sample("q", [Call("a")] * 2, [(0, 1)]), "E05", "metadata.edge_kind"),
        (one(edge_kind="dataflow"), "E05", "metadata.edge_kind"),
        (one(edge_kind="inferred"), "E05", "metadata.edge_kind"),
        (one(label="safe"), "E05", "label"),
        (one(label=""), "E05", "label"),
        (one(label=0), "E04", "label"),
        (one(category="chat"), "E05", "category"),
        (one(category=""), "E05", "category"),
        (one(language="english, mostly"), "E05", "metadata.language"),
        (one(upstream_id=1.0), "E04", "metadata.upstream_id"),
        (one(upstream_id=10**5000), "E05", "metadata.upstream_id"),
        (one(extras=None), "E04", "metadata"),
        (one(extras={7: 1}), "E04", "metadata"),
        (one(extras={"num_tools": 1}), "E03", "metadata.num_tools"),
        (one(extras={"day": datetime.date(2026, 1, 2)}), "E04", "metadata.day"),
        (one(extras={"score": float("nan")}), "E04", "metadata.score"),
        (one(extras={"note": "\ud800"}), "E05", "metadata"),
        (one(extras={"scope_budget": 0}), "E05", "metadata.scope_budget"),
        (one({"a": "x" * 8000}, extras={"pad": "y" * 60_000}), "E01", ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "sample",
)
def test_what_is_refused_and_why(sample: Sample, code: str, field: str) -> None:
    problem = rejected(sample)
    assert (problem.code, problem.field) == (code, field)


def test_a_name_is_composed() -> None:
    assert built(one(name="cafe\u0301"))["execution_plan"]["nodes"][0]["tool_name"] == "café"


@pytest.mark.parametrize("label", [None, "benign"])
def test_a_loader_s_rows_are_tier_one(label: Any) -> None:
    record = built(one(label=label))
    assert (record["metadata"]["tier"], record["label"]) == ("I", "benign")


@pytest.mark.parametrize("label", ["adversarial", "boundary"])
def test_a_negative_without_a_mutation_is_refused(label: Any) -> None:
    with pytest.raises(Reject) as caught:
        built(one(label=label))
    assert caught.value.code == "E14"


def test_extras_and_fields_land_where_they_belong() -> None:
    sample = one(language="en", category="code_api", extras={"turns": [1, {"a": None}], "policy": "p"})
    record = built(sample)
    assert record["category"] == "code_api"
    assert record["metadata"]["language"] == "en"
    assert record["metadata"]["turns"] == [1, {"a": None}]


# ---- counts and prose


@pytest.mark.parametrize(
    ("calls", "has"),
    [([respond("a")], False), ([respond("a"), respond("b")], False), ([Call("a"), respond("b")], True)],
)
def test_counts(calls: list[Call], has: bool) -> None:
    metadata = built(Sample("q", calls, chain(len(calls)), "sequence"))["metadata"]
    assert (metadata["num_tools"], metadata["has_tool_calls"]) == (len(calls), has)


@pytest.mark.parametrize(
    "sample",
    [
        Sample("q", [respond("x" * 8193)], [], "sequence"),
        Sample("q", [respond("x")] * 65, chain(65), "sequence"),
        Sample("q", [respond("\x01" * 8000)], [], "sequence"),
        Sample("q", [respond("x" * 8000)] * 9, chain(9), "sequence"),
        Sample("q" * 70_000, [respond("x")], [], "sequence"),
    ],
    ids=["long answer", "many answers", "long when escaped", "long together", "long question"],
)
def test_long_prose_is_skipped(sample: Sample) -> None:
    assert build(sample, WHO, "train-0") == Skip("too_long")


def test_long_prose_after_a_call_is_refused() -> None:
    assert rejected(Sample("q", [Call("a"), respond("x" * 8193)], [(0, 1)], "sequence")).code == "E11"


def test_wrong_prose_is_not_skipped() -> None:
    assert rejected(Sample("q", [respond("a\0")], [], "sequence")).code == "E11"
    assert rejected(Sample("q", [Call(RESPOND, {"answer": 2**53})], [], "sequence")).code == "E11"


def test_a_chat_of_64_turns_fits() -> None:
    plan = chat_plan([("user", "Hello?"), ("assistant", "Yes.")] * 32)
    assert isinstance(plan, Sample)
    assert built(plan)["metadata"]["num_tools"] == 32
