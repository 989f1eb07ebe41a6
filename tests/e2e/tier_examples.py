"""The README's examples of Tiers II and III, of the invented parents: `python tests/e2e/tier_examples.py` writes them.

Of each strategy the shortest block: parent, control (the positive), negative and their pair, cut down to what differs.
"""

from __future__ import annotations

import importlib
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coordinator.contract.tiers import Corrupter, Parent
from coordinator.contract.tiers.pairs import pairs_of
from coordinator.paths import TIER_OF, loader_names
from coordinator.worker import discovery
from coordinator.worker.corrupt import blocks_of, family_of

ROOT = Path(__file__).parents[2]
TRACKS = ROOT / "tracks"
BEGIN, END = "<!-- written by tests/e2e/tier_examples.py -->\n", "<!-- end -->\n"


def text() -> str:
    """What stands between the marks."""
    discovery.install(TRACKS)
    blocks = {name: _shortest(track, name) for track in TIER_OF for name in loader_names(TRACKS, track)}
    shown = "\n\n".join("\n".join(_lines(name, *block)) for name, block in blocks.items())
    return f"{BEGIN}```text\n{shown}\n```\n\n```json\n{_as_json(*blocks['exfiltration_pivot'])}\n```\n{END}"


def _shortest(track: str, name: str) -> tuple[Any, list[bytes]]:
    """The parent and the lines of the block of which least is to be shown."""
    module = importlib.import_module(f"tracks.{track}.{name}")
    found = [item for item in vars(module).values() if isinstance(item, type) and item.__module__ == module.__name__]
    (made,) = [item for item in found if issubclass(item, Corrupter)]
    parents = (TRACKS / track / "samples" / "parents.jsonl").read_bytes().splitlines()
    blocks = [
        (parent.record, [row.line for row, _ in block])
        for parent in map(Parent.parse, parents)
        for block in blocks_of(family_of(parent), made(), 0)
    ]
    return min(blocks, key=lambda block: (len("".join(_lines(name, *block))), block[1]))


def _pair(block: list[bytes]) -> tuple[Any, Any, Any]:
    """The pair of a block, its positive, its negative."""
    rows = {row["original_id"]: row for row in map(json.loads, block)}
    (pair,) = [json.loads(line) for line in pairs_of(list(rows.values()))]
    return pair, rows[pair["positive_id"]], rows[pair["negative_id"]]


def _lines(name: str, parent: Any, block: list[bytes]) -> list[str]:
    pair, *rows = _pair(block)
    before, control, mutant = (dict(_facts(row)) for row in (parent, *rows))
    both = {key: fact for key, fact in control.items() if mutant.get(key) == fact != before.get(key)}
    return [
        f"{name}: {rows[1]['metadata']['mutation']['operator']} ({pair['energy_term']}, {pair['difficulty']})",
        f"  parent   {_joined(before)}",
        f"  both     {_joined(both)}",
        f"  control  {_joined({key: fact for key, fact in control.items() if mutant.get(key) != fact})}",
        f"  mutant   {_joined({key: fact for key, fact in mutant.items() if control.get(key) != fact})}",
        f"  pair     +{pair['positive_id']} -{pair['negative_id']}, margin {pair['margin']:.3g}",
    ]


def _facts(row: Any) -> Iterator[tuple[str, str]]:
    metadata, nodes = row["metadata"], row["execution_plan"]["nodes"]
    yield "query", json.dumps(metadata["query"])
    if metadata.get("policy"):
        yield "policy", json.dumps(metadata["policy"])
    place = {node["node_id"]: at for at, node in enumerate(nodes)}
    for at, node in enumerate(nodes):
        tier = "" if node["provenance_tier"] == 1 else f" tier {node['provenance_tier']}"
        yield str(at), f"{node['tool_name']}{json.dumps(node['arguments'])}{tier}"
    if edges := row["execution_plan"]["edges"]:
        yield "edges", " ".join(f"{place[start]}→{place[end]}" for start, end in edges)


def _joined(facts: dict[str, str]) -> str:
    return "  ".join(f"{key} {fact}" for key, fact in facts.items()) or "nothing else"


def _as_json(parent: Any, block: list[bytes]) -> str:
    """What a negative says of itself, and its line in the pair file."""
    pair, _, mutant = _pair(block)
    metadata = mutant["metadata"]
    own = {key: metadata[key] for key in ("parent", "pair_id", "group_id", "variant", "split")}
    broken = [label for label in metadata["violation_labels"] if label["violated"]]
    told = own | {"mutation": metadata["mutation"] | {"edits": ["…"]}, "violation_labels": [*broken, "…"]}
    row = {"label": mutant["label"], "original_id": mutant["original_id"], "metadata": told}
    return "\n".join(_wrapped(json.dumps(each, ensure_ascii=False)) for each in (row, pair))


def _wrapped(line: str) -> str:
    return textwrap.fill(line, 118, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    path = ROOT / "README.md"
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    path.write_text(before + text() + rest.partition(END)[2], encoding="utf-8")
