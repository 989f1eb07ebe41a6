"""The files of a dataset repository as the Hub listed them last: what to go by where it cannot be reached."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from .hub_layout import Layout
from .remote_file import RemoteFile

if TYPE_CHECKING:
    from .store import Store

KIND = "listing"


@dataclass(frozen=True, slots=True)
class Listing:
    """A commit and files of it."""

    commit: str
    files: list[RemoteFile]


class Listings:
    """The last listing of a repository at a revision, of what lies below some folders."""

    def __init__(self, store: Store, repo: str, revision: str, folders: Sequence[str]) -> None:
        self._store, self._repo, self._revision = store, repo, revision
        endpoint = os.environ.get("HF_ENDPOINT", "")  # a mirror, or a stand-in, may have other files
        self._key = f"{endpoint}:{repo}@{revision}:{'|'.join(folders)}"

    def remember(self, listing: Listing) -> None:
        """Keep it for a time without the Hub."""
        data = {"commit": listing.commit, "files": [astuple(file) for file in listing.files]}
        self._store.remember(KIND, self._key, orjson.dumps(data))

    def recall(self) -> Listing | None:
        """What the Hub listed last, else what `hf download` brought; None where nothing is known."""
        data = self._store.recall(KIND, self._key)
        try:
            found = orjson.loads(data or b"{}")
            return Listing(found["commit"], [RemoteFile(*file) for file in found["files"]])
        except (ValueError, KeyError, TypeError):
            return self._downloaded()

    def _downloaded(self) -> Listing | None:
        """Of a repository that was never listed here: it may be less than the Hub has."""
        with suppress(OSError):
            layout = Layout.of(self._store.hub, self._repo)
            ref = layout.ref(self._revision)
            commit = ref.read_text().strip() if ref.is_file() else self._revision
            base = layout.pointer(commit, "any").parent
            files = [_found(self._repo, commit, base, path) for path in sorted(base.rglob("*")) if path.is_file()]
            return Listing(commit, files) if files else None
        return None


def _found(repo: str, commit: str, base: Path, path: Path) -> RemoteFile:
    etag = Path(os.readlink(path)).name if path.is_symlink() else ""
    return RemoteFile(repo, commit, path.relative_to(base).as_posix(), path.stat().st_size, etag)
