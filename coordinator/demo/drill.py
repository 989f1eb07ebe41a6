"""The drill: which sources go wrong, and how. Everything else in it is an ordinary run.

What goes wrong by chance (a stall, too many requests, a killed worker) does so once, so that a person who restarts
the loader sees it end well. What a person has to mend (a closed gate, renamed columns) stays until then.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import mirror
from .hub import Fault, Hub

STALL_TIMEOUT = 8
"""Seconds, for the drill only; longer than any one answer of a slow source takes."""
RETRY_AFTER = 2
CHANGED_ROWS = 1_600
"""Rows of the source that changes, at least: a loader counts as broken after a thousand."""
RENAMED = {"messages": "turns"}
LARGEST_ANSWER = 1.5
"""Seconds that the largest file of a slow source takes."""


@dataclass(frozen=True, slots=True)
class Part:
    """One source's part in the drill, and what a person is told of it beforehand."""

    loader: str
    repo: str
    told: str


GATED = Part("quartz/salesforce_xlam", "Salesforce/xlam-function-calling-60k", "is gated, and there is no token")
CHANGED = Part("quartz/mobile_actions", "google/mobile-actions", "renames a column half-way")
LIMITED = Part("quartz/toolbank", "squeeze-ai-lab/ToolBank", "answers 429 twice, and is waited for")
KILLED = Part("opal/toolmind", "Nanbeige/ToolMind", "has its worker killed in mid-run, once")
SLOW = Part("jasper/bfcl", "gorilla-llm/Berkeley-Function-Calling-Leaderboard", "is slow")
STALLED = Part("topaz/lmsys", "lmsys/lmsys-chat-1m", "sends no answer for its second file, once")
PARTS = (GATED, CHANGED, LIMITED, KILLED, SLOW, STALLED)


def build(tracks_dir: Path, folder: Path, rows: int, tracks: Sequence[str]) -> None:
    """Write the drill's mirror: the demonstration's, and one source of it changed half-way. See `mirror.build`."""
    change = mirror.Change(f"renamed {RENAMED}", {CHANGED.repo: CHANGED_ROWS}, _rename_half_way)
    mirror.build(tracks_dir, folder, rows + CHANGED_ROWS, tracks, change)


def _rename_half_way(folder: Path) -> None:
    for path in (folder / CHANGED.repo).glob("*.jsonl"):
        lines = path.read_bytes().splitlines(keepends=True)
        half = len(lines) // 2
        path.write_bytes(b"".join([*lines[:half], *map(_renamed, lines[half:])]))


def _renamed(line: bytes) -> bytes:
    row: dict[str, Any] = json.loads(line)
    return json.dumps({RENAMED.get(key, key): value for key, value in row.items()}).encode() + b"\n"


def arrange(hub: Hub, passing: bool) -> None:
    """Put into a stand-in what goes wrong; `passing`: also what heals by itself."""
    hub.gated.add(GATED.repo)
    hub.faults = [
        # The files at the top alone, not those that are read before the first row.
        Fault(f"GET {_files(SLOW)}/BFCL_v3_*", "slow", rate=_rate(hub, SLOW)),
        Fault(f"GET {_files(KILLED)}/*", "slow", rate=_rate(hub, KILLED)),
    ]
    if passing:
        wait = {"Retry-After": str(RETRY_AFTER)}
        hub.faults += [
            Fault(f"GET /api/datasets/{LIMITED.repo}/*", "status", 429, wait, times=2),
            Fault(f"GET {_files(STALLED)}/data/train-00001-of-*", "stall", times=1),
        ]


def _files(part: Part) -> str:
    """The pattern of a repository's files at any commit; `*` alone would take folders for one, too."""
    return f"/datasets/{part.repo}/resolve/{'?' * 40}"


def _rate(hub: Hub, part: Part) -> int:
    largest = max((path.stat().st_size for path in hub.files(part.repo)), default=0)
    return max(1, int(largest / LARGEST_ANSWER))
