"""What is told of a run of the benchmark: a table, what got slower since the last, a section of the README, a plot."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata, util
from pathlib import Path
from typing import Any

from .measure import Figure

WORSE = 1.1
"""A median this much worse than the stored one is told, where the spreads of the two do not meet."""
BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
BARS = {
    "polecats, one worker": ("conversion_cpu", "polecats wall"),
    "polecats, to the merged file": ("peer_loop_wall", "ours rows/s"),
    "datatrove, our contract": ("peer_datatrove_contract_wall", "rows/s"),
    "datatrove, bare dicts": ("peer_datatrove_plain_wall", "rows/s"),
    "datasets.map, our contract": ("peer_datasets_contract_wall", "rows/s"),
    "datasets.map, bare dicts": ("peer_datasets_plain_wall", "rows/s"),
    "one loop, as the seed": ("peer_loop_wall", "rows/s"),
}
"""Of the plot: a bar's name, and the figure and series that it shows."""


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    packages = ("datasets", "pydantic", "orjson", "pyarrow")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = {name: metadata.version(name) for name in packages}
    return {"python": platform.python_version(), "machine": platform.machine(), "cores": cores, **versions}


def line(figure: Figure) -> list[str]:
    """A row of the table: what, median, spread, goal."""
    digits = _digits(figure)
    goal = "" if figure.goal is None else f"{'≥' if figure.more_is_better else '≤'} {figure.goal:,g} {figure.unit}"
    mark = {None: "", True: "", False: " (missed)"}[figure.reached]
    spread = f"{min(figure.values):,.{digits}f} to {max(figure.values):,.{digits}f}"
    return [figure.what, f"{figure.median:,.{digits}f} {figure.unit}", spread, goal + mark]


def _digits(figure: Figure) -> int:
    """Behind the point; of few megabytes there is one more."""
    if figure.unit == "MB":
        return 0 if figure.median >= 10 else 1
    return 0 if figure.unit in ("rows/s", "requests", "connections") else 2


def told(figure: Figure) -> str:
    """A row for the terminal."""
    what, median, spread, goal = line(figure)
    return f"{what:<86} {median:>10}   {spread:<18} {goal}"


def markdown(figures: Sequence[Figure], run: Mapping[str, Any]) -> str:
    """The table for the README, and what it was measured on."""
    rows = "".join("| " + " | ".join(line(figure)) + " |\n" for figure in figures)
    on = ", ".join(f"{name} {value}" for name, value in run["machine"].items() if name not in ("machine", "cores"))
    sizes = f"{run['rows']:,} invented rows a set, {run['big']:,} where many are meant; {run['rounds']} rounds"
    return (
        f"Medians of whole processes that take turns, {sizes}; {run['machine']['cores']} cores, {on}.\n\n"
        f"| | median | spread | goal |\n|---|---:|---|---|\n{rows}"
    )


def slower(figures: Iterable[Figure], last: Mapping[str, Any]) -> list[str]:
    """What is worse than in the last stored run of the same sizes, a sentence each."""
    before = {figure["name"]: figure for figure in last.get("figures", ())}
    found = []
    for figure in figures:
        old = before.get(figure.name)
        if old is None or old["unit"] != figure.unit:
            continue
        apart = min(old["values"]) > max(figure.values), max(old["values"]) < min(figure.values)
        above, below = old["median"], figure.median
        if not figure.more_is_better:
            above, below = below, above
        change = above / below if below else math.inf
        if change > WORSE and apart[0 if figure.more_is_better else 1]:
            found.append(f"{figure.what}: {old['median']:.2f} before, {figure.median:.2f} {figure.unit} now")
    return found


def stored(folder: Path, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The last stored run of these sizes, or nothing."""
    for path in sorted(folder.glob("*.json"), reverse=True):
        run: dict[str, Any] = json.loads(path.read_bytes())
        if all(run.get(name) == value for name, value in sizes.items()):
            return run
    return {}


def store(folder: Path, run: Mapping[str, Any]) -> Path:
    """Write a run under its time."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{run['at'].replace(':', '')}.json"
    path.write_text(json.dumps(run, indent=1) + "\n")
    return path


def put(readme: Path, text: str) -> None:
    """Replace what stands between the marks in a file. Raises `ValueError` where it has none."""
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} has no {BEGIN} … {END}")
    readme.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def plot(path: Path, figures: Sequence[Figure], rows: int) -> bool:
    """Rows a second as bars, in an SVG; False where matplotlib (the extra `bench`) or the figures are not there."""
    bars = [(name, rate) for name, source in BARS.items() if (rate := _rate(figures, *source, rows))]
    if not bars or util.find_spec("matplotlib") is None:
        return False
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "polecats", "font.size": 9})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 0.42 * len(bars) + 0.9), layout="constrained")
    names, rates = zip(*reversed(bars), strict=True)
    colours = ["#2b6cb0" if name.startswith("polecats") else "#a0aec0" for name in names]
    axes.bar_label(axes.barh(names, rates, color=colours), fmt="{:,.0f}", padding=3)
    axes.set_xlabel("rows a second, call-heavy set, whole process")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return True


def _rate(figures: Sequence[Figure], name: str, series: str, rows: int) -> float:
    values = next((figure.raw.get(series, []) for figure in figures if figure.name == name), [])
    if not values:
        return 0.0
    middle = sorted(values)[len(values) // 2]
    return rows / middle if series.endswith("wall") else middle
