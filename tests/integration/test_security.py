"""What others write is data: names, configurations, state files, a worker's words, datasets, a server's listing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordinator import client
from coordinator.cli.app import _exit_code, app
from coordinator.cli.context import context
from coordinator.contract import HubSource, Skip
from coordinator.control import Request, is_private, socket_path
from coordinator.demo.hub import Hub
from coordinator.engine.executors.local import SETTINGS, worker_environment
from coordinator.engine.repository import checkout_state
from coordinator.engine.server import _listen, answers
from coordinator.engine.worktrees import WorktreeManager
from coordinator.errors import PolecatsError
from coordinator.events import MOST_REASONS, Counts, LoaderProgress, RunStarted, decode, encode
from coordinator.worker.pipeline import OTHER_REASONS, _enter
from coordinator.worker.streams.opening import open_stream
from coordinator.worker.streams.roots import FolderRoot, HubRoot
from tests.clones import Repository

TRACK = "alpha"
HOSTILE = "\x1b]0;owned\x07\x1b[2J[red]\u202e\x9b31m"


@pytest.fixture
def clone(make: Callable[[], Repository], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A clone with one track of one loader."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "POLECATS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("HOME", str(tmp_path))
    made = make()
    monkeypatch.setenv("XDG_RUNTIME_DIR", made.environment["XDG_RUNTIME_DIR"])
    made.loader(f"{TRACK}/one", rows=5)
    made.commit()
    monkeypatch.chdir(made.root)
    return made


# ---- names

NAMES = [
    *("-x", "--upload-pack=touch fired", "../..", "../../etc", "/etc", ".", "..", ".state", "a\nb", "a\0b", HOSTILE),
    *("alpha/../..", "\u0430lpha", "ALPHA", "alpha ", "a" * 5_000, "alpha.lock", "$(touch fired)", "alpha;touch fired"),
]
COMMANDS = [
    ["run", "--inline", "--track"],
    ["run", "--inline", "--loader"],
    ["check", "--"],
    ["failures", "--"],
    ["restart", "--"],
    ["stop", "--"],
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name)[:20])
def test_a_name_is_one_that_is_known_or_refused_in_a_sentence(
    clone: Repository, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    started = encode(RunStarted("1", "hub", [f"{TRACK}/one"]))
    folder = clone.paths.runs / "20260101-000000-0000001"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_bytes(orjson.dumps({"at": 1.0, **started}) + b"\n")
    before = sorted(clone.root.parent.rglob("*"))
    for command in COMMANDS:
        assert _exit_code(lambda command=command: app([*command, name], prog_name="polecats")) == 2, command
        said = capsys.readouterr().err
        assert said.strip()
        assert "Traceback" not in said
        assert not set(said) & set("\x1b\x07\x9b\0"), "nothing reaches the terminal raw"
    assert sorted(clone.root.parent.rglob("*")) == before


@pytest.mark.parametrize("name", ["../up", "..", "/etc", "a/b", "-x", "a\\nb", "Alpha", "\\u0430lpha", ".state"])
def test_a_name_in_config_toml_is_a_folder_of_the_tracks_or_refused(clone: Repository, name: str) -> None:
    (clone.root / "config.toml").write_text(f'[tracks."{name}"]\n')
    with pytest.raises(PolecatsError, match="there is no folder"):
        context()


@pytest.mark.parametrize("name", ["..", "-x", ".git", "a b", "Opal", "x.lock", "\u0430"])
def test_a_folder_with_another_name_is_no_track(clone: Repository, name: str) -> None:
    (clone.paths.tracks / name).mkdir(exist_ok=True)
    assert [track for track, _ in context().loaders] == [TRACK]


LAST = {"run": "1", "inline": False, "output": "x", "merge": True}
SOURCES = [
    {"kind": "dir", "key": "../../outside"},
    {"kind": "dir", "key": "/etc"},
    {"kind": "dir", "key": "runs"},
    {"kind": "dir", "key": "dir-0123456789ab/.."},
    {"kind": "ftp", "key": "hub"},
    {"kind": "hub", "key": 5},
    {"kind": "hub", "key": "hub", "folder": []},
]


@pytest.mark.parametrize("record", [*({**LAST, "source": source} for source in SOURCES), {}, [], LAST, {"run": 1}])
def test_a_state_file_names_no_place_outside_of_the_state(clone: Repository, record: Any) -> None:
    clone.paths.state.mkdir(parents=True)
    clone.paths.last.write_text(json.dumps(record))
    assert context().last_run() is None
    clone.paths.last.write_text(json.dumps({**LAST, "source": {"kind": "hub", "key": "hub"}}))
    assert context().last_run() is not None


# ---- git


def test_a_hostile_configuration_runs_nothing_where_git_looks_at_or_makes_checkouts(clone: Repository) -> None:
    fired, program = clone.root.parent / "fired", clone.root.parent / "program"
    program.write_text(f"#!/bin/sh\necho \"$0 $@\" >> '{fired}'\n")
    program.chmod(0o755)
    manager = WorktreeManager(clone.root)
    tree = manager.ensure(TRACK)
    hooks = clone.root / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "post-merge", "reference-transaction", "post-index-change", "pre-auto-gc"):
        (hooks / name).symlink_to(program)
    said = {
        "core.hooksPath": hooks,
        **dict.fromkeys(("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass"), program),
        **dict.fromkeys(("diff.external", "diff.x.textconv", "gpg.program", "alias.status", "pager.status"), program),
        **dict.fromkeys(("credential.helper", "sequence.editor", "uploadpack.packObjectsHook"), program),
        "remote.origin.url": f"ext::{program}",
        "remote.origin.promisor": "true",
        "commit.gpgSign": "true",
        "merge.verifySignatures": "true",
        "submodule.recurse": "true",
        "status.submoduleSummary": "true",
    }
    for key, value in said.items():
        subprocess.run(["git", "config", key, str(value)], cwd=clone.root, check=True)
    (tree.path / ".gitattributes").write_text("* diff=x\n")
    (tree.path / "tracks" / TRACK / "one.py").write_text("# edited\n")
    who = ["-c", "user.name=u", "-c", "user.email=u@u", "-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null"]
    who += ["-c", "core.fsmonitor=false"]
    clone.loader("beta/one")
    subprocess.run(["git", *who, "add", "tracks"], cwd=clone.root, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "more"], cwd=clone.root, check=True)
    manager = WorktreeManager(clone.root)
    assert manager.ensure("beta").path.is_dir()
    assert [found.track for found in manager.list()] == [TRACK, "beta"]
    assert "edited" in manager.diff(TRACK)
    assert manager.ensure(TRACK).behind == 1
    assert checkout_state(tree.path)
    assert manager.main().branch == "main"
    assert not fired.exists(), fired.read_text()


def test_a_configuration_that_names_other_files_lets_nothing_be_written_there(clone: Repository) -> None:
    manager, elsewhere = WorktreeManager(clone.root), clone.root.parent / "elsewhere"
    tree = manager.ensure(TRACK)
    subprocess.run(["git", "clone", "-q", str(clone.root), str(elsewhere)], check=True)
    before = (elsewhere / "tracks" / TRACK / "one.py").read_text()
    for folder, option in ((clone.root, "extensions.worktreeConfig=true"), (tree.path, f"core.worktree={elsewhere}")):
        key, _, value = option.partition("=")
        where = ["--worktree"] * (folder == tree.path)
        subprocess.run(["git", "config", *where, key, value], cwd=folder, check=True)
    clone.loader(f"{TRACK}/one", each="'another'")
    clone.commit()
    for call in (manager.ensure, manager.status):
        with pytest.raises(PolecatsError, match=r"--unset core\.worktree"):
            call(TRACK)
    assert (elsewhere / "tracks" / TRACK / "one.py").read_text() == before


# ---- the socket


def test_a_link_to_a_folder_is_no_place_for_the_socket(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(own)
    assert (is_private(own), is_private(link), is_private(tmp_path / "none")) == (True, False, False)
    with pytest.raises(PolecatsError, match="not yours alone"):
        _listen(link / "x.sock")


def test_an_engine_too_busy_to_answer_keeps_its_socket(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as engine, socket.socket(socket.AF_UNIX) as waiting:
        engine.bind(str(own / "x.sock"))
        engine.listen(0)
        waiting.connect(str(own / "x.sock"))
        assert answers(own / "x.sock")
        with pytest.raises(PolecatsError, match="already listens"):
            _listen(own / "x.sock")
    assert not answers(own / "x.sock")
    _listen(own / "x.sock").close()


def test_a_stranger_who_listens_where_anybody_may_write_is_not_asked(clone: Repository) -> None:
    folder = socket_path(clone.root).parent
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(socket_path(clone.root)))
        stranger.listen()
        assert client.listens(clone.root)
        folder.chmod(0o777)
        assert not client.listens(clone.root)
        assert client.ask(clone.root, Request("shutdown")) is None
    folder.chmod(0o700)
    socket_path(clone.root).unlink()


# ---- a worker


def test_a_worker_sees_what_it_needs_and_nothing_else() -> None:
    wanted = {"PATH", "HOME", "LANG", "HF_ENDPOINT", "HF_TOKEN", "HF_HOME", "HTTPS_PROXY", "PYTHONPATH", "TZ"}
    secret = {
        *("AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "GITHUB_TOKEN", "GH_TOKEN"),
        *("POLECATS_RUN_SOURCE", "OPENAI_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "GIT_ASKPASS", "KUBECONFIG"),
        *("DATABASE_URL", "LD_PRELOAD", "BASH_ENV", "NPM_TOKEN", "DISPLAY", "WANDB_API_KEY", "hf_token", "MYHF_TOKEN"),
    }
    seen = worker_environment(dict.fromkeys(wanted | secret, "x"))
    assert seen.keys() == wanted | SETTINGS.keys()


@pytest.mark.parametrize("field", ["read", "accepted", "samples", "bytes_read", "replayed"])
@pytest.mark.parametrize("value", [-1, 2**70, 1e308, True, "5", None])
def test_a_number_that_can_be_none_is_no_event(field: str, value: Any) -> None:
    told = encode(LoaderProgress("alpha/one", Counts(5, 5, 5)))
    (told["counts"] if field in told["counts"] else told)[field] = value
    with pytest.raises(ValueError, match="not an event"):
        decode(told)


def test_any_number_of_reasons_are_a_thousand() -> None:
    tally: dict[str, int] = {}
    for number in range(50_000):
        _enter(tally, Skip(f"row_{number}").reason)
    assert len(tally) == MOST_REASONS
    assert sum(tally.values()) == 50_000
    assert tally[OTHER_REASONS] == 50_000 - MOST_REASONS + 1
    told = LoaderProgress("alpha/one", Counts(50_000, 0, 0, tally))
    assert decode(orjson.loads(orjson.dumps(encode(told)))) == told
    tally["one_more"] = 1
    with pytest.raises(ValueError, match="not an event"):
        decode(orjson.loads(orjson.dumps(encode(told))))


def test_a_forged_journal_reaches_no_terminal_raw(clone: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    failure = {
        "failure_class": "loader_bug",
        **dict.fromkeys(("sentence", "remedy", "traceback", "reproduce"), HOSTILE),
    }
    counts = {"read": 2, "accepted": 1, "samples": 1, "skipped": {HOSTILE: 1}, "rejected": {HOSTILE: 1}}
    lines = [
        {"kind": "run_started", "run": HOSTILE, "source": HOSTILE, "loaders": [f"{TRACK}/one", HOSTILE]},
        {"kind": "track_changed", "track": TRACK, "state": "RUNNING", "note": HOSTILE},
        {"kind": "loader_warned", "loader": f"{TRACK}/one", "sentence": HOSTILE},
        {"kind": "loader_finished", "loader": f"{TRACK}/one", "state": "FAILED", "counts": counts, "failure": failure},
    ]
    folder = clone.paths.runs / "20260101-000000-0000001"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_bytes(b"".join(orjson.dumps({"at": 1.0, **line}) + b"\n" for line in lines))
    (clone.paths.lock.with_suffix(".pid")).write_text(HOSTILE)
    rejects = clone.paths.loader_state("hub", TRACK, "one")
    rejects.mkdir(parents=True)
    for command in (["status"], ["failures"], ["doctor"]):
        _exit_code(lambda command=command: app(command, prog_name="polecats"))
        said = capsys.readouterr()
        assert not set(said.out + said.err) & set("\x1b\x07\x9b\u202e"), command


# ---- a dataset

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
TYPED: dict[str, tuple[Any, pa.Array]] = {
    "an image of the disk": ({"q": {"_type": "Image"}}, pa.array([{"bytes": None, "path": "/etc/passwd"}], STRUCT)),
    "a sound of the net": (
        {"q": {"_type": "Audio"}},
        pa.array([{"bytes": None, "path": "http://127.0.0.1:9/"}], STRUCT),
    ),
    "a name of a module": ({"q": {"_type": "os.system"}}, pa.array(["x"])),
    "a function of datasets": ({"q": {"_type": "require_decoding"}}, pa.array(["x"])),
    "no features": ([1, 2], pa.array(["x"])),
    "a deep one": ({"q": {"_type": "List", "feature": None}}, pa.array(["x"])),
}


@pytest.mark.parametrize(("features", "column"), TYPED.values(), ids=TYPED)
def test_what_a_parquet_file_says_of_its_columns_is_not_followed(tmp_path: Path, features: Any, column: Any) -> None:
    folder = tmp_path / "org" / "name"
    folder.mkdir(parents=True)
    told = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    pq.write_table(pa.table({"q": column}).replace_schema_metadata(told), folder / "x.parquet")
    source = HubSource(repo="org/name", builder="parquet", files={"t": "*.parquet"})
    stream = open_stream(source, FolderRoot(tmp_path).resolve(source))
    assert [row["q"] for batch in stream.batches(None) for row in batch.rows] == column.to_pylist()


PATHS = ["../../etc/x.jsonl", "/etc/x.jsonl", "a/../../x.jsonl", "a//x.jsonl", "./x.jsonl", "a\\x.jsonl", "a\nx.jsonl"]


def test_a_listing_names_files_of_the_repository_alone() -> None:
    from huggingface_hub.hf_api import RepoFile

    listed = [RepoFile(path=path, size=5, oid="0") for path in [*PATHS, "x.jsonl", "d\u00e9p/x y.jsonl"]]
    api: Any = SimpleNamespace(list_repo_tree=lambda *names, **options: listed)
    source = HubSource(repo="org/name", builder="lines", files={"t": "**/*.jsonl"})
    hub: Any = None  # is asked for nothing
    found = HubRoot(hub, lambda count: None)._tree(api, source, "", "main", recursive=True)
    assert [file.path for file in found] == ["x.jsonl", "d\u00e9p/x y.jsonl"]


CARD = """---
configs:
- config_name: default
  data_files:
  - http://127.0.0.1:9/evil.jsonl
  - /etc/passwd
  - ../../../etc/passwd
---
"""


def test_nothing_of_a_repository_but_the_declared_files_is_read_or_run(clone: Repository, tmp_path: Path) -> None:
    """A card that points elsewhere, a loading script, a pickle; and a folder of that name in the working directory."""
    fired, name = tmp_path / "fired", f"{TRACK}-one"
    repository = tmp_path / "hub" / "inv" / name
    repository.mkdir(parents=True)
    (repository / "rows.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(7)))
    (repository / "README.md").write_text(CARD)
    (repository / f"{name}.py").write_text(f"open({str(fired)!r}, 'w')\n")
    (repository / "x.pkl").write_bytes(b"cos\nsystem\n(S'touch " + str(fired).encode() + b"'\ntR.")
    (repository / "dataset_infos.json").write_text('{"default": {"_type": "os.system"}}')
    for shadow in (clone.root / "inv" / name, clone.root / "worktrees" / TRACK / "inv" / name):
        shadow.mkdir(parents=True)
        (shadow / "rows.jsonl").write_text('{"n": 666}\n')
    (clone.root / "parquet").mkdir()
    with Hub(tmp_path / "hub") as hub:
        clone.behind(hub, tmp_path / "home")
        done = clone.polecats("run", "--plain", "--inline")
        asked = list(hub.requests)
    assert done.returncode == 0, done.stderr
    assert sorted(
        json.loads(line)["execution_plan"]["nodes"][0]["arguments"]["n"] for line in clone.merged().splitlines()
    ) == [*range(7)]
    assert not fired.exists()
    assert not [line for line in asked if line.endswith((".py", ".pkl", ".md", ".json", ".yaml"))], asked
    assert any("rows.jsonl" in line for line in asked)
