"""Takes credentials out of text: by the values that this user's Hub token and proxies have, and by their shapes.

What is cut, encoded or taken apart before it gets here is not known again: redact first, then shorten.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

REPLACEMENT = "***"
SHORTEST = 8
"""Characters from which on a value is taken for a secret: a shorter one would black out ordinary words."""
_SHAPES = re.compile(
    r"hf_[A-Za-z0-9]{20,}"  # a Hub token
    r"|(?<=://)[^\s/@:\"'<>]*:[^\s/@\"'<>]+(?=@)"  # name and password in an address
    r"|(?i:(?<=bearer )[\w.~+/=-]{8,})"  # an Authorization header
)
_NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN")


def redacted(text: str) -> str:
    """The text without credentials."""
    known = _known()
    return _SHAPES.sub(REPLACEMENT, known.sub(REPLACEMENT, text) if known else text)


@cache
def _known() -> re.Pattern[str] | None:
    """This process's secrets, as they were when it first asked."""
    values = secrets(os.environ)
    return re.compile("|".join(re.escape(value) for value in values)) if values else None


def secrets(environment: Mapping[str, str]) -> list[str]:
    """The values that must not be shown, the longest first: tokens, and the passwords of proxies."""
    found = {environment.get(name, "") for name in _NAMES} | set(_stored(environment)) | set(_passwords(environment))
    return sorted((value.strip() for value in found if len(value.strip()) >= SHORTEST), key=len, reverse=True)


def _stored(environment: Mapping[str, str]) -> Iterable[str]:
    """The token that `hf auth login` keeps in a file, where the Hub's client looks for it."""
    cache_home = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("HF_HOME") or f"{cache_home}/huggingface"
    file = environment.get("HF_TOKEN_PATH") or f"{home}/token"
    with suppress(OSError, ValueError, RuntimeError):
        yield Path(os.path.expandvars(file)).expanduser().read_text(encoding="utf-8")


def _passwords(environment: Mapping[str, str]) -> Iterable[str]:
    for name, value in environment.items():
        if name.lower().endswith("_proxy"):
            with suppress(ValueError):
                password = urlsplit(value).password or ""
                yield from {password, unquote(password)}
