"""Committed folders as a worker leaves them, made without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from coordinator.contract import Call, Sample
from coordinator.contract.build import Identity, Line, build
from coordinator.events import Counts
from coordinator.publish.inputs import Choice, Input, collect
from coordinator.worker.fingerprint import code_of, contract_version
from coordinator.worker.parts import PartWriter
from coordinator.worker.streams.base import Cursor


@dataclass
class Store:
    """State and tracks of a repository. Loaders are `track/loader`, merged in the order in which `names` has them."""

    root: Path
    names: list[str] = field(default_factory=list)

    @property
    def tracks(self) -> Path:
        return self.root / "tracks"

    @property
    def output(self) -> Path:
        return self.root / "data" / "tier1.jsonl"

    def folder(self, name: str) -> Path:
        return self.root / "state" / "tracks" / name

    def part(self, name: str, number: int = 0, ending: str = "jsonl") -> Path:
        return self.folder(name) / f"part-{number:05d}.{ending}"

    def line(
        self,
        name: str,
        row: int,
        value: Any,
        source: str = "",
        upstream_id: str | None = None,
        extras: dict[str, Any] | None = None,
    ) -> Line:
        """The line of a row that asks for `value`; equal values are exact duplicates, whatever the row."""
        arguments = value if isinstance(value, dict) else {"value": value}
        sample = Sample(f"Look up {value}.", [Call("look_up", arguments)], upstream_id=upstream_id, extras=extras or {})
        loader = name.partition("/")[2]
        who = Identity(source or f"org/{loader}", loader, "function_calling", unique_ids=upstream_id is not None)
        line = build(sample, who, f"train-{row}")
        assert isinstance(line, Line)
        return line

    def commit(
        self, name: str, lines: Sequence[Line], per_part: int = 10, done: bool = True, contract: str = "", **source: Any
    ) -> None:
        """Write a loader's folder, `per_part` lines a part."""
        track, loader = name.split("/")
        code = self.tracks / track / f"{loader}.py"
        code.parent.mkdir(parents=True, exist_ok=True)
        code.write_text(f"# {name}\n")
        self.names += [name] * (name not in self.names)
        writer = PartWriter(self.folder(name), sync=lambda handle: None)
        writer.open(
            {
                "fingerprint": {
                    "code": code_of(self.tracks, track, loader),
                    "contract": contract or contract_version(),
                },
                "source": {
                    "id": f"org/{loader}",
                    "kind": "dir",
                    "revision": "local",
                    "licence": "apache-2.0",
                    "evaluation_only": False,
                    "redistributable": True,
                    "unique_ids": False,
                    **source,
                },
            }
        )
        for start in range(0, len(lines), per_part):
            for line in lines[start : start + per_part]:
                writer.add(1, *line)
            rows = min(start + per_part, len(lines))
            writer.commit(Cursor(None, rows), Counts(rows, rows, rows), done and rows == len(lines))

    def rows(self, name: str, values: Sequence[Any], per_part: int = 10, **kwargs: Any) -> None:
        """Commit a line for each value."""
        self.commit(name, [self.line(name, row, value) for row, value in enumerate(values)], per_part, **kwargs)

    def inputs(self, choice: Choice | None = None) -> list[Input]:
        """The inputs in merge order."""
        loaders = [(track, loader) for track, _, loader in (name.partition("/") for name in self.names)]
        checkouts = {track: self.tracks for track, _ in loaders}
        return collect(self.root / "state", loaders, checkouts, choice or Choice())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path)


@pytest.fixture
def make_store() -> type[Store]:
    """For tests that need many."""
    return Store
