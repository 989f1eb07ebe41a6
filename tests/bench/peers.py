"""The same conversion by other tools, two processes each: `python peers.py TOOL STEP MIRROR OUTPUT`.

TOOL: `datatrove` (LocalPipelineExecutor, one task a process) or `datasets` (map by row, then to_json). STEP:
`contract` calls polecats' own transform and contract for each row; `plain` builds a bare dict and checks nothing.
Neither goes on after a kill, drops duplicates or accounts for the rows that it leaves out.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROCESSES = 2
TURKISH = "atasoglu/turkish-function-calling-20k"
Convert = Callable[[dict[str, Any], int], bytes]


def contract_step() -> Convert:
    """Row to line by the loader and the contract."""
    from coordinator.contract import Row
    from coordinator.contract.build import Identity, Line, build
    from tracks.opal.turkish_function_calling import TurkishFunctionCalling

    loader = TurkishFunctionCalling()
    identity = Identity(loader.source.repo, "turkish_function_calling", loader.category)

    def convert(row: dict[str, Any], number: int) -> bytes:
        made: Any = loader.transform(Row(row))
        line = build(made, identity, f"default-train-{number}")
        assert isinstance(line, Line)
        return line.data

    return convert


def plain_step() -> Convert:
    """Row to line by a dict: no check, no hash, no scope."""

    def convert(row: dict[str, Any], number: int) -> bytes:
        calls = [item["function"] for item in json.loads(row["answers"])]
        nodes = [
            {"tool_name": call["name"], "arguments": call["arguments"], "node_id": f"{number}_tool_{index}"}
            for index, call in enumerate(calls)
        ]
        metadata = {"source": TURKISH, "query": row["query"], "num_tools": len(nodes)}
        record = {"execution_plan": {"nodes": nodes, "edges": []}, "original_id": str(number), "metadata": metadata}
        return json.dumps(record, ensure_ascii=False).encode()

    return convert


STEPS = {"contract": contract_step, "plain": plain_step}


def by_datatrove(step: str, files: Path, output: Path) -> None:
    """Documents through three blocks; each task reads and writes files of its own."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.base import PipelineStep
    from datatrove.pipeline.readers import ParquetReader

    class Lines(PipelineStep):  # type: ignore[misc]
        name = "lines"
        type = "writer"

        def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
            convert = STEPS[step]()
            with (output / f"{rank:05d}.jsonl").open("wb") as out:
                for number, document in enumerate(data):
                    row = {"query": document.text, "answers": document.metadata["answers"]}
                    out.write(convert(row, number * world_size + rank) + b"\n")
                    yield document

    reader = ParquetReader(str(files), text_key="query", glob_pattern="*.parquet")
    LocalPipelineExecutor([reader, Lines()], tasks=PROCESSES, workers=PROCESSES, logging_dir=str(output / "logs")).run()


def by_datasets(step: str, files: Path, output: Path) -> None:
    """A table of lines: `to_json` of nested records would give all of them the keys of all arguments."""
    from datasets import load_dataset

    convert = STEPS[step]()
    names = sorted(str(path) for path in files.glob("*.parquet"))
    table = load_dataset("parquet", data_files=names, split="train", cache_dir=str(output / "cache"))
    lines = table.map(
        lambda row, number: {"line": convert(row, number).decode()},
        with_indices=True,
        remove_columns=table.column_names,
        num_proc=PROCESSES,
    )
    lines.to_json(str(output / "lines.jsonl"), num_proc=PROCESSES, lines=True)


TOOLS = {"datatrove": by_datatrove, "datasets": by_datasets}


def main(tool: str, step: str, mirror: Path, output: Path) -> None:
    """Convert; print the number of samples as JSON."""
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        TOOLS[tool](step, mirror / TURKISH / "data", Path(folder))
        files = sorted(Path(folder).glob("*.jsonl"))
        count = sum(file.read_bytes().count(b"\n") for file in files)
        shutil.move(files[0], output)
    sys.stdout.write(json.dumps({"samples": count}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
