"""`python -m tests.bench`: how fast it is, in ratios to other ways of doing the same on the same machine.

Prints a table, stores the run in tests/bench/results and says what got slower since the last one of the same sizes.
The full table takes about half an hour and 10 GB, `--quick` some minutes; a machine that does other things meanwhile
widens the spread, and walls more than CPU. `python -m tests.bench hub` measures reading over the Hub, which is no part
of the full table.
"""

from __future__ import annotations

import argparse
import datetime
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.clones import ROOT

from . import mirror, report
from .hub import hub
from .measure import Figure
from .rows import HERE, TABLE, Bench

RESULTS = HERE / "results"
ROWS = {**TABLE, "hub": hub}
"""Those of the table, and one that is measured only where it is asked for."""
README, PLOT = ROOT / "README.md", HERE / "rates.svg"
FULL, QUICK, TINY = (mirror.SEED_RUN, 1_000_000, 5), (20_000, 100_000, 2), (400, 1_200, 1)
"""Rows of a set, rows where many are meant, rounds."""


def main(arguments: list[str] | None = None) -> int:
    """Run the rows of the table that are asked for. 1 if something got slower, 0 otherwise."""
    asked = _parser().parse_args(arguments)
    rows, big, rounds = TINY if asked.tiny else QUICK if asked.quick else FULL
    rows, rounds = mirror.count(asked.mirror) if asked.mirror else rows, asked.rounds or rounds
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.folder) as folder:
        kept = Path(asked.folder or folder).resolve()
        cache = asked.mirror or mirror.build(kept / f"mirror-{rows}", rows)
        baseline, peers = asked.baseline.resolve(), _peers(asked.peers)
        bench = Bench(Path(folder), rows, big, rounds, cache.resolve(), baseline, peers, kept, tuple(asked.case))
        bench.prepare()
        figures = _measured(bench, [*asked.rows, *asked.only] or list(TABLE))
    sizes = {"rows": rows, "big": big, "mirror": asked.mirror and str(asked.mirror)}
    last = report.stored(asked.results, sizes)
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    run = {"at": at, **sizes, "rounds": rounds, "machine": report.machine()}
    _say(f"stored in {report.store(asked.results, {**run, 'figures': [figure.as_json() for figure in figures]})}")
    if asked.readme:
        drawn = report.plot(PLOT, figures, rows)
        _say(f"{PLOT} {'drawn' if drawn else 'not drawn: it needs the extra `bench` (matplotlib) and the row `peers`'}")
        report.put(README, report.markdown(figures, run))
    worse = report.slower(figures, last)
    for sentence in worse:
        _say(f"slower than {last['at']}: {sentence}")
    return 1 if worse else 0


def _measured(bench: Bench, names: list[str]) -> list[Figure]:
    figures = []
    for name in names:
        if name == "peers" and bench.peers is None:
            _say("peers: left out, datatrove is not installed (pip install -e '.[bench]', or --peers PYTHON)")
        for figure in ROWS[name](bench):
            figures.append(figure)
            _say(report.told(figure))
    return figures


def _peers(python: Path) -> Path | None:
    """The Python that has the other tools, if it has them."""
    probe = [str(python), "-c", "import datatrove, datasets"]
    return python if subprocess.run(probe, capture_output=True, check=False).returncode == 0 else None


def _row(name: str) -> str:
    if name not in ROWS:
        raise argparse.ArgumentTypeError(f"there is no {name}, but {', '.join(ROWS)}")
    return name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, two rounds")
    parser.add_argument("--tiny", action="store_true", help="a test of the benchmark itself; its figures say nothing")
    parser.add_argument("--rounds", type=int, help="rounds of each row")
    parser.add_argument("rows", nargs="*", type=_row, help=f"these alone, of {', '.join(ROWS)}", metavar="ROW")
    parser.add_argument("--only", action="append", default=[], choices=list(ROWS), help="the same; repeatable")
    parser.add_argument("--case", action="append", default=[], help="of hub: far/ or turkish, say; repeatable")
    parser.add_argument("--mirror", type=Path, help="read this mirror instead of building one")
    parser.add_argument("--baseline", type=Path, default=HERE / "seedlike.py", help="another script to compare with")
    parser.add_argument("--peers", type=Path, default=Path(sys.executable), help="a Python with datatrove")
    parser.add_argument("--folder", type=Path, help="work, and keep the mirror, below this folder")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where runs are stored")
    parser.add_argument("--readme", action="store_true", help="write table and plot into the README")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
