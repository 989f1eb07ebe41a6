"""What every command starts from: the repository, its configuration, its loaders."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from ..config import Config, load, ordered_loaders
from ..engine.plan import Name, source_spec
from ..paths import Paths, find_root
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


@dataclass(frozen=True, slots=True)
class Context:
    """A repository with its configuration."""

    paths: Paths
    config: Config
    inline: bool = False
    """Whether loaders come from the main checkout instead of each track's worktree."""

    @property
    def loaders(self) -> list[Name]:
        """All enabled loaders in merge order."""
        return ordered_loaders(self.paths, self.config, not self.inline)

    def checkout(self, track: str) -> Path:
        """The `tracks` folder that a track's code comes from."""
        return self.paths.tracks if self.inline else self.paths.checkout(track)

    def last_run(self) -> LastRun | None:
        """The last run, or None where there was none (or it cannot be read)."""
        try:
            last = TypeAdapter(LastRun).validate_json(self.paths.last.read_bytes(), strict=True)
        except (OSError, ValueError):
            return None
        return last if KEY.fullmatch(last.source.key) else None

    def source(self, text: str | None) -> SourceSpec:
        """The source that the command line names (relative to here), or config.toml (relative to the root)."""
        if text is not None:
            return source_spec(text, Path.cwd())
        return source_spec(self.config.run.source, self.paths.root)

    def output(self, path: Path | None) -> Path:
        """The file to publish; a link to one stays, and what it names is the file."""
        file = Path.cwd() / path if path is not None else self.paths.root / self.config.publish.output
        return Path(os.path.realpath(file)) if os.path.islink(file) else file


def context(inline: bool | None = False) -> Context:
    """The context of the working directory; `inline` None: as the last run was. Raises `PolecatsError`."""
    paths = find_root(Path.cwd())
    config = load(paths, os.environ)
    if inline is None:
        last = Context(paths, config).last_run()
        inline = last is not None and last.inline
    return Context(paths, config, inline)
