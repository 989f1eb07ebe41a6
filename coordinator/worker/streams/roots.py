"""Where a source's files are: on the Hub, or in a folder laid out like it. The same globs hold for both."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast
from urllib.parse import urlsplit

from fsspec.utils import glob_translate

from ...contract import HubSource
from ...events import FailureClass
from ..failures import REMEDIES, SourceError
from .base import Resolved, SourceFile
from .telling import ALTERED, telling
from .watched import METER

if TYPE_CHECKING:
    from huggingface_hub import HfApi

LOOK_UP_TIMEOUT = 20.0
"""Seconds without a byte after which a look-up is given up."""
Entry = tuple[str, str, int, int]
"""(path within the repository, url, size, stamp)."""


class Root(Protocol):
    """A place that holds datasets."""

    def resolve(self, source: HubSource) -> Resolved:
        """The source's files. Raises `SourceError`."""


def open_file(file: SourceFile, ahead: int | None = None) -> BinaryIO:
    """The file for reading bytes, buffered, seekable. It and its reads raise `SourceError`.

    `ahead`: bytes asked for beyond those that are wanted, if not as many as for reading a file from end to end.
    """
    if not file.url.startswith("hf://"):
        with telling(file.path):
            return open(file.url, "rb", buffering=2**20)
    from .remote import RangeFileSystem

    opened = RangeFileSystem().open(file.url, "rb", size=file.size, block_size=ahead)
    return cast(BinaryIO, io.BufferedReader(opened, ahead or 2**20))


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
            yield relative.as_posix(), str(path), status.st_size, status.st_mtime_ns


class HubRoot:
    """The Hugging Face Hub (or what HF_ENDPOINT names)."""

    def resolve(self, source: HubSource) -> Resolved:
        """See `Root.resolve`. One call for the commit, one listing for each folder that a glob starts in."""
        with telling(source.repo if source.revision == "main" else f"{source.repo} at {source.revision}"):
            revision, entries = _look_up(source)
        return _select(source, revision, entries)


def _look_up(source: HubSource) -> tuple[str, list[Entry]]:
    """The commit that the source's revision stands for, and the files that its globs may match there."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    api = HfApi()
    try:
        info = api.dataset_info(source.repo, revision=source.revision, timeout=LOOK_UP_TIMEOUT)
        revision = info.sha or source.revision
        if info.gated:
            api.auth_check(source.repo, repo_type="dataset")
        return revision, _list(api, source, revision)
    except HFValidationError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        sentence = f"{source.repo}: {urlsplit(api.endpoint).hostname} answered with something that is not the Hub's"
        raise SourceError("network", sentence, ALTERED) from error


def _list(api: HfApi, source: HubSource, revision: str) -> list[Entry]:
    from .remote import RangeFileSystem

    base, found = f"hf://datasets/{source.repo}@{revision}", dict[str, Entry]()

    def take(folder: str, recursive: bool) -> None:
        found.update(
            {path: (path, f"{base}/{path}", size, 0) for path, size in _tree(api, source, folder, revision, recursive)}
        )

    for folder in _start_folders(source):
        take(folder, recursive=True)
    if not any(_matching("", pattern, list(found.values())) for pattern in source.files.values()):
        take("", recursive=False)  # a person is told what there is
    RangeFileSystem.listed((url, size) for _, url, size, _ in found.values())
    return sorted(found.values())


def _start_folders(source: HubSource) -> list[str]:
    """The folders below which the globs look, without those that lie in another of them."""
    starts = set()
    for pattern in (*source.files.values(), *source.companions.values()):
        fixed = pattern[: re.search(r"[*?\[]|$", pattern).start()]  # type: ignore[union-attr]
        starts.add(fixed.rpartition("/")[0])
    return sorted(
        s for s in starts if not any(s != other and f"{s}/".startswith(f"{other}/".lstrip("/")) for other in starts)
    )


def _tree(api: HfApi, source: HubSource, folder: str, revision: str, recursive: bool) -> Iterable[tuple[str, int]]:
    """The files in a folder and their sizes; none where there is no such folder: its globs match nothing."""
    from huggingface_hub.errors import EntryNotFoundError
    from huggingface_hub.hf_api import RepoFile

    try:
        for item in api.list_repo_tree(
            source.repo, folder or None, recursive=recursive, revision=revision, repo_type="dataset"
        ):
            METER.add(len(item.path))
            if isinstance(item, RepoFile) and _lies_within(item.path):
                yield item.path, item.size
    except EntryNotFoundError:
        return


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
    paths = [path for path, *_ in entries]
    script = f"{PurePosixPath(source.repo).name}.py"
    wanted, seen = ", ".join(source.files.values()), ", ".join(paths[:8]) or "nothing"
    sentence = f"{source.repo}: no file matches {wanted}; the repository has {seen}"
    failure_class: FailureClass = "script_unsupported" if script in paths else "not_found"
    return SourceError(failure_class, sentence, REMEDIES[failure_class])


def _matching(split: str, pattern: str, entries: list[Entry]) -> list[SourceFile]:
    match = re.compile(glob_translate(pattern)).match
    return [SourceFile(split, path, url, size, stamp) for path, url, size, stamp in entries if match(path)]
