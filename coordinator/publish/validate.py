"""The audit of a published file, line by line, independent of how it was made."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..contract.audit import another_split, name_of, parse, repeated
from ..contract.violations import Violation
from ..errors import ExitCode, PolecatsError
from ..paths import manifest_path
from . import manifest as manifests
from .keyset import KeySet
from .ranges import SHOWN, Found, ParentOf, audited, lines
from .tier_audit import PairReport, Splits, audit_pairs

_LINE_BYTES = 1024
"""Of a usual line; it only decides how the ids are stored."""
_ROWS_OF_A_GROUP = 8
"""Likewise."""


@dataclass(slots=True)
class Report:
    """What an audit found. `first` are the first violations as (line number, violation)."""

    lines: int = 0
    bad_lines: int = 0
    by_code: Counter[str] = field(default_factory=Counter)
    first: list[tuple[int, Violation]] = field(default_factory=list)
    sha256: str = ""
    manifest_problems: list[str] = field(default_factory=list)
    pairs: PairReport | None = None
    """On the pair file of Tiers II and III."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with the file."""
        return not self.bad_lines and not self.manifest_problems and (self.pairs is None or self.pairs.ok)


def validate(
    path: Path,
    progress: Callable[[int], None] = lambda lines: None,
    processes: int | None = None,
    parent_of: ParentOf | None = None,
) -> Report:
    """Audit every line of `path`, then pair file and manifest beside it, where there are. Raises `PolecatsError`.

    A big file is audited by so many `processes`, one a core if not told otherwise; the report is the same. With
    `parent_of`, which finds a Tier I record by its name, rows of Tiers II and III are replayed.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            report = _of_a_stream(path, progress, processes, parent_of)
        else:
            report = _of_a_file(path, progress, processes, parent_of)
            report.pairs = audit_pairs(path) if report.lines else None
    except EOFError:
        sentence = f"{path}: a process that audited it was killed (out of memory?); validate it again."
        raise PolecatsError(sentence, ExitCode.REFUSED) from None
    except OSError as error:
        raise PolecatsError(f"{path}: cannot be read: {error.strerror}.") from None
    _check_manifest(path, report)
    return report


def _of_a_stream(
    path: Path, progress: Callable[[int], None], processes: int | None, parent_of: ParentOf | None
) -> Report:
    """A pipe is copied first: it cannot be read twice."""
    with path.open("rb") as data, tempfile.NamedTemporaryFile(prefix="polecats-") as copy:
        shutil.copyfileobj(data, copy)
        copy.flush()
        return _of_a_file(Path(copy.name), progress, processes, parent_of)


def _of_a_file(
    path: Path, progress: Callable[[int], None], processes: int | None, parent_of: ParentOf | None
) -> Report:
    report, digest = Report(), hashlib.sha256()
    with path.open("rb") as data:
        size = path.stat().st_size
        ids, splits = KeySet(size // _LINE_BYTES), Splits(size // _LINE_BYTES // _ROWS_OF_A_GROUP)
        for found in audited(path, size, processes, parent_of):
            digest.update(data.read(found.stop - found.start))
            _enter_groups(found, splits)
            _enter(report, found, ids, path)
            progress(report.lines)
    report.sha256 = digest.hexdigest()
    return report


def _enter(report: Report, found: Found, ids: KeySet, path: Path) -> None:
    """Add what was found in the next range, and which of its ids stood before."""
    again = [found.keyed[position] for position in ids.add_all(bytes(found.keys))]
    if again:
        found.by_code["E18"] += len(again)
        if len(report.first) < SHOWN:
            found.first = sorted([*found.first, *_repeated(path, found, again[:SHOWN])], key=lambda item: item[0])
    report.bad_lines += len({*found.bad, *again})
    report.by_code += found.by_code
    first = [(report.lines + 1 + number, violation) for number, violation in found.first]
    report.first += first[: SHOWN - len(report.first)]
    report.lines += found.lines


def _enter_groups(found: Found, splits: Splits) -> None:
    """Add the lines whose group stood in another split before."""
    firsts = [(number, split, splits.first(group, split)) for number, group, split in found.grouped]
    wrong = [(number, another_split(split, first)) for number, split, first in firsts if split != first]
    if wrong:
        found.by_code["E17"] += len(wrong)
        found.bad = array("L", sorted({*found.bad, *(number for number, _ in wrong)}))
        found.first = sorted([*found.first, *wrong], key=lambda item: item[0])[:SHOWN]


def _repeated(path: Path, found: Found, numbers: list[int]) -> list[tuple[int, Violation]]:
    """What is wrong with the lines of these numbers in a range, by their names."""
    wanted = set(numbers)
    with path.open("rb") as data:
        return [
            (number, repeated(name_of(parse(line.removesuffix(b"\n")))))
            for number, (line, _) in enumerate(lines(data, found.start, found.stop))
            if number in wanted
        ]


def _check_manifest(path: Path, report: Report) -> None:
    manifest, name = manifests.read(path), manifest_path(path).name
    if manifest is None:
        if manifest_path(path).exists():
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
