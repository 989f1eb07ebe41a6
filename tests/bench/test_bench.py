"""The benchmark runs and tells the truth of its figures; no time is judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coordinator.demo.network import Network
from tests.bench import mirror, report
from tests.bench.__main__ import main
from tests.bench.measure import Figure, run
from tests.clones import ROOT


def test_a_row_is_measured_stored_and_written_into_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    monkeypatch.setattr("tests.bench.__main__.README", readme)
    monkeypatch.setattr("tests.bench.__main__.PLOT", tmp_path / "rates.svg")
    results = tmp_path / "results"
    assert main(["--tiny", "--only", "seed-run", "--results", str(results), "--readme"]) == 0
    (path,) = results.iterdir()
    stored = json.loads(path.read_bytes())
    (figure,) = stored["figures"]
    assert figure["values"] == [figure["raw"]["ours"][0] / figure["raw"]["seedlike"][0]]
    assert figure["what"] in capsys.readouterr().out
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert figure["what"] in text


def test_reading_over_the_hub_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.bench.hub.NETWORKS", {"near": Network(latency=0.001, rate=1e9)})
    results = tmp_path / "results"
    assert main(["--tiny", "hub", "--case", "turkish-10000", "--results", str(results)]) == 0
    (path,) = results.iterdir()
    figures = {figure["what"]: figure for figure in json.loads(path.read_bytes())["figures"]}
    assert {what.partition(",")[0] for what in figures} == {"near/turkish-10000"}
    found = {what.partition(", ")[2].partition(" /")[0]: figure["values"][0] for what, figure in figures.items()}
    assert found["folder: PSS of the worker"] > 5
    assert found["cache: PSS of the worker"] > 5
    assert 1.0 <= found["cache: over the wire"] < 1.02
    assert found["stream: over the wire"] > 0.9
    assert 3 <= found["cache: requests"] < 20
    assert 1 <= found["cache: connections at once"] <= 8
    for again in ("second run", "redone", "after hf download"):
        assert found[f"{again}: over the wire"] == 0


def test_a_cost_is_that_of_all_processes_and_of_no_other(tmp_path: Path) -> None:
    ballast = bytearray(200_000_000)
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    script = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {burn!r}])"
    cost = run([sys.executable, "-c", script], tmp_path, dict(os.environ))
    assert cost.peak < 100 < len(ballast) / 1e6
    assert cost.cpu > 0.3
    with pytest.raises(RuntimeError, match=r"exit code 3: .*so it is"):
        run([sys.executable, "-c", "import sys; sys.stderr.write('so it is'); sys.exit(3)"], tmp_path, dict(os.environ))


def figure(*values: float, better: bool = False, goal: float | None = None) -> Figure:
    return Figure("a", "what", "x", list(values), goal, better)


@pytest.mark.parametrize(
    ("now", "before", "worse"),
    [
        (figure(2.0, 2.1), figure(1.0, 1.1), True),
        (figure(2.0, 2.1), figure(1.0, 2.05), False),
        (figure(1.0, 1.1), figure(2.0, 2.1), False),
        (figure(1.0, 1.1, better=True), figure(2.0, 2.1, better=True), True),
        (figure(2.0, 2.1, better=True), figure(1.0, 1.1, better=True), False),
        (figure(1.05, 1.06), figure(1.0, 1.01), False),
        (figure(5.0), figure(0.0), True),
        (figure(0.0), figure(0.0), False),
    ],
)
def test_slower_is_told_where_it_is_more_than_the_spread(now: Figure, before: Figure, worse: bool) -> None:
    assert bool(report.slower([now], {"figures": [before.as_json()]})) == worse


def test_goals() -> None:
    assert figure(1.0, 9.0, 1.5, goal=2.0).reached
    assert not figure(1.0, goal=2.0, better=True).reached
    assert "missed" in report.told(figure(1.0, goal=2.0, better=True))
    assert figure(1.0).reached is None


def test_only_a_run_of_the_same_sizes_is_compared_with(tmp_path: Path) -> None:
    run: dict[str, Any] = {"at": "2026-01-01T00:00:00+00:00", "rows": 1}
    report.store(tmp_path, run)
    report.store(tmp_path, {**run, "at": "2026-01-02T00:00:00+00:00", "rows": 2})
    assert report.stored(tmp_path, {"rows": 1}) == run
    assert report.stored(tmp_path, {"rows": 3}) == {}


def test_the_loop_and_the_project_convert_the_same_rows(tmp_path: Path) -> None:
    made = mirror.build(tmp_path / "mirror", 40)
    output = tmp_path / "loop.jsonl"
    subprocess.run([sys.executable, ROOT / "tests/bench/seedlike.py", made, output, "turkish"], check=True)
    loop = [json.loads(line) for line in output.read_bytes().splitlines()]
    script = (
        "import sys; from pathlib import Path; from tests.bench.peers import contract_step\n"
        "import pyarrow.parquet as pq\n"
        "files = sorted(Path(sys.argv[1]).rglob('*turkish*/**/*.parquet'))\n"
        "rows = [row for file in files for row in pq.read_table(file).to_pylist()]\n"
        "convert = contract_step()\n"
        "sys.stdout.buffer.writelines(convert(row, n) + b'\\n' for n, row in enumerate(rows))"
    )
    done = subprocess.run([sys.executable, "-c", script, made], capture_output=True, check=True, cwd=ROOT)
    ours = [json.loads(line) for line in done.stdout.splitlines()]
    assert [plan(record) for record in ours] == [plan(record) for record in loop]
    assert len(ours) == 40


def plan(record: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(node["tool_name"], node["arguments"]) for node in record["execution_plan"]["nodes"]]
