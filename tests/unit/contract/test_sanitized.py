"""The native module under the sanitizers of addresses and of undefined behaviour, on all that the laws think of."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LAWS = (
    *("test_compiled.py", "test_reading.py", "test_walk.py", "test_examined.py", "test_build.py", "test_hostile.py"),
    *("test_audit.py", "test_patch.py"),
)


def _runtime(name: str) -> str:
    """The path of a sanitizer's library."""
    said = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return said.stdout.strip()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None or sys.platform != "linux", reason="needs gcc on Linux")
def test_the_laws_hold_under_sanitizers(tmp_path: Path) -> None:
    leave = shutil.ignore_patterns("__pycache__", "*.so", "results")
    for name in ("coordinator", "tests", "tracks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=leave)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    contract = tmp_path / "coordinator" / "contract"
    compiled = contract / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers", "-Wno-cast-function-type"]
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    include, sources = f"-I{sysconfig.get_path('include')}", sorted((contract / "native").glob("*.c"))
    command = ["gcc", "-O1", "-g", *warnings, *sanitizers, "-shared", "-fPIC", include, *sources, "-o", compiled]
    subprocess.run(command, check=True)
    environment = os.environ | {
        "LD_PRELOAD": f"{_runtime('libasan.so')} {_runtime('libubsan.so')}",
        "ASAN_OPTIONS": "detect_leaks=0",  # Python itself keeps what it needs to its end
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(tmp_path),
    }
    laws = [str(tmp_path / "tests" / "unit" / "contract" / name) for name in LAWS]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "not and_soon", *laws],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
    assert "skipped" not in done.stdout.splitlines()[-1]
