"""Who is tried again, when, and what is said of who is not: pure tables."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, get_args

import pytest

from coordinator.engine import policy
from coordinator.engine.policy import LONGEST_DELAY, TRANSIENT, RestartPolicy
from coordinator.events import Failure, FailureClass


@pytest.mark.parametrize("failure_class", get_args(FailureClass))
def test_only_what_may_heal_by_itself_is_tried_again(failure_class: FailureClass) -> None:
    failure = Failure(failure_class, "it broke", "mend it")
    heals = failure_class in ("network", "rate_limited", "killed")
    assert (failure_class in TRANSIENT) is heals
    assert RestartPolicy().again(failure, 1) is heals
    assert RestartPolicy("always").again(failure, 1) is heals
    assert not RestartPolicy("never").again(failure, 1)


def test_no_failure_is_not_tried_again() -> None:
    assert not RestartPolicy("always").again(None, 1)


@pytest.mark.parametrize(("most", "attempts", "again"), [(5, 4, True), (5, 5, False), (1, 1, False), (0, 1, False)])
def test_so_many_attempts_and_no_more_but_with_always(most: int, attempts: int, again: bool) -> None:
    failure = Failure("network", "no answer", "wait")
    assert RestartPolicy("on-failure", most).again(failure, attempts) is again
    assert RestartPolicy("always", most).again(failure, attempts)


def test_pauses_grow_up_to_a_minute_and_stay_there_for_ever() -> None:
    pauses = [RestartPolicy().delay(attempt) for attempt in range(1, 5_000)]
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert all(one <= other for one, other in pairwise(pauses))
    assert max(pauses) == LONGEST_DELAY == 60.0


def test_every_failure_says_what_happened_what_to_do_and_how_to_see_it_again() -> None:
    failures = [
        policy.killed("opal/a", -9, False, "the log"),
        policy.killed("opal/a", 1, False, "the log"),
        policy.killed("opal/a", -9, True, "the log"),
        policy.stalled("opal/a", 121.4, True),
        policy.unheard("opal/a", "the log"),
        policy.unstartable("opal", "it ended with exit code 1, at no loader", "the log"),
    ]
    for failure in failures:
        assert "opal" in failure.sentence
        assert failure.remedy
        assert failure.reproduce.startswith("polecats ")
    assert "signal 9" in failures[0].sentence
    assert "exit code 1" in failures[1].sentence
    assert failures[2].failure_class == "out_of_memory"
    assert "121 s while opening" in failures[3].sentence


@pytest.mark.parametrize("policy", ["on-failure", "always"])
def test_without_a_network_nothing_is_tried_again_unless_the_hub_has_been_reached(policy: Any) -> None:
    failure = Failure("network", "there is no network", "mend it", offline=True)
    assert not RestartPolicy(policy).again(failure, 1, reached=False)
    assert RestartPolicy(policy).again(failure, 1, reached=True)
    assert RestartPolicy(policy).again(Failure("network", "it broke", "wait"), 1, reached=False)
