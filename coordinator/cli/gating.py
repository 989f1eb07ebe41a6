"""`polecats gates`: the verdicts on a file of Tier II or III, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from ..engine.recorder import harmless
from ..errors import ExitCode, PolecatsError
from ..gates import Bound, Gate, Report, Verdict, record, verdicts
from ..headless.table import console

_STYLES = {Verdict.GREEN: "green", Verdict.RED: "bold red", Verdict.COULD_NOT_RUN: "yellow"}
_SHOWN = 5


def gates(file: Path, accept: list[str], why: str, as_json: bool, tier1: Path | None = None) -> ExitCode:
    """Run all gates over `file` and tell; 4 unless each is green or accepted.

    `accept` names gates whose verdict is lived with because of `why`; that goes into the manifest beside the file.
    """
    accepted = exceptions(accept, why)
    report = verdicts(file, tier1, accepted)
    if accepted:
        record(file, report)
    if as_json:
        typer.echo(json.dumps(as_values(report), ensure_ascii=False))
    else:
        _print(file, report)
    return ExitCode.OK if report.passed else ExitCode.REFUSED


def exceptions(accept: Sequence[str], why: str) -> dict[str, str]:
    """The reason for each gate that is accepted. Raises `PolecatsError` where there is none."""
    if accept and not why.strip():
        raise PolecatsError('An exception needs its reason: --accept GATE --why "...".')
    return dict.fromkeys(accept, why.strip())


def as_values(report: Report) -> dict[str, Any]:
    """The report as JSON values."""
    return {**asdict(report), "gates": [_values(gate) for gate in report.gates], "passed": report.passed}


def _values(gate: Gate) -> dict[str, Any]:
    return {**asdict(gate), "bound": bound_values(gate.bound)}


def bound_values(bound: Bound) -> dict[str, float | None]:
    """A bound as JSON values; an open end is null."""
    return {name: end if isfinite(end) else None for name, end in (("low", bound.low), ("high", bound.high))}


def _print(file: Path, report: Report) -> None:
    console().print(verdict_table(report))
    for gate in report.gates:
        if gate.verdict is not Verdict.GREEN and gate.leaks:
            shown = ", ".join(f"{harmless(name)} {weight:g}" for name, weight in gate.leaks[:_SHOWN])
            typer.echo(f"{gate.name}: {shown}")
    waiting = len(report.refusing)
    verdict = "all gates are green or accepted" if report.passed else f"{waiting} gates refuse it"
    typer.echo(f"{file}: {report.rows:,} rows, {verdict}. SHA-256 {report.sha256}")


def verdict_table(report: Report) -> Table:
    """Figure, bound and verdict of each gate."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("gate", "figure", "bound", "verdict", "note"):
        table.add_column(name, justify="right" if name in ("figure", "bound") else "left", overflow="fold")
    for gate in report.gates:
        verdict = Text(gate.verdict.value, style=_STYLES[gate.verdict])
        if gate.verdict is not Verdict.GREEN and gate.name in report.accepted:
            verdict.append(" (accepted)", style="dim")
        reason = report.accepted.get(gate.name)
        note = f"accepted: {reason}" if reason and gate.verdict is not Verdict.GREEN else gate.sentence
        table.add_row(Text(gate.name), _figure(gate.figure), str(gate.bound), verdict, Text(harmless(note)))
    return table


def _figure(figure: float | None) -> str:
    if figure is None:
        return ""
    return f"{figure:,.0f}" if float(figure).is_integer() and figure > 1 else f"{figure:.4g}"
