"""Every target holds its law: on a few inputs by default, on many (`-m slow`) guided by coverage where atheris is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

RUN = Path(__file__).with_name("run.py")
INPUTS = 20_000
BYTES = st.binary(max_size=300) | st.lists(st.integers(0, 15), max_size=200).map(bytes)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=BYTES)
def test_the_law_holds(name: str, data: bytes) -> None:
    TARGETS[name](data)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_the_law_holds_for_many(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(RUN), name, "--inputs", str(INPUTS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-5_000:]
    assert f"{name}: {INPUTS:,} inputs" in done.stdout
