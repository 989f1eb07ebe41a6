"""What a loader's output depends on: source, revision, files, its code, its options. Known without importing it."""

from __future__ import annotations

import ast
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..contract.sample import SCHEMA_VERSION
from .streams.base import Resolved

_CONTRACT = Path(__file__).parent.parent / "contract"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The parts by name (shown when they differ) and their digest."""

    parts: dict[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 over all parts."""
        return hashlib.sha256(json.dumps(self.parts, sort_keys=True, default=str).encode()).hexdigest()

    def differing(self, other: dict[str, Any]) -> list[str]:
        """Names of the parts that differ from `other`'s."""
        return sorted(name for name in self.parts.keys() | other.keys() if self.parts.get(name) != other.get(name))


def fingerprint(
    source_key: str, repo: str, resolved: Resolved, code: dict[str, str], options: Any, **further: Any
) -> Fingerprint:
    """The fingerprint of a loader that reads `resolved`; `code` as from `code_of`, `further` by name."""
    files = [*resolved.files, *(file for group in resolved.companions.values() for file in group)]
    return Fingerprint(
        {
            "source": f"{source_key}:{repo}",
            "revision": resolved.revision,
            "files": [[file.split, file.path, file.size, file.stamp] for file in files],
            "code": code,
            "options": options,
            "contract": contract_version(),
            **further,
        }
    )


@cache
def contract_version() -> str:
    """The contract's version and a digest of its code: a mended reader redoes what it read."""
    digest = hashlib.sha256()
    native = _CONTRACT.glob("native/*.[ch]")
    for path in sorted([*_CONTRACT.glob("*.py"), *native, _CONTRACT / "lexicon.toml"]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{SCHEMA_VERSION}+{digest.hexdigest()[:12]}"


def code_of(tracks: Path, track: str, loader: str) -> dict[str, str]:
    """SHA-256 by path of a loader's file and of every module of its track that it imports, directly or not."""
    found: dict[str, str] = {}
    waiting = [tracks / track / f"{loader}.py", tracks / track / "__init__.py"]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(tracks).as_posix()
        if name in found or not path.is_file():
            continue
        text = path.read_bytes()
        found[name] = hashlib.sha256(text).hexdigest()
        waiting += _imports(text, path, tracks)
    return dict(sorted(found.items()))


def _imports(text: bytes, path: Path, tracks: Path) -> list[Path]:
    """Files below `tracks` that a module's import statements may mean."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []  # it cannot be imported either, which is told when it is tried
    modules: list[Path] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [_module(tracks, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = path.parents[node.level - 1] if node.level else tracks.parent
            module = base.joinpath(*(node.module or "").split("."))
            if not node.level:
                module = _module(tracks, node.module or "")
            modules += [module, *(module / alias.name for alias in node.names)]
    inside = [module for module in modules if module.is_relative_to(tracks)]
    packages = [above / "__init__.py" for module in inside for above in (module, *module.parents) if above != tracks]
    files = [module.with_name(module.name + ".py") for module in inside] + packages
    return [file for file in files if file.is_relative_to(tracks)]


def _module(tracks: Path, name: str) -> Path:
    head, *rest = name.split(".")
    return tracks.joinpath(*rest) if head == "tracks" else Path("/", *name.split("."))
