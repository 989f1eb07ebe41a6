"""`python tests/fuzz/run.py TARGET [--inputs N] [--seed S]`: N inputs to one target, or to `all` one after another.

With atheris (`pip install 'polecats[fuzz]'`) coverage guides the inputs; without it, or with `--plain`, they are
random. Either way the same bytes make the same input: what a run names is replayed by `--replay HEX`. Ends with 1 where
a law is broken or an input takes longer than a second of the processor's time.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
SLOW = 1.0
"""Seconds of the processor's time that an input may take."""
MEMORY = 2_048
"""MB that a run under atheris may take."""
SEEDS = 200
SIZES = (4, 16, 64, 300, 2_000)


class Timed:
    """A target that counts its inputs, knows the slowest, and fails where one takes too long."""

    def __init__(self, name: str) -> None:
        from tests.fuzz.targets import TARGETS

        if name not in TARGETS:
            sys.exit(f"{name} is no target: one of {', '.join(TARGETS)}, or all")
        self.target = TARGETS[name]
        self.name = name
        self.inputs = 0
        self.slowest = (0.0, b"")
        self.target(b"")  # what is loaded once is no input's fault

    def __call__(self, data: bytes) -> None:
        self.inputs += 1
        started = time.process_time()
        self.target(data)
        taken = time.process_time() - started
        if taken > self.slowest[0]:
            self.slowest = (taken, data)
        assert taken < SLOW, f"{taken:.2f} s"

    def report(self) -> str:
        taken, data = self.slowest
        return f"{self.name}: {self.inputs:,} inputs, slowest {1_000 * taken:.0f} ms ({data[:40].hex()})"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def inputs(count: int, seed: str) -> Iterator[bytes]:
    """Random bytes of several sizes; low ones are as likely as high ones, for they choose the cases."""
    order = random.Random(seed)
    for _ in range(count):
        size = order.choice(SIZES)
        yield bytes(order.choices(range(order.choice((16, 256))), k=order.randrange(size)))


def run_plain(name: str, count: int, seed: str) -> int:
    """Random inputs in this process; goes on behind a failure, which it names."""
    timed, failures = Timed(name), 0
    for data in inputs(count, f"{seed} {name}"):
        try:
            timed(data)
        except Exception:  # noqa: BLE001 - whatever it is, it is a finding
            failures += 1
            if failures <= 5:
                sys.stderr.write(f"{name}: --replay {data.hex()}\n{traceback.format_exc()}")
    say(f"{timed.report()}, {failures} failures")
    return min(failures, 1)


def run_guided(name: str, count: int, seed: str) -> int:
    """Guided by coverage, from random inputs on; ends with the first failure, for atheris never returns."""
    import atheris

    with atheris.instrument_imports(include=["coordinator", "tracks"]):
        timed = Timed(name)
    place = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    for index, data in enumerate(inputs(SEEDS, f"{seed} {name}")):
        (place / f"seed-{index}").write_bytes(data)

    def one(data: bytes) -> None:
        timed(data)
        if timed.inputs == count:
            say(f"{timed.report()}, guided")

    options = [f"-runs={count}", f"-rss_limit_mb={MEMORY}", f"-artifact_prefix={place}/failed-", "-max_len=2000"]
    atheris.Setup([sys.argv[0], *options, "-verbosity=0", str(place)], one)
    atheris.Fuzz()
    return 0


def every_target(args: argparse.Namespace) -> int:
    """Each in a process of its own."""
    from tests.fuzz.targets import TARGETS

    more = [*(["--plain"] if args.plain else []), "--inputs", str(args.inputs), "--seed", args.seed]
    return max(subprocess.run([sys.executable, __file__, name, *more], check=False).returncode for name in TARGETS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target")
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--replay", metavar="HEX")
    args = parser.parse_args()
    if args.target == "all":
        return every_target(args)
    if args.replay is not None:
        Timed(args.target)(bytes.fromhex(args.replay))
        return 0
    guided = not args.plain and importlib.util.find_spec("atheris")
    return (run_guided if guided else run_plain)(args.target, args.inputs, args.seed)


if __name__ == "__main__":
    sys.exit(main())
