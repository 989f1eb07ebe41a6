"""Decisions read from bytes: the same bytes always make the same input, and a small change makes a near one."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

Item = TypeVar("Item")
Error = TypeVar("Error", bound=Exception)
SCRATCH = Path(tempfile.mkdtemp(prefix="fuzz-"))

TEXTS = [
    *(
        "",
        " ",
        "\n",
        "\t",
        "\0",
        "\ud800",
        "\udfff x",
        "\ufeff",
        "\u2028",
        "\x1b]0;x\x07",
        "[/]",
        "\u202e",
        "\u0301",
        "İ",
        "ﬃ",
        "Ω",
        "😀",
    ),
    *(
        "null",
        "NaN",
        "Infinity",
        "-0.0",
        "1e999",
        "-1e-999",
        "0777",
        "1_0",
        "True",
        "9" * 400,
        "9007199254740993",
        "0x1",
    ),
    *(
        "{}",
        "[]",
        '{"a": 1, "a": 2}',
        '{"name": "f", "arguments": {}}',
        "{'name': 'f', 'arguments': {'x': (1,)}}",
        '"',
        "'",
        "\\",
        "\\u0000",
    ),
    *(
        "f(1, x='a')",
        "f(**{})",
        "a.b.c()",
        "f'{1}'",
        "1**9**9",
        "'x'*10**9",
        "lambda: 0",
        "__import__('os')",
        "(yield)",
        "*a",
        "b'x'",
        "{1}",
        "1j",
    ),
    *(
        "<tool_call>",
        "</tool_call>",
        "<functioncall>",
        "</think>",
        "Action:",
        "\nAction Input:",
        "Begin!",
        "### Instruction:",
        "<<1+1=2>>",
        "#### 1",
    ),
    *(
        "\\boxed{",
        "}",
        "$",
        "system",
        "user",
        "assistant",
        "tool",
        "respond",
        "select * from x",
        "a@b.de",
        "4111 1111 1111 1111",
        "*",
        "limit",
    ),
]
RUNS = [
    "(",
    "[",
    "{",
    '{"a":',
    "-",
    "~",
    "not ",
    "lambda:",
    "f(",
    "'",
    '"',
    "\\",
    " ",
    "\n",
    "a",
    "A",
    "0",
    "<",
    "#",
    "\u0300\u0316",
    "é",
    "<<1",
    "1,",
]
LENGTHS = [2, 7, 65, 300, 8_193, 20_000]
NUMBERS = [
    0,
    -1,
    1,
    2**31,
    2**53 - 1,
    2**53,
    2**64,
    -(2**63) - 1,
    10**400,
    0.0,
    -0.0,
    0.5,
    1e16,
    1e-7,
    1e22,
    1e308,
    5e-324,
]


def raised(kind: type[Error], action: Callable[[], object]) -> Error | None:
    """The one kind of exception that an action may end with; any other goes on."""
    try:
        action()
    except kind as error:
        return error
    return None


def scratch_file(name: str, data: bytes) -> Path:
    """A file of this process's own."""
    path = SCRATCH / name
    path.write_bytes(data)
    return path


class Choices:
    """`below`, `pick` and the rest, from bytes; when they are used up, the first of everything."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """The next byte, or 0."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        value = self.byte() if limit <= 256 else self.byte() << 8 | self.byte()
        return value % limit

    def pick(self, options: Sequence[Item]) -> Item:
        """One of the options."""
        return options[self.below(len(options))]

    def rest(self) -> bytes:
        """All bytes that are left."""
        left, self._at = self._data[self._at :], len(self._data)
        return left

    def text(self) -> str:
        """A hostile text: some of the known ones, a long run, or whatever the bytes are."""
        match self.below(4):
            case 0 | 1:
                return self.pick(TEXTS)
            case 2:
                return "".join(self.pick(TEXTS) for _ in range(self.below(6)))
        run = self.pick(RUNS) * self.pick(LENGTHS)
        return run if self.below(2) else self.pick(TEXTS) + run + self.pick(TEXTS)

    def value(self, depth: int = 0) -> Any:
        """A JSON value, or nearly one."""
        match self.below(8 if depth < 4 else 5):
            case 0:
                return self.pick([None, True, False])
            case 1 | 2:
                return self.pick(NUMBERS)
            case 3 | 4:
                return self.text()
            case 5:
                return [self.value(depth + 1) for _ in range(self.below(4))]
            case 6:
                return {self.text(): self.value(depth + 1) for _ in range(self.below(4))}
        return self._nested(self.pick([3, 7, 8, 9, 40, 300]))

    def _nested(self, depth: int) -> Any:
        value: Any = self.below(2)
        for _ in range(depth):
            value = [value] if self.below(2) else {"a": value}
        return value

    def mutated(self, value: Any) -> Any:
        """A copy of `value` with one to four places changed."""
        held = [copy.deepcopy(value)]
        for _ in range(1 + self.below(4)):
            places = list(_places(held))
            box, key = places[self.below(len(places))]
            self._change(box, key)
        return held[0]

    def _change(self, box: Any, key: Any) -> None:
        old = box[key]
        match self.below(9):
            case 0 | 1:
                box[key] = self.value()
            case 2 if isinstance(box, dict):
                del box[key]
            case 3 if isinstance(box, dict):  # two columns change places
                other = self.pick(list(box))
                box[key], box[other] = box[other], old
            case 4:
                box[key] = self.pick([[old], {"a": old}, [old] * 70, str(old), [old, None]])
            case 5 if isinstance(old, list) and old:
                box[key] = old * 2 if self.below(2) else old[::-1]
            case 6 if isinstance(old, dict):
                old[self.text()] = self.value()
            case 7 if isinstance(old, str):
                box[key] = self._inside(old)
            case _ if isinstance(old, str):
                at = self.below(len(old) + 1)
                box[key] = old[:at] + self.text() + old[at + self.below(3) :]
            case _:
                box[key] = self.value()

    def _inside(self, text: str) -> str:
        """JSON text with its value changed, other text changed as text."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text.replace(text[self.below(len(text)) :][:3], self.text(), 3) if text else self.text()
        held = [value]
        places = list(_places(held))
        box, key = places[self.below(len(places))]
        box[key] = self.value()
        return json.dumps(held[0], ensure_ascii=bool(self.below(2)))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) below a container, at most some hundreds."""
    pending, count = [value], 0
    while pending and count < 400:
        box = pending.pop()
        for key in list(box) if isinstance(box, dict) else range(len(box)):
            count += 1
            yield box, key
            if isinstance(box[key], dict | list):
                pending.append(box[key])
