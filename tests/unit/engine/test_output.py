"""A worker's output on its way to its log: whole, in order, without credentials, whatever its pieces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from multiprocess import Pipe

from coordinator.engine.executors.output import PIECE, keep_output

TOKEN = b"hf_" + b"aB3" * 11


def kept(log: Path, *pieces: bytes) -> None:
    """Print the pieces into a log."""
    printed, out = Pipe(duplex=False)
    thread = keep_output(printed, log)
    for piece in pieces:
        os.write(out.fileno(), piece)
    out.close()
    thread.join(10)
    assert not thread.is_alive()
    assert printed.closed


@pytest.mark.parametrize("at", range(0, len(TOKEN) + 1, 6))
def test_a_token_that_comes_in_two_pieces_is_known(tmp_path: Path, at: int) -> None:
    log = tmp_path / "log"
    kept(log, b"of the worker before\n")
    kept(log, b"it is " + TOKEN[:at], TOKEN[at:] + b" and\n", b"no line end")
    assert log.read_bytes() == b"of the worker before\nit is *** and\nno line end"
    assert log.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("before", [PIECE - 20, PIECE, 2 * PIECE - 10])
def test_a_line_without_an_end_is_written_in_pieces_and_a_token_in_none_of_them(tmp_path: Path, before: int) -> None:
    text = b"x" * (before - 1) + b" "
    kept(tmp_path / "log", text + TOKEN + b" " + b"y" * PIECE)
    assert (tmp_path / "log").read_bytes() == text + b"*** " + b"y" * PIECE


def test_what_is_no_text_stays_as_it_is(tmp_path: Path) -> None:
    kept(tmp_path / "log", b"\xff\xfe\x00 \xe4\n", "世界".encode())
    assert (tmp_path / "log").read_bytes() == b"\xff\xfe\x00 \xe4\n" + "世界".encode()


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    kept(tmp_path / "no" / "folder" / "log", *[b"z" * 1_000 + b"\n"] * 200)
