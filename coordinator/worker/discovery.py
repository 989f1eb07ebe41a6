"""Finding a track's loader: a module of `tracks` from one checkout, never from a cache, proven by its file.

`TracksFinder` maps the package `tracks` to one folder and compiles its modules from source each time: a same-size
edit within a second would otherwise run the old bytecode.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from ..contract import HubSource, Loader
from ..contract.tiers import Corrupter
from .failures import SourceError


class _FromSource(SourceFileLoader):
    """Compiles the source every time; writes and reads no bytecode."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


class TracksFinder:
    """A meta-path finder for `tracks` and everything below it; all other names are left to Python."""

    def __init__(self, tracks: Path) -> None:
        self.tracks = tracks

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module below `tracks`, from this checkout; None for any other name."""
        if fullname == "tracks":
            return self._package(fullname, self.tracks)
        if not fullname.startswith("tracks."):
            return None
        for folder in path or []:
            spec = FileFinder(folder, (_FromSource, [".py"])).find_spec(fullname)
            if spec is not None:
                if spec.loader is None:  # a folder without __init__.py: a package all the same
                    return self._package(fullname, Path(next(iter(spec.submodule_search_locations or [folder]))))
                return spec
        return None

    def _package(self, fullname: str, folder: Path) -> ModuleSpec:
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        return spec


def install(tracks: Path) -> None:
    """Make `import tracks...` mean this folder, forgetting modules that came from elsewhere or were edited."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, TracksFinder)]
    sys.meta_path.insert(0, TracksFinder(tracks.resolve()))
    for name in [name for name in sys.modules if name == "tracks" or name.startswith("tracks.")]:
        del sys.modules[name]


@dataclass(frozen=True, slots=True)
class Found:
    """A loader made ready: the object, its source file, and options that it does not take."""

    loader: Any
    file: Path
    unused_options: list[str]

    @property
    def declared(self) -> bool:
        """Whether it declares what it reads (`Loader`, `Corrupter`), or brings its own `load()`."""
        return isinstance(self.loader, Loader | Corrupter)

    @property
    def corrupts(self) -> bool:
        """Whether it reads a Tier I file."""
        return isinstance(self.loader, Corrupter)


def find(tracks: Path, track: str, name: str, options: dict[str, Any]) -> Found:
    """Import tracks/<track>/<name>.py and construct its loader. Needs `install(tracks)`.

    Raises `SourceError` for a module without exactly one loader class, and whatever the module itself raises.
    """
    if not (tracks / track / f"{name}.py").is_file():
        raise SourceError("loader_bug", f"there is no {tracks / track / name}.py", "Look at the loader's name.")
    importlib.invalidate_caches()
    module = importlib.import_module(f"tracks.{track}.{name}")
    file = Path(module.__file__ or "").resolve()
    if not file.is_relative_to(tracks.resolve()):
        raise SourceError(
            "internal",
            f"{track}/{name} came from {file}, not from {tracks}",
            "Start polecats in the repository.",
        )
    cls = _loader_class(module, file)
    taken, unused = _fitting(cls, options)
    _check(cls, taken, file)
    return Found(cls(**taken), file, unused)


def _loader_class(module: ModuleType, file: Path) -> Any:
    own: list[Any] = [
        item for item in vars(module).values() if inspect.isclass(item) and item.__module__ == module.__name__
    ]
    declared = [cls for cls in own if issubclass(cls, Loader | Corrupter) and not inspect.isabstract(cls)]
    candidates = declared or [cls for cls in own if callable(getattr(cls, "load", None))]
    public = [cls for cls in candidates if not cls.__name__.startswith("_")]
    if len(public) == 1:
        return public[0]
    found = f"{len(public)} ({', '.join(cls.__name__ for cls in public)})" if public else "none"
    raise SourceError(
        "loader_bug",
        f"{file} must hold one public class derived from Loader or Corrupter or with load(); it has {found}",
        "Keep one loader a file; see tracks/README.md.",
    )


def _fitting(cls: Any, options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options that the constructor takes, and the names of the others."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(cls).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return options, []
    taken = {key: value for key, value in options.items() if key in parameters and parameters[key].kind in kinds}
    return taken, sorted(options.keys() - taken.keys())


def _check(cls: Any, options: dict[str, Any], file: Path) -> None:
    """Raises `SourceError` for a class that cannot be constructed or lacks what a declared loader declares."""
    try:
        inspect.signature(cls).bind(**options)
    except TypeError as error:
        sentence = f"{file}: {cls.__name__} cannot be made: {error}"
        raise SourceError("loader_bug", sentence, "Give the option a default, or set it in config.toml.") from None
    if issubclass(cls, Loader) and not isinstance(getattr(cls, "source", None), HubSource):
        raise SourceError("loader_bug", f"{file}: {cls.__name__} has no source", "Declare source = HubSource(...).")
    if issubclass(cls, Loader) and cls.source.strided and cls.source.builder != "parquet":
        sentence = f"{file}: {cls.__name__} is strided, and its files are {cls.source.builder}: only parquet can be"
        raise SourceError("loader_bug", sentence, "Leave strided=True out.")
    if issubclass(cls, Loader) and not isinstance(getattr(cls, "category", None), str):
        raise SourceError("loader_bug", f"{file}: {cls.__name__} has no category", "Declare its category.")
    if issubclass(cls, Corrupter) and getattr(cls, "strategy", None) != file.stem:
        sentence = f"{file}: {cls.__name__}'s strategy is not {file.stem}, the name that its rows are known by"
        raise SourceError("loader_bug", sentence, f'Declare strategy = "{file.stem}", or rename the file.')
