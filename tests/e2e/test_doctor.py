"""`polecats doctor` and `init` on a copy of the repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def download(tmp_path: Path) -> Path:
    """A copy without git."""
    shutil.copytree(
        ROOT / "tracks" / "ruby", tmp_path / "tracks" / "ruby", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "config.toml").write_text("[tracks.ruby]\n")
    return tmp_path


def polecats(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "coordinator", *arguments],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder / "home"),
            "XDG_RUNTIME_DIR": str(folder),
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_download_becomes_a_repository_and_runs(download: Path) -> None:
    refused = polecats(download, "run", "--source", "samples")
    assert refused.returncode == 2
    assert "polecats init" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "polecats init" in polecats(download, "doctor").stdout
    assert polecats(download, "init").returncode == 0
    assert "already" in polecats(download, "init").stdout
    done = polecats(download, "run", "--source", "samples")
    assert done.returncode == 0, done.stderr
    assert (download / "worktrees" / "ruby" / "tracks" / "ruby").is_dir()


def test_doctor_names_a_damaged_part_and_notes_of_worktrees(download: Path) -> None:
    polecats(download, "init")
    polecats(download, "run", "--source", "samples")
    part = next((download / "worktrees" / ".state").glob("samples/tracks/ruby/*/part-*.jsonl"))
    part.write_bytes(part.read_bytes()[:-10])
    code = download / "worktrees" / "ruby" / "tracks" / "ruby" / "agentharm_benign.py"
    code.write_text(code.read_text() + "# edited\n")
    found = polecats(download, "doctor")
    assert found.returncode == 1
    assert part.name in found.stdout
    assert "1 edited" in found.stdout
