"""A folder laid out like the Hub, with invented rows for five sources: what the benchmark reads.

Sizes are those of the run of the seed: 72,007 rows of ToolBank, 14,007 of FiftyOne, 10,000 of Twinkle; as many of the
Turkish set as of the three together, with about five calls each; an eighth of that of ToolMind. All scale with `rows`.
The same rows and seed give the same files.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

SEED_RUN = 96_014
TOOLBANK, FIFTYONE, TWINKLE = 72_007, 14_007, 10_000
TURKISH = "atasoglu/turkish-function-calling-20k"
_NUMPY = 15_994
_NOUNS = [
    *("harbour", "orchard", "lantern", "violin", "meadow", "copper", "glacier", "saddle", "pepper", "marble", "tunnel"),
    *("ribbon", "falcon", "anchor", "barley", "canvas", "docket", "engine", "fabric", "garden", "helmet", "island"),
    *("jacket", "kettle", "ladder", "magnet", "needle", "outlet", "parcel", "quarry", "radius", "signal", "ticket"),
]
_VERBS = ["find", "count", "open", "close", "plan", "book", "rate", "sort", "mark", "trace"]
_HAN = "今天想去河邊散步順便買一些水果和麵包請告訴我最近的市場幾點開門從車站走過去需要多久"
_KINDS = ("text", "integer", "number", "flag", "list", "object")

Tool = dict[str, Any]


def build(folder: Path, rows: int, seed: int = 11) -> Path:
    """Write the mirror; one that stands there whole is left as it is. Returns `folder`."""
    done = folder / "complete"
    if not done.exists():
        random_, scale = random.Random(seed), rows / SEED_RUN
        tools = [_tool(random_, number) for number in range(300)]
        _toolbank(folder, random_, scale)
        _fiftyone(folder, random_, tools, _scaled(FIFTYONE, scale))
        _twinkle(folder, random_, tools, _scaled(TWINKLE, scale))
        _turkish(folder, random_, tools, rows)
        _toolmind(folder, random_, tools, max(1, rows // 8))
        done.touch()
    return folder


def multiply(mirror: Path, folder: Path, times: int) -> Path:
    """A mirror of the Turkish set alone with its rows `times` over, each with a query of its own."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    done, files = folder / "complete", sorted((mirror / TURKISH).rglob("*.parquet"))
    if done.exists():
        return folder
    for number in range(times * len(files)):
        table = pq.read_table(files[number % len(files)])
        query = pc.binary_join_element_wise(table["query"], pa.scalar(f"({number // len(files)})"), " ")
        table = table.set_column(table.schema.get_field_index("query"), "query", query)
        _write(folder / TURKISH / f"data/train-{number:05d}-of-{times * len(files):05d}.parquet", table)
    done.touch()
    return folder


def count(folder: Path) -> int:
    """Rows of the Turkish set in a mirror."""
    import pyarrow.parquet as pq

    return sum(int(pq.read_metadata(path).num_rows) for path in (folder / TURKISH).rglob("*.parquet"))


def _scaled(size: int, scale: float) -> int:
    return max(1, round(size * scale))


def _words(random_: random.Random, least: int, most: int) -> str:
    return " ".join(random_.choices(_NOUNS, k=random_.randint(least, most)))


def _tool(random_: random.Random, number: int) -> Tool:
    names = random_.sample(_NOUNS, random_.randint(1, 5))
    parameters = {
        name: {"type": random_.choice(_KINDS), "description": _words(random_, 5, 14), "default": None} for name in names
    }
    name = f"{random_.choice(_VERBS)}_{random_.choice(_NOUNS)}_{number}"
    return {"name": name, "description": _words(random_, 8, 20), "parameters": parameters}


def _value(random_: random.Random, kind: str) -> Any:
    if kind == "integer":
        return random_.randint(0, 99_999)
    if kind == "number":
        return round(random_.uniform(-90, 90), 4)
    if kind == "flag":
        return random_.random() < 0.5
    if kind == "list":
        return random_.choices(_NOUNS, k=random_.randint(1, 5))
    if kind == "object":
        return {random_.choice(_NOUNS): random_.randint(0, 99), random_.choice(_NOUNS): _words(random_, 1, 2)}
    return _words(random_, 1, 8) + (' said "so"\n' if random_.random() < 0.03 else "")


def _request(random_: random.Random, tools: list[Tool]) -> tuple[str, list[Tool], list[Tool]]:
    """(query, calls, tools) of a row."""
    offered = random_.sample(tools, random_.randint(2, 6))
    calls = []
    for _ in range(min(8, max(1, round(random_.gauss(4.8, 1.6))))):
        tool = random_.choice(offered)
        arguments = {name: _value(random_, shape["type"]) for name, shape in tool["parameters"].items()}
        calls.append({"name": tool["name"], "arguments": arguments})
    return _words(random_, 14, 40).capitalize() + "?", calls, offered


def _write(path: Path, table: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path, row_group_size=1_000)


def _toolbank(folder: Path, random_: random.Random, scale: float) -> None:
    names = [f"{random_.choice(_VERBS)}_{random_.choice(_NOUNS)}_{number}" for number in range(900)]
    for bank, size in (("NumpyBank", _NUMPY), ("PandasBank", TOOLBANK - _NUMPY)):
        count = _scaled(size, scale)
        columns = {
            "refined_instruction": [_words(random_, 12, 40) for _ in range(count)],
            "functions": [random_.sample(names, random_.randint(1, 5)) for _ in range(count)],
            "explanation": [_words(random_, 20, 60) for _ in range(count)],
        }
        _write(folder / f"squeeze-ai-lab/ToolBank/data/{bank}_train-00000-of-00001.parquet", columns)


def _fiftyone(folder: Path, random_: random.Random, tools: list[Tool], count: int) -> None:
    rows = [_request(random_, tools) for _ in range(count)]
    columns = {
        "query": [query for query, _, _ in rows],
        "tools": [json.dumps(offered) for _, _, offered in rows],
        "answers": [json.dumps(calls) for _, calls, _ in rows],
    }
    _write(folder / "Voxel51/fiftyone-function-calling-14k/data/train-00000-of-00001.parquet", columns)


def _twinkle(folder: Path, random_: random.Random, tools: list[Tool], count: int) -> None:
    rows = [_request(random_, tools) for _ in range(count)]
    local = ["".join(random_.choices(_HAN, k=random_.randint(30, 90))) for _ in range(count)]
    answers = [json.dumps(calls, ensure_ascii=False) for _, calls, _ in rows]
    turns = [
        [{"role": "user", "content": asked}, {"role": "assistant", "content": f"<tool_call>{answer}</tool_call>"}]
        for asked, answer in zip(local, answers, strict=True)
    ]
    columns = {
        "id": list(range(count)),
        "query": [query for query, _, _ in rows],
        "tools": [json.dumps(offered) for _, _, offered in rows],
        "query_zhtw": local,
        "think": [_words(random_, 20, 60) for _ in range(count)],
        "answer": answers,
        "messages": turns,
    }
    _write(folder / "twinkle-ai/tw-function-call-reasoning-10k/data/train-00000-of-00001.parquet", columns)


def _turkish(folder: Path, random_: random.Random, tools: list[Tool], count: int, files: int = 4) -> None:
    for file in range(files):
        rows = [_request(random_, tools) for _ in range(file, count, files)]
        columns = {
            "query": [query for query, _, _ in rows],
            "tools": [json.dumps([_wrapped(tool) for tool in offered]) for _, _, offered in rows],
            "answers": [json.dumps([_wrapped(call) for call in calls]) for _, calls, _ in rows],
        }
        _write(folder / TURKISH / f"data/train-{file:05d}-of-{files:05d}.parquet", columns)


def _wrapped(function: Tool) -> dict[str, Any]:
    return {"type": "function", "function": function}


def _toolmind(folder: Path, random_: random.Random, tools: list[Tool], count: int) -> None:
    path = folder / "Nanbeige/ToolMind/graph_syn_datasets/graphsyn.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as out:
        for _ in range(count):
            query, calls, offered = _request(random_, tools)
            turns: list[dict[str, Any]] = [{"role": "user", "content": query}]
            for call in calls:
                turns.append({"role": "assistant", "content": "", "tool_calls": [{"function": call}]})
                turns.append({"role": "tool", "content": '{"ok": true}'})
            turns.append({"role": "assistant", "content": "Done."})
            row = {"conversations": turns, "tools": [_wrapped(tool) for tool in offered]}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
