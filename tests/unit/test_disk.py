"""What a disk refuses, in words; and a file that is written whole or not at all, whichever step is refused."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coordinator import disk
from coordinator.disk import DiskError, naming, reserve, write_whole

REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


def refusal(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what the disk says of itself."""

    def say(blocks: int = 1_000, free: int = 100, files: int = 1_000, files_left: int = 100) -> None:
        status = SimpleNamespace(f_blocks=blocks, f_bavail=free, f_frsize=4096, f_files=files, f_favail=files_left)
        monkeypatch.setattr(os, "statvfs", lambda path: status)

    return say


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "/x/part cannot be written: the disk is full (needs 1.9 MiB, 400.0 KiB free)"),
        (errno.EDQUOT, "/x/part cannot be written: the disk quota is used up (needs 1.9 MiB, 400.0 KiB free)"),
        (errno.EIO, "/x/part cannot be written: the disk failed (input/output error)"),
        (errno.EROFS, "/x/part cannot be written: its file system is read-only"),
        (errno.EACCES, "/x/part cannot be written: permission denied"),
        (errno.ENAMETOOLONG, "/x/part cannot be written: its name is too long"),
        (errno.EXDEV, f"/x/part cannot be written: {os.strerror(errno.EXDEV)}"),
    ],
)
def test_a_refusal_is_a_sentence(room: Callable[..., None], number: int, sentence: str) -> None:
    room()
    error = DiskError(refusal(number), Path("/x/part"), 2_000_000)
    assert (str(error), error.errno, error.filename) == (sentence, number, "/x/part")


def test_a_disk_without_inodes_is_told_from_a_full_one(room: Callable[..., None]) -> None:
    room(files_left=0)
    assert "takes no more files (0 inodes free)" in str(DiskError(refusal(errno.ENOSPC), Path("/x"), 5))
    room(files=0, files_left=0)  # a file system that makes them as it needs them
    assert "needs 5 B, 400.0 KiB free" in str(DiskError(refusal(errno.ENOSPC), Path("/x"), 5))


def test_a_disk_that_tells_nothing_of_itself_is_not_taken_for_full(room: Callable[..., None]) -> None:
    room(blocks=0, free=0)
    assert disk.free_bytes(Path("/x")) is None
    assert str(DiskError(refusal(errno.ENOSPC), Path("/x"))) == "/x cannot be written: the disk is full"


def test_an_error_keeps_the_name_that_it_got_first() -> None:
    with pytest.raises(DiskError, match=r"^/inner"), naming(Path("/outer")), naming(Path("/inner")):
        raise refusal(errno.EIO)


def test_free_is_asked_where_a_file_would_be(tmp_path: Path) -> None:
    assert disk.standing(tmp_path / "not" / "there") == tmp_path
    assert disk.free_bytes(tmp_path / "not" / "there") is not None


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (2**20 - 1, "1,024.0 KiB"), (2_040_109_466, "1.9 GiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert disk.size(count) == text


@pytest.mark.parametrize(
    ("text", "count"), [("0", 0), ("7 B", 7), ("1 kB", 1_000), ("1 KiB", 1_024), ("1.5 TB", 1_500_000_000_000)]
)
def test_sizes_that_a_person_writes(text: str, count: int) -> None:
    assert disk.size_of(text) == count


@pytest.mark.parametrize("text", ["", "1", "1 gb", "1 KIB", " 1 GB", "1 GB ", "٣ GB", "1" * 10 + " B", "1.2345 GB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        disk.size_of(text)


def test_why_nothing_can_be_written_is_told_without_trying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "not" / "there"
    assert disk.unwritable(place) is None
    (tmp_path / "not").touch()
    assert str(DiskError(disk.unwritable(place) or OSError(), place)) == (
        f"{place} cannot be written: {tmp_path / 'not'} is no folder"
    )
    (tmp_path / "not").unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert (error := disk.unwritable(place)) is not None
    assert error.errno == errno.EACCES
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY))
    assert (error := disk.unwritable(place)) is not None
    assert error.errno == errno.EROFS
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", REFUSALS)
@pytest.mark.parametrize("step", ["open", "write", "sync", "replace"])
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_file_is_written_whole_or_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: str, before: bytes | None
) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)

    def refuse(*_: Any, **__: Any) -> Any:
        raise refusal(number)

    opened = Path.open
    if step == "write":
        monkeypatch.setattr(Path, "open", lambda self, mode: opened(Path("/dev/full"), mode))
        number = errno.ENOSPC
    elif step != "sync":
        monkeypatch.setattr(Path, step, refuse)
    with pytest.raises(DiskError) as caught:
        write_whole(path, b"new", refuse if step == "sync" else os.fsync)
    monkeypatch.undo()
    assert (caught.value.errno, caught.value.filename) == (number, str(path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"] * (before is not None)
    assert before is None or path.read_bytes() == before
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_room_is_set_aside_without_a_byte_more_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as out:
        reserve(out.fileno(), 4 * 2**20)
        assert os.fstat(out.fileno()).st_size == 0
        if not taken(path):
            pytest.skip(f"the file system of {tmp_path} sets no room aside")
        assert taken(path) >= 4 * 2**20
        out.write(b"x" * 2**20)
        out.truncate(2**20)
    assert path.read_bytes() == b"x" * 2**20
    assert taken(path) < 2 * 2**20


def taken(path: Path) -> int:
    """Bytes of the disk that a file holds."""
    return path.stat().st_blocks * 512


def test_where_no_room_can_be_set_aside_nothing_happens(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    more_than_any_disk = 2**60
    for path, flags in (("/dev/null", os.O_WRONLY), (tmp_path / "file", os.O_RDONLY), (tmp_path / "file", os.O_WRONLY)):
        handle = os.open(path, flags)
        reserve(handle, more_than_any_disk)
        os.close(handle)
    assert (tmp_path / "file").stat().st_size == 0


def test_a_big_file_holds_its_bytes_and_no_more_room(tmp_path: Path) -> None:
    data = os.urandom(3 * 2**20 + 1)
    write_whole(tmp_path / "file", data)
    assert (tmp_path / "file").read_bytes() == data
    assert taken(tmp_path / "file") < len(data) + 2**20


def test_decimal_sizes_are_as_tools_show_them() -> None:
    counts = (0, 999, 1_000, 1_500, 999_949, 999_950, 20_000_000, 157_340_000, 2.6e9, 1.25e12, 5e15)
    assert [disk.decimal_size(count) for count in counts] == [
        "0 B",
        "999 B",
        "1 kB",
        "1.5 kB",
        "999.9 kB",
        "1 MB",
        "20 MB",
        "157.3 MB",
        "2.6 GB",
        "1.2 TB",
        "5,000 TB",
    ]
