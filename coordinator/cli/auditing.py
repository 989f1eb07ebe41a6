"""`polecats validate`: the audit's report, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import orjson
import typer

from ..contract.rules import MAX_LINE_BYTES
from ..contract.violations import CODES
from ..engine.recorder import harmless
from ..errors import ExitCode
from ..gates.exceptions import tier1_of
from ..gates.parents import Parents
from ..publish import manifest
from ..publish.output import holds
from ..publish.ranges import ParentOf
from ..publish.validate import Report, validate

SHOWN = 20


def audit(file: Path, as_json: bool, tier1: Path | None = None) -> ExitCode:
    """Audit `file` and say what was found; 4 if anything is wrong, 3 if it is empty.

    Rows of Tiers II and III are replayed from `tier1`, else from the file of their parents that stands beside them.
    """
    parent_of, why_not = _parents(file, tier1)
    report = validate(file, parent_of=parent_of)
    if as_json:
        typer.echo(json.dumps(_json(report) | {"not_replayed": why_not}, ensure_ascii=False))
    else:
        _print(file, report)
        if why_not:
            typer.echo(f"Edits are not replayed: {why_not}.")
    if not report.ok:
        return ExitCode.REFUSED
    return ExitCode.OK if report.lines else ExitCode.NOTHING


def _parents(file: Path, tier1: Path | None) -> tuple[ParentOf | None, str]:
    """What finds the parents of a tier's rows, or why nothing does; neither for a file of Tier I.

    Raises `PolecatsError` where `tier1` cannot be read.
    """
    if not file.is_file() or _tier(file) not in ("II", "III"):
        return None, ""
    named = tier1 or tier1_of(file)
    if named is None:
        return None, "the Tier I file of its parents is not beside it; name it with --tier1"
    told = ((manifest.read(file) or {}).get("parents") or {}).get("sha256")
    if tier1 is None and told and not _holds(named, told):
        return None, f"{named} is not the one that this was made from; name that with --tier1"
    return Parents(named).find, ""


def _tier(file: Path) -> str:
    try:
        with file.open("rb") as data:
            return str(orjson.loads(data.readline(MAX_LINE_BYTES))["metadata"]["tier"])
    except (OSError, ValueError, LookupError, TypeError):  # for the audit to say
        return ""


def _holds(file: Path, sha256: str) -> bool:
    return holds(file, file.stat().st_size, sha256)


def _json(report: Report) -> dict[str, object]:
    first = [{"line": line, **asdict(violation)} for line, violation in report.first]
    return {**asdict(report), "first": first, "ok": report.ok}


def _print(file: Path, report: Report) -> None:
    for line, violation in report.first[:SHOWN]:
        field = f" {harmless(violation.field)}:" if violation.field else ""
        typer.echo(f"line {line}: {violation.code}{field} {harmless(violation.message)}")
    hidden = sum(report.by_code.values()) - min(len(report.first), SHOWN)
    if hidden:
        typer.echo(f"… and {hidden:,} more")
    for code, count in sorted(report.by_code.items()):
        typer.echo(f"{code}  {count:,}  {CODES[code]}")
    for problem in report.manifest_problems:
        typer.echo(problem)
    for problem in report.pairs.problems if report.pairs else ():
        typer.echo(harmless(problem))
    if report.pairs:
        typer.echo(f"{report.pairs.file}: {report.pairs.lines:,} pairs, {'valid' if report.pairs.ok else 'NOT valid'}")
    verdict = "valid" if report.ok else f"NOT valid: {report.bad_lines:,} bad lines"
    typer.echo(f"{file}: {report.lines:,} lines, {verdict}. SHA-256 {report.sha256}")
