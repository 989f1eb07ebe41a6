"""Parts and commits: whatever instant ends the writer, what was committed stands and nothing else does."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from coordinator.disk import DiskError
from coordinator.events import Counts
from coordinator.worker import parts
from coordinator.worker.parts import PartWriter, damaged, read_commits, read_header, set_aside
from coordinator.worker.streams.base import Cursor

SEGMENTS = 3
HEADER = {"digest": "d"}
Step = Callable[[], None]


def write(folder: Path, step: Step = lambda: None, kind: type[PartWriter] = PartWriter) -> None:
    """Go on where the folder's commits end, up to SEGMENTS; `step` is called around all that touches the disk."""

    def sync(handle: int) -> None:
        step()  # a kill tells nothing about fsync, which is for the power: left out, it is much faster
        step()

    writer = kind(folder, sync)
    writer.open(HEADER)
    start = writer.last.number + 1 if writer.last else 0
    for number in range(start, SEGMENTS):
        for row in range(3):
            writer.add(1, f'{{"row":"{number}-{row}"}}'.encode(), bytes([number, row]) * 8)
        writer.reject(b'{"bad":%d}' % number)
        counts = Counts(4 * number + 4, 3 * number + 3, 3 * number + 3, {}, {"E01": number + 1})
        writer.commit(Cursor({"at": number}, number), counts, done=number == SEGMENTS - 1)


def watched(step: Step) -> None:
    """From now on `step` is called around every rename and with half of each file written. For a child process."""
    rename, opened = Path.replace, Path.open

    def replace(self: Path, target: Path) -> Path:
        step()
        result = rename(self, target)
        step()
        return result

    class Halting:
        def __init__(self, file: object) -> None:
            self.file = file

        def __enter__(self) -> Halting:
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()  # type: ignore[attr-defined]

        def write(self, data: bytes) -> None:
            step()
            self.file.write(data[: len(data) // 2])  # type: ignore[attr-defined]
            self.file.flush()  # type: ignore[attr-defined]
            step()
            self.file.write(data[len(data) // 2 :])  # type: ignore[attr-defined]

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

    def open_(self: Path, mode: str = "r", *rest: object, **more: object) -> object:
        file = opened(self, mode, *rest, **more)  # type: ignore[call-overload]
        return Halting(file) if mode in ("wb", "ab") else file

    Path.replace = replace  # type: ignore[assignment,method-assign]
    Path.open = open_  # type: ignore[assignment,method-assign]


class Steps:
    """Counts steps and does `act` at step `at`."""

    def __init__(self, at: int, act: Step) -> None:
        self.at, self.act, self.count = at, act, 0

    def __call__(self) -> None:
        self.count += 1
        if self.count == self.at:
            self.act()


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_sound(folder: Path, whole: dict[str, bytes]) -> int:
    """What the folder promises is a beginning of the whole; returns how many segments."""
    commits, length = read_commits(folder)
    assert whole["commits.jsonl"].startswith((folder / "commits.jsonl").read_bytes()[:length] if commits else b"")
    assert damaged(folder, commits) is None
    for commit in commits:
        for file in (commit.part, commit.keys, commit.rejects):
            assert file is not None
            assert (folder / file.name).read_bytes() == whole[file.name]
    return len(commits)


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """A folder that nothing disturbed."""
    write(tmp_path / "whole")
    return content(tmp_path / "whole")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_everywhere(root: Path) -> None:
    """A child a step, each killed there; prints the wait statuses. Runs where no thread is, so that forking is safe."""
    statuses: list[int] = []
    while not statuses or statuses[-1]:
        pid = os.fork()
        if not pid:
            steps = Steps(len(statuses) + 1, die)
            watched(steps)
            write(root / str(len(statuses)), steps)
            os._exit(0)
        statuses.append(os.waitpid(pid, 0)[1])
    print(json.dumps(statuses))  # noqa: T201


@pytest.mark.skipif(sys.platform == "win32", reason="the children are forked")
def test_a_kill_at_any_step_loses_and_repeats_nothing(tmp_path: Path, whole: dict[str, bytes]) -> None:
    script = "import pathlib, sys; from tests.unit.worker.test_parts import kill_everywhere as it; "
    script += "it(pathlib.Path(sys.argv[1]))"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )
    statuses = json.loads(done.stdout)
    assert set(statuses[:-1]) == {signal.SIGKILL}
    assert len(statuses) > 60
    seen = set()
    for at in range(len(statuses)):
        folder = tmp_path / str(at)
        seen.add(assert_sound(folder, whole) if folder.is_dir() else 0)
        PartWriter(folder).open(HEADER)
        commits, _ = read_commits(folder)
        assert {file.name for c in commits for file in (c.part, c.keys, c.rejects) if file} == {
            name for name in content(folder) if name not in ("header.json", "commits.jsonl")
        }
        write(folder)
        assert content(folder) == whole
    assert seen == set(range(SEGMENTS + 1))


def test_a_torn_last_record_is_cut_wherever_it_is_torn(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = tmp_path / "torn"
    write(folder)
    record = whole["commits.jsonl"]
    before = record[:-1].rindex(b"\n") + 1
    for length in range(before, len(record)):  # every one
        (folder / "commits.jsonl").write_bytes(record[:length])
        assert len(read_commits(folder)[0]) == SEGMENTS - 1
        writer = PartWriter(folder)
        writer.open(HEADER)
        assert (folder / "commits.jsonl").read_bytes() == record[:before]
        assert writer.last is not None
        assert writer.last.cursor == Cursor({"at": SEGMENTS - 2}, SEGMENTS - 2)
        write(folder)
        assert content(folder) == whole


@pytest.mark.parametrize("tail", [b"\0" * 50, b"\xff\n", b"[]\n", b"{}\n", b'{"number": 3}\n', b"null\n", b"\n"])
def test_what_is_no_record_ends_the_records(tmp_path: Path, whole: dict[str, bytes], tail: bytes) -> None:
    folder = tmp_path / "strange"
    write(folder)
    with (folder / "commits.jsonl").open("ab") as out:
        out.write(tail)
    write(folder)
    assert content(folder) == whole


def test_a_record_out_of_order_is_not_believed(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = tmp_path / "order"
    write(folder)
    first, second, third = whole["commits.jsonl"].splitlines(keepends=True)
    for strange, sound in ((first + third, 1), (first + first, 1), (second, 0), (first + second + second + third, 2)):
        (folder / "commits.jsonl").write_bytes(strange)
        assert len(read_commits(folder)[0]) == sound


class Stubborn(PartWriter):
    """Tries each commit that fails once more, as a loader does when it ends."""

    def commit(self, cursor: Cursor, counts: Counts, done: bool) -> parts.Commit:
        try:
            return super().commit(cursor, counts, done)
        except OSError:
            return super().commit(cursor, counts, done)


@pytest.mark.parametrize("stubborn", [False, True])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_a_disk_that_refuses_at_any_step_leaves_a_state_that_is_right(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, stubborn: bool, number: int
) -> None:
    def full() -> None:
        raise OSError(number, os.strerror(number))

    steps = Steps(0, full)
    while steps.count >= steps.at:  # until a run has fewer steps than this
        steps = Steps(steps.at + 1, full)
        folder = tmp_path / str(steps.at)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", Path.replace)
            patch.setattr(Path, "open", Path.open)
            watched(steps)
            with suppress(DiskError):
                write(folder, steps, Stubborn if stubborn else PartWriter)
        assert_sound(folder, whole)
        assert not [path for path in folder.iterdir() if path.suffix == ".tmp"]
        write(folder)
        assert content(folder) == whole
    assert steps.at > 60


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("at", range(1, 12))
def test_after_a_sync_that_failed_a_writer_does_nothing_more(tmp_path: Path, number: int, at: int) -> None:
    """The next sync may succeed without having written what the first one failed to."""
    steps = Steps(at, lambda: sync_fails(number))
    writer = PartWriter(tmp_path / "it", lambda handle: steps())
    with suppress(DiskError):
        writer.open(HEADER)
        for made in range(2):
            writer.add(1, b"{}", bytes([made]) * 16)
            writer.commit(Cursor(None, made + 1), Counts(), done=False)
    if steps.count < 4:
        return  # it was never opened
    before, done = content(tmp_path / "it"), steps.count
    for _ in range(2):
        with pytest.raises(DiskError) as caught:
            writer.commit(Cursor(None, 9), Counts(), done=True)
        assert caught.value.errno == number
        assert str(tmp_path / "it") in str(caught.value)
    assert (content(tmp_path / "it"), steps.count) == (before, done)


def sync_fails(number: int) -> None:
    raise OSError(number, os.strerror(number))


def test_a_refused_part_tells_what_its_whole_segment_needs(tmp_path: Path) -> None:
    writer = PartWriter(tmp_path / "it")
    writer.open(HEADER)
    writer.add(1, b"x" * 3_000, b"k" * 16)
    writer.reject(b"y" * 2_000)
    writer._sync = lambda handle: sync_fails(errno.ENOSPC)
    with pytest.raises(
        DiskError, match=r"part-00000\.jsonl cannot be written: the disk is full \(needs 4\.9 KiB, .* free"
    ):
        writer.commit(Cursor(None, 1), Counts(), done=True)
    assert sorted(content(tmp_path / "it")) == ["header.json"]


def test_damage_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "it"
    write(folder)
    commits, _ = read_commits(folder)
    assert damaged(folder, commits) is None
    with (folder / "part-00001.keys").open("ab") as out:
        out.write(b"x")
    assert damaged(folder, commits) == "part-00001.keys has 49 bytes instead of 48"
    (folder / "rejects-00000.jsonl").unlink()
    assert damaged(folder, commits) == "rejects-00000.jsonl is missing"


def test_nothing_gathered_is_a_commit_without_files(tmp_path: Path) -> None:
    writer = PartWriter(tmp_path / "it")
    writer.open(HEADER)
    made = writer.commit(Cursor(None, 0), Counts(), done=True)
    assert (made.part, made.keys, made.rejects) == (None, None, None)
    assert read_commits(tmp_path / "it")[0] == [made]


def test_set_aside_keeps_all_that_was_set_aside_before(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write(tmp_path / "it")
        assert set_aside(tmp_path / "it", tmp_path / "aside") == tmp_path / "aside" / str(number)
        assert not (tmp_path / "it").exists()
    assert len({tuple(content(path)) for path in (tmp_path / "aside").iterdir()}) == 1


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[1]", b"null"])
def test_a_header_that_cannot_be_read_is_none(tmp_path: Path, data: bytes) -> None:
    assert read_header(tmp_path) is None
    (tmp_path / "header.json").write_bytes(data)
    assert read_header(tmp_path) is None


def test_a_folder_in_the_folder_is_left(tmp_path: Path) -> None:
    (tmp_path / "it" / "notes").mkdir(parents=True)
    write(tmp_path / "it")
    assert (tmp_path / "it" / "notes").is_dir()


def test_a_number_that_no_place_has_is_no_record() -> None:
    """Nothing could be sought to it, and it could not be written again."""
    number = "9" * 5_000
    for text in (f'{{"number": {number}}}', f'{{"number": 0, "done": true, "cursor": [{{"offset": {number}}}, 0]}}'):
        with pytest.raises(ValueError, match="nothing here reaches"):
            parts.decode_commit(text.encode())
