"""Where no file can be published is told before hours of work are put into one."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator.errors import ExitCode, PolecatsError
from coordinator.publish.place import check_place, check_room

LONG = "x" * 240 + ".jsonl"


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(path))


def inside_a_file(path: Path) -> None:
    path.parent.touch()


@pytest.mark.parametrize(
    ("name", "make", "sentence"),
    [
        ("folder", Path.mkdir, "is a folder: name a file in it"),
        ("pipe", os.mkfifo, "is a device or a pipe"),
        ("socket", listening, "is a device or a pipe"),
        ("file/tier1.jsonl", inside_a_file, "Not a directory"),
        (LONG, lambda path: None, "its name is too long"),
        ("x" * 300, lambda path: None, "its name is too long"),
    ],
)
def test_a_place_that_takes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, make: Callable[[Path], object], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / name)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(PolecatsError, match=sentence) as caught:
        check_place(tmp_path / name)
    assert caught.value.code == ExitCode.REFUSED
    assert str(tmp_path / name) in str(caught.value)
    assert "--output" in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("device", ["/dev/full", "/dev/null", "/dev/stdout"])
def test_a_device_is_never_replaced(device: str) -> None:
    with pytest.raises(PolecatsError, match="replaces a file as a whole"):
        check_place(Path(os.path.realpath(device)) if os.path.exists(os.path.realpath(device)) else Path("/dev/null"))


@pytest.mark.parametrize("name", ["tier1.jsonl", "not/yet/there/tier1.jsonl", "x" * 200 + ".jsonl"])
def test_a_place_that_takes_one(tmp_path: Path, name: str) -> None:
    check_place(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PolecatsError, match=f"{tmp_path} is not yours to write to"):
        check_place(tmp_path / "data" / "tier1.jsonl")


def test_too_little_room_is_told_in_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.publish.place.free_bytes", lambda path: 4 * 2**28)
    check_room(tmp_path / "tier1.jsonl", 2**30)
    with pytest.raises(PolecatsError, match=r"the merge needs 1\.9 GiB, 1\.0 GiB free") as caught:
        check_room(tmp_path / "tier1.jsonl", 2_040_109_466)
    assert caught.value.code == ExitCode.REFUSED
    monkeypatch.setattr("coordinator.publish.place.free_bytes", lambda path: None)
    check_room(tmp_path / "tier1.jsonl", 2**60)
