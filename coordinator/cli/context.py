"""What every command starts from: the repository, its configuration, its loaders."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from ..config import Config, load, ordered_loaders
from ..engine.plan import Name, source_spec, tier_spec
from ..paths import ROMAN, Paths, find_root
from ..worker.spec import KEY, SourceSpec


@dataclass(frozen=True, slots=True)
class LastRun:
    """What the last run did, as `.state/last.json` keeps it. `quotas`: rows a loader in the file; None: all."""

    run: str
    inline: bool
    source: SourceSpec
    output: str
    merge: bool
    quotas: dict[str, int] | None = None
    tier: int = 1
    seed: int | None = None
    target: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """A repository with its configuration."""

    paths: Paths
    config: Config
    inline: bool = False
    """Whether loaders come from the main checkout instead of each track's worktree."""
    tier: int = 1

    @property
    def loaders(self) -> list[Name]:
        """All enabled loaders of its tier, in merge order."""
        return self._of(self.tier)

    @property
    def every_loader(self) -> list[Name]:
        """All enabled loaders of all tiers."""
        return [name for tier in ROMAN for name in self._of(tier)]

    def _of(self, tier: int) -> list[Name]:
        return ordered_loaders(self.paths, self.config, not self.inline, tier)

    def checkout(self, track: str) -> Path:
        """The `tracks` folder that a track's code comes from."""
        return self.paths.tracks if self.inline else self.paths.checkout(track)

    def last_run(self) -> LastRun | None:
        """The last run, or None where there was none (or it cannot be read)."""
        try:
            last = TypeAdapter(LastRun).validate_json(self.paths.last.read_bytes(), strict=True)
        except (OSError, ValueError):
            return None
        return last if KEY.fullmatch(last.source.key) and last.tier in ROMAN else None

    def source(self, text: str | None) -> SourceSpec:
        """The source that the command line names (relative to here), or config.toml (relative to the root).

        A tier's is a Tier I file, by default the one that is published. Raises `PolecatsError`.
        """
        if self.tier > 1:
            named = self.paths.root / self.config.publish.output if text is None else Path.cwd() / text
            return tier_spec(self.tier, named)
        if text is not None:
            return source_spec(text, Path.cwd())
        return source_spec(self.config.run.source, self.paths.root)

    def output(self, path: Path | None) -> Path:
        """The file to publish; a link to one stays, and what it names is the file."""
        own = self.paths.root / self.config.publish.output
        default = own if self.tier == 1 else own.with_name(f"tier{self.tier}.jsonl")
        file = default if path is None else Path.cwd() / path
        return Path(os.path.realpath(file)) if os.path.islink(file) else file


def context(inline: bool | None = False, tier: int | None = 1) -> Context:
    """The context of the working directory; None: as the last run was. Raises `PolecatsError`."""
    paths = find_root(Path.cwd())
    config = load(paths, os.environ)
    last = Context(paths, config).last_run()
    if inline is None:
        inline = last is not None and last.inline
    if tier is None:
        tier = last.tier if last is not None else 1
    return Context(paths, config, inline, tier)
