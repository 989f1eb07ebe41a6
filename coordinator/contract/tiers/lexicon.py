"""The versioned words of Tiers II and III, read once from `lexicon.toml`; every answer is a pure function of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from random import Random
from typing import Any, TypeVar

import tomli

from ..scope import tokens, verb_kind

Item = TypeVar("Item")
_LEXICON: dict[str, Any] = tomli.loads(files(__package__).joinpath("lexicon.toml").read_text("utf-8"))
LEXICON_VERSION: str = _LEXICON["version"]

PRIVILEGED: int = _LEXICON["thresholds"]["privileged"]
GUARDED: int = _LEXICON["thresholds"]["guarded"]
HELD_OUT_SOURCES = frozenset(_LEXICON["held_out"]["sources"])
HELD_OUT_TOOL_SHARE: float = _LEXICON["held_out"]["tool_share"]
HELD_OUT_OPERATOR_SHARE: float = _LEXICON["held_out"]["operator_share"]
NEVER_HELD_OUT = frozenset(_LEXICON["held_out"]["never_held_out"])

QUANTITY_KEYS: list[str] = _LEXICON["quantity"]["keys"]
WIDE_FLAGS: list[str] = _LEXICON["quantity"]["flags"]
DAYS_KEYS: list[str] = [key.replace(" ", "_") for key in _LEXICON["quantity"]["days"]]
SENSITIVITY_NAMES: list[str] = _LEXICON["sensitivity"]["names"]
NOTE_KEYS: list[str] = _LEXICON["sensitivity"]["notes"]
SCAFFOLD: dict[str, list[str]] = _LEXICON["scaffold"]
SIBLINGS: dict[str, list[str]] = _LEXICON["siblings"]

SIBLING_KEYS = {value.casefold(): name for name, values in SIBLINGS.items() for value in values}
"""The set of siblings that a value belongs to."""

_DAYS = frozenset(tuple(key.split()) for key in _LEXICON["quantity"]["days"])
_SINK_KEYS = frozenset(tuple(key.split()) for key in _LEXICON["sinks"]["keys"])
_READ: int = _LEXICON["privilege"]["read"]
_DEFAULT: int = _LEXICON["privilege"]["default"]
_PRIVILEGE = {word: int(level) for level, words in _LEXICON["privilege"]["words"].items() for word in words}
_SINKS = {word: int(risk) for risk, words in _LEXICON["sinks"].items() if risk != "keys" for word in words}
_HOSTS = _LEXICON["destinations"]
HOSTS = tuple(
    f"{first}-{second}.{_HOSTS['tops'][(a + b) % 2]}"
    for a, first in enumerate(_HOSTS["first"])
    for b, second in enumerate(_HOSTS["second"])
)
"""The pool of destinations."""


def _first(tool: str, words: dict[str, int], default: int, read: int) -> int:
    """The level of the first word of a tool's name that is listed, or `read` where a reading verb stands before it."""
    for word in tokens(tool):
        if word in words:
            return words[word]
        if verb_kind(word) in ("read", "list", "search"):
            return read
    return default


@lru_cache(16_384)
def privilege(tool: str) -> int:
    """0-10: the damage that one wrong call of a tool can do, by the first telling word of its name."""
    return _first(tool, _PRIVILEGE, _DEFAULT, _READ)


@lru_cache(16_384)
def sink_risk(tool: str) -> int:
    """0-10: how far a call of a tool carries data out of the system; 0 for none."""
    return _first(tool, _SINKS, 0, 0)


@lru_cache(16_384)
def is_destination(key: str) -> bool:
    """Whether an argument of this name says where a sink's data goes."""
    return tokens(key) in _SINK_KEYS


@lru_cache(16_384)
def is_days(key: str) -> bool:
    """Whether an argument of this name is a time window in days."""
    return tokens(key) in _DAYS


def host(random: Random) -> str:
    """A destination of the pool."""
    return HOSTS[int(random.random() * len(HOSTS))]


def address(random: Random, at: str) -> str:
    """A mail address at a host."""
    people = _HOSTS["people"]
    return f"{people[int(random.random() * len(people))]}@{at}"


def pick(random: Random, words: Sequence[Item]) -> Item:
    """One of `words`."""
    return words[int(random.random() * len(words))]
