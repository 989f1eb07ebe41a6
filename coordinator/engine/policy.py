"""When a worker or a loader is tried again: pure decisions, no clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..events import Failure, FailureClass

TRANSIENT: frozenset[FailureClass] = frozenset({"network", "rate_limited", "killed"})
"""Failures that may heal by themselves. All others wait for a person."""
FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """config.toml's `[restart]`."""

    policy: Literal["never", "on-failure", "always"] = "on-failure"
    max: int = 5

    def again(self, failure: Failure | None, attempts: int, reached: bool = True) -> bool:
        """Whether what failed `attempts` times is tried once more. `reached`: anything has come from the Hub yet; if
        not, a failure to reach it means that there is no network, and that does not pass by itself."""
        if failure is None or failure.failure_class not in TRANSIENT or self.policy == "never":
            return False
        if failure.offline and not reached:
            return False
        return self.policy == "always" or attempts < self.max

    def delay(self, attempts: int) -> float:
        """Seconds to wait after failure number `attempts` (from 1): doubling, capped."""
        return min(FIRST_DELAY * 2.0 ** min(attempts - 1, 30), LONGEST_DELAY)


def killed(loader: str, code: int, out_of_memory: bool, log: str) -> Failure:
    """The failure of a loader whose worker ended under it."""
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    if out_of_memory:
        return Failure(
            "out_of_memory",
            f"the worker of {loader} ended {how} while the kernel was out of memory",
            "Free memory or lower [run] workers, then restart it.",
            log,
            f"polecats check {loader}",
        )
    return Failure(
        "killed",
        f"the worker of {loader} ended {how} without a word",
        "It is tried again by policy; see worker.log, or look at the loader with check.",
        log,
        f"polecats check {loader}",
    )


def stalled(loader: str, idle: float, opening: bool) -> Failure:
    """The failure of a loader that made no progress."""
    doing = "opening its source" if opening else "reading"
    return Failure(
        "stalled",
        f"{loader} made no progress for {idle:,.0f} s while {doing} and was ended",
        "What it committed is kept. Restart it once the source answers again, or raise [run] stall_timeout.",
        "",
        f"polecats restart {loader}",
    )


def unheard(loader: str, log: str) -> Failure:
    """The failure of a loader of which its worker did not say how it ended."""
    return Failure(
        "internal",
        f"the worker of {loader} was done and had not said how this loader ended",
        "See the end of its log below, or look at the loader with check.",
        log,
        f"polecats check {loader}",
    )


def unstartable(track: str, how: str, log: str) -> Failure:
    """The failure of every loader of a track whose worker cannot be kept."""
    return Failure(
        "internal",
        f"the worker of {track} cannot be kept: {how}",
        "See the end of its log below.",
        log,
        f"polecats check {track}",
    )
