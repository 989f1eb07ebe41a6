"""What `hf://` means to `datasets` in a worker: files that were listed, read as everything else is.

Opening a file asks the server nothing: that it is there, and its size, is known from the listing.
"""

from __future__ import annotations

from typing import Any

import fsspec
from huggingface_hub import HfFileSystem

from .access import Hub
from .remote_file import RemoteFile
from .remote_io import RemoteIO


class ListedFileSystem(HfFileSystem):
    """`HfFileSystem` that knows the files of the source that is read, by path, and no others."""

    hub: Hub
    files: dict[str, RemoteFile] = {}  # noqa: RUF012  of the process: `datasets` makes instances of its own

    @classmethod
    def serve(cls, hub: Hub, files: dict[str, RemoteFile]) -> None:
        """From now on `hf://` means these, by url."""
        fsspec.register_implementation("hf", cls, clobber=True)
        cls.hub, cls.files = hub, {cls._strip_protocol(url): file for url, file in files.items()}

    def glob(self, path: str, *args: Any, **options: Any) -> Any:
        """A listed file is itself, whatever its name looks like."""
        path = self._strip_protocol(path)
        return [path] if path in self.files else super().glob(path, *args, **options)

    def _open(self, path: str, *args: Any, **options: Any) -> RemoteIO:  # type: ignore[override]
        return self.hub.reading.open(self.files[path])

    def _repo_and_revision_exist(self, *asked: object) -> tuple[bool, None]:
        return True, None
