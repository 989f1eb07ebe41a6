"""What a file of a dataset repository is, at one commit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file. `repo` is `org/name`, `commit` what the revision stood for, `path` relative to the repository."""

    repo: str
    commit: str
    path: str
    size: int
    """Bytes, as the listing has it."""
    etag: str
    """Of its content, as the listing has it: the SHA-256 of a large file (64 hex digits), else the git blob id (40)."""

    @property
    def sha256(self) -> str:
        """The SHA-256 of its content in hex, where the Hub tells it, else nothing."""
        return self.etag if len(self.etag) == 64 else ""

    @property
    def place(self) -> str:
        """`org/name: path`, as messages name it."""
        return f"{self.repo}: {self.path}"
