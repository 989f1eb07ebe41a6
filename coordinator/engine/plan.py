"""What a run does, decided before anything starts: which loaders, from where, up to how many, into which file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config import Config, did_you_mean, ordered_loaders
from ..errors import PolecatsError
from ..paths import ROMAN, TIER_OF, Paths
from ..worker.failures import SourceError
from ..worker.parents import parents_of
from ..worker.spec import LoaderSpec, SourceSpec, WorkerSpec

Name = tuple[str, str]
"""(track, loader)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; empty lists mean all."""

    tracks: Sequence[str] = ()
    exclude_tracks: Sequence[str] = ()
    loaders: Sequence[str] = ()
    max_samples: int | None = None
    target: int | None = None
    fresh: bool = False
    tier: int = 1
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A run's decisions. `loaders` is in merge order."""

    paths: Paths
    config: Config
    source: SourceSpec
    loaders: list[Name]
    target: int
    max_samples: int | None
    fresh: bool = False
    inline: bool = False
    wanted: Wanted = Wanted()

    def again(self) -> Plan:
        """The same plan with the loaders that stand in the worktrees now."""
        return make_plan(self.paths, self.config, self.source, self.wanted, self.inline)

    @property
    def names(self) -> list[str]:
        """`track/loader` in merge order."""
        return [f"{track}/{loader}" for track, loader in self.loaders]

    @property
    def tier(self) -> int:
        """What is made: 1 from sources, 2 and 3 from a Tier I file."""
        return self.wanted.tier

    @property
    def seed(self) -> int:
        """The master seed: the command line's, else config.toml's."""
        return self.config.run.seed if self.wanted.seed is None else self.wanted.seed

    @property
    def state(self) -> Path:
        """The state folder of the run's source."""
        return self.paths.source_state(self.source.key)

    def checkout(self, track: str) -> Path:
        """The `tracks` folder that a track's code comes from."""
        return self.paths.tracks if self.inline else self.paths.checkout(track)

    def cap(self, track: str, loader: str) -> int:
        """Samples at most (0: no limit): the command line's, else config.toml's."""
        return self.max_samples if self.max_samples is not None else self.config.loader(track, loader).max_samples

    def specs(self, caps: dict[str, int], fresh: bool) -> list[WorkerSpec]:
        """The workers' orders, a track each, for the loaders in `caps` (`track/loader` -> samples at most)."""
        tracks = dict.fromkeys(track for track, loader in self.loaders if f"{track}/{loader}" in caps)
        return [
            WorkerSpec(
                track,
                str(self.checkout(track)),
                [
                    self._spec(track, loader, caps[f"{track}/{loader}"], fresh)
                    for of, loader in self.loaders
                    if of == track and f"{track}/{loader}" in caps
                ],
                self.source,
                str(self.state),
                self.config.run.longest_wait,
                self.seed,
                connections=self.config.hub.connections,
                cache=self.config.cache.limit_bytes,
                by_xet=self.config.hub.xet,
            )
            for track in tracks
        ]

    def _spec(self, track: str, loader: str, cap: int, fresh: bool) -> LoaderSpec:
        """A loader's order. All in one process means one each."""
        workers = 1 if self.inline else self.config.loader_workers(track, loader)
        return LoaderSpec(loader, self.config.loader(track, loader).options, cap, fresh, workers)


def make_plan(paths: Paths, config: Config, source: SourceSpec, wanted: Wanted, inline: bool = False) -> Plan:
    """The plan for a command line. Raises `PolecatsError` for names that are not there, or nothing left to run."""
    known = ordered_loaders(paths, config, not inline, wanted.tier)
    _check_tier(wanted)
    chosen = [
        name
        for name in known
        if _track_wanted(name[0], wanted, known) and (not wanted.loaders or _loader_wanted(name, wanted, known))
    ]
    if not chosen:
        raise PolecatsError("Nothing to run: no loader is left after --track, --exclude-track and --loader.")
    target = wanted.target if wanted.target is not None else config.run.target
    return Plan(paths, config, source, chosen, target, wanted.max_samples, wanted.fresh, inline, wanted)


def _check_tier(wanted: Wanted) -> None:
    """A track or loader of another tier is there, but not in this run."""
    for name in (*wanted.tracks, *wanted.exclude_tracks, *wanted.loaders):
        tier = TIER_OF.get(name.partition("/")[0], wanted.tier)
        if tier != wanted.tier:
            raise PolecatsError(f"{name} is of Tier {ROMAN[tier]}, which polecats run --tier {tier} makes.")


def _track_wanted(track: str, wanted: Wanted, known: list[Name]) -> bool:
    tracks = sorted({name for name, _ in known})
    for name in (*wanted.tracks, *wanted.exclude_tracks):
        if name not in tracks:
            raise PolecatsError(f"There is no track {name}{did_you_mean(name, tracks)}; there are {', '.join(tracks)}.")
    return (not wanted.tracks or track in wanted.tracks) and track not in wanted.exclude_tracks


def _loader_wanted(name: Name, wanted: Wanted, known: list[Name]) -> bool:
    every = {loader for _, loader in known} | {f"{track}/{loader}" for track, loader in known}
    for loader in wanted.loaders:
        if loader not in every:
            raise PolecatsError(f"There is no loader {loader}{did_you_mean(loader, sorted(every))}.")
    return name[1] in wanted.loaders or f"{name[0]}/{name[1]}" in wanted.loaders


def select(known: list[Name], target: str) -> list[Name]:
    """The loaders that `TRACK`, `TRACK/LOADER` or `LOADER` means. Raises `PolecatsError` for none."""
    found = [name for name in known if target in (name[0], name[1], f"{name[0]}/{name[1]}")]
    if not found:
        every = sorted({part for track, loader in known for part in (track, loader, f"{track}/{loader}")})
        raise PolecatsError(f"There is no track or loader {target}{did_you_mean(target, every)}.")
    return found


def source_spec(text: str, base: Path) -> SourceSpec:
    """`hub`, `samples`, or a folder relative to `base`. Raises `PolecatsError` for a folder that is not there."""
    if text == "hub":
        return SourceSpec("hub", "hub")
    if text == "samples":
        return SourceSpec("samples", "samples")
    folder = (base / text).resolve()
    if not folder.is_dir():
        raise PolecatsError(f"--source {text}: neither hub nor samples, and there is no folder {folder}.")
    return SourceSpec("dir", f"dir-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}", str(folder))


def tier_spec(tier: int, file: Path) -> SourceSpec:
    """A Tier I file as the source of a tier. Raises `PolecatsError` where it is none, or was changed since."""
    file = file.resolve()
    try:
        parents_of(file)
    except SourceError as error:
        raise PolecatsError(f"{error.sentence}. {error.remedy}") from None
    return SourceSpec("tier1", f"tier{tier}-{hashlib.sha256(str(file).encode()).hexdigest()[:12]}", str(file))


def demo_spec(folder: Path) -> SourceSpec:
    """The source of a demonstration's mirror."""
    return SourceSpec("demo", "demo", str(folder))


def drill_spec(folder: Path) -> SourceSpec:
    """The source of a drill's mirror, which a stand-in of the Hub serves."""
    return SourceSpec("demo", "drill", str(folder), served=True)
