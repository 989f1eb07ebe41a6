"""The audit of a published file, line by line, independent of how it was made."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ..contract.audit import Auditor
from ..contract.rules import MAX_LINE_BYTES
from ..contract.violations import Violation
from ..errors import PolecatsError
from . import manifest as manifests

SHOWN = 100
CHUNK = 2**20


@dataclass(slots=True)
class Report:
    """What an audit found. `first` are the first violations as (line number, violation)."""

    lines: int = 0
    bad_lines: int = 0
    by_code: Counter[str] = field(default_factory=Counter)
    first: list[tuple[int, Violation]] = field(default_factory=list)
    sha256: str = ""
    manifest_problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with the file."""
        return not self.bad_lines and not self.manifest_problems


def validate(path: Path, progress: Callable[[int], None] = lambda lines: None) -> Report:
    """Audit every line of `path`, then the manifest beside it where there is one. Raises `PolecatsError`."""
    report, auditor, digest = Report(), Auditor(), hashlib.sha256()
    try:
        with path.open("rb") as data:
            for line, size in _lines(data, digest.update):
                report.lines += 1
                _enter(report, line, size, auditor)
                if report.lines % 10_000 == 0:
                    progress(report.lines)
    except OSError as error:
        raise PolecatsError(f"{path}: cannot be read: {error.strerror}.") from None
    report.sha256 = digest.hexdigest()
    _check_manifest(path, report)
    return report


def _lines(data: BinaryIO, seen: Callable[[bytes], None]) -> Iterator[tuple[bytes, int]]:
    """Lines with their newline and their size; of one longer than any legal line only the two ends are kept.

    Every byte goes to `seen`.
    """
    limit = MAX_LINE_BYTES + 2
    while line := data.readline(limit):
        seen(line)
        size = len(line)
        while size >= limit and not line.endswith(b"\n") and (piece := data.readline(CHUNK)):
            seen(piece)
            size += len(piece)
            line = line[:limit] + piece[-1:]
        yield line, size


def _enter(report: Report, line: bytes, size: int, auditor: Auditor) -> None:
    if size > len(line):
        found = [Violation("E01", "", f"line of {size:,} bytes (at most {MAX_LINE_BYTES:,})")]
    else:
        found = auditor.audit(line.removesuffix(b"\n"))
    if not line.endswith(b"\n"):
        found = [*found, Violation("E02", "", "the last line does not end in a newline: the file is cut off")]
    if not found:
        return
    report.bad_lines += 1
    for violation in found:
        report.by_code[violation.code] += 1
        if len(report.first) < SHOWN:
            report.first.append((report.lines, violation))


def _check_manifest(path: Path, report: Report) -> None:
    manifest, name = manifests.read(path), manifests.manifest_path(path).name
    if manifest is None:
        if manifests.manifest_path(path).exists():
            report.manifest_problems.append(f"{name} is not a manifest that this version reads")
        return
    if manifest["sha256"] != report.sha256:
        report.manifest_problems.append(
            f"{name} has another SHA-256: the file was changed after its merge, or a merge was killed"
        )
    if manifest["rows"] != report.lines:
        report.manifest_problems.append(f"{name} counts {manifest['rows']} rows, the file has {report.lines}")
    for loader in manifest["loaders"]:
        if not loader["balance_closes"]:
            report.manifest_problems.append(f"{name}: the balance of {loader['track']}/{loader['loader']} is open")
