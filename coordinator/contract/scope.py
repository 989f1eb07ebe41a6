"""How much a call touches and how sensitive that is, read from its tool name and arguments alone.

The law: only evidence moves a value, and evidence is whole tokens of names or a checked pattern in a text,
never a substring. The words stand in `lexicon.toml`; this module only knows how to read them. `derive` is
pure, so anyone can recompute a published row's scope from the row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar

import tomli

Words = tuple[str, ...]
Table = dict[str, list[tuple[Words, int]]]
"""Phrases by their first word, each with its level."""

_LEXICON: dict[str, Any] = tomli.loads(files(__package__).joinpath("lexicon.toml").read_text("utf-8"))
LEXICON_VERSION: str = _LEXICON["version"]
"""Version of the words; published values hold for one version only."""

UNBOUNDED = 10_000
"""The volume that stands for "no bound is stated"."""
MAX_VOLUME = 1_000_000
DEFAULT_SENSITIVITY = 2
CACHED_NAME = 256
"""Longer names are no vocabulary that comes back; they are read each time and never kept."""
MOST_NAMES = 65_536
_MAX_TOKENS = 64
_AMOUNTS = (int, bool, type(None))

CAP, COUNT, PAGE_SIZE, PAGES, WIDE = "cap", "count", "page_size", "pages", "wide"

_TOKEN = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+")


def tokens(name: str) -> Words:
    """The lower-case words of a name: `maxResults2` -> max, results; `HTTPServer` -> http, server."""
    return tuple(word.lower() for word in _TOKEN.findall(name)[:_MAX_TOKENS])


def _plural(word: str) -> str:
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _forms(phrases: Iterable[str]) -> set[Words]:
    """The phrases as tuples of words, in the singular and the plural."""
    split = {tuple(phrase.split(" ")) for phrase in phrases}
    return split | {(*words[:-1], _plural(words[-1])) for words in split if words[-1].isalpha()}


def _words(phrases: Iterable[str]) -> frozenset[str]:
    return frozenset(words[0] for words in _forms(phrases))


def _table(levels: Mapping[int, Iterable[str]]) -> Table:
    table: Table = {}
    for level, phrases in levels.items():
        for words in sorted(_forms(phrases)):
            table.setdefault(words[0], []).append((words, level))
    return table


def _joined(first: Iterable[str], second: Iterable[str]) -> list[str]:
    return [f"{a} {b}" for a in first for b in second]


def _roles(lex: dict[str, list[str]]) -> dict[Words, str]:
    """Every whole key that states an amount, and how it is read; the later entry wins."""
    things = [" ".join(words) for words in _forms(lex["things"])]
    names = {
        COUNT: lex["counts"] + _joined(lex["count_prefixes"], things) + _joined(things, lex["count_suffixes"]),
        CAP: lex["caps"] + _joined(lex["cap_prefixes"], things) + _joined(things, lex["cap_suffixes"]),
        PAGES: lex["pages"],
        PAGE_SIZE: lex["page_sizes"],
    }
    return {words: role for role, phrases in names.items() for words in _forms(phrases)}


_SENSITIVITY, _LISTS, _OPEN = _LEXICON["sensitivity"], _LEXICON["lists"], _LEXICON["wide"]
_LEVELS = {0: _SENSITIVITY["stop"], **{level: _SENSITIVITY[f"level_{level}"] for level in range(1, 6)}}
_KEY_LEVELS = _table(_LEVELS)
_TOOL_LEVELS = _table({**_LEVELS, 1: _LEVELS[1] + _SENSITIVITY["level_1_tools"]})
_ROLES = _roles(_LEXICON["quantity"])
_VERBS = {verb: kind for kind, verbs in _LEXICON["verbs"].items() for verb in _words(verbs)}
_WIDE = _table({0: _OPEN["stop"], 1: _OPEN["flags"]})
_WILDCARDS = frozenset(_OPEN["wildcards"])
_LITERAL_KEYS, _SQL_NAMES = _words(_OPEN["literal_keys"]), _words(_OPEN["sql"])
_CONTAINERS = _words(_LISTS["containers"])
_LISTED = _forms(_LISTS["things"])
_LISTED_PLURALS = {words[0] for words in _LISTED if len(words) == 1} - set(_LISTS["things"])


def _spans(names: Words, table: Table) -> Iterator[tuple[int, int, int]]:
    for at, name in enumerate(names):
        for words, level in table.get(name, ()):
            end = at + len(words)
            if names[at:end] == words:
                yield at + (name == "^"), end - (words[-1] == "$"), level


def _level(names: Words, table: Table) -> int:
    """The highest level whose phrase stands in `names` and not inside a longer stop phrase (level 0)."""
    spans = list(_spans(names, table))
    stops = [(start, end) for start, end, level in spans if level == 0]
    inside = {(a, b) for a, b, _ in spans for c, d in stops if c <= a and b <= d and d - c > b - a}
    return max((level for start, end, level in spans if (start, end) not in inside), default=0)


Name = TypeVar("Name", bound=Sized)
Word = TypeVar("Word")


class Tool(NamedTuple):
    counts: bool  # its verb reads, lists, searches, exports, sends or deletes
    sql: bool
    level: int


class Key(NamedTuple):
    level: int
    role: str  # how a number or flag under it is read, or nothing
    listed: bool  # a list under it holds things that the call touches
    literal: bool  # a wildcard under it is only a text
    sql: bool


class Vocabulary(dict[Name, Word]):
    """What names say (or tuples of them), read when first asked for; forgotten before they fill the memory.

    A dictionary, as a cached function costs more than all else that is done with a key.
    """

    def __init__(self, read: Callable[[Name], Word]) -> None:
        self._read = read

    def __missing__(self, name: Name) -> Word:
        found = self._read(name)
        if len(name) <= CACHED_NAME:
            if len(self) >= MOST_NAMES:
                self.clear()
            self[name] = found
        return found


def _tool(name: str) -> Tool:
    names = tokens(name)
    kinds = [_VERBS[word] for word in names if word in _VERBS]
    verbs = [kind for kind in kinds if kind != "listings"] or kinds
    counts = verbs[:1] not in ([], ["other"])
    return Tool(counts, not _SQL_NAMES.isdisjoint(names), _level(names, _TOOL_LEVELS))


def _key(name: str) -> Key:
    names = tokens(name)
    things = names[:-1] if len(names) > 1 and names[-1] in _CONTAINERS else names
    listed = not _LISTED_PLURALS.isdisjoint(names[:1]) or not _LISTED.isdisjoint((things[-1:], things[-2:]))
    return Key(
        _level(("^", *names, "$"), _KEY_LEVELS),
        _ROLES.get(names) or (WIDE if _level(names, _WIDE) else ""),
        listed,
        not _LITERAL_KEYS.isdisjoint(names),
        not _SQL_NAMES.isdisjoint(names),
    )


TOOLS: dict[str, Tool] = Vocabulary(_tool)
KEYS: dict[str, Key] = Vocabulary(_key)


# Every pattern is linear: repeats are bounded, or start where no earlier start could have read the same text.
# The hint opens with one character class and looks back from it: so `re` skips plain text at full speed.
_HINT = re.compile(
    r"[@0-9.*%-](?:(?<=@)|(?<=\A[*%])|(?<=\.)eyJ|(?<=-)----BEGIN|(?<=[A-Z]{2}[0-9])[0-9]"
    r"|(?<=\+[1-9])|(?<=[0-9])(?<![0-9]{2})(?:[ ().-]{0,2}[0-9]){8})"
)
_SQL_HINT = re.compile(r"\s*(?:select|delete|update|truncate|drop|with)\s", re.IGNORECASE | re.ASCII)
_SHORTEST_SQL = 12
_SECRET = re.compile(r"-----BEGIN [A-Z0-9 ]{1,40}-----|(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{2,}\.[\w-]*", re.ASCII)
_CARD = re.compile(r"(?<![\w.-])(?:[3-6][0-9]{3}|2[2-7][0-9]{2})(?:[ -]?[0-9]){9,15}(?!\w)", re.ASCII)
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)", re.ASCII)
_PERSON = re.compile(
    r"[\w%+-](?<!\bgit)@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w@])"
    r"|(?<![\w+.])\+[1-9](?:[ ()-]{0,2}[0-9]){7,14}(?!\w|\.[0-9])"
    r"|(?<![\w.-])(?:\+?1[ .-])?(?:\([0-9]{3}\) ?|[0-9]{3}[.-])[0-9]{3}[ .-][0-9]{4}(?![\w-])"
    r"|(?<![\w.-])0[0-9]{1,3}-[0-9]{3,4}-[0-9]{4}(?![\w-])"
)
_SQL = re.compile(
    r"\s*(?:(?:select|with)\s(?s:.*?)\bfrom\b|delete\s+from\b|update\s+\S+\s+set\b|(?:truncate|drop)\s+table\b)",
    re.IGNORECASE | re.ASCII,
)
_SQL_BOUND = re.compile(r"\b(?:where|limit|top\s+\(?[0-9]|fetch\s+(?:first|next))\b", re.IGNORECASE)


def _luhn(digits: str) -> bool:
    total = sum(map(int, digits[-1::-2])) + sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return total % 10 == 0


def _is_card(text: str) -> bool:
    """Whether the digits, up to one of their gaps, are a card number: an expiry date may follow."""
    groups = re.split("[ -]", text)
    heads = ("".join(groups[:count]) for count in range(1, len(groups) + 1))
    return any(13 <= len(head) <= 19 and _luhn(head) for head in heads)


def _is_iban(text: str) -> bool:
    compact = text.replace(" ", "")
    number = "".join(str(int(char, 36)) for char in compact[4:] + compact[:4])
    return 15 <= len(compact) <= 34 and int(number) % 97 == 1


def _is_suspicious(text: str) -> bool:
    """Whether a detector may fire; nearly all texts end here."""
    return bool(_HINT.search(text) or (len(text) >= _SHORTEST_SQL and _SQL_HINT.match(text)))


def _text_level(text: str) -> int:
    if _SECRET.search(text) or any(map(_is_card, _CARD.findall(text))):
        return 5
    if any(map(_is_iban, _IBAN.findall(text))):
        return 4
    return 3 if _PERSON.search(text) else 0


def _is_open(text: str, literal: bool, sql: bool) -> bool:
    """Whether a text asks for everything: a wildcard, or SQL that states no bound."""
    if text in _WILDCARDS:
        return not literal
    if not _SQL.match(text) or _SQL_BOUND.search(text):
        return False
    head = text.split(None, 1)[0]
    return sql or head.isupper() or text.split(None, 2)[1] == "*"


def of_text(text: str, name: str, tool_name: str) -> tuple[int, int]:
    """(scope_volume, scope_sensitivity) that a text under a key of a tool's arguments says by itself; 0 for nothing."""
    if not _is_suspicious(text):
        return 1, 0
    key = KEYS[name]
    is_open = _is_open(text, key.literal, key.sql or TOOLS[tool_name].sql)
    return UNBOUNDED if is_open else 1, _text_level(text)


def stated(values: Mapping[str, Any], keys: Iterable[tuple[str, Key]], counts: bool) -> int:
    """The volume that amounts, flags and lists under these keys of one object state together.

    `counts`: whether its tool reads, lists, searches, exports, sends or deletes.
    """
    volume, size, pages = 1, 0, 1
    for name, key in keys:
        value = values[name]
        kind = type(value)
        if key.listed and kind is list:
            volume = max(volume, len(value))
        if not key.role or kind not in _AMOUNTS:
            continue
        if value is True and key.role == WIDE:
            volume = max(volume, UNBOUNDED)
        if not counts or key.role == WIDE or kind is bool:
            continue
        if value == -1 or (value is None and key.role in (CAP, PAGE_SIZE)):
            volume = max(volume, UNBOUNDED)
        elif value:
            volume = max(volume, value)
            size = max(size, value) if key.role == PAGE_SIZE else size
            pages = max(pages, value) if key.role == PAGES else pages
    return max(volume, size * pages)


def is_amount(tool_name: str, key: str) -> bool:
    """Whether a number under a key of its arguments, not in an inner object, says how much a tool touches."""
    return TOOLS[tool_name].counts and KEYS[key].role not in ("", WIDE)


def _texts(values: list[Any], objects: list[Mapping[str, Any]]) -> Iterator[str]:
    """The texts in nested lists; objects in them join the ones still to be read."""
    lists = [values]
    while lists:
        for value in lists.pop():
            if type(value) is str:
                yield value
            elif type(value) is dict:
                objects.append(value)
            elif type(value) is list:
                lists.append(value)


@lru_cache(16_384)
def verb_kind(tool_name: str) -> str:
    """What the first verb of a tool's name does (read, list, search, export, send, delete, other), or nothing."""
    kinds = [_VERBS[word] for word in tokens(tool_name) if word in _VERBS]
    return next((kind for kind in kinds if kind != "listings"), "".join(kinds[:1]))


def derive(tool_name: str, arguments: Mapping[str, Any]) -> tuple[int, int]:
    """(scope_volume, scope_sensitivity) of a call; `arguments` holds JSON values of any depth."""
    tool = TOOLS[tool_name]
    volume, level = 1, tool.level
    found: list[tuple[str, str]] = []
    objects = [arguments]
    while objects:
        values = objects.pop()
        keys = [(name, KEYS[name]) for name in values]
        volume = max(volume, stated(values, keys, tool.counts))
        for name, key in keys:
            value = values[name]
            level = max(level, key.level)
            kind = type(value)
            if kind is str:
                found.append((value, name))
            elif kind is list:
                found.extend((text, name) for text in _texts(value, objects))
            elif kind is dict:
                objects.append(value)
    volume, sensitivity = settled(volume, level)
    for text, name in found:
        of_it = of_text(text, name, tool_name)
        volume, sensitivity = max(volume, of_it[0]), max(sensitivity, of_it[1])  # over the default, too
    return volume, sensitivity


def settled(volume: int, level: int) -> tuple[int, int]:
    """(scope_volume, scope_sensitivity) where names and numbers gave this volume and level (0: none)."""
    return volume if volume < MAX_VOLUME else MAX_VOLUME, level or DEFAULT_SENSITIVITY
