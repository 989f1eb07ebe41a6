"""What the next loaders read is known beforehand, whatever their modules do when they are imported."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coordinator.worker.scout import sent_out
from coordinator.worker.spec import LoaderSpec, SourceSpec, WorkerSpec

ROOT = Path(__file__).parents[3]
LOADER = """
import os, signal, sys, time
from coordinator.contract import Call, HubSource, Loader, Sample
{top}

class It(Loader):
    source = HubSource(repo="acme/{name}", builder="{builder}", files={{"a": "a/*", "b": "b.jsonl"}}, revision="v1",
                       companions={{"notes": "n/*"}}, strided={strided})
    category = "function_calling"

    def transform(self, row):
        return Sample("Do it.", [Call("act", {{}})])
"""
TOPS = {
    "first": "raise SystemExit('the first one is not looked at')",
    "plain": "",
    "prints": "print('seen on stdout'); print('seen on stderr', file=sys.stderr); os.system('echo seen in a shell')",
    "raises": "raise ValueError('at import')",
    "leaves": "os._exit(0)",
    "exits": "sys.exit(3)",
    "dies": "os.kill(os.getpid(), signal.SIGKILL)",
    "hangs": "signal.pause()",
    "reads": "sys.stdin.read()",
    "last": "",
}


@pytest.fixture
def spec(tmp_path: Path) -> WorkerSpec:
    tracks = tmp_path / "tracks"
    (tracks / "east").mkdir(parents=True)
    for name, top in TOPS.items():
        array = name == "last"
        code = LOADER.format(name=name, top=top, builder="array" if array else "parquet", strided=not array)
        (tracks / "east" / f"{name}.py").write_text(code)
    (tracks / "east" / "broken.py").write_text("def (")
    loaders = [LoaderSpec(name) for name in (*TOPS, "broken", "absent")]
    return WorkerSpec("east", str(tracks), loaders, SourceSpec("hub", "hub"), str(tmp_path / "state"))


def started(spec: WorkerSpec, code: str, longest: int = 2) -> subprocess.Popen[str]:
    """A worker that has sent out a scout: `scout` in its code."""
    begin = f"""
import json, sys
from coordinator.worker import scout as module
from coordinator.worker.spec import WorkerSpec
module.LONGEST_IMPORT = {longest}
spec = WorkerSpec.decode(json.loads({json.dumps(json.dumps(spec.encode()))}))
scout = module.sent_out(spec, [])
"""
    command = [sys.executable, "-c", begin + code]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)


def sources(spec: WorkerSpec, *names: str) -> dict[str, Any]:
    """What a worker gets to know of loaders, in that order; and nothing else comes out of it."""
    code = f"""
for name in {names!r}:
    found = scout.source(name)
    print(json.dumps([name, {{field: getattr(found, field) for field in module.FIELDS}} if found else None]))
"""
    said, complained = started(spec, code).communicate(timeout=60)
    assert complained == ""
    return dict(json.loads(line) for line in said.splitlines())


def test_sources_arrive_and_nothing_else(spec: WorkerSpec) -> None:
    found = sources(spec, *(loader.name for loader in spec.loaders[1:]))
    sound = ("plain", "prints", "reads", "last")
    assert {name: source["repo"] for name, source in found.items() if source} == {
        name: f"acme/{name}" for name in sound
    }
    assert len(found) == len(spec.loaders) - 1
    assert found["plain"] == {
        "repo": "acme/plain",
        "builder": "parquet",
        "files": {"a": "a/*", "b": "b.jsonl"},
        "companions": {"notes": "n/*"},
        "revision": "v1",
        "strided": True,
    }
    assert (found["last"]["builder"], found["last"]["strided"]) == ("array", False)


def test_one_is_passed_over_for_the_next(spec: WorkerSpec) -> None:
    found = sources(spec, "last", "plain")
    assert found["last"]["repo"] == "acme/last"
    assert found["plain"] is None, "its turn is over"


def test_it_ends_with_the_worker(spec: WorkerSpec) -> None:
    """Also while an import hangs; a worker that is killed leaves nothing behind."""
    spec = replace(spec, loaders=[LoaderSpec("first"), LoaderSpec("hangs")])
    worker = started(spec, "print(scout.pid, flush=True)\nscout.source('hangs')\n", longest=600)
    assert worker.stdout is not None
    handle = os.pidfd_open(int(worker.stdout.readline()))
    worker.kill()
    worker.communicate()
    assert select.select([handle], [], [], 10)[0], "it is still there"
    os.close(handle)


def test_descriptors_of_the_worker_are_not_held(spec: WorkerSpec) -> None:
    """The engine sees by the end of its pipe that a worker is gone."""
    read, write = os.pipe()
    scout = sent_out(spec, [write])
    os.close(write)
    assert os.read(read, 1) == b""
    os.close(read)
    os.close(scout.pipe)
    os.kill(scout.pid, signal.SIGKILL)
    os.waitpid(scout.pid, 0)
