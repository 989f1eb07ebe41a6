"""What runs have stored: parts that are not what was committed, parts set aside, files that were published."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ...disk import size
from ...errors import PolecatsError
from ...publish import manifest
from ...publish.inputs import unsound
from ...publish.selection import committed
from ...worker.parts import read_commits, set_aside
from ...worker.spec import KEY
from ..context import Context
from .finding import Finding

OTHERS = ("runs", "mirrors")


def look(here: Context) -> Iterator[Finding]:
    """Findings about everything below the state folder, and about the published file."""
    state = here.paths.state
    for folder in sorted(state.iterdir()) if state.is_dir() else []:
        if not folder.is_dir() or folder.name in OTHERS:
            continue
        if KEY.fullmatch(folder.name):
            yield from _source(folder)
        else:
            yield Finding(
                "note", "state", f"{folder} ({_size(folder)}) is of no source that is known; it is left alone."
            )
    yield from _published(here)


def _source(folder: Path) -> Iterator[Finding]:
    for loader in sorted(folder.glob("tracks/*/*")):
        name = f"{loader.parent.name}/{loader.name}"
        if why := unsound(loader):
            yield Finding("bad", "parts", f"{loader}: {why}; run {name} again to redo what is lost.")
        elif broken := _broken(loader):
            aside = folder / "aside" / name
            yield Finding("bad", "parts", f"{loader}: {broken}.", partial(_put_aside, loader, aside))
        if list(loader.glob("*.damaged")):
            sentence = f"{loader} holds damaged parts, kept to be looked at; they go when {name} runs again."
            yield Finding("note", "parts", sentence)
    if (aside := folder / "aside").is_dir():
        sentence = f"{_size(aside)} of parts set aside in {aside}; remove it when you want."
        yield Finding("note", "aside", sentence)


def _broken(folder: Path) -> str:
    """The first thing that is not what was committed, byte by byte, or nothing."""
    for commit in read_commits(folder)[0]:
        for file in filter(None, (commit.part, commit.keys, commit.rejects)):
            if committed(folder, file) is None:
                return f"{file.name} is not what was committed"
    return ""


def _put_aside(loader: Path, aside: Path) -> str:
    return f"All of it is kept in {set_aside(loader, aside)}; the next run makes it anew."


def _size(folder: Path) -> str:
    return size(sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()))


def _published(here: Context) -> Iterator[Finding]:
    file, found = here.output(None), manifest.read(here.output(None))
    if found is None:
        return
    try:
        manifest.check_replaceable(file, found["source"].get("kind", ""), replace=False)
    except PolecatsError as error:
        yield Finding("note", "published", str(error))
    else:
        yield Finding("ok", "published", f"{file}: {found['rows']:,} rows")
