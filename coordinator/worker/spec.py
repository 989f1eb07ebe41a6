"""What a worker is told: plain values that travel as JSON."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

SourceKind = Literal["hub", "samples", "demo", "dir", "tier1"]
KEY = re.compile("hub|samples|demo|drill|dir-[0-9a-f]{12}|tier[23]-[0-9a-f]{12}")
"""What the state folders of sources are called."""


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Where rows come from. `key` names its state folder; `folder` holds repositories in Hub layout (not for hub), or
    is the Tier I file that corrupters read (tier1)."""

    kind: SourceKind
    key: str
    folder: str = ""
    served: bool = False
    """Whether a stand-in of the Hub serves `folder`, and HF_ENDPOINT names it."""

    @property
    def over_hub(self) -> bool:
        """Whether rows come by way of the Hub's clients."""
        return self.kind == "hub" or self.served

    @property
    def place(self) -> str:
        """What names it on a command line."""
        return self.folder or self.kind

    def root_folder(self, tracks: Path, track: str) -> Path:
        """The folder that holds `<org>/<name>`; each track has its own samples."""
        return tracks / track / "samples" if self.kind == "samples" else Path(self.folder)


@dataclass(frozen=True, slots=True)
class LoaderSpec:
    """One loader: its name, its own options, the number of samples to stop at (0: none), whether it starts anew, and
    how many processes convert its rows (1: the worker itself; 0: its worker's share)."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    cap: int = 0
    fresh: bool = False
    workers: int = 1


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """One track's work: its loaders in order, the checkout's `tracks` folder, the source, the state folder."""

    track: str
    tracks: str
    loaders: list[LoaderSpec]
    source: SourceSpec
    state: str
    longest_wait: float = 900.0
    """Seconds that the Hub may ask a loader to wait before that is a failure."""
    seed: int = 0
    """The master seed of the corrupters' draws."""
    share: int = 1
    """Cores that fall to the worker for now."""
    connections: int = 8
    """Connections to the Hub that fall to it for now."""
    cache: int = 0
    """Bytes of the Hub's files that are retained on this disk at most; 0: none."""
    by_xet: bool = False
    """Whether whole files come by `hf_xet`."""

    def encode(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @staticmethod
    def decode(data: dict[str, Any]) -> WorkerSpec:
        """What `encode` wrote."""
        loaders = [LoaderSpec(**loader) for loader in data["loaders"]]
        return WorkerSpec(**{**data, "loaders": loaders, "source": SourceSpec(**data["source"])})
