"""The Hub's limits in one worker, with a clock that a test moves: who waits, how long, who is told, what ends it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from email.utils import formatdate

import httpx2
import pytest

from coordinator.worker.failures import SourceError
from coordinator.worker.gate import Gate, Interrupted, interrupted
from coordinator.worker.hub.client import LARGEST, LIMITED_TRIES, GovernedClient, PauseTeller, asked_pause
from coordinator.worker.hub.connections import Connections
from coordinator.worker.idle import Idle
from tests.fakes import FakeClock

NOW = 1_800_000_000.0
API = "https://hub/api/datasets/a/b"
FILE = "https://hub/datasets/a/b/resolve/main/x"


class Scene:
    """A gate, what it told, and a clock that goes on by sleeping alone."""

    def __init__(self, worker: str = "") -> None:
        self.clock, self.told, self.stop_at = FakeClock(), list[tuple[float, str, bool]](), float("inf")
        self.gate = Gate(worker, self.clock, self._sleep)
        self.gate.serve(lambda *told: self.told.append(told), lambda: self.clock.now >= self.stop_at)
        self.sent: list[tuple[float, str]] = []

    def _sleep(self, seconds: float) -> None:
        self.clock.now += seconds

    def client(self, answer: Callable[[int], httpx2.Response]) -> GovernedClient:
        """One whose server answers by the number of the request."""

        def handle(request: httpx2.Request) -> httpx2.Response:
            self.sent.append((round(self.clock.now - 1_000.0, 3), request.url.path))
            return answer(len(self.sent))

        return GovernedClient(self.gate, Connections(), transport=httpx2.MockTransport(handle))

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.sent]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def limited(number: int) -> httpx2.Response:
    return httpx2.Response(429, headers={"Retry-After": "31"}) if number == 1 else httpx2.Response(200)


# ---- the gate


def test_an_open_gate_is_passed_and_nothing_is_told(scene: Scene) -> None:
    scene.gate.enter()
    assert (scene.clock.now, scene.told) == (1_000.0, [])


def test_who_comes_to_a_shut_gate_waits_and_says_so_once(scene: Scene) -> None:
    scene.gate.hold(30.0, "429 from the Hub")
    scene.clock.now += 10
    scene.gate.enter()
    assert scene.clock.now == pytest.approx(1_030.0)
    assert scene.told == [(20.0, "429 from the Hub", False)]


def test_a_shorter_hold_opens_nothing_earlier(scene: Scene) -> None:
    scene.gate.hold(30.0, "long")
    scene.gate.hold(5.0, "short")
    scene.gate.enter()
    assert scene.clock.now == pytest.approx(1_030.0)
    assert [reason for _, reason, _ in scene.told] == ["long"]


def test_each_loader_that_waits_is_told_of(scene: Scene) -> None:
    scene.gate.shut(30.0, "429 from the Hub")
    assert scene.told == [(30.0, "429 from the Hub", True)]
    scene.gate.serve(lambda *told: scene.told.append(told), lambda: False)
    scene.gate.enter()
    assert scene.told[1:] == [(30.0, "429 from the Hub", False)]


def test_a_wait_ends_when_the_loader_is_to_stop(scene: Scene) -> None:
    scene.gate.hold(300.0, "429 from the Hub")
    scene.stop_at = 1_004.0
    with pytest.raises(Interrupted):
        scene.gate.enter()
    assert scene.clock.now == pytest.approx(1_004.0, abs=0.3)
    with pytest.raises(Interrupted):
        scene.gate.announce(8.0, "connection lost")


def test_a_wait_beyond_the_bound_ends_the_loader_without_waiting(scene: Scene) -> None:
    scene.gate.longest = 900.0
    scene.gate.hold(900.0, "429 from the Hub")
    scene.gate.enter()
    scene.gate.hold(3_600.0, "429 from the Hub")
    with pytest.raises(SourceError, match=r"3,600 s, at 20..-.* longest_wait is 900 s") as caught:
        scene.gate.enter()
    assert caught.value.failure_class == "rate_limited"
    assert "Run again after" in caught.value.remedy
    assert scene.clock.now == pytest.approx(1_900.0)


def test_workers_come_back_one_after_another_and_always_the_same() -> None:
    lags = [Scene(track).gate.lag for track in ("opal", "ruby", "jasper", "topaz", "quartz")]
    assert len(set(lags)) == len(lags)
    assert all(0 <= lag < 1 for lag in lags)
    assert Scene("opal").gate.lag == lags[0]


def test_an_interruption_is_known_through_what_libraries_make_of_it() -> None:
    outer = OSError("cannot be read")
    outer.__cause__ = RuntimeError()
    outer.__cause__.__context__ = Interrupted()
    assert interrupted(outer)
    assert not interrupted(OSError())


# ---- the client


def test_a_429_is_waited_for_told_to_all_and_asked_again(scene: Scene) -> None:
    assert scene.client(limited).get(FILE).status_code == 200
    assert scene.times == [0.0, pytest.approx(31.0)]
    assert scene.told == [(31.0, "429 from the Hub", True)]


def test_no_other_request_goes_before_the_time_is_over(scene: Scene) -> None:
    client = scene.client(limited)
    scene.gate.hold(50.0, "429 from the Hub")
    client.get(FILE)
    client.get(API)
    assert scene.times == pytest.approx([50.0, 81.0, 81.0])


def test_a_429_that_does_not_end_is_the_loaders_failure(scene: Scene) -> None:
    client = scene.client(lambda number: httpx2.Response(429, headers={"Retry-After": "0"}))
    with pytest.raises(SourceError, match=f"429 {LIMITED_TRIES} times in a row to GET /datasets") as caught:
        client.get(FILE)
    assert caught.value.failure_class == "rate_limited"
    assert scene.times == pytest.approx([0.0, 1.0, 3.0, 7.0, 15.0, 31.0])


def test_a_503_shuts_the_gate_only_where_it_says_for_how_long(scene: Scene) -> None:
    answers = [httpx2.Response(503, headers={"Retry-After": "7"}), httpx2.Response(503)]
    client = scene.client(lambda number: answers[number - 1])
    assert client.get(FILE).status_code == 503
    assert scene.times == pytest.approx([0.0, 7.0])
    assert [shared for *_, shared in scene.told] == [True]


@pytest.mark.parametrize("fault", [500, 502, httpx2.ReadError("reset"), httpx2.RemoteProtocolError("cut")])
def test_a_call_is_made_again_and_a_file_is_not(scene: Scene, fault: int | Exception) -> None:
    def answer(number: int) -> httpx2.Response:
        if number <= 2 and isinstance(fault, Exception):
            raise fault
        return httpx2.Response(fault if number <= 2 and isinstance(fault, int) else 200)

    assert scene.client(answer).get(API).status_code == 200
    assert scene.times == pytest.approx([0.0, 1.0, 3.0])
    assert [(seconds, shared) for seconds, _, shared in scene.told] == [(1.0, False), (2.0, False)]
    scene.sent.clear()
    if isinstance(fault, int):
        assert scene.client(answer).get(FILE).status_code == fault
    else:
        with pytest.raises(type(fault)):
            scene.client(answer).get(FILE)
    assert len(scene.sent) == 1


def test_a_hub_that_was_never_reached_is_taken_for_absent_soon(scene: Scene) -> None:
    def refuse(number: int) -> httpx2.Response:
        if number in (3, 4, 5):
            return httpx2.Response(200)
        raise httpx2.ConnectError("refused")

    client = scene.client(refuse)
    with pytest.raises(httpx2.ConnectError):
        client.get(API)
    assert scene.times == pytest.approx([0.0, 1.0])
    assert client.get(API).status_code == 200
    scene.sent[:] = scene.sent[:5] + [(0.0, "")] * (5 - len(scene.sent))
    with pytest.raises(httpx2.ConnectError):
        client.get(API)
    assert len(scene.sent) == 5 + 4, "it has been there before, so that it may come back"


def test_a_call_that_always_fails_gives_up_soon(scene: Scene) -> None:
    assert scene.client(lambda number: httpx2.Response(500)).get(API).status_code == 500
    assert scene.times == pytest.approx([0.0, 1.0, 3.0, 7.0])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": " 0 "}, 0.0),
        ({"Retry-After": formatdate(NOW + 90, usegmt=True)}, 90.0),
        ({"Retry-After": formatdate(NOW - 90, usegmt=True)}, 0.0),
        # the server's clock is an hour behind ours
        ({"Retry-After": formatdate(NOW - 3_580, usegmt=True), "Date": formatdate(NOW - 3_600, usegmt=True)}, 20.0),
        ({"RateLimit": '"api";r=0;t=55'}, 55.0),
        ({"RateLimit": '"api";r=12;t=55'}, None),
        ({"RateLimit": '"api";r=0;t=55', "Retry-After": "60"}, 60.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "9" * 400}, LARGEST),
    ],
)
def test_what_an_answer_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert (
        asked_pause(httpx2.Headers([(key.encode(), value.encode()) for key, value in headers.items()]), NOW) == seconds
    )


def test_the_libraries_own_pauses_are_told_with_their_cause(scene: Scene) -> None:
    logger = logging.Logger("huggingface_hub.utils._http")
    logger.addHandler(PauseTeller(scene.gate))
    logger.warning("HTTP Error 500 thrown while requesting GET https://hub/x")
    logger.warning("Retrying in 2s [Retry 2/5].")
    logger.warning("Got disconnected from remote data host. Retrying in 5sec [1/20]")
    assert scene.told == [(2.0, "500 from the Hub", False), (5.0, "connection lost", False)]
    scene.stop_at = 0.0
    with pytest.raises(Interrupted):
        logger.warning("Rate limited. Waiting 61.0s before retry [Retry 1/5].")


# ---- what does not count as idle


def test_a_wait_does_not_count_and_what_was_before_it_does() -> None:
    idle = Idle(100.0, 100.0)
    idle.wait(140.0, 300.0)
    assert idle.waiting(439.0)
    assert idle.seconds(439.0) < 40.0
    assert not idle.waiting(440.0)
    assert idle.seconds(440.0) == 40.0
    assert idle.seconds(500.0) == 100.0


def test_waits_that_overlap_are_one() -> None:
    idle = Idle(100.0, 100.0)
    idle.wait(100.0, 30.0)
    idle.wait(110.0, 10.0)
    idle.wait(120.0, 20.0)
    assert idle.seconds(150.0) == 10.0


def test_progress_during_a_wait_leaves_the_rest_of_it() -> None:
    idle = Idle(100.0, 100.0)
    idle.wait(100.0, 300.0)
    idle.progress(101.0)
    assert idle.seconds(399.0) == 0.0
    assert idle.seconds(410.0) == 10.0


def test_waits_between_tries_that_get_nowhere_add_up_to_a_stall() -> None:
    """A server that never answers: 20 s a try, 8 s a pause."""
    idle, now = Idle(0.0, 0.0), 0.0
    for _ in range(6):
        now += 20.0
        idle.wait(now, 8.0)
        now += 8.0
    assert idle.seconds(now) == 120.0
