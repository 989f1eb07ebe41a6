"""What is taken out of a text, by value and by shape, and what stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator import redaction
from coordinator.redaction import redacted, secrets

TOKEN = "hf_" + "aB3" * 11


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", lambda: None)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"token={TOKEN}, and more", "token=***, and more"),
        (f"{{'HF_TOKEN': '{TOKEN}'}}", "{'HF_TOKEN': '***'}"),
        ("via http://me:pa%40ss@proxy:8080/x", "via http://***@proxy:8080/x"),
        ("https://:secret@host", "https://***@host"),
        ("{'Authorization': 'Bearer abc.def-123_x'}", "{'Authorization': 'Bearer ***'}"),
        ("authorization: bearer abcdefgh", "authorization: bearer ***"),
    ],
)
def test_shapes_of_credentials_go(text: str, left: str) -> None:
    assert redacted(text) == left
    assert redacted(left) == left


@pytest.mark.parametrize(
    "text",
    [
        "huggingface_hub.hf_file_system.hf_hub_download_with_retries",
        "hf://datasets/acme/b@4f1d/x.jsonl and http://host:8080/a@b",
        "see https://huggingface.co/datasets/a: it is gated, write to me@example.org",
        "the bearer is tired",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redacted(text) == text


def test_values_of_this_user_go_whatever_they_look_like(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("HF_TOKEN", "an.old+token")
    redaction._known.cache_clear()
    try:
        assert redacted("it is an.old+token!") == "it is ***!"
        assert redacted("it is anXold+token!") == "it is anXold+token!"
    finally:
        redaction._known.cache_clear()


def test_secrets_are_found_where_the_hubs_client_and_the_proxies_look(tmp_path: Path) -> None:
    (tmp_path / "huggingface").mkdir()
    (tmp_path / "huggingface" / "token").write_text("from-the-file\n")
    (tmp_path / "other").write_text("from-elsewhere")
    environment = {"XDG_CACHE_HOME": str(tmp_path), "HF_TOKEN": "from-the-environment"}
    environment |= {"HTTPS_PROXY": "http://me:p%40ssw0rd@host:1", "no_proxy": "localhost"}
    assert secrets(environment) == ["from-the-environment", "from-the-file", "p%40ssw0rd", "p@ssw0rd"]
    assert "from-elsewhere" in secrets({**environment, "HF_TOKEN_PATH": str(tmp_path / "other")})
    assert "from-the-file" in secrets({"HF_HOME": str(tmp_path / "huggingface")})
    assert secrets({"HF_TOKEN": "short", "HF_HOME": str(tmp_path / "none"), "http_proxy": "http://[bad"}) == []
