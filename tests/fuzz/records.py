"""Targets that are records of a run: commits, journal, events, requests, config.toml, a published file."""

from __future__ import annotations

import functools
import json
import math
from typing import Any

import orjson

from coordinator import config, control, events
from coordinator.engine import journal
from coordinator.errors import PolecatsError
from coordinator.paths import Paths, manifest_path
from coordinator.publish import manifest
from coordinator.publish.validate import validate
from coordinator.worker import parts
from tests.fuzz.choices import SCRATCH, Choices, raised, scratch_file
from tests.fuzz.rows import TRACKS, published_lines

COMMIT = {
    "number": 0,
    "part": {"name": "part-00000.jsonl", "rows": 1, "bytes": 2, "xxh3": "0" * 32},
    "keys": {"name": "part-00000.keys", "rows": 1, "bytes": 16, "xxh3": "0" * 32},
    "rejects": None,
    "cursor": [{"file": 0, "offset": 0, "number": 0}, 1],
    "counts": {"read": 1, "accepted": 1, "samples": 1, "skipped": {}, "rejected": {}},
    "done": True,
}


def _changed_json(choices: Choices, value: Any) -> bytes:
    """A JSON text near `value`: its value changed, or its bytes."""
    if choices.below(3):
        return json.dumps(choices.mutated(value)).encode("utf-8", "surrogatepass")
    text = json.dumps(value).encode()
    at = choices.below(len(text))
    cut = choices.below(9)
    return text[:at] + choices.rest() + text[at + cut :]


def commits(data: bytes) -> None:
    """A damaged record ends the sound part of commits.jsonl."""
    line = _changed_json(Choices(data), COMMIT) + b"\n"
    scratch_file(parts.COMMITS, line + line)
    found, length = parts.read_commits(SCRATCH)
    assert length == len(found) * len(line)
    assert len(found) < 2, "a second record with the number of the first is out of order"
    scratch_file(parts.HEADER, line)
    parts.read_header(SCRATCH)


EVENT = events.encode(
    events.LoaderFinished("quartz/x", "DONE", events.Counts(), events.Failure("parse", "a", "b"), True)
)
EVENTS = [
    EVENT,
    events.encode(events.TrackChanged("quartz", "BACKOFF", 1, 2, 3.0, "x")),
    events.encode(events.LoaderProgress("quartz/x", events.Counts(3, 1, 1, {"a": 1}, {"E01": 1}))),
    events.encode(events.RunStarted("r", "hub", ["quartz/x"])),
    events.encode(events.Heartbeat("quartz/x", 1, 2, 3, 0.5)),
]


def journals(data: bytes) -> None:
    """A foreign line in a journal is passed over; an event that is read is one that can be written."""
    choices = Choices(data)
    event = {"at": 1.5, **choices.pick(EVENTS)}
    path = scratch_file("journal.jsonl", _changed_json(choices, event) + b"\n" + orjson.dumps(event))
    found = list(journal.read(path))
    assert found
    for at, one in found:
        assert math.isfinite(at)
        orjson.dumps(events.encode(one))
        assert events.decode(json.loads(json.dumps(events.encode(one)))) == one


def worker_events(data: bytes) -> None:
    """A worker's line is an event or a `ValueError`."""
    choices = Choices(data)
    try:
        value = orjson.loads(_changed_json(choices, choices.pick(EVENTS)))
    except ValueError:
        return
    if isinstance(value, dict):  # as `LocalWorker` asks
        raised(ValueError, lambda: events.decode(value))


def requests(data: bytes) -> None:
    """What a client sends is a request or a `ValueError`; what an engine answers, a reply."""
    choices = Choices(data)
    value = (
        {"verb": "restart", "targets": ["quartz/x"]}
        if choices.below(2)
        else {"done": True, "sentence": "", "loaders": ["a"]}
    )
    line = _changed_json(choices, value)
    raised(ValueError, lambda: _same_request(line))
    raised(ValueError, lambda: _reply(line))


def _same_request(line: bytes) -> None:
    request = control.decode_request(line)
    assert control.decode_request(request.encode()) == request


def _reply(line: bytes) -> None:
    reply = orjson.loads(line)
    if isinstance(reply, dict):  # as `Client` asks
        control.decode_reply(reply)


@functools.cache
def _config_text() -> str:
    return (TRACKS.parent / "config.toml").read_text()


def configs(data: bytes) -> None:
    """config.toml is a `Config`, or a sentence."""
    choices = Choices(data)
    text = _config_text()
    at = choices.below(len(text))
    middle = choices.text() if choices.below(2) else choices.rest().decode("utf-8", "surrogateescape")
    folder = SCRATCH / "repository"
    folder.mkdir(exist_ok=True)
    if not (folder / "tracks").exists():
        (folder / "tracks").symlink_to(TRACKS)
    whole = text[:at] + middle + text[at + choices.below(40) :]
    (folder / "config.toml").write_bytes(whole.encode("utf-8", choices.pick(["surrogatepass", "backslashreplace"])))
    environment = {"POLECATS_RUN_TARGET": choices.text(), "POLECATS_PUBLISH_OUTPUT": choices.text()}
    chosen = environment if choices.below(3) == 0 else {}
    error = raised(PolecatsError, lambda: config.load(Paths(folder), chosen))
    assert error is None or ("\n" not in str(error) and len(str(error)) < 5_000)


def published(data: bytes) -> None:
    """A published file and its manifest have an answer, whatever stands in them."""
    choices = Choices(data)
    lines = b"\n".join(published_lines()[:2])
    at = choices.below(len(lines))
    path = scratch_file("out.jsonl", lines[:at] + choices.text().encode("utf-8", "surrogatepass") + lines[at:])
    entry = {"track": "a", "loader": "b", "source": {"repo": "x"}, "read": 1, "kept": 1, "balance_closes": True}
    whole = {"format": 1, "file": "out.jsonl", "tier": "I", "rows": 2, "bytes": 3, "sha256": "0" * 64}
    whole |= {"contract": "1.0", "source": {"kind": "hub"}, "loaders": [entry]}
    scratch_file(manifest_path(path).name, _changed_json(choices, whole))
    report = validate(path)
    assert report.lines >= report.bad_lines
    error = raised(PolecatsError, lambda: manifest.check_replaceable(path, "hub", False))
    assert error is None or len(str(error)) < 5_000
