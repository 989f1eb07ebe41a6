"""Where everything stands. Every path of the project is made here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .errors import PolecatsError

CONFIG = "config.toml"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""Legal track and loader names: they become folders, branches and module names."""
TIER_OF = {"amber": 2, "garnet": 3}
"""The tracks that read a Tier I file instead of a source; all others are Tier I."""
ROMAN = {1: "I", 2: "II", 3: "III"}
"""Tiers as rows and people name them."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The layout below a repository's root."""

    root: Path

    @property
    def config(self) -> Path:
        """config.toml."""
        return self.root / CONFIG

    @property
    def tracks(self) -> Path:
        """The tracks of the main checkout."""
        return self.root / "tracks"

    def checkout(self, track: str) -> Path:
        """The `tracks` folder that a track's code comes from: its worktree's where there is one, else main's."""
        own = self.root / "worktrees" / track / "tracks"
        return own if own.is_dir() else self.tracks

    @property
    def state(self) -> Path:
        """Run state, outside every checkout of a track."""
        return self.root / "worktrees" / ".state"

    @property
    def runs(self) -> Path:
        """A folder a run, with its journal."""
        return self.state / "runs"

    @property
    def engine_log(self) -> Path:
        """What an engine without a terminal prints."""
        return self.state / "engine.log"

    @property
    def lock(self) -> Path:
        """Held by the run of this repository."""
        return self.state / "lock"

    @property
    def socket(self) -> Path:
        """Says where the engine of the run in progress listens."""
        return self.state / "socket"

    @property
    def mirrors(self) -> Path:
        """Mirrors built by `demo`."""
        return self.state / "mirrors"

    @property
    def last(self) -> Path:
        """What the last run read, and the quotas it ended with."""
        return self.state / "last.json"

    def source_state(self, source_key: str) -> Path:
        """State of what was read from one source (`hub`, `samples`, `demo`, `dir-<hash>`, `tier2-<hash>`)."""
        return self.state / source_key

    def loader_state(self, source_key: str, track: str, loader: str) -> Path:
        """Parts and commits of one loader."""
        return self.source_state(source_key) / "tracks" / track / loader


def manifest_path(output: Path) -> Path:
    """`<stem>.manifest.json` beside a published file."""
    return output.with_name(f"{output.stem}.manifest.json")


def find_root(start: Path) -> Paths:
    """The nearest folder at or above `start` that holds config.toml and tracks/. Raises `PolecatsError`.

    A track's checkout below `worktrees` holds both too: there the repository that it belongs to is meant.
    """
    for folder in (start, *start.parents):
        if _is_root(folder):
            owner = folder.parent.parent
            return Paths(owner if folder.parent.name == "worktrees" and _is_root(owner) else folder)
    raise PolecatsError(
        f"No polecats repository here: neither {start} nor a folder above it holds {CONFIG} and tracks/. "
        "Change into your clone and try again."
    )


def _is_root(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and (folder / "tracks").is_dir()


def track_names(tracks: Path, tier: int = 1) -> list[str]:
    """Tracks of a tier below `tracks`, by name, without importing anything."""
    return [name for name in all_track_names(tracks) if TIER_OF.get(name, 1) == tier]


def all_track_names(tracks: Path) -> list[str]:
    """Tracks of every tier."""
    folders = [entry for entry in tracks.iterdir() if entry.is_dir()] if tracks.is_dir() else []
    return sorted(entry.name for entry in folders if NAME.fullmatch(entry.name) and entry.name[0] != "_")


def loader_names(tracks: Path, track: str) -> list[str]:
    """Loaders of a track (its modules but `_*`), by name, without importing anything."""
    files = (tracks / track).glob("*.py")
    return sorted(path.stem for path in files if not path.stem.startswith("_") and NAME.fullmatch(path.stem))
