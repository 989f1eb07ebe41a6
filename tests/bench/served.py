"""The stand-in of the Hub in a process of its own, which tells what it was asked for.

`python -m tests.bench.served ROOT LATENCY RATE` prints its address; for each line on its standard input it prints, as
JSON, what was asked since the last one. It ends with its standard input.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from coordinator.demo.hub import Hub
from coordinator.demo.network import Asked, Network
from tests.clones import ROOT


class Served:
    """The process. `url` is the Hub's."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        self.url = self._line().strip()

    def asked(self) -> list[Asked]:
        """What was asked since this was called last."""
        assert self._child.stdin is not None
        self._child.stdin.write("\n")
        self._child.stdin.flush()
        return [Asked(**one) for one in json.loads(self._line())]

    def _line(self) -> str:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError("the stand-in of the Hub has ended")
        return line


@contextmanager
def serving(root: Path, network: Network) -> Iterator[Served]:
    """Serve a folder in the Hub's layout while the block runs."""
    command = [sys.executable, "-m", "tests.bench.served", str(root), str(network.latency), str(network.rate)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield Served(child)
        finally:
            assert child.stdin is not None
            child.stdin.close()


def main(root: Path, latency: float, rate: float) -> None:
    """Serve, and tell."""
    with Hub(root, Network(latency, rate, lfs=True)) as hub:
        for folder in root.glob("*/*/"):
            repo = folder.relative_to(root).as_posix()
            hub.sha(repo)  # the real Hub knows them before it is asked
            for path in hub.files(repo):
                hub.digests.sha256(path)
        _say(hub.url)
        told = 0
        for _ in sys.stdin:
            asked = hub.log.asked[told:]
            told += len(asked)
            _say(json.dumps([asdict(one) for one in asked]))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
