"""A name that is not looked up in time means that there is no network."""

from __future__ import annotations

import threading

import httpx2
import pytest

from coordinator.worker.hub.lookup import looked_up


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_resolver_that_does_not_answer_is_not_waited_for() -> None:
    answered = threading.Event()
    try:
        with pytest.raises(httpx2.ConnectTimeout):
            looked_up("https://hub.invalid/x", 0.01, lambda *asked: answered.wait())
    finally:
        answered.set()


def test_a_name_that_is_wrong_is_for_the_client_to_tell() -> None:
    def refuse(*asked: object) -> None:
        raise OSError("no such name")

    looked_up("https://hub.invalid/x", 5.0, refuse)


@pytest.mark.parametrize("variable", ["https_proxy", "ALL_PROXY"])
def test_a_proxy_looks_names_up_itself(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    looked_up("https://hub.invalid/x", 0.0, lambda *asked: pytest.fail("not asked"))
