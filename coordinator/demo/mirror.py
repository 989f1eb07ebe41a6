"""A mirror of every source in Hub layout, varied from the sample repositories of the tracks.

The same samples and the same number of rows give the same bytes. A mirror is built beside its place and moved
there, so whoever reads it sees a whole one or none.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, count, islice
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from ..disk import naming
from .files import TWIN
from .shapes import Shape, read
from .vary import renamed, variant

FORMAT = 1
"""To be raised with every change to what is written, so that mirrors of an older kind are built anew."""
MARK = "mirror.json"
LEAST = 12
"""Rows that every repository gets at least, however few are asked for."""

Files = dict[str, Path]


@dataclass(frozen=True, slots=True)
class Change:
    """What makes a mirror another than the samples' own. `name` is another for every other change."""

    name: str
    least: Mapping[str, int]
    """Rows that a repository gets at least."""
    make: Callable[[Path], None]
    """Changes the files of the mirror in the folder that it is given."""


def build(
    tracks_dir: Path, out_dir: Path, rows: int, tracks: Sequence[str], change: Change | None = None
) -> dict[str, int]:
    """Write the mirror of all samples of `tracks`, `rows` rows in all; returns the rows of each repository.

    It has more where the samples themselves, or `LEAST` rows a repository, are more. Rows are counted in the
    files that hold users' texts: a repository without any is copied and counts none. Nothing is written where
    `out_dir` is this mirror already. A `change` is made before anybody sees it. Raises `ValueError`
    where two tracks ship different bytes of one file, `FileExistsError` where `out_dir` holds something that is no
    mirror, `DiskError`.
    """
    samples = _samples(tracks_dir, tracks)
    mark = {"format": FORMAT, "rows": rows, "samples": _digest(samples), "change": change.name if change else ""}
    held = _held(out_dir)
    if held.items() >= mark.items():
        return dict(held["repositories"])
    repositories = {name: _Repository(files) for name, files in samples.items()}
    written = _quotas(repositories, rows, change.least if change else {})
    needed = sum(repository.bytes(written[name]) for name, repository in repositories.items())
    with naming(out_dir, needed):
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{out_dir.name}-", dir=out_dir.parent) as beside:
            fresh = Path(beside, "fresh")
            _write(repositories, fresh, written)
            if change:
                change.make(fresh)
            text = json.dumps(mark | {"repositories": written}, indent=2)
            (fresh / MARK).write_text(text + "\n", encoding="utf-8")
            if out_dir.exists():
                out_dir.rename(Path(beside, "old"))
            fresh.rename(out_dir)
    return written


def shares(floors: Mapping[str, int], rows: int) -> dict[str, int]:
    """Split `rows` evenly, nobody below its floor; the sum is `rows`, or that of the floors if it is more."""
    names = sorted(floors, key=lambda name: (floors[name], name))
    while names and floors[names[-1]] * len(names) > rows:
        rows -= floors[names.pop()]
    level, more = divmod(rows, len(names)) if names else (0, 0)
    return {**floors, **{name: level + (index < more) for index, name in enumerate(sorted(names))}}


class _Repository:
    """The sample files of one repository: those to vary, those that follow them by id, and the rest."""

    def __init__(self, files: Files) -> None:
        self.files = files
        shapes = {name: shape for name, path in files.items() if (shape := read(path, _is_varied))}
        self.varied = {name: shape for name, shape in shapes.items() if any(map(_is_varied, shape.rows))}
        stems = {PurePosixPath(name).stem for name in self.varied}
        rest = {name: shape for name, shape in shapes.items() if name not in self.varied}
        self.answers = {name: shape for name, shape in rest.items() if PurePosixPath(name).stem in stems}
        self.rows = sum(len(shape.rows) for shape in self.varied.values())

    def bytes(self, rows: int) -> int:
        """About the bytes of all files with so many rows."""
        held = sum(path.stat().st_size for path in self.files.values())
        return held * rows // self.rows if self.rows else held

    def write(self, folder: Path, rows: int) -> None:
        """Write all files: each row as it is, then round after round of variations until there are `rows`."""
        copied = self.files.keys() - self.varied.keys() - self.answers.keys()
        for name in self.files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        for name in copied:
            shutil.copyfile(self.files[name], folder / name)
        rounds = self._write_varied(folder, rows - self.rows)
        for name, shape in self.answers.items():
            shape.write(folder / name, _answers(shape, rounds))

    def _write_varied(self, folder: Path, more: int) -> int:
        """Write the varied files, `more` variations in all; returns the number of rounds begun.

        The last round is cut in file order, so an earlier file may have one variation more than a later one.
        """
        sources = {name: list(filter(_is_varied, shape.rows)) for name, shape in self.varied.items()}
        round_rows = sum(map(len, sources.values()))
        rounds, left = divmod(more, round_rows) if sources else (0, 0)
        begun = rounds + (left > 0)
        for name, source in sources.items():
            last = min(left, len(source))
            left -= last
            added = islice(_variations(source), rounds * len(source) + last)
            self.varied[name].write(folder / name, chain(self.varied[name].rows, added))
        return begun


def _is_varied(row: Any) -> bool:
    return isinstance(row, dict) and variant(row, 1) is not None


def _variations(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any] | None]:
    return (variant(row, k) for k in count(1) for row in rows)


def _answers(shape: Shape, rounds: int) -> Iterator[Any]:
    """The rows as they are, then under the ids of each round; one without an id has no question to follow."""
    named = [row for row in shape.rows if isinstance(row, dict) and row.get("id") is not None]
    return chain(shape.rows, (renamed(row, k) for k in range(1, rounds + 1) for row in named))


def _quotas(repositories: Mapping[str, _Repository], rows: int, least: Mapping[str, int]) -> dict[str, int]:
    floors = {name: max(LEAST, found.rows, least.get(name, 0)) for name, found in repositories.items() if found.rows}
    quotas = shares(floors, rows)
    return {name: quotas.get(name, 0) for name in repositories}


def _write(repositories: Mapping[str, _Repository], folder: Path, quotas: Mapping[str, int]) -> None:
    folder.mkdir()
    for name, repository in repositories.items():
        repository.write(folder / name, quotas[name])


def _samples(tracks_dir: Path, tracks: Iterable[str]) -> dict[str, Files]:
    """Repository -> path within it -> sample file, both in name order."""
    found: dict[str, Files] = {}
    for track in tracks:
        for path in (tracks_dir / track / "samples").glob("*/*/**/*"):
            if path.is_file() and not path.name.endswith(".parquet" + TWIN):
                _add(found, path, path.relative_to(tracks_dir / track / "samples").parts)
    return {name: dict(sorted(found[name].items())) for name in sorted(found)}


def _add(found: dict[str, Files], path: Path, parts: Sequence[str]) -> None:
    known = found.setdefault("/".join(parts[:2]), {}).setdefault("/".join(parts[2:]), path)
    if known != path and known.read_bytes() != path.read_bytes():
        raise ValueError(f"two tracks ship different samples of one file: {known} and {path}")


def _digest(samples: Mapping[str, Files]) -> str:
    """SHA-256 of which files there are and what they hold."""
    held = {
        name: {inner: sha256(path.read_bytes()).hexdigest() for inner, path in files.items()}
        for name, files in samples.items()
    }
    return sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()


def _held(out_dir: Path) -> dict[str, Any]:
    """What the mirror at `out_dir` says of itself; nothing where there is none."""
    mark = out_dir / MARK
    if mark.is_file():
        held: dict[str, Any] = json.loads(mark.read_text(encoding="utf-8"))
        return held
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise FileExistsError(f"{out_dir} holds something that is no mirror of samples; it is left as it is")
    return {}
