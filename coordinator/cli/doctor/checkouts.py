"""Git, the main checkout, and each track's own: whole, joined to the repository, up to date."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ...engine.porcelain import OLDEST, State, Worktree
from ...engine.repository import git_version
from ...engine.worktrees import WorktreeManager
from ...errors import PolecatsError
from ...paths import NAME, Paths, all_track_names
from .finding import Finding

SHOWN = 5


def look(paths: Paths) -> Iterator[Finding]:
    """Findings about git and every checkout; where git cannot work on the repository at all, why."""
    manager = WorktreeManager(paths.root)
    try:
        version = git_version()
        main = manager.main()
    except PolecatsError as error:
        yield Finding("bad", "git", str(error))
        return
    yield _git(version)
    yield from _main(main)
    found = [finding for track in all_track_names(paths.tracks) for finding in _checkout(manager, track)]
    yield from found or [Finding("ok", "worktrees", "none yet: a run makes them")]
    yield from _strangers(paths)


def _git(version: tuple[int, ...]) -> Finding:
    text = ".".join(map(str, version)) or "of unknown version"
    if version < OLDEST:
        return Finding("bad", "git", f"{text} is too old: install {'.'.join(map(str, OLDEST))} or newer.")
    return Finding("ok", "git", text)


def _main(main: State) -> Iterator[Finding]:
    commit = (main.commit or "")[:12]
    if main.branch is None:
        sentence = f"at {commit}, on no branch: what is committed there is easily lost; git switch -c NAME keeps it."
        yield Finding("note", "main", sentence)
    else:
        yield Finding("ok", "main", f"on {main.branch} at {commit}")
    if main.changed:
        more = f" and {len(main.changed) - SHOWN} more" if len(main.changed) > SHOWN else ""
        sentence = (
            f"uncommitted: {', '.join(main.changed[:SHOWN])}{more}. Tracks run what stands in worktrees/<track>: "
        )
        yield Finding("note", "main", sentence + "commit it here, or make the edit there.")


def _checkout(manager: WorktreeManager, track: str) -> Iterator[Finding]:
    try:
        fault = manager.fault(track)
        if fault is not None:
            yield Finding("bad", track, f"worktrees/{track} {fault}.", partial(_ready, manager, track))
        elif (tree := manager.status(track)) is not None:
            yield _standing(manager, tree)
    except PolecatsError as error:
        yield Finding("bad", track, str(error))


def _standing(manager: WorktreeManager, tree: Worktree) -> Finding:
    own = [f"{tree.ahead} ahead of main"] * bool(tree.ahead) + [f"{len(tree.dirty)} edited"] * bool(tree.dirty)
    sentence = f"{tree.branch} at {tree.path}: {', '.join([*own, *tree.notes]) or 'as main'}"
    if tree.behind and not own and tree.branch == f"polecat/{tree.track}":
        return Finding("note", tree.track, f"{sentence}.", partial(_ready, manager, tree.track))
    return Finding("note" if tree.notes else "ok", tree.track, sentence)


def _ready(manager: WorktreeManager, track: str) -> str:
    """As a run does it: whatever is in the way is kept, and said."""
    return "; ".join(manager.ensure(track).notes)


def _strangers(paths: Paths) -> Iterator[Finding]:
    """What stands beside the checkouts: nobody's, or renamed to make room. It is never touched."""
    tracks, folder = all_track_names(paths.tracks), paths.state.parent
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name in tracks or path.name.startswith(".") or not path.is_dir():
            continue
        if NAME.fullmatch(path.name):
            yield Finding("note", "worktrees", f"{path} is of no track; it is left alone.")
        else:
            yield Finding(
                "note", "worktrees", f"{path} was renamed to make room; remove it when nothing in it is needed."
            )
