"""What earlier runs of a loader have left: whether it is made from what stands there now, and whether it is all."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from ..contract import HubSource
from . import discovery, parts
from .corrupting import tier_version
from .fingerprint import Fingerprint, code_of, fingerprint
from .spec import LoaderSpec, WorkerSpec
from .streams.base import Resolved

OF_THE_HUB = frozenset({"revision", "files"})
"""Parts of a fingerprint that the Hub alone can tell."""
Finish = Literal["done", "capped"]


class Earlier:
    """A loader's parts and commits, seen from what its code and its source are now. Reads, and sets aside."""

    def __init__(self, spec: WorkerSpec, loader: LoaderSpec) -> None:
        self.spec, self.loader = spec, loader
        self.folder = Path(spec.state) / "tracks" / spec.track / loader.name
        tracks = Path(spec.tracks).resolve()
        self.code = code_of(tracks, spec.track, loader.name)  # before it is imported: an edit between redoes

    def mark(self, source: HubSource, resolved: Resolved, corrupts: bool = False) -> Fingerprint:
        """What the loader's output would be made from now."""
        further = {"seed": self.spec.seed, "tiers": tier_version()} if corrupts else {}
        return fingerprint(self.spec.source.key, source.repo, resolved, self.code, self.loader.options, **further)

    def finished(self, last: parts.Commit | None) -> Finish | None:
        """How a loader has ended whose last commit that is; None where it has not."""
        if last is None:
            return None
        if last.done:
            return "done"
        return "capped" if self.loader.cap and last.counts.samples >= self.loader.cap else None

    def reusable(self, source: HubSource, corrupts: bool = False) -> Finish | None:
        """How it has ended, if nothing has changed since but, perhaps, what the Hub has, which cannot be asked."""
        header, (commits, _) = parts.read_header(self.folder) or {}, parts.read_commits(self.folder)
        changed = self.mark(source, Resolved("", [], {}), corrupts).differing(header.get("fingerprint", {}))
        same = set(changed) <= OF_THE_HUB and header.get("format") == parts.FORMAT
        if not commits or not same or self.loader.fresh or parts.damaged(self.folder, commits):
            return None
        return self.finished(commits[-1])

    def is_all(self, source: HubSource, resolved: Resolved) -> bool:
        """Whether it holds all that is wanted of `resolved`, made by the code that stands there now."""
        commits, _ = parts.read_commits(self.folder)
        same = (parts.read_header(self.folder) or {}).get("digest") == self.mark(source, resolved).digest
        return same and not self.loader.fresh and self.finished(commits[-1] if commits else None) is not None

    def obstacle(self, mark: Fingerprint) -> str:
        """Why it cannot be gone on with: made from something else, damaged, or not wanted. Nothing where it can be."""
        header, (commits, _) = parts.read_header(self.folder) or {}, parts.read_commits(self.folder)
        if not commits and header.get("format", parts.FORMAT) == parts.FORMAT:
            return ""
        if self.loader.fresh:
            return "a fresh start was asked for"
        if not commits:
            return f"written in format {header['format']}, and this is {parts.FORMAT}"
        if header.get("digest") != mark.digest:
            changed = mark.differing(header.get("fingerprint", {}))
            return f"changed since: {', '.join(changed) or 'unknown'}"
        broken = parts.damaged(self.folder, commits)
        return f"damaged: {broken}" if broken else ""

    def set_aside(self) -> Path:
        """What was committed does not count any more; returns where it is kept."""
        return parts.set_aside(self.folder, Path(self.spec.state) / "aside" / self.spec.track / self.loader.name)

    def header(
        self, mark: Fingerprint, source: HubSource, resolved: Resolved, found: discovery.Found
    ) -> dict[str, Any]:
        """What stands in header.json: what the commits are made from."""
        return {
            "format": parts.FORMAT,
            "track": self.spec.track,
            "loader": self.loader.name,
            "digest": mark.digest,
            "fingerprint": mark.parts,
            "source": {
                "id": source.repo,
                "kind": self.spec.source.kind,
                "revision": resolved.revision,
                "files": len(resolved.files),
                "licence": source.licence,
                "gated": source.gated,
                "evaluation_only": source.evaluation_only,
                "redistributable": source.redistributable,
                "unique_ids": source.unique_ids,
                **({"seed": self.spec.seed, "path": self.spec.source.folder} if found.corrupts else {}),
            },
        }
