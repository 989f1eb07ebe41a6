"""A megabyte in any column of a row, whatever it is made of, is dealt with in a second."""

from __future__ import annotations

import copy
import importlib
import itertools
import pkgutil
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

import coordinator.contract
import tracks
from coordinator.contract import Row
from coordinator.paths import loader_names, track_names
from coordinator.worker.streams.base import make_row
from tests.fuzz.choices import RUNS, TEXTS
from tests.fuzz.rows import TRACKS, converted, shipped

MEGABYTE = 2**20
SECONDS = 1.0
PATTERN_BYTES = 2**14
PATTERN_SECONDS = 0.15
"""A quadratic pattern takes twice that and more for that many."""
ANCHORED = {"_ORIGINAL_ID", "_LANGUAGE", "_SQL_HINT", "_SQL"}
"""Only ever matched from a text's beginning."""
BOUNDED = {"PRETRAINED"}
"""Only ever matched against names that are cut to length before."""


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    for package in (coordinator.contract, tracks):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, re.Pattern) and name not in BOUNDED:
                    yield f"{module.name}.{name}", value


def test_every_pattern_reads_in_proportion() -> None:
    parts = [*RUNS, *TEXTS[1:], "\t", "1", "1.", ",'", "'Input'", "ForA", "eyJ", "A1", "+1 ", "**"]
    found = list(patterns())
    assert len(found) > 20
    for name, pattern in found:
        for part, begin in itertools.product(parts, ("", "Action:")):
            text: Any = (begin + part * PATTERN_BYTES)[:PATTERN_BYTES] + "\x01"
            if isinstance(pattern.pattern, bytes):
                text = text.encode("utf-8", "surrogatepass")
            started = time.process_time()
            if name.rpartition(".")[2] in ANCHORED:
                pattern.match(text)
            else:
                pattern.sub(text[:0], text)
            assert time.process_time() - started < PATTERN_SECONDS, (name, part, begin)


def texts_in(value: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of texts in a row, the first two items of a list."""
    if isinstance(value, str):
        yield prefix
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, item in items:
        yield from texts_in(item, (*prefix, key))


def with_text(row: Row, path: tuple[Any, ...], text: str) -> Row:
    values: Any = copy.deepcopy(dict(row))
    place = values
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = f"{place[path[-1]]}{text}"
    return make_row(values, row.split, row.number)


LOADERS = [f"{track}/{name}" for track in track_names(TRACKS) for name in loader_names(TRACKS, track)]
PARTS = [*RUNS, "Action:", "Action: a\nAction Input: {}\n", "\\boxed{", "<tool_call>", "<<1=1>>", "\n1", '", "', "{}, "]


@pytest.mark.slow
@pytest.mark.parametrize("name", LOADERS)
def test_a_megabyte_in_a_column_is_dealt_with_soon(name: str) -> None:
    if name not in shipped():
        pytest.skip("a source without rows")
    converter, rows = shipped()[name]
    for path, part in itertools.product(texts_in(rows[0]), PARTS):
        row = with_text(rows[0], path, part * (MEGABYTE // len(part.encode())))
        started = time.process_time()
        converted(converter, row)
        taken = time.process_time() - started
        assert taken < SECONDS, (path, part, taken)
