"""A worker as a process of its own: what it does before anything else, how it talks, how it leaves.

In this order: output to the engine, its own session, death with the engine, loaders from its worktree and
everything else from the engine's own installation, then work. It talks in JSON lines on one pipe, hears lines on
another, whose end means that the engine is gone, and prints into a third. It leaves by `os._exit` after its last
word: Arrow's threads can hang an interpreter that ends in the ordinary way.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from ..events import Event, LoaderFinished, LoaderWarned, WorkerDone, encode
from ..redaction import redacted

if TYPE_CHECKING:
    from .gate import Gate
    from .pool import Share
    from .scout import Scout
    from .shard_end import ShardEnd
    from .spec import WorkerSpec

HEARTBEAT_SECONDS = 1.0
STOP = "stop"
HOLD = "hold"
"""`hold SECONDS REASON`: no request to the Hub before that, for another worker was told so."""
USE = "use"
"""`use CORES`: so many fall to this worker from now on."""
CONNECT = "connect"
"""`connect NUMBER`: so many connections to the Hub fall to this worker from now on."""
LONGEST_SENTENCE = 2_000
LONGEST_TRACEBACK = 64_000
_PR_SET_PDEATHSIG = 1


def enter(order: str, talk: Any, hear: Any, out: Any) -> None:
    """The process's main function; does not return. `order` is JSON: spec, parent's pid, package folder.

    The others are connections, used by their file descriptors alone: nothing is pickled on either side.
    """
    code = 1
    try:
        told = json.loads(order)
        _detach(out, told["parent"])
        _use_package(told["package"])
        _work(told, talk.fileno(), hear.fileno())
        code = 0
    except BaseException:  # noqa: BLE001  whatever it was is in the log; the engine sees that no last word came
        import traceback

        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # closed by a loader, or the log's disk is full
                stream.flush()
        os._exit(code)


def _detach(out: Any, parent: int) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out.fileno(), 1)
    os.dup2(out.fileno(), 2)
    out.close()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # the last words of a worker that is killed, too
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    die_with(parent)


def die_with(parent: int) -> None:
    """Linux kills this process when the parent's thread that started it ends, also while a C loop holds the GIL."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(3)  # it was gone before we asked


def _use_package(folder: str) -> None:
    """The engine's own `coordinator`, whatever an install in a worktree has re-pointed the name to."""
    import coordinator

    found = Path(coordinator.__file__ or "").resolve().parent.parent
    if found != Path(folder):
        raise RuntimeError(f"coordinator came from {found}, not from {folder}: was it installed from a worktree?")


def _work(told: dict[str, Any], talk: int, hear: int) -> None:
    from .gate import Gate
    from .memory import collect_seldom
    from .shard_end import forked
    from .spec import WorkerSpec

    collect_seldom()
    spec = WorkerSpec.decode(told["spec"])
    os.chdir(Path(spec.tracks).parent)
    processes = max((loader.workers or spec.share for loader in spec.loaders), default=1)
    shards = forked(processes, Path(spec.tracks).resolve(), spec.track, (talk, hear)) if processes > 1 else []
    scout = _scout(spec, (talk, hear))
    lock, stop, gate, share = threading.Lock(), threading.Event(), Gate(spec.track), _share(spec, shards)
    threading.Thread(target=_listen, args=(hear, stop, gate, share), daemon=True).start()

    from .main import run
    from .pulse import Pulse

    pulse = Pulse(time.monotonic())

    def emit(event: Event) -> None:
        line = orjson.dumps(encode(bounded(event))) + b"\n"
        with lock:
            _write_all(talk, line)

    def beat() -> None:
        while True:
            time.sleep(HEARTBEAT_SECONDS)
            emit(replace(pulse.beat(time.monotonic()), connects=share.connections.kept))

    threading.Thread(target=beat, daemon=True).start()
    run(spec, emit, stop.is_set, pulse=pulse, gate=gate, share=share, scout=scout)
    emit(WorkerDone(spec.track))


def _scout(spec: WorkerSpec, pipes: tuple[int, int]) -> Scout | None:
    """What looks at the loaders whose files are to be fetched ahead, if there are any."""
    if not spec.source.over_hub or len(spec.loaders) < 2:
        return None
    from .scout import sent_out

    with suppress(OSError):  # without it files come a little later
        return sent_out(spec, pipes)
    return None


def _share(spec: WorkerSpec, shards: list[ShardEnd]) -> Share:
    from .hub.connections import Connections
    from .pool import Share

    return Share(spec.share, shards, Connections(spec.connections))


def _listen(hear: int, stop: threading.Event, gate: Gate, share: Share) -> None:
    """Do what the engine says, line by line, until it is gone."""
    rest = b""
    while said := os.read(hear, 4096):
        *lines, rest = (rest + said).split(b"\n")
        for line in lines:
            match line.decode().split(" ", 2):
                case [word] if word == STOP:
                    stop.set()
                case [word, seconds, reason] if word == HOLD:
                    gate.hold(float(seconds), reason)
                case [word, cores] if word == USE:
                    share.cores = int(cores)
                case [word, connections] if word == CONNECT:
                    share.connections.resize(int(connections))
    os._exit(3)  # what is committed is kept, the rest is not ours to go on with


def bounded(event: Event) -> Event:
    """The event with the long texts cut that a loader's code decides: the engine drops lines that are too long.

    Credentials go first: half of one would not be known for what it is.
    """
    match event:
        case LoaderFinished(failure=failure) if failure is not None:
            cut = replace(
                failure,
                sentence=redacted(failure.sentence)[:LONGEST_SENTENCE],
                traceback=redacted(failure.traceback)[-LONGEST_TRACEBACK:],
            )
            return replace(event, failure=cut)
        case LoaderWarned(sentence=sentence):
            return replace(event, sentence=redacted(sentence)[:LONGEST_SENTENCE])
    return event


def _write_all(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(target, view) :]
        except BrokenPipeError:
            os._exit(3)
