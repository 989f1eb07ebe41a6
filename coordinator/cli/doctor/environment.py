"""What polecats stands on: versions, the installation, the Hub's token, the disk."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from ... import __file__ as package_file
from ...contract import compiled
from ...paths import Paths
from ..context import Context
from .finding import Finding, Verdict

LOW_DISK = 5 * 2**30


def look(here: Context) -> Iterator[Finding]:
    """Findings about everything that is not the repository's own."""
    yield from _versions()
    yield from _package(here.paths)
    yield _native()
    yield from _token()
    yield _disk(here.paths)


def _versions() -> Iterator[Finding]:
    yield Finding("ok", "python", f"{sys.version.split()[0]} at {sys.executable}")
    for text in metadata.requires("polecats") or []:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            yield Finding("bad", wanted.name, "is not installed; install polecats again: pip install -e .")
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            yield Finding("bad", wanted.name, f"{found} does not fit {wanted.specifier}: pip install -e .")


def _package(paths: Paths) -> Iterator[Finding]:
    """An install in a track's worktree re-points `coordinator` for everyone."""
    folder = Path(package_file).resolve().parent.parent
    if folder.is_relative_to(paths.root / "worktrees"):
        sentence = f"coordinator is installed from {folder}, a track's checkout; in {paths.root}: pip install -e ."
        yield Finding("bad", "package", sentence)


def _native() -> Finding:
    """The contract's hot path: nothing is wrong without it, but time."""
    reason = compiled.why_not_native()
    if reason:
        sentence = f"the contract runs in Python, slower, to the same bytes: {reason}"
    elif compiled.is_stale():
        sentence = "the contract's compiled part is older than its source"
    else:
        return Finding("ok", "native", "the contract's hot path is compiled")
    return Finding("note", "native", f"{sentence}; with a C compiler: pip install -e .")


def _token() -> Iterator[Finding]:
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    if os.environ.get("HF_TOKEN") or (home / "token").is_file():
        yield Finding("ok", "token", "a Hugging Face token is set")
    else:
        yield Finding("note", "token", "no Hugging Face token: gated sources will say so; set HF_TOKEN to read them")


def _disk(paths: Paths) -> Finding:
    free = shutil.disk_usage(paths.root).free
    verdict: Verdict = "bad" if free < LOW_DISK else "ok"
    return Finding(verdict, "disk", f"{free / 2**30:,.1f} GiB free below {paths.root}")
