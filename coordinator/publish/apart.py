"""Work in a process of its own, for one that lives on: what a merge needs of memory ends with it."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from multiprocessing.context import ForkProcess
from typing import TypeVar

from ..errors import ExitCode, PolecatsError
from ..worker.process import die_with

Result = TypeVar("Result")


def apart(work: Callable[[], Result], what: str) -> Result:
    """What `work` returns or raises, from a fork of this process. Interrupts are for this one, and end the fork.

    In place where no fork can be had: on other systems than Linux, and while this process has other threads, which a
    fork would lose. Raises `PolecatsError` where the fork was killed; `what` names it in the sentence.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        return work()
    ours, theirs = Pipe(duplex=False)
    process = ForkProcess(target=_work, args=(work, ours, theirs, os.getpid()))
    process.start()
    theirs.close()
    try:
        done, told = pickle.loads(ours.recv_bytes())  # from a fork of this very program
    except EOFError:
        process.join()
        sentence = f"{what} ended with exit code {process.exitcode} without a word: was it killed? Try it again."
        raise PolecatsError(sentence, ExitCode.REFUSED) from None
    except BaseException:
        process.terminate()
        raise
    finally:
        process.join()
        ours.close()
    if not done:
        raise told
    result: Result = told
    return result


def _work(work: Callable[[], Result], ours: Connection, theirs: Connection, parent: int) -> None:
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ours.close()
    with suppress(BrokenPipeError):
        theirs.send_bytes(pickle.dumps(_outcome(work)))


def _outcome(work: Callable[[], Result]) -> tuple[bool, Result | BaseException]:
    """Whether it is done; then what it returns, else what it raises."""
    try:
        return True, work()
    except BaseException as error:  # noqa: BLE001  the other side raises it
        if not isinstance(error, PolecatsError):
            error.add_note("".join(traceback.format_exception(error)))
        return False, error
