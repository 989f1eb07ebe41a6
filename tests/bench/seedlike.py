"""What polecats is measured against: one process, one loop, all in memory, one write at the end.

`python seedlike.py MIRROR OUTPUT turkish|seed-run`. Rows come one by one from `datasets`, become pydantic models and
JSON by the standard library; exact duplicates fall by a hash of the line. It knows nothing of polecats.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator


class Node(BaseModel):
    tool_name: str = Field(min_length=1)
    arguments: dict[str, Any]
    provenance_tier: int = Field(ge=1, le=3)
    provenance_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    scope_volume: int = Field(ge=1)
    scope_sensitivity: int = Field(ge=1, le=5)
    node_id: str = Field(min_length=1)


class ExecutionPlan(BaseModel):
    nodes: list[Node] = Field(min_length=1)
    edges: list[tuple[str, str]]

    @model_validator(mode="after")
    def check_edges(self) -> ExecutionPlan:
        known = {node.node_id for node in self.nodes}
        if len(known) < len(self.nodes) or not all(end in known for edge in self.edges for end in edge):
            raise ValueError("a node id stands twice, or an edge leads nowhere")
        return self


class Sample(BaseModel):
    execution_plan: ExecutionPlan
    label: Literal["benign"]
    original_id: str
    category: str
    metadata: dict[str, Any]


def sample(source: str, name: str, query: str, calls: list[tuple[str, dict[str, Any]]], chained: bool) -> Sample:
    """A row's sample: constant scope, a hash over source, tool and arguments."""
    ids = [f"{name}_tool_{index}" for index in range(len(calls))]
    nodes = [
        Node(
            tool_name=tool,
            arguments=arguments,
            provenance_tier=1,
            provenance_hash=hashlib.sha256(
                f"{source}:{tool}:{json.dumps(arguments, sort_keys=True)}".encode()
            ).hexdigest(),
            scope_volume=1,
            scope_sensitivity=2,
            node_id=node_id,
        )
        for node_id, (tool, arguments) in zip(ids, calls, strict=True)
    ]
    edges = list(pairwise(ids)) if chained else []
    metadata = {"source": source, "query": query, "num_tools": len(nodes)}
    return Sample(
        execution_plan=ExecutionPlan(nodes=nodes, edges=edges),
        label="benign",
        original_id=name,
        category="function_calling",
        metadata=metadata,
    )


def rows(mirror: Path, source: str, pattern: str = "*") -> Iterator[tuple[int, dict[str, Any]]]:
    """Numbered rows of a source's parquet files."""
    from datasets import load_dataset

    files = sorted(str(path) for path in (mirror / source / "data").glob(f"{pattern}.parquet"))
    return enumerate(load_dataset("parquet", data_files=files, split="train", streaming=True))


def turkish(mirror: Path) -> Iterator[Sample]:
    source = "atasoglu/turkish-function-calling-20k"
    for number, row in rows(mirror, source):
        json.loads(row["tools"])
        answers = [item["function"] for item in json.loads(row["answers"])]
        yield sample(source, str(number), row["query"], [(call["name"], call["arguments"]) for call in answers], False)


def seed_run(mirror: Path) -> Iterator[Sample]:
    source = "squeeze-ai-lab/ToolBank"
    for bank in ("NumpyBank_train", "PandasBank_train"):
        for number, row in rows(mirror, source, f"{bank}-*"):
            calls: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in row["functions"]]
            yield sample(source, f"{bank}-{number}", row["refined_instruction"], calls, True)
    for source, column in (
        ("Voxel51/fiftyone-function-calling-14k", "answers"),
        ("twinkle-ai/tw-function-call-reasoning-10k", "answer"),
    ):
        for number, row in rows(mirror, source):
            json.loads(row["tools"])
            calls = [(call["name"], call["arguments"]) for call in json.loads(row[column])]
            yield sample(source, str(number), row["query"], calls, False)


def main(mirror: Path, output: Path, which: str) -> None:
    """Convert; print the number of samples as JSON."""
    seen: set[str] = set()
    lines: list[str] = []
    for item in turkish(mirror) if which == "turkish" else seed_run(mirror):
        line = json.dumps(item.model_dump())
        digest = hashlib.sha256(line.encode()).hexdigest()
        if digest not in seen:
            seen.add(digest)
            lines.append(line)
    output.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    sys.stdout.write(json.dumps({"samples": len(lines)}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
