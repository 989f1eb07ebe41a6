"""`python -I -S launch.py FD COMMAND...`: run a command and write to FD what it cost, it and all that came of it.

A process as small as this one stands between: a child's memory counts from what its parent had when it began. It
adopts what is left behind by others, so that processes nobody waited for are counted, too (on Linux).
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from contextlib import suppress

SET_CHILD_SUBREAPER = 36


def main(report: int, command: list[str]) -> int:
    """The exit code of the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.set_inheritable(report, False)
    begin = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    wall, cpu, peak, code = 0.0, 0.0, 0, 0
    with suppress(ChildProcessError):
        while True:
            pid, status, used = os.wait4(-1, 0)
            if pid == child:
                wall, code = time.perf_counter() - begin, os.waitstatus_to_exitcode(status)
            cpu, peak = cpu + used.ru_utime + used.ru_stime, max(peak, used.ru_maxrss)
    os.write(report, json.dumps({"wall": wall, "cpu": cpu, "peak": peak / 1024}).encode())
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
