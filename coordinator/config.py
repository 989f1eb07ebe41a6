"""config.toml: read with tomli, checked with pydantic, errors that name file, key and value.

The command line wins over `POLECATS_*` variables, they win over the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli
from annotated_types import Ge
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from .disk import size_of
from .errors import PolecatsError
from .paths import TIER_OF, Paths, all_track_names, loader_names, track_names

ENV_PREFIX = "POLECATS_"
SHOWN = 80
Natural = Annotated[int, Ge(0)]


def _checked_size(value: Any) -> str:
    text = "0" if value == 0 and type(value) is int else value
    try:
        size_of(text)
    except (ValueError, TypeError):
        raise PydanticCustomError("size", 'should be a size such as "50 GB" or "500 MiB", or 0 for none') from None
    return str(text)


Size = Annotated[str, BeforeValidator(_checked_size)]


class _Table(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class RunTable(_Table):
    """`[run]`."""

    source: str = "hub"
    """`hub`, `samples`, or a folder in Hub layout (relative to the root)."""
    target: Natural = 0
    """Rows wanted in the file after de-duplication; 0 = all."""
    seed: int = 0
    merge: bool = True
    workers: Literal["cores"] | Annotated[int, Ge(1)] = "cores"
    stall_timeout: Annotated[int, Ge(1)] = 120
    """Seconds without a row, a replayed row, a whole answer or 64 KiB until a loader counts as stalled."""
    longest_wait: Annotated[int, Ge(1)] = 900
    """Seconds that the Hub may ask a loader to wait; what asks for more ends it as `rate_limited`."""


class RestartTable(_Table):
    """`[restart]`."""

    policy: Literal["never", "on-failure", "always"] = "on-failure"
    max: Natural = 5


class PublishTable(_Table):
    """`[publish]`."""

    output: str = "data/tier1.jsonl"
    evaluation_only: bool = True
    """False leaves sources out that are licensed for evaluation only."""


class HubTable(_Table):
    """`[hub]`."""

    connections: Annotated[int, Ge(1)] = 8
    """Connections to the Hub that are open at a time, over the whole run."""
    xet: bool = False
    """Whether files that go through the cache come by `hf_xet`, where it is installed. Untested; see hub/xet.py."""


class CacheTable(_Table):
    """`[cache]`."""

    limit: Size = "50 GB"
    """What of the Hub's files is kept on this disk at most; `0`: everything is streamed, nothing is kept."""

    @property
    def limit_bytes(self) -> int:
        """The limit in bytes."""
        return size_of(self.limit)


class LoaderTable(BaseModel):
    """`[tracks.<track>.<loader>]`: `max_samples`, `enabled`, `workers`, and the loader's own options."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")
    max_samples: Natural = 0
    enabled: bool = True
    workers: Annotated[int, Ge(1)] | None = None
    """Processes that convert its rows; none given: the track's."""

    @property
    def options(self) -> dict[str, Any]:
        """What goes to the loader itself."""
        return dict(self.model_extra or {})


class TrackTable(BaseModel):
    """`[tracks.<track>]`: `workers` for each of its loaders, and a table a loader."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")
    __pydantic_extra__: dict[str, LoaderTable] = Field(init=False)
    workers: Annotated[int, Ge(1)] | None = None

    @property
    def loaders(self) -> dict[str, LoaderTable]:
        """The loaders' tables, in the file's order."""
        return self.__pydantic_extra__ or {}


class Config(_Table):
    """The whole file. `tracks` keeps the file's order, which is the merge order."""

    run: RunTable = Field(default_factory=RunTable)
    restart: RestartTable = Field(default_factory=RestartTable)
    publish: PublishTable = Field(default_factory=PublishTable)
    hub: HubTable = Field(default_factory=HubTable)
    cache: CacheTable = Field(default_factory=CacheTable)
    tracks: dict[str, TrackTable] = Field(default_factory=dict)

    def loader(self, track: str, loader: str) -> LoaderTable:
        """The loader's table, or the defaults."""
        return self._track(track).loaders.get(loader) or LoaderTable()

    def loader_workers(self, track: str, loader: str) -> int:
        """Processes that convert the loader's rows, no more than may be busy: its own number, else its track's; 0 where
        neither is set."""
        wanted = self.loader(track, loader).workers or self._track(track).workers or 0
        return min(wanted, self.slots())

    def slots(self) -> int:
        """Busy workers at most: the file's number, or the cores that this process may use."""
        return len(os.sched_getaffinity(0)) if self.run.workers == "cores" else self.run.workers

    def _track(self, track: str) -> TrackTable:
        return self.tracks.get(track) or TrackTable()


_TABLES: dict[str, type[BaseModel]] = {
    "run": RunTable,
    "restart": RestartTable,
    "publish": PublishTable,
    "hub": HubTable,
    "cache": CacheTable,
}
"""Those whose keys are fixed."""


def load(paths: Paths, environment: Mapping[str, str]) -> Config:
    """The configuration of a repository. Raises `PolecatsError` with file, key and value."""
    data = _read(paths.config)
    overlaid = _overlay(data, environment)
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise PolecatsError(_sentence(paths.config, error, overlaid)) from None
    _check_names(paths, config)
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomli.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise PolecatsError(f"{path}: not UTF-8 at byte {error.start}. Save it as UTF-8.") from None
    except ValueError as error:  # not TOML, or an integer of more digits than Python reads
        raise PolecatsError(f"{path}: not valid TOML: {_cut(str(error), 240)}.") from None
    except RecursionError:
        raise PolecatsError(f"{path}: not valid TOML: nested too deep.") from None
    except OSError as error:
        raise PolecatsError(f"{path}: cannot be read: {error.strerror}.") from None


def _overlay(data: dict[str, Any], environment: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """`POLECATS_RUN_TARGET=5` sets `[run] target`; returns the variables that were used, by table and key.

    Values are TOML, or text where TOML does not parse or text is wanted. An empty variable is none.
    """
    used = {}
    for section, table in _TABLES.items():
        for key, info in table.model_fields.items():
            variable = f"{ENV_PREFIX}{section}_{key}".upper()
            text = environment.get(variable)
            if text and isinstance(data.setdefault(section, {}), dict):
                data[section][key] = _value(text, info.annotation is str)
                used[section, key] = variable
    return used


def _value(text: str, wants_text: bool) -> Any:
    try:
        value = tomli.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
    return text if wants_text and not isinstance(value, str) else value


def _sentence(path: Path, error: ValidationError, overlaid: Mapping[tuple[str, str], str]) -> str:
    found = error.errors(include_url=False)
    first, depth = found[0], _depth(found[0]["loc"])
    steps = [_cut(str(step)) for step in first["loc"][:depth]]
    key = ".".join(steps)
    if first["type"] == "extra_forbidden":
        return f"{path}: unknown key {key}{_meant(steps)}. Remove or correct it."
    wrong = " or ".join(_wanted(item) for item in found if item["loc"][:depth] == first["loc"][:depth])
    place = overlaid.get((steps[0], steps[-1]), str(path))
    return f"{place}: {key} = {_shown(first['input'])}: {wrong}."


def _depth(location: tuple[int | str, ...]) -> int:
    """How much of an error's location is keys: behind `table.key`, pydantic names the kind that it tried."""
    return 4 if location[0] == "tracks" else 2


def _wanted(item: ErrorDetails) -> str:
    if item["type"] in ("model_type", "dict_type"):
        return "should be a table"
    return f"{item['msg'][:1].lower()}{item['msg'][1:]}".removeprefix("input ")


def _shown(value: Any) -> str:
    return _cut(repr(value))


def _cut(text: str, limit: int = SHOWN) -> str:
    """The beginning of a text: what stands in the file may be of any length."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def _meant(steps: list[str]) -> str:
    model = _TABLES.get(steps[0], Config) if len(steps) > 1 else Config
    return did_you_mean(steps[-1], list(model.model_fields))


def did_you_mean(name: str, known: list[str]) -> str:
    """` (did you mean x?)`, or nothing."""
    near = get_close_matches(name, known, 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _check_names(paths: Paths, config: Config) -> None:
    tracks = all_track_names(paths.tracks)
    for track, table in config.tracks.items():
        if track not in tracks:
            meant, shown = did_you_mean(track, tracks), _cut(track)
            raise PolecatsError(f"{paths.config}: tracks.{shown}: there is no folder tracks/{shown}{meant}.")
        known = sorted({*loader_names(paths.tracks, track), *loader_names(paths.checkout(track), track)})
        for loader in table.loaders:
            if loader not in known:
                meant, shown = did_you_mean(loader, known), _cut(loader)
                sentence = f"{paths.config}: tracks.{track}.{shown}: there is no tracks/{track}/{shown}.py{meant}."
                raise PolecatsError(sentence)


def ordered_loaders(paths: Paths, config: Config, isolated: bool = True, tier: int = 1) -> list[tuple[str, str]]:
    """(track, loader) of a tier in merge order: as config.toml lists them, the rest by name; no disabled ones.

    `isolated`: a track's loaders are those of its worktree, where it has one.
    """
    found = []
    listed_tracks = {track: table for track, table in config.tracks.items() if TIER_OF.get(track, 1) == tier}
    for track in _listed_first(listed_tracks, track_names(paths.tracks, tier)):
        names = loader_names(paths.checkout(track) if isolated else paths.tracks, track)
        table = config.tracks.get(track)
        listed = [name for name in (table.loaders if table else ()) if name in names]
        found += [(track, name) for name in _listed_first(dict.fromkeys(listed), names)]
    return [(track, name) for track, name in found if config.loader(track, name).enabled]


def _listed_first(listed: Mapping[str, object], found: list[str]) -> list[str]:
    return [*listed, *(name for name in found if name not in listed)]
