"""What a person chooses on the start screen: loaders, source, limits. Pure: it ends as a command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..config import Config
from .stored import Known, Name


@dataclass(frozen=True, slots=True)
class Choice:
    """A run to start: the loaders (`track/loader`) in merge order, and its options."""

    loaders: tuple[str, ...] = ()
    every: bool = True
    """Whether these are all there are: then none is named, so that ones written meanwhile run, too."""
    source: str = "hub"
    target: int = 0
    max_samples: int | None = None
    fresh: bool = False
    merge: bool = True
    demo: bool = False
    tier: int = 1

    def arguments(self) -> list[str]:
        """As a command line of polecats."""
        if self.demo:
            return ["demo"]
        named = [] if self.every else [part for name in self.loaders for part in ("--loader", name)]
        limit = [] if self.max_samples is None else ["--max-samples", str(self.max_samples)]
        flags = [*(["--fresh"] if self.fresh else []), *([] if self.merge else ["--no-merge"])]
        origin = ["--source", self.source] if self.tier == 1 else ["--tier", str(self.tier)]
        return ["run", *named, *origin, "--target", str(self.target), *limit, *flags]


@dataclass(slots=True)
class Chooser:
    """The list with its cursor: tracks and loaders, ticked or not."""

    names: Sequence[Name]
    sources: Sequence[str] = ("hub", "samples")
    source: str = "hub"
    target: int = 0
    max_samples: int | None = None
    fresh: bool = False
    merge: bool = True
    ticked: set[Name] = field(default_factory=set)
    cursor: int = 0
    tier: int = 1
    tiers: Sequence[int] = (1,)
    """Those that there are loaders of."""

    @staticmethod
    def of(config: Config, names: Sequence[Name], further: str = "", tier: int = 1) -> Chooser:
        """As config.toml has it, everything ticked. `further`: a source that the last run had."""
        run = config.run
        if tier > 1:
            file = config.publish.output
            return Chooser(names, [file], file, run.target, None, False, run.merge, set(names), tier=tier)
        sources = list(dict.fromkeys(filter(None, [run.source, "hub", "samples", further])))
        return Chooser(names, sources, run.source, run.target, None, False, run.merge, set(names))

    @property
    def rows(self) -> list[Name]:
        """A row a track (its loader empty), a row a loader."""
        found: list[Name] = []
        for track, loader in self.names:
            if not found or found[-1][0] != track:
                found.append((track, ""))
            found.append((track, loader))
        return found

    def members(self, row: Name) -> list[Name]:
        """The loaders that a row stands for."""
        return [name for name in self.names if name[0] == row[0] and row[1] in ("", name[1])]

    def mark(self, row: Name) -> str:
        """`[x]`, `[ ]`, or `[-]` for a track of which some are ticked."""
        count, members = sum(name in self.ticked for name in self.members(row)), self.members(row)
        return "[x]" if count == len(members) else "[-]" if count else "[ ]"

    def toggle(self, row: Name) -> None:
        """Tick a row, or take its tick away; a track that is ticked in part becomes whole."""
        members = set(self.members(row))
        self.ticked = self.ticked - members if members <= self.ticked else self.ticked | members

    def move(self, by: int) -> None:
        """The cursor up or down."""
        self.cursor = max(0, min(len(self.rows) - 1, self.cursor + by))

    def next_source(self) -> None:
        """One source after the other."""
        at = self.sources.index(self.source) if self.source in self.sources else -1
        self.source = self.sources[(at + 1) % len(self.sources)]

    def choice(self, demo: bool = False) -> Choice:
        """What stands chosen."""
        chosen = tuple(f"{track}/{loader}" for track, loader in self.names if (track, loader) in self.ticked)
        every = len(chosen) == len(self.names)
        return Choice(
            chosen, every, self.source, self.target, self.max_samples, self.fresh, self.merge, demo, self.tier
        )


def needs(known: Known | None, token: bool) -> tuple[str, bool]:
    """What a source asks for, and whether it is missing."""
    if known is None or not known.gated:
        return "", False
    return ("token", False) if token else ("token !", True)
