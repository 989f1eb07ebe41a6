"""What a merge starts from: the committed segments of each loader, as its state folder holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..events import Counts
from ..worker.fingerprint import code_of
from ..worker.parts import COMMITS, HEADER, Commit, read_commits, read_header, unread_record

_OF_A_SOURCE = {
    "id": str,
    "revision": str,
    "licence": str,
    "evaluation_only": bool,
    "redistributable": bool,
    "unique_ids": bool,
}


@dataclass(frozen=True, slots=True)
class Input:
    """One loader's committed output. `left_out` says why it is not merged, if it is not."""

    track: str
    loader: str
    folder: Path
    source: dict[str, Any] = field(default_factory=dict)
    contract: str = ""
    commits: list[Commit] = field(default_factory=list)
    left_out: str = ""
    cut: str = ""
    """Why commits that were made are not among `commits`, if some are not."""
    fingerprint: dict[str, Any] = field(default_factory=dict)
    """What the rows depend on, by name."""

    @property
    def name(self) -> str:
        """`track/loader`."""
        return f"{self.track}/{self.loader}"

    @property
    def counts(self) -> Counts:
        """The balance up to the last commit."""
        return self.commits[-1].counts if self.commits else Counts()

    @property
    def done(self) -> bool:
        """Whether the source was read to its end."""
        return bool(self.commits) and self.commits[-1].done


@dataclass(frozen=True, slots=True)
class Choice:
    """Which committed rows may be published."""

    stale: bool = False
    """Take rows made by code that has been edited since, too."""
    evaluation_only: bool = True
    redistributable_only: bool = False


def collect(state: Path, loaders: list[tuple[str, str]], checkouts: dict[str, Path], choice: Choice) -> list[Input]:
    """The inputs of `loaders` (track, loader) in that order; `checkouts` gives each track's `tracks` folder."""
    return [_input(state, track, loader, checkouts[track], choice) for track, loader in loaders]


def _input(state: Path, track: str, loader: str, tracks: Path, choice: Choice) -> Input:
    folder = state / "tracks" / track / loader
    commits, length = read_commits(folder)
    cut = _cut(folder, len(commits), length)
    if not commits and not cut:
        return Input(track, loader, folder, left_out="nothing committed yet")
    header = _header(folder)
    if header is None:
        left_out = (
            f"{folder / HEADER} is missing or damaged, so it is unknown what its rows were made from; run it again"
        )
        return Input(track, loader, folder, commits=commits, left_out=left_out, cut=cut)
    mark, source = header["fingerprint"], header["source"]
    left_out = _reason(source, choice)
    if not choice.stale and mark.get("code") != code_of(tracks, track, loader):
        left_out = "stale: its code was edited since; run it again, or merge with --stale"
    return Input(track, loader, folder, source, str(mark.get("contract", "")), commits, left_out, cut, mark)


def unsound(folder: Path) -> str:
    """What is wrong with a folder's records, in words, or nothing; its parts are not looked at."""
    commits, length = read_commits(folder)
    if cut := _cut(folder, len(commits), length):
        return f"{COMMITS}: {cut}"
    return f"{HEADER} is missing or damaged" if commits and _header(folder) is None else ""


def _cut(folder: Path, sound: int, length: int) -> str:
    return f"record {sound} cannot be read, and none behind it counts" if unread_record(folder, length) else ""


def _header(folder: Path) -> dict[str, Any] | None:
    """A folder's header, if it says what readers here rely on."""
    header = read_header(folder) or {}
    mark, source = header.get("fingerprint"), header.get("source")
    return header if isinstance(mark, dict) and isinstance(source, dict) and fits_a_source(source) else None


def fits_a_source(source: dict[str, Any]) -> bool:
    """Whether it says of a source what a merge, a manifest and a card rely on."""
    return all(isinstance(source.get(key), kind) for key, kind in _OF_A_SOURCE.items())


def _reason(source: dict[str, Any], choice: Choice) -> str:
    if choice.redistributable_only and not source.get("redistributable", False):
        return "its licence forbids passing it on"
    if not choice.evaluation_only and source.get("evaluation_only", True):
        return "licensed for evaluation only"
    return ""
