"""Parts of files over true connections: the right bytes and no others, whatever the Hub, its CDN or the network do."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import constants

from coordinator.demo.hub import TOKEN, Fault, Hub
from coordinator.demo.network import Network
from coordinator.worker.failures import SourceError
from coordinator.worker.gate import Gate
from coordinator.worker.hub import ranges
from coordinator.worker.hub.client import GovernedClient
from coordinator.worker.hub.connections import Connections
from coordinator.worker.hub.meter import STEP, Answer, Meter
from coordinator.worker.hub.ranges import WAITS, Fetcher, Latency
from coordinator.worker.hub.remote_file import RemoteFile
from tests.fakes import FakeClock

REPO, PATH = "acme/large", "data/a b'é.bin"
DATA = random.Random(3).randbytes(2**20)
PART = 100_000
CDN, RESOLVE = "GET /cdn/*", "GET */resolve/*"


class Scene:
    """A file on a Hub with a CDN, what fetches it, and a clock that pauses alone move."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, network: Network) -> None:
        path = root / REPO / PATH
        path.parent.mkdir(parents=True)
        path.write_bytes(DATA)
        self.monkeypatch, self.path, self.clock, self.pauses = monkeypatch, path, FakeClock(), list[float]()
        self.hub = Hub(root, network, clock=self.clock)
        self.gate = Gate("", self.clock, self._sleep)
        self.gate.serve(lambda seconds, reason, shared: self.pauses.append(seconds), lambda: False)
        self.latency = Latency()
        self.client: GovernedClient | None = None
        self.use(None)
        self.fetcher = self.new()

    def use(self, transport: httpx2.BaseTransport | None) -> None:
        """Send requests by this; none: over the network."""
        self.close()
        self.client = GovernedClient(self.gate, Connections(8), transport, follow_redirects=True, timeout=None)
        self.monkeypatch.setattr(ranges, "get_session", lambda: self.client)
        self.monkeypatch.setattr(constants, "ENDPOINT", self.hub.url)
        self.monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 5)
        self.monkeypatch.setattr(ranges, "hf_hub_url", self._url)

    def close(self) -> None:
        """Close this thread's connection."""
        if self.client is not None:
            self.client.close_own()

    def _url(self, repo: str, path: str, repo_type: str, revision: str) -> str:
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(repo, path, repo_type=repo_type, revision=revision)
        return self.hub.url + url[url.index("/datasets/") :]

    def _sleep(self, seconds: float) -> None:
        self.clock.now += seconds

    def new(self, etag: str = sha256(DATA).hexdigest()) -> Fetcher:
        return Fetcher(RemoteFile(REPO, "main", PATH, len(DATA), etag), self.gate, self.latency)

    def get(self, start: int = 0, end: int = PART) -> bytes:
        found = bytearray()
        self.fetcher.fetch(start, end, found.extend)
        return bytes(found)

    def get_all(self, threads: int = 8) -> None:
        """All of the file, by as many threads, which begin at the same moment."""
        size, barrier = len(DATA) // threads, threading.Barrier(threads)

        def one(number: int) -> None:
            barrier.wait(10)
            start, end = number * size, (number + 1) * size
            assert self.get(start, end) == DATA[start:end]
            self.close()

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, range(threads)))

    def count(self, cdn: bool, *statuses: int) -> int:
        """Answers of the CDN, or of the Hub."""
        return sum(one.cdn == cdn and (not statuses or one.status in statuses) for one in self.hub.log.asked)

    def fails(self, start: int = 0, end: int = PART) -> SourceError:
        with pytest.raises(SourceError) as caught:
            self.get(start, end)
        assert caught.value.sentence.startswith(f"{REPO}: {PATH}")
        return caught.value


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """`indirect`: the network."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    scene = Scene(tmp_path, monkeypatch, getattr(request, "param", Network(lfs=True)))
    with scene.hub:
        yield scene
        scene.close()


def network(**manners: float) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("scene", [Network(lfs=True, **manners)], indirect=True)  # type: ignore[arg-type]


NO_CDN = pytest.mark.parametrize("scene", [Network()], indirect=True)


# ---- addresses


def test_the_cdn_is_asked_directly_once_its_address_is_known(scene: Scene) -> None:
    for start in range(0, 5 * PART, PART):
        assert scene.get(start, start + PART) == DATA[start : start + PART]
    assert scene.get(len(DATA) - 1, len(DATA)) == DATA[-1:]
    name = PATH.rpartition("/")[2]
    asked = [(one.cdn, one.status, one.path.rpartition("/")[2]) for one in scene.hub.log.asked]
    assert [one for one in asked if one[2] == name] == [(False, 302, name)] + [(True, 206, name)] * 6, asked


@NO_CDN
def test_a_hub_without_a_cdn(scene: Scene) -> None:
    scene.fetcher = scene.new(etag="1" * 40)
    scene.get_all()
    assert len(scene.hub.requests) == 8


@network(latency=0.03)
def test_eight_threads_look_the_address_up_once(scene: Scene) -> None:
    scene.get_all()
    assert (scene.count(cdn=False), scene.count(cdn=True)) == (1, 8)


@network(uses=2)
def test_an_address_that_is_used_up_is_looked_up_anew(scene: Scene) -> None:
    for start in range(0, 6 * PART, PART):
        assert scene.get(start, start + PART) == DATA[start : start + PART]
    assert (scene.count(False), scene.count(True, 206), scene.count(True, 403)) == (3, 6, 2)
    assert scene.pauses == [], "it is no fault"


@network(expires=60.0, latency=0.02)
def test_eight_threads_look_an_expired_address_up_once(scene: Scene) -> None:
    scene.get_all()
    scene.clock.now += 61
    scene.get_all()
    assert scene.count(False) == 2
    assert 1 <= scene.count(True, 403) <= 8


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_what_a_cdn_says_of_an_old_address(scene: Scene, status: int) -> None:
    scene.hub.faults = [Fault(CDN, "status", status, after=1, times=1)]
    assert scene.get() + scene.get(PART, 2 * PART) == DATA[: 2 * PART]
    assert scene.count(False) == 2


def test_a_cdn_that_always_refuses_is_no_endless_loop(scene: Scene) -> None:
    assert scene.get() == DATA[:PART]
    scene.hub.faults = [Fault(CDN, "expired")]
    assert scene.fails().failure_class == "auth"
    assert len(scene.hub.requests) <= 6


@pytest.mark.parametrize("status", [401, 403])
def test_what_the_hub_refuses_is_asked_for_once(scene: Scene, status: int) -> None:
    scene.hub.faults = [Fault(RESOLVE, "status", status)]
    assert "refused access" in scene.fails().sentence
    assert len(scene.hub.requests) == 1


@network(latency=0.02)
def test_a_look_up_that_fails_is_made_by_another(scene: Scene) -> None:
    scene.hub.faults = [Fault(RESOLVE, "reset", times=3)]
    scene.get_all()
    assert len(scene.pauses) == 3


# ---- tokens


def test_the_token_goes_to_the_hub_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CDN refuses one with 400, also where the Hub leads there."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    scene.hub.gated.add(REPO)
    scene.get_all()
    assert scene.count(True, 206) == scene.count(True) == 8
    monkeypatch.delenv("HF_TOKEN")
    scene.fetcher = scene.new()
    assert scene.fails().failure_class == "gated"


# ---- other bytes


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("tag", "changed while it was read"),
        ("other", "changed while it was read"),
        ("short", "changed while it was read"),
        ("shifted", "changed while it was read"),
        ("whole", "gave something else"),
        ("page", "gave something else (text/html)"),
    ],
)
def test_an_answer_of_something_else_is_not_taken(scene: Scene, kind: str, word: str) -> None:
    assert scene.get() == DATA[:PART]
    scene.hub.faults = [Fault(CDN, kind)]  # type: ignore[arg-type]
    found = bytearray()
    with pytest.raises(SourceError) as caught:
        scene.fetcher.fetch(PART, 2 * PART, found.extend)
    assert word in caught.value.sentence
    assert (caught.value.failure_class, bytes(found)) == ("network", b"")
    assert scene.pauses == [], "it would be the same again"


def test_a_file_of_another_digest_than_was_listed_is_not_taken(scene: Scene) -> None:
    scene.fetcher = scene.new(etag="0" * 64)
    assert "changed" in scene.fails().sentence


def test_a_file_that_has_grown_is_not_taken(scene: Scene) -> None:
    scene.fetcher = scene.new()
    scene.path.write_bytes(DATA + b"more")
    assert f"is not the one of {len(DATA):,} bytes" in scene.fails().sentence


def answer(body: bytes, tag: str = "") -> httpx2.MockTransport:
    headers = {"Content-Range": f"bytes 0-9/{len(DATA)}", **({"ETag": tag} if tag else {})}
    return httpx2.MockTransport(lambda request: httpx2.Response(206, headers=headers, content=iter([body])))


def test_more_bytes_than_were_asked_for_are_not_handed_on(scene: Scene) -> None:
    scene.use(answer(DATA[:10] + b"more"))
    assert scene.get(0, 10) == DATA[:10]


def test_an_answer_that_never_ends_is_left(scene: Scene) -> None:
    def endless() -> Iterator[bytes]:
        for at in range(1_000):
            yield DATA[at : at + 1]
        raise AssertionError("it is read on and on")

    headers = {"Content-Range": f"bytes 0-9/{len(DATA)}"}
    scene.use(httpx2.MockTransport(lambda request: httpx2.Response(206, headers=headers, content=endless())))
    assert scene.get(0, 10) == DATA[:10]


@pytest.mark.parametrize(
    ("first", "second", "same"), [('"a"', '"b"', False), ('W/"a"', 'W/"b"', True), ("", '"a"', True)]
)
def test_strong_tags_alone_tell_files_apart(scene: Scene, first: str, second: str, same: bool) -> None:
    scene.use(answer(DATA[:10], first))
    scene.get(0, 10)
    scene.use(answer(DATA[:10], second))
    if same:
        assert scene.get(0, 10) == DATA[:10]
    else:
        scene.fails(0, 10)


# ---- a network that breaks


@pytest.mark.parametrize("where", [CDN, RESOLVE])
@pytest.mark.parametrize("kind", ["reset", "cut", "lie"])
def test_what_broke_off_is_gone_on_with(scene: Scene, where: str, kind: str) -> None:
    scene.hub.faults = [Fault(where, kind, times=1)]  # type: ignore[arg-type]
    assert scene.get(10, PART) == DATA[10:PART]
    assert scene.hub.faults[0].hits == 1
    assert scene.pauses in ([], [WAITS[0]])


def test_a_part_is_asked_for_from_where_it_broke_off(scene: Scene) -> None:
    scene.hub.faults = [Fault(CDN, "cut", times=1)]
    assert scene.get(0, PART) == DATA[:PART]
    asked = [one.range for one in scene.hub.log.asked if one.cdn]
    first, second = (int(told.removeprefix("bytes=").split("-")[0]) for told in (asked[0], asked[-1]))
    assert first == 0
    assert 0 < second <= PART // 2


def test_what_gets_nowhere_is_given_up(scene: Scene) -> None:
    scene.hub.faults = [Fault("GET *", "reset")]
    assert "was lost again and again" in scene.fails().sentence
    assert scene.pauses == list(WAITS)


def test_what_gets_on_is_never_given_up(scene: Scene) -> None:
    scene.get()
    scene.hub.faults = [Fault(CDN, "cut", times=5)]
    assert scene.get(0, len(DATA)) == DATA
    assert len(scene.pauses) == 5 > len(WAITS), "more often than it is tried where nothing comes"


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_status_that_may_pass(scene: Scene, status: int) -> None:
    scene.hub.faults = [Fault(CDN, "status", status, times=2)]
    assert scene.get() == DATA[:PART]
    assert scene.pauses == list(WAITS[:2])


def test_a_429_is_waited_for_by_all(scene: Scene) -> None:
    scene.hub.faults = [Fault(RESOLVE, "status", 429, {"Retry-After": "7"}, times=1)]
    assert scene.get() == DATA[:PART]
    assert scene.pauses == [7.0]


def test_a_silent_server_is_left_after_a_while(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    scene.hub.faults = [Fault(CDN, "silent", times=1), Fault(CDN, "stall", times=1)]
    assert scene.get() == DATA[:PART]


def test_what_drips_comes_as_it_drips(scene: Scene) -> None:
    scene.hub.faults = [Fault(CDN, "slow", rate=50_000)]
    found: list[bytes] = []
    scene.fetcher.fetch(0, 10_000, found.append)
    assert b"".join(found) == DATA[:10_000]
    assert len(found) > 1


def test_a_drip_is_no_progress_and_a_stream_is() -> None:
    meter = Meter()
    drip = Answer(meter)
    for _ in range(STEP - 1):
        drip.add(1)
    assert meter.told == 0
    drip.add(1)
    assert meter.told == STEP
    unwatched = Answer(meter, lambda: False)
    unwatched.add(5 * STEP)
    unwatched.settle()
    assert meter.told == STEP, "nobody waits for it"


def test_an_error_of_who_takes_the_bytes_is_not_the_networks(scene: Scene) -> None:
    def take(chunk: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space") as caught:
        scene.fetcher.fetch(0, PART, take)
    assert not isinstance(caught.value, SourceError)
    assert scene.pauses == []


@network(latency=0.05)
def test_the_latency_is_that_of_an_answer(scene: Scene) -> None:
    for _ in range(4):
        scene.get()
    assert 0.05 <= scene.latency.seconds < 1.0


def test_the_time_to_connect_and_to_bring_bytes_is_no_latency() -> None:
    now = [0.0]
    latency = Latency()

    def answer(*steps: tuple[str, float]) -> None:
        trace = latency.trace(lambda: now[0])
        for event, seconds in steps:
            now[0] += seconds
            trace(event, {})

    connected, sent, answered = ("connection.connect_tcp.complete", 9.0), (ranges.SENT, 1.0), (ranges.ANSWERED, 0.25)
    answer(connected, sent, ("http11.send_request_headers.complete", 0.0), answered)
    assert latency.seconds == 0.25
    answer((ranges.SENT, 0.0), (ranges.ANSWERED, 0.125), (ranges.SENT, 3.0), (ranges.ANSWERED, 0.5))
    assert latency.seconds == 0.125, "of a detour each answer counts, and the shortest is what is kept"
    answer(answered)
    assert latency.seconds == 0.125
