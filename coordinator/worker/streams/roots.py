"""Where a source's files are: on the Hub, or in a folder laid out like it. The same globs hold for both."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import urlsplit

from fsspec.utils import glob_translate

from ...contract import HubSource
from ...events import FailureClass
from ..failures import REMEDIES, SourceError
from ..hub.listings import Listing, Listings
from ..hub.remote_file import RemoteFile
from .base import Resolved, SourceFile
from .telling import ALTERED, telling

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from ..hub.access import Hub

LOOK_UP_TIMEOUT = 20.0
"""Seconds without a byte after which a look-up is given up."""
NOT_COMPARED = "not compared with the Hub: offline"


class Entry(NamedTuple):
    """A file of a repository, by its path within it."""

    path: str
    url: str
    size: int
    stamp: int = 0
    remote: RemoteFile | None = None


class Root(Protocol):
    """A place that holds datasets."""

    def resolve(self, source: HubSource) -> Resolved:
        """The source's files. Raises `SourceError`."""


class FolderRoot:
    """A folder that holds `<org>/<name>/<path as on the Hub>`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resolve(self, source: HubSource) -> Resolved:
        """See `Root.resolve`."""
        repository = self.folder / source.repo
        if not repository.is_dir():
            sentence = f"{source.repo}: there is no folder {repository}"
            raise SourceError("not_found", sentence, f"Put a copy in Hub layout there, or leave {source.repo} out.")
        with telling(source.repo):
            entries = list(_local_entries(repository))
        return _select(source, "local", entries)


def _local_entries(repository: Path) -> Iterable[Entry]:
    for path in sorted(repository.rglob("*")):
        relative = path.relative_to(repository)
        hidden = any(part.startswith(".") for part in relative.parts)
        # A parquet sample's readable twin is for people.
        if path.is_file() and not hidden and not path.name.endswith(".parquet.jsonl"):
            status = path.stat()
            yield Entry(relative.as_posix(), str(path), status.st_size, status.st_mtime_ns)


class HubRoot:
    """The Hugging Face Hub (or what HF_ENDPOINT names), or what it said last, where it cannot be reached.

    `progress` takes what has come, in bytes.
    """

    def __init__(self, hub: Hub, progress: Callable[[int], None]) -> None:
        self._hub, self._progress = hub, progress

    def resolve(self, source: HubSource) -> Resolved:
        """See `Root.resolve`. One call for the commit, one listing for each folder that a glob starts in."""
        asked = source.repo if source.revision == "main" else f"{source.repo} at {source.revision}"
        listings = Listings(self._hub.store, source.repo, source.revision, _start_folders(source))
        try:
            with telling(asked), self._hub.calling():
                found = self._look_up(source)
        except SourceError as error:
            known = listings.recall() if error.offline else None
            if known is None:
                raise
            return self._selected(source, known, offline=True)
        listings.remember(found)
        return self._selected(source, found, offline=False)

    def _selected(self, source: HubSource, found: Listing, offline: bool) -> Resolved:
        base = f"hf://datasets/{source.repo}@{found.commit}"
        entries = [Entry(file.path, f"{base}/{file.path}", file.size, 0, file) for file in found.files]
        resolved = _select(source, found.commit, entries)
        if not offline:
            return resolved
        return replace(resolved, offline=True, warnings=[*resolved.warnings, f"{source.repo}: {NOT_COMPARED}"])

    def _look_up(self, source: HubSource) -> Listing:
        """The commit that the source's revision stands for, and the files that its globs may match there."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HFValidationError

        api = HfApi()
        try:
            info = api.dataset_info(source.repo, revision=source.revision, timeout=LOOK_UP_TIMEOUT)
            commit = info.sha or source.revision
            if info.gated:
                api.auth_check(source.repo, repo_type="dataset")
            return Listing(commit, self._list(api, source, commit))
        except HFValidationError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            sentence = f"{source.repo}: {urlsplit(api.endpoint).hostname} answered with something that is not the Hub's"
            raise SourceError("network", sentence, ALTERED) from error

    def _list(self, api: HfApi, source: HubSource, commit: str) -> list[RemoteFile]:
        found = dict[str, RemoteFile]()
        for folder in _start_folders(source):
            found.update({file.path: file for file in self._tree(api, source, folder, commit, recursive=True)})
        entries = [Entry(path, path, file.size) for path, file in found.items()]
        if not any(
            _matching("", pattern, entries) for pattern in source.files.values()
        ):  # a person is told what is there
            found.update({file.path: file for file in self._tree(api, source, "", commit, recursive=False)})
        return [found[path] for path in sorted(found)]

    def _tree(self, api: HfApi, source: HubSource, folder: str, commit: str, recursive: bool) -> Iterable[RemoteFile]:
        """The files in a folder; none where there is no such folder: its globs match nothing."""
        from huggingface_hub.errors import EntryNotFoundError
        from huggingface_hub.hf_api import RepoFile

        try:
            for item in api.list_repo_tree(
                source.repo, folder or None, recursive=recursive, revision=commit, repo_type="dataset"
            ):
                self._progress(len(item.path))
                if isinstance(item, RepoFile) and _lies_within(item.path):
                    etag = item.lfs.sha256 if item.lfs else item.blob_id
                    yield RemoteFile(source.repo, commit, item.path, item.size, etag)
        except EntryNotFoundError:
            return


def _start_folders(source: HubSource) -> list[str]:
    """The folders below which the globs look, without those that lie in another of them."""
    starts = set()
    for pattern in (*source.files.values(), *source.companions.values()):
        fixed = pattern[: re.search(r"[*?\[]|$", pattern).start()]  # type: ignore[union-attr]
        starts.add(fixed.rpartition("/")[0])
    return sorted(
        s for s in starts if not any(s != other and f"{s}/".startswith(f"{other}/".lstrip("/")) for other in starts)
    )


def _lies_within(path: str) -> bool:
    """A listing comes from a server: what is no plain path below the repository is no file of it."""
    return all(part not in ("", ".", "..") for part in path.split("/")) and path.isprintable() and "\\" not in path


def _select(source: HubSource, revision: str, entries: list[Entry]) -> Resolved:
    files, warnings = [], []
    for split, pattern in source.files.items():
        found = _matching(split, pattern, entries)
        files += found
        if not found:
            warnings.append(f"{source.repo}: no file matches {pattern} ({split})")
    if not files and not source.may_be_empty:
        raise _nothing_matches(source, entries)
    companions = {name: _matching(name, pattern, entries) for name, pattern in source.companions.items()}
    warnings += [
        f"{source.repo}: no file matches {source.companions[name]} ({name})"
        for name, found in companions.items()
        if not found
    ]
    return Resolved(revision, files, companions, warnings)


def _nothing_matches(source: HubSource, entries: list[Entry]) -> SourceError:
    paths = [entry.path for entry in entries]
    script = f"{PurePosixPath(source.repo).name}.py"
    wanted, seen = ", ".join(source.files.values()), ", ".join(paths[:8]) or "nothing"
    sentence = f"{source.repo}: no file matches {wanted}; the repository has {seen}"
    failure_class: FailureClass = "script_unsupported" if script in paths else "not_found"
    return SourceError(failure_class, sentence, REMEDIES[failure_class])


def _matching(split: str, pattern: str, entries: list[Entry]) -> list[SourceFile]:
    match = re.compile(glob_translate(pattern)).match
    return [SourceFile(split, *entry) for entry in entries if match(entry.path)]
