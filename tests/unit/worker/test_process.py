"""What a worker lets out of its process, and what of the engine's environment it lets in."""

from __future__ import annotations

import orjson
import pytest

from coordinator.engine.executors.local import MAX_LINE, worker_environment
from coordinator.events import Counts, Event, Failure, LoaderFinished, LoaderOpening, LoaderWarned, encode
from coordinator.worker.memory import oom_kills
from coordinator.worker.process import LONGEST_SENTENCE, LONGEST_TRACEBACK, bounded

LONG = "\x1b\U0001f43e" * 3_000_000


@pytest.mark.parametrize(
    "event",
    [LoaderWarned("opal/a", LONG), LoaderFinished("opal/a", "FAILED", Counts(), Failure("internal", LONG, "x", LONG))],
)
def test_long_texts_are_cut_so_that_the_engine_takes_the_line(event: Event) -> None:
    assert len(orjson.dumps(encode(bounded(event)))) < MAX_LINE


def test_of_a_traceback_the_end_is_kept() -> None:
    failure = Failure("loader_bug", "it broke", "mend it", "x" * 200_000 + "ValueError: at the end")
    cut = bounded(LoaderFinished("opal/a", "FAILED", Counts(), failure))
    assert isinstance(cut, LoaderFinished)
    assert cut.failure is not None
    assert cut.failure.traceback.endswith("ValueError: at the end")


def test_a_token_goes_before_the_cut_that_would_leave_half_of_it() -> None:
    token = "hf_" + "aB3" * 11
    sentence, end = "x" * (LONGEST_SENTENCE - 20) + token, token + "y" * (LONGEST_TRACEBACK - 20)
    cut = bounded(LoaderFinished("opal/a", "FAILED", Counts(), Failure("internal", sentence, "x", end)))
    assert isinstance(cut, LoaderFinished)
    assert cut.failure is not None
    assert "aB3" not in cut.failure.sentence + cut.failure.traceback
    warned = bounded(LoaderWarned("opal/a", sentence))
    assert isinstance(warned, LoaderWarned)
    assert "aB3" not in warned.sentence


@pytest.mark.parametrize("event", [LoaderOpening("opal/a"), LoaderFinished("opal/a", "DONE", Counts(3, 3, 3))])
def test_what_is_short_stays_as_it_is(event: Event) -> None:
    assert bounded(event) == event


def test_a_worker_sees_what_it_needs_and_no_secret() -> None:
    seen = worker_environment(
        {
            "PATH": "/bin",
            "HF_TOKEN": "for the Hub",
            "HF_HOME": "/cache",
            "https_proxy": "http://proxy",
            "PYTHONPATH": "/src",
            "XDG_CACHE_HOME": "/c",
            "AWS_SECRET_ACCESS_KEY": "no",
            "OPENAI_API_KEY": "no",
            "GITHUB_TOKEN": "no",
            "SSH_AUTH_SOCK": "no",
            "POLECATS_RUN_TARGET": "no",
        }
    )
    assert {"PATH", "HF_TOKEN", "HF_HOME", "https_proxy", "PYTHONPATH", "XDG_CACHE_HOME"} <= seen.keys()
    assert "no" not in seen.values()
    assert seen["ARROW_DEFAULT_MEMORY_POOL"] == "system"


def test_a_setting_that_the_user_made_wins() -> None:
    assert worker_environment({"OPENBLAS_NUM_THREADS": "4"})["OPENBLAS_NUM_THREADS"] == "4"


def test_the_kernels_count_is_a_number() -> None:
    assert oom_kills() >= 0
