"""What only a tier's files as a whole can tell: groups that stand in two splits, and the pairs beside the rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from ..contract.mutation import Split
from ..contract.tiers.pairs import audit_pair
from . import manifest as manifests
from .keyset import KEY_BYTES, KeySet
from .tier_output import pairs_of

_NUMBER: dict[str, int] = {split: number for number, split in enumerate(get_args(Split))}
_SHOWN = 20


class Splits:
    """The split that each group stands in first: some 25 bytes a group."""

    def __init__(self, expected: int) -> None:
        self._known = KeySet(expected)

    def first(self, group: bytes, split: str) -> str:
        """The split that a group stands in first: this one if it is new."""
        if _key(group, split) in self._known:
            return split
        for other in _NUMBER:
            if _key(group, other) in self._known:
                return other
        self._known.add(_key(group, split))
        return split


def _key(group: bytes, split: str) -> bytes:
    return group + _NUMBER[split].to_bytes(KEY_BYTES - len(group), "big")


@dataclass(slots=True)
class PairReport:
    """A pair file: its lines, how many are bad, the first problems in words."""

    file: str
    lines: int = 0
    bad_lines: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.bad_lines and not self.problems


def audit_pairs(rows: Path) -> PairReport | None:
    """Audit the pair file beside a file of rows, and whether it is the one that the manifest puts there.

    None where there is none and none is told of. Raises `OSError`.
    """
    path, told = pairs_of(rows), (manifests.read(rows) or {}).get("pairs")
    report, digest = PairReport(path.name), hashlib.sha256()
    if not path.is_file():
        report.problems += [f"{path.name} is missing; the manifest tells of it"] if told else []
        return report if told else None
    with path.open("rb") as lines:
        for line in lines:
            report.lines += 1
            digest.update(line)
            found = audit_pair(line.removesuffix(b"\n"))
            report.bad_lines += bool(found)
            shown = [
                f"{path.name} line {report.lines}: {broken.code} {broken.field} {broken.message}" for broken in found
            ]
            report.problems += shown[: _SHOWN - len(report.problems)]
    if told and told["sha256"] != digest.hexdigest():
        report.problems.append(
            f"{path.name} is not the one that was merged with {rows.name}: it was changed, or a merge was killed; "
            "merge again"
        )
    return report
