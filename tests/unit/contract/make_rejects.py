"""Writes the stored fixtures in `rejects/`: lines that are good but for the one rule in their name.

Run as `PYTHONPATH=. python tests/unit/contract/make_rejects.py` after a change of what a good line is; the
tests read the stored files only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from coordinator.contract import Call, Sample
from coordinator.contract.build import Identity, Line, build
from coordinator.contract.canonical import canonical
from coordinator.contract.rules import content_hash, intent_hash, origin_json, provenance_hash
from coordinator.contract.scope import derive

Record = dict[str, Any]
FOLDER = Path(__file__).with_name("rejects")
WHO = Identity("example/giveaways", "giveaways", "function_calling", unique_ids=True)
PLAN = [
    Call("list_giveaways", {"kind": "beta", "limit": 5}),
    Call("open_giveaway", {"title": "Café ☕"}),
    Call("enter_giveaway", {"title": "Mug", "twice": False}),
]
EDGES = [(0, 1), (0, 2), (1, 2)]


def good() -> Record:
    """A fresh record that breaks no rule."""
    line = build(Sample("Which beta giveaways are live?", PLAN, EDGES, "dataflow", 17), WHO, "train-16")
    assert isinstance(line, Line)
    return dict(json.loads(line.data))


def dump(record: Any) -> bytes:
    """The compact text of any value, sound or not."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def seal(record: Record) -> Record:
    """The record with its scope and hashes made right again, so that only the change itself is wrong."""
    metadata, plan = record["metadata"], record["execution_plan"]
    default = origin_json(metadata["source"], record["original_id"], content_hash(metadata["query"]))
    origins, parts = metadata.get("provenance", {}), []
    for node in plan["nodes"]:
        parts.append((canonical(node["tool_name"]), canonical(node["arguments"])))
        node["scope_volume"], node["scope_sensitivity"] = derive(node["tool_name"], node["arguments"])
        own = origins.get(node["node_id"])
        origin = default if own is None else canonical(own)
        node["provenance_hash"] = provenance_hash(*parts[-1], node["provenance_tier"], origin)
    index = {node["node_id"]: position for position, node in enumerate(plan["nodes"])}
    pairs = [(index[start], index[end]) for start, end in plan["edges"]]
    metadata["intent_hash"] = intent_hash(metadata["query"], parts, pairs)
    return record


def put(path: str, value: Any, sealed: bool = False) -> bytes:
    """The good line with another value at `path` (dots; numbers are list positions)."""
    record = good()
    _put(record, path, value)
    return dump(seal(record) if sealed else record)


def _put(record: Any, path: str, value: Any) -> None:
    *steps, last = (int(step) if step.isdecimal() else step for step in path.split("."))
    for step in steps:
        record = record[step]
    record[last] = value


def drop(path: str) -> bytes:
    """The good line without the key at `path`."""
    record: Any = good()
    whole = record
    *steps, last = (int(step) if step.isdecimal() else step for step in path.split("."))
    for step in steps:
        record = record[step]
    del record[last]
    return dump(whole)


def swap(old: bytes, new: bytes) -> bytes:
    """The good line with its bytes `old` replaced."""
    line = dump(good())
    assert line.count(old) == 1, old
    return line.replace(old, new)


def changed(change: Callable[[Record], object], sealed: bool = True) -> bytes:
    """The good line after `change`."""
    record = good()
    change(record)
    return dump(seal(record) if sealed else record)


def edges(*pairs: tuple[int, int]) -> bytes:
    """The good line with other edges, the intent hash computed over them."""
    return put("execution_plan.edges", [[f"17_tool_{a}", f"17_tool_{b}"] for a, b in pairs], sealed=True)


def nodes(count: int) -> bytes:
    """A line of `count` alike nodes without edges."""
    record = good()
    first = record["execution_plan"]["nodes"][0]
    made = [dict(first, node_id=f"17_tool_{index}") for index in range(count)]
    record["execution_plan"] = {"nodes": made, "edges": []}
    record["metadata"].update(num_tools=min(max(count, 1), 64), edge_kind="none")
    return dump(record)


def nested(depth: int) -> Any:
    """`depth` lists within each other."""
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


NODE = "execution_plan.nodes.1"
ARGUMENT = f"{NODE}.arguments.title"


def bytes_and_json() -> Iterator[tuple[str, bytes]]:
    """E01 and E02."""
    line = dump(good())
    yield "E01-byte-order-mark", b"\xef\xbb\xbf" + line
    yield "E01-latin-1", swap("é".encode(), "é".encode("latin-1"))
    yield "E01-utf-16", line.decode().encode("utf-16-le")
    yield "E01-encoded-surrogate", swap("é".encode(), b"\xed\xa0\x80")
    yield "E01-overlong-slash", swap("é".encode(), b"\xc0\xaf")
    yield "E02-array", b"[" + line + b"]"
    yield "E02-cut", line[:-1]
    yield "E02-empty", b""
    yield "E02-text", b'"a text"'
    yield "E02-null", b"null"
    yield "E02-two-objects", line + line
    yield "E02-single-quotes", b"{'label': 'benign'}"
    yield "E02-trailing-comma", line[:-1] + b",}"
    yield "E02-duplicate-key", swap(b'"label":', b'"label":"benign","label":')
    yield "E02-duplicate-key-nested", swap(b'"kind":', b'"kind":"alpha","kind":')
    yield "E02-duplicate-key-escaped", swap(b'"kind":', b'"\\u006bind":"beta","kind":')
    yield "E02-duplicate-key-spaced", swap(b'"kind":', b'"kind" :"beta","kind"\t:')
    yield "E02-duplicate-key-cancelled", swap(b'"kind":"beta"', b'"kind":1,"kind":"\\u0022:"')
    yield "E02-nan", swap(b'"limit":5', b'"limit":NaN')
    yield "E02-infinity", swap(b'"limit":5', b'"limit":-Infinity')
    yield "E02-overflow", swap(b'"limit":5', b'"limit":1e999')
    yield "E02-leading-zero", swap(b'"limit":5', b'"limit":05')
    yield "E02-lone-surrogate", swap("é".encode(), b"\\ud800")
    yield "E02-lone-surrogate-key", swap(b'"twice"', b'"\\udc00"')
    yield "E02-raw-control-character", swap("é".encode(), b"\x01")
    yield "E02-depth-300", put(ARGUMENT, nested(300))
    yield "E02-depth", swap(b'"limit":5', b'"limit":' + b"[" * 5000 + b"]" * 5000)


def keys_and_types() -> Iterator[tuple[str, bytes]]:
    """E03 and E04."""
    for name in ("execution_plan", "label", "original_id", "category", "metadata"):
        yield f"E03-no-{name}", drop(name)
    for name in good()["metadata"]:
        yield f"E03-no-metadata-{name}", drop(f"metadata.{name}")
    for name in good()["execution_plan"]["nodes"][0]:
        yield f"E03-no-node-{name}", drop(f"{NODE}.{name}")
    yield "E03-no-edges", drop("execution_plan.edges")
    yield "E03-extra-key", put("extra", 1)
    yield "E03-extra-plan-key", put("execution_plan.extra", 1)
    yield "E03-extra-node-key", put(f"{NODE}.parallel", True)
    origin = {"source_type": "mail", "source_id": "m1", "content_sha256": "0" * 64, "url": ""}
    yield "E03-extra-origin-key", put("metadata.provenance", {"17_tool_1": origin})
    yield "E03-empty-object", b"{}"
    yield "E04-volume-true", put(f"{NODE}.scope_volume", True)
    yield "E04-volume-text", put(f"{NODE}.scope_volume", "3")
    yield "E04-volume-float", put(f"{NODE}.scope_volume", 3.0)
    yield "E04-volume-null", put(f"{NODE}.scope_volume", None)
    yield "E04-sensitivity-float", put(f"{NODE}.scope_sensitivity", 2.5)
    yield "E04-tier-true", put(f"{NODE}.provenance_tier", True)
    yield "E04-num_tools-text", put("metadata.num_tools", "3")
    yield "E04-has_tool_calls-one", put("metadata.has_tool_calls", 1)
    yield "E04-plan-list", put("execution_plan", [])
    yield "E04-nodes-object", put("execution_plan.nodes", {})
    yield "E04-node-text", put(NODE, "list_giveaways")
    yield "E04-arguments-text", put(f"{NODE}.arguments", "{}")
    yield "E04-arguments-list", put(f"{NODE}.arguments", [])
    yield "E04-tool_name-number", put(f"{NODE}.tool_name", 7)
    yield "E04-edge-numbers", put("execution_plan.edges", [[0, 1]])
    yield "E04-edge-object", put("execution_plan.edges", [{"from": "17_tool_0", "to": "17_tool_1"}])
    yield "E04-original_id-number", put("original_id", 17)
    yield "E04-query-null", put("metadata.query", None)
    yield "E04-query-list", put("metadata.query", ["Which?"])
    yield "E04-hash-number", put("metadata.intent_hash", 0)
    yield "E04-version-number", put("metadata.schema_version", 1.0)
    yield "E04-language-list", put("metadata.language", ["en"])
    yield "E04-provenance-list", put("metadata.provenance", [])
    yield "E04-origin-text", put("metadata.provenance", {"17_tool_1": "mail"})
    yield "E04-extra-too-deep", put("metadata.turns", nested(9))
    yield "E04-extra-big-integer", put("metadata.row", 2**53)


def values() -> Iterator[tuple[str, bytes]]:
    """E05 to E07."""
    yield "E05-volume-zero", put(f"{NODE}.scope_volume", 0)
    yield "E05-volume-huge", put(f"{NODE}.scope_volume", 1_000_001)
    yield "E05-volume-beyond-64-bits", put(f"{NODE}.scope_volume", 10**30)
    yield "E05-sensitivity-six", put(f"{NODE}.scope_sensitivity", 6)
    yield "E05-tier-four", put(f"{NODE}.provenance_tier", 4)
    yield "E05-tier-zero", put(f"{NODE}.provenance_tier", 0)
    yield "E05-label-unknown", put("label", "Benign")
    yield "E05-category-unknown", put("category", "chat")
    yield "E05-metadata-tier-unknown", put("metadata.tier", "IV")
    yield "E05-edge_kind-unknown", put("metadata.edge_kind", "inferred")
    yield "E05-edge_kind-none-with-edges", put("metadata.edge_kind", "none")
    yield "E05-dataflow-without-edges", put("execution_plan.edges", [], sealed=True)
    yield "E05-edge-of-three", put("execution_plan.edges", [["17_tool_0", "17_tool_1", "17_tool_2"]])
    yield "E05-edge-of-one", put("execution_plan.edges", [["17_tool_0"]])
    yield "E05-query-empty", put("metadata.query", "")
    yield "E05-source-empty", put("metadata.source", "")
    yield "E05-language-underscore", put("metadata.language", "en_GB")
    yield "E05-scope_budget-zero", put("metadata.scope_budget", 0)
    yield "E05-original_id-newline", put("original_id", "17\n")
    yield "E05-original_id-empty", put("original_id", "")
    yield "E05-original_id-dash-first", put("original_id", "-17")
    yield "E05-original_id-slash", put("original_id", "a/17")
    yield "E05-original_id-long", put("original_id", "1" * 129)
    yield "E05-original_id-arabic-digit", put("original_id", "1\u0667")
    origin = {"source_type": "mail", "source_id": "m1", "content_sha256": "0" * 64}
    yield "E05-origin-of-nobody", put("metadata.provenance", {"17_tool_3": origin}, sealed=True)
    empty = {"17_tool_1": dict(origin, source_type="")}
    yield "E05-origin-empty-type", put("metadata.provenance", empty)
    yield "E06-no-node", nodes(0)
    yield "E06-65-nodes", nodes(65)
    yield "E07-other-index", _renamed("17_tool_3")
    yield "E07-other-row", _renamed("18_tool_1")
    yield "E07-leading-zero", _renamed("17_tool_01")
    yield "E07-empty", put(f"{NODE}.node_id", "")
    yield "E07-long", put(f"{NODE}.node_id", "1" * 161)
    yield "E07-twice", changed(_same_id_twice)


def _renamed(node_id: str) -> bytes:
    return swap_all(b"17_tool_1", node_id.encode())


def swap_all(old: bytes, new: bytes) -> bytes:
    """The good line with all its bytes `old` replaced: ids are in no hash."""
    return dump(good()).replace(old, new)


def _same_id_twice(record: Record) -> None:
    plan = record["execution_plan"]
    plan["nodes"][1]["node_id"], plan["edges"] = "17_tool_0", [["17_tool_0", "17_tool_2"]]
    seal(record)


def graph() -> Iterator[tuple[str, bytes]]:
    """E08 to E10."""
    dangling = [["17_tool_0", "17_tool_3"]]
    yield "E08-to-nobody", put("execution_plan.edges", dangling)
    yield "E08-from-nobody", put("execution_plan.edges", [dangling[0][::-1]])
    yield "E08-empty-name", put("execution_plan.edges", [["17_tool_0", ""]])
    yield "E08-index-as-name", put("execution_plan.edges", [["0", "1"]])
    yield "E09-self", edges((0, 1), (1, 1))
    yield "E09-twice", edges((0, 1), (0, 1))
    yield "E10-backwards", edges((1, 0))
    yield "E10-cycle", edges((0, 1), (1, 2), (2, 0))
    yield "E10-unsorted", edges((0, 2), (0, 1))
    yield "E10-unsorted-sources", edges((1, 2), (0, 1))


def calls() -> Iterator[tuple[str, bytes]]:
    """E11."""
    yield "E11-integer-2-53", put(ARGUMENT, 2**53)
    yield "E11-integer-negative", put(ARGUMENT, -(2**53))
    yield "E11-integer-64-bits", put(ARGUMENT, 2**64)
    yield "E11-integer-30-digits", put(ARGUMENT, 10**30)
    yield "E11-nul", put(ARGUMENT, "a\0b")
    yield "E11-nul-key", put(f"{NODE}.arguments", {"a\0": 1})
    yield "E11-nul-deep", put(ARGUMENT, [{"x": [1.5, "\0"]}])
    yield "E11-depth-9", put(ARGUMENT, nested(8))
    yield "E11-long-string", put(ARGUMENT, "x" * 8193)
    yield "E11-long-key", put(f"{NODE}.arguments", {"x" * 8193: 1})
    yield "E11-big-node", put(f"{NODE}.arguments", {"a": "x" * 8192, "b": "y" * 8192}, sealed=True)
    yield "E11-name-empty", put(f"{NODE}.tool_name", "")
    yield "E11-name-long", put(f"{NODE}.tool_name", "x" * 257)
    yield "E11-name-untrimmed", put(f"{NODE}.tool_name", "open_giveaway ")
    yield "E11-name-newline", put(f"{NODE}.tool_name", "open\ngiveaway")
    yield "E11-name-nul", put(f"{NODE}.tool_name", "open\0giveaway")
    yield "E11-name-c1-control", put(f"{NODE}.tool_name", "open\x85giveaway")
    yield "E11-name-nfd", put(f"{NODE}.tool_name", "cafe\u0301")
    yield "E11-name-unknown_tool", put(f"{NODE}.tool_name", "unknown_tool")
    yield "E11-name-generic_action", put(f"{NODE}.tool_name", "Generic_Action")


def derived() -> Iterator[tuple[str, bytes]]:
    """E12 to E15."""
    digest = good()["metadata"]["intent_hash"]
    for path, name in ((f"{NODE}.provenance_hash", "provenance"), ("metadata.intent_hash", "intent")):
        yield f"E12-{name}-upper-case", put(path, digest[:-1] + "A")
        yield f"E12-{name}-short", put(path, digest[:-1])
        yield f"E12-{name}-newline", put(path, digest + "\n")
        yield f"E12-{name}-empty", put(path, "")
        yield f"E12-{name}-zeroes", put(path, "0" * 64)
    yield "E12-argument-changed", put(ARGUMENT, "Caffè")
    yield "E12-tier-changed", put(f"{NODE}.provenance_tier", 2)
    yield "E12-query-changed", put("metadata.query", "Which beta giveaways are dead?")
    yield "E12-source-changed", put("metadata.source", "example/prizes")
    yield "E12-edges-changed", put("execution_plan.edges", [["17_tool_0", "17_tool_1"]])
    origin = {"source_type": "mail", "source_id": "m1", "content_sha256": "0" * 64}
    yield "E12-origin-added", put("metadata.provenance", {"17_tool_1": origin})
    malformed = {"17_tool_1": dict(origin, content_sha256="0" * 63)}
    yield "E12-origin-hash-malformed", put("metadata.provenance", malformed)
    node = good()["execution_plan"]["nodes"][1]
    yield "E13-volume", put(f"{NODE}.scope_volume", node["scope_volume"] + 1)
    yield "E13-sensitivity", put(f"{NODE}.scope_sensitivity", node["scope_sensitivity"] % 5 + 1)
    yield "E14-adversarial-in-tier-I", put("label", "adversarial")
    yield "E14-boundary-in-tier-I", put("label", "boundary")
    for tier, label in (("II", "boundary"), ("III", "adversarial")):
        other = swap(b'"tier":"I"', f'"tier":"{tier}"'.encode())
        yield f"E14-{label}-in-tier-{tier}", other.replace(b'"benign"', f'"{label}"'.encode())
    yield "E15-num_tools-more", put("metadata.num_tools", 4)
    yield "E15-num_tools-zero", put("metadata.num_tools", 0)
    yield "E15-num_tools-65", put("metadata.num_tools", 65)
    yield "E15-has_tool_calls-false", put("metadata.has_tool_calls", False)
    yield "E15-only-respond", changed(_only_respond)


def _only_respond(record: Record) -> None:
    record["execution_plan"]["nodes"] = record["execution_plan"]["nodes"][:1]
    record["execution_plan"]["nodes"][0].update(tool_name="respond", arguments={"answer": "None."})
    record["execution_plan"]["edges"] = []
    record["metadata"].update(num_tools=1, edge_kind="none")


def files() -> Iterator[tuple[str, bytes]]:
    """E18 and E19."""
    line, other = dump(good()), put("metadata.query", "And which alpha ones?", sealed=True)
    yield "E18-same-line", line + b"\n" + line
    yield "E18-same-id-other-content", line + b"\n" + other
    for version in ("2.0", "0.9", "1", "1.0.0", "10.0", "v1.0", ""):
        yield f"E19-version-{version or 'empty'}", put("metadata.schema_version", version)


def main() -> None:
    """Write every fixture."""
    for makers in (bytes_and_json, keys_and_types, values, graph, calls, derived, files):
        for name, data in makers():
            (FOLDER / f"{name}.jsonl").write_bytes(data + b"\n")
    FOLDER.with_name("good.jsonl").write_bytes(dump(good()) + b"\n")


if __name__ == "__main__":
    main()
