"""A disk that refuses at a chosen step, below one process: opens for writing, writes, syncs, renames, links, folders.

As a command, `python -m tests.refusing CLONE once|lasting EVERY ERRNO... -- ARGUMENT...`: for each EVERYth step that
polecats takes in CLONE, runs it refused there (once, or from there on) with one of the errors after another, and then
again with nothing in its way; CLONE is put back before each. Prints a JSON line for each: {step, what, errno, code,
said, after: the output's SHA-256, again: {code, said}, final: {sha256, manifest, left}}. Steps elsewhere do not count.
"""

from __future__ import annotations

import importlib
import io
import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

LATE = (
    *("coordinator.cli.app", "coordinator.cli.running", "coordinator.cli.screening", "coordinator.headless.table"),
    *("coordinator.worker.main", "coordinator.worker.streams.lines", "git", "psutil"),
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_NAMED = ("replace", "rename", "link", "mkdir", "truncate", "ftruncate", "fsync")


class Refusing:
    """Counts the steps below `root`, and refuses step number `at` with error `number`; `lasting`: all after it, too."""

    def __init__(self, lasting: bool) -> None:
        self.root, self.at, self.number, self.count, self.what = "", 0, 0, 0, ""
        self.lasting = lasting

    def step(self, what: str, place: Any) -> None:
        """A step at a path or a descriptor."""
        path = os.readlink(f"/proc/self/fd/{place}") if isinstance(place, int) else os.path.abspath(os.fspath(place))
        if not self.root or not path.startswith(self.root):
            return
        self.count += 1
        if self.count == self.at or (self.count > self.at > 0 and self.lasting):
            self.what = self.what or f"{what} {path.removeprefix(self.root)}"
            raise OSError(self.number, os.strerror(self.number), *([path] if isinstance(place, str) else []))

    def install(self) -> None:
        """From now on every such call of this process is a step. Before anything of ours is imported."""
        for name in _NAMED:
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        io.open = self._opened  # type: ignore[assignment]
        opened = os.open

        def wrapper(path: Any, flags: int, *rest: Any, **more: Any) -> int:
            if flags & WRITING:
                self.step("open", path)
            return opened(path, flags, *rest, **more)

        os.open = wrapper

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(place: Any, *rest: Any, **more: Any) -> Any:
            self.step(name, place)
            return call(place, *rest, **more)

        return wrapper

    def _opened(self, file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None, *rest: Any) -> Any:
        if not set(mode) & set("wax"):
            return open(file, mode, buffering, encoding, *rest)
        self.step("open", file)
        raw = _Raw(self, file, mode.replace("b", "").replace("t", ""))
        binary: Any = raw if buffering == 0 else io.BufferedWriter(raw)
        return binary if "b" in mode else io.TextIOWrapper(binary, encoding or "utf-8")


class _Raw(io.FileIO):
    def __init__(self, refusing: Refusing, file: Any, mode: str) -> None:
        super().__init__(file, mode)
        self.refusing = refusing

    def write(self, data: Any) -> int:
        """A refused write takes a part of the data, as a disk that fills up does."""
        try:
            self.refusing.step("write", self.fileno())
        except OSError:
            os.write(self.fileno(), bytes(data)[: len(data) // 2])
            raise
        return super().write(data)


def main(clone: Path, lasting: bool, every: int, numbers: list[int], arguments: list[str]) -> None:
    """See the module. Children are forked, so that a step costs no interpreter."""
    refusing = Refusing(lasting)
    refusing.install()
    for name in LATE:  # after the calls that they take up were replaced, and once for all children
        importlib.import_module(name)
    pristine = clone.with_name(f"{clone.name}.pristine")
    shutil.copytree(clone, pristine, symlinks=True)
    for step, number in zip(itertools.count(1, every), itertools.cycle(numbers), strict=False):
        shutil.rmtree(clone)
        shutil.copytree(pristine, clone, symlinks=True)
        told = _child(refusing, clone, arguments, step, number)
        if not told["what"]:
            break
        told |= {"step": step, "errno": number, "after": _final(clone)["sha256"]}
        told["again"] = _child(refusing, clone, arguments, 0, 0)
        print(json.dumps(told | {"final": _final(clone)}), flush=True)  # noqa: T201


def _final(clone: Path) -> dict[str, Any]:
    """The output's SHA-256, that which its manifest has, and the temporary files below the clone."""
    data = clone / "data"
    told = json.loads((data / "tier1.manifest.json").read_text())
    left = [str(path.relative_to(clone)) for path in clone.rglob("*.tmp")]
    return {
        "sha256": sha256((data / "tier1.jsonl").read_bytes()).hexdigest(),
        "manifest": told["sha256"],
        "left": left,
    }


def _child(refusing: Refusing, folder: Path, arguments: list[str], step: int, number: int) -> dict[str, Any]:
    from coordinator.cli.app import run_app

    said, what = folder.with_name("said"), folder.with_name("what")
    pid = os.fork()
    if not pid:
        out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.chdir(folder)
        sys.argv = ["polecats", *arguments]
        refusing.root, refusing.at, refusing.number = f"{folder}/", step, number
        code = 99
        try:
            run_app()
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:  # noqa: BLE001  a traceback is what the test looks for
            import traceback

            traceback.print_exc()
        refusing.root = ""
        what.write_text(refusing.what)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    status = os.waitpid(pid, 0)[1]
    return {
        "code": os.waitstatus_to_exitcode(status),
        "what": what.read_text() if what.exists() else "?",
        "said": said.read_text(),
    }


if __name__ == "__main__":
    cut = sys.argv.index("--")
    clone, how, every, *numbers = sys.argv[1:cut]
    main(Path(clone), how == "lasting", int(every), [int(number) for number in numbers], sys.argv[cut + 1 :])
