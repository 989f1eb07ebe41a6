"""The stand-in's network: latency, rate, a CDN for large files, and the log; the real clients are in the integration
tests."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
import tracemalloc
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pytest

from coordinator.demo.hub import TOKEN, Fault, Hub
from coordinator.demo.network import Network, file_bytes, most_active, most_open

REPO = "acme/tables"
LARGE, SMALL = b"0123456789abcdef" * 1_000, b"a small file"
GIT_ID = hashlib.sha1(b"blob 12\0" + SMALL).hexdigest()
FILE, README = f"/datasets/{REPO}/resolve/main/data/a.parquet", f"/datasets/{REPO}/resolve/main/README.md"
CDN_FILE = f"GET /cdn/{REPO}/data/a.parquet"


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / REPO / "data").mkdir(parents=True)
    (tmp_path / REPO / "data/a.parquet").write_bytes(LARGE)
    (tmp_path / REPO / "README.md").write_bytes(SMALL)
    return tmp_path


@pytest.fixture
def hub(root: Path) -> Iterator[Hub]:
    with Hub(root, Network(lfs=True)) as server:
        yield server


def connected(url: str) -> closing[http.client.HTTPConnection]:
    """A connection to a server."""
    return closing(http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=10))


def ask(url: str, method: str = "GET", **headers: str) -> Answer:
    """One request over a connection of its own; redirects are not followed."""
    parts = urllib.parse.urlsplit(url)
    with connected(url) as connection:
        connection.request(method, f"{parts.path}?{parts.query}", headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


def address(hub: Hub) -> str:
    """A new one of the large file on the CDN."""
    return str(ask(hub.url + FILE).headers["Location"])


def test_a_listing_has_the_sha256_of_large_files_and_the_git_id_of_small_ones(hub: Hub) -> None:
    listed = json.loads(ask(f"{hub.url}/api/datasets/{REPO}/tree/main?recursive=true").body)
    entries = {entry["path"]: entry for entry in listed if entry["type"] == "file"}
    large, small = entries["data/a.parquet"], entries["README.md"]
    assert large["size"] == len(LARGE)
    assert large["lfs"] == {"oid": hashlib.sha256(LARGE).hexdigest(), "size": len(LARGE), "pointerSize": 130}
    assert large["oid"] not in (large["lfs"]["oid"], small["oid"])
    assert "lfs" not in small
    assert small["oid"] == GIT_ID


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_large_file_is_elsewhere(hub: Hub, method: str) -> None:
    told = ask(hub.url + FILE, method)
    sha256 = hashlib.sha256(LARGE).hexdigest()
    assert told.status == 302
    assert (told.headers["X-Linked-Size"], told.headers["X-Linked-Etag"]) == (str(len(LARGE)), f'"{sha256}"')
    assert told.headers["X-Repo-Commit"] == hub.sha(REPO)
    assert told.headers["ETag"] != f'"{sha256}"'
    there = urllib.parse.urlsplit(told.headers["Location"])
    assert there.hostname != urllib.parse.urlsplit(hub.url).hostname
    assert there.netloc != urllib.parse.urlsplit(hub.url).netloc


def test_the_cdn_gives_it_whole_or_in_ranges(hub: Hub) -> None:
    whole, part = ask(address(hub)), ask(address(hub), Range="bytes=16-31")
    assert (whole.status, whole.body) == (200, LARGE)
    assert (part.status, part.body) == (206, LARGE[:16])
    assert part.headers["Content-Range"] == f"bytes 16-31/{len(LARGE)}"
    assert whole.headers["ETag"] == part.headers["ETag"] != f'"{hashlib.sha256(LARGE).hexdigest()}"'


def test_a_small_file_comes_from_the_hub_under_its_git_id(hub: Hub) -> None:
    answer = ask(hub.url + README)
    assert (answer.status, answer.body) == (200, SMALL)
    assert answer.headers["ETag"] == f'"{GIT_ID}"'


def test_the_cdn_takes_no_token_and_no_other_address(hub: Hub) -> None:
    refused = ask(address(hub), Authorization=f"Bearer {TOKEN}")
    assert refused.status == 400
    assert b"<Code>InvalidArgument</Code>" in refused.body
    assert ask(address(hub).replace("a.parquet", "b.parquet")).status == 403
    assert ask(address(hub).partition("?")[0]).status == 403
    assert ask(address(hub)).status == 200


def test_an_address_expires_by_the_clock(root: Path) -> None:
    now = [1_000.0]
    with Hub(root, Network(lfs=True, expires=60), clock=lambda: now[0]) as hub:
        known = address(hub)
        assert "Expires=1060&" in known
        now[0] += 59
        assert ask(known).status == 200
        now[0] += 1
        refused = ask(known)
        assert refused.status == 403
        assert refused.headers["Content-Type"] == "application/xml"
        assert refused.body.startswith(b"<?xml")
        assert ask(address(hub)).status == 200


def test_an_address_expires_by_use(root: Path) -> None:
    with Hub(root, Network(lfs=True, uses=2)) as hub:
        known = address(hub)
        assert [ask(known).status for _ in range(3)] == [200, 200, 403]


def test_what_is_large_is_told(root: Path) -> None:
    with Hub(root, Network(lfs=True, large=len(SMALL))) as hub:
        assert ask(hub.url + README).status == 302
    with Hub(root) as hub:
        assert ask(hub.url + FILE)[::2] == (200, LARGE)


def test_a_connection_and_each_answer_take_their_time(root: Path) -> None:
    taken = []
    with Hub(root, Network(latency=0.15)) as hub, connected(hub.url) as connection:
        for _ in range(2):
            begun = time.monotonic()
            connection.request("GET", README)
            connection.getresponse().read()
            taken.append(time.monotonic() - begun)
    assert taken[0] > 0.3
    assert 0.15 < taken[1] < taken[0]


def test_a_connection_is_as_wide_as_it_is_said_to_be(root: Path) -> None:
    with Hub(root, Network(rate=len(LARGE) / 0.4)) as hub:
        begun = time.monotonic()
        assert ask(hub.url + FILE).body == LARGE
        assert 0.3 < time.monotonic() - begun < 5


def test_a_file_is_not_held_in_memory(root: Path) -> None:
    size = 64 * 2**20
    (root / REPO / "data/a.parquet").write_bytes(bytes(size))
    with Hub(root, Network(lfs=True)) as hub:
        known = address(hub)
        tracemalloc.start()
        with connected(known) as connection:
            connection.request("GET", known)
            answer = connection.getresponse()
            came = sum(len(piece) for piece in iter(lambda: answer.read(2**17), b""))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert came == size
    assert peak < 2 * 2**20


# ---- faults


def test_an_address_is_refused_as_if_it_were_too_old(hub: Hub) -> None:
    hub.faults.append(Fault(CDN_FILE, "expired", times=1, after=1))
    known = address(hub)
    answers = [ask(known) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 403, 200]
    assert b"<Code>AccessDenied</Code>" in answers[1].body


def test_an_etag_changes_half_way(hub: Hub) -> None:
    hub.faults.append(Fault(CDN_FILE, "tag", after=1))
    before, after = (ask(address(hub), Range=f"bytes={wanted}") for wanted in ("0-15", "16-31"))
    assert before.headers["ETag"] != after.headers["ETag"]
    assert before.body == after.body == LARGE[:16]


def test_a_content_range_lies(hub: Hub) -> None:
    hub.faults.append(Fault(CDN_FILE, "shifted"))
    answer = ask(address(hub), Range="bytes=16-31")
    assert (answer.status, answer.body) == (206, LARGE[16:32])
    assert answer.headers["Content-Range"] == f"bytes 17-32/{len(LARGE)}"


def test_ranges_are_not_heeded(hub: Hub) -> None:
    hub.faults.append(Fault(CDN_FILE, "whole"))
    assert ask(address(hub), Range="bytes=16-31")[::2] == (200, LARGE)


def test_bytes_are_not_those_of_the_file(hub: Hub) -> None:
    hub.faults.append(Fault(CDN_FILE, "garbled"))
    answer = ask(address(hub), Range="bytes=16-31")
    assert (answer.status, len(answer.body), answer.body[1:]) == (206, 16, LARGE[17:32])
    assert answer.body[:1] != LARGE[16:17]


def test_the_hub_names_another_file(hub: Hub) -> None:
    hub.faults.append(Fault(f"GET {FILE}", "other", times=1))
    other, right = ask(hub.url + FILE), ask(hub.url + FILE)
    assert other.status == 302
    for name in ("X-Linked-Etag", "X-Linked-Size", "ETag"):
        assert other.headers[name] != right.headers[name]


@pytest.mark.parametrize("url", [address, lambda hub: hub.url + FILE], ids=["cdn", "resolve"])
def test_a_limit_on_either_side_is_told_apart(hub: Hub, url: Callable[[Hub], str]) -> None:
    there = url(hub)
    match = CDN_FILE if "/cdn/" in there else f"GET {FILE}"
    hub.faults.append(Fault(match, "status", 429, {"Retry-After": "3"}, times=1))
    limited, after = ask(there), ask(there)
    assert (limited.status, limited.headers["Retry-After"]) == (429, "3")
    assert after.status in (200, 302)


def test_the_cdn_drips(hub: Hub) -> None:
    hub.faults.append(Fault(CDN_FILE, "slow", rate=40_000))
    begun = time.monotonic()
    assert ask(address(hub)).body == LARGE
    assert 0.3 < time.monotonic() - begun < 5


# ---- the log


def test_the_log_has_what_was_asked_and_what_was_sent(hub: Hub) -> None:
    known = address(hub)
    ask(known, Range="bytes=0-99")
    ask(hub.url + README, "HEAD")
    ask(hub.url + README)
    ask(f"{hub.url}/api/datasets/{REPO}/revision/main")
    told = [(one.method, one.path, one.range, one.status, one.cdn) for one in hub.log.asked]
    assert told == [
        ("GET", FILE, "", 302, False),
        ("GET", f"/cdn/{REPO}/data/a.parquet", "bytes=0-99", 206, True),
        ("HEAD", README, "", 200, False),
        ("GET", README, "", 200, False),
        ("GET", f"/api/datasets/{REPO}/revision/main", "", 200, False),
    ]
    assert [one.sent for one in hub.log.asked][1:4] == [100, 0, len(SMALL)]
    assert file_bytes(hub.log.asked) == 100 + len(SMALL)


def test_the_log_counts_what_is_under_way_and_what_is_open_at_once(hub: Hub) -> None:
    hub.faults.append(Fault(f"GET {README}", "silent", times=1))
    with ExitStack() as ours:
        hung, idle = (ours.enter_context(connected(hub.url)) for _ in range(2))
        hung.request("GET", README)
        assert hung.getresponse().read(6) == SMALL[:6]
        idle.request("HEAD", README)
        idle.getresponse().read()
        ask(address(hub))
        assert [(one.active, one.open) for one in hub.log.asked] == [(1, 1), (2, 2), (2, 3), (2, 3)]
    ask(hub.url + README, "HEAD")
    assert (hub.log.asked[-1].active, hub.log.asked[-1].open) == (1, 1)
    assert (most_active(hub.log.asked), most_open(hub.log.asked)) == (2, 3)
