"""Tiers II and III by the command line: corrupters as loaders of a Tier I file, whatever is killed or edited."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from coordinator.contract.tiers.keys import KEY_BYTES
from coordinator.engine.plan import tier_spec
from coordinator.errors import PolecatsError
from coordinator.worker.parts import read_commits, read_header
from tests.clones import PATIENCE, ROOT, Repository, eventually
from tests.tier1 import write_tier1

COPIES = 17
"""Of the 16 sample parents: more than one batch."""
AMBER = ["exfiltration_pivot", "instruction_shadowing", "provenance_rug_pull", "scope_blowup"]
QUICK = "--loader", "provenance_rug_pull", "--loader", "scope_blowup"
SMALL = "from coordinator.worker import main, pipeline; pipeline.PART_BYTES, main.FEW_BYTES = 20_000, 0\n"
"""For a corrupter's file: parts after each batch, and shards however small the file is."""


@pytest.fixture
def clone(repository: Repository) -> Repository:
    """A clone with the true corrupters of both tracks and a Tier I file."""
    for track in ("amber", "garnet"):
        shutil.copytree(
            ROOT / "tracks" / track, repository.paths.tracks / track, ignore=shutil.ignore_patterns("__pycache__")
        )
    for file in repository.paths.tracks.glob("*/[a-z]*.py"):
        edit(file, SMALL)
    (repository.root / "config.toml").write_text(
        "[run]\nworkers = 2\n[tracks.amber]\nworkers = 2\n[tracks.garnet]\nworkers = 2\n"
    )
    repository.commit()
    write_tier1(repository.root / "data" / "tier1.jsonl", COPIES)
    return repository


def edit(file: Path, text: str) -> None:
    """Put `text` before the other imports of a corrupter's file."""
    file.write_text(file.read_text().replace("import annotations\n", f"import annotations\n{text}", 1))


def made(clone: Repository, tier: int) -> dict[str, tuple[bytes, bytes]]:
    """The committed lines and keys of each strategy."""
    found = {}
    for folder in sorted(clone.paths.state.glob(f"tier{tier}-*/tracks/*/*")):
        commits = read_commits(folder)[0]
        assert commits[-1].done
        counts = commits[-1].counts
        assert counts.read == 16 * COPIES == counts.accepted + counts.skips
        assert counts.closes()
        lines = b"".join((folder / commit.part.name).read_bytes() for commit in commits if commit.part)
        keys = b"".join((folder / commit.keys.name).read_bytes() for commit in commits if commit.keys)
        assert lines.count(b"\n") == counts.samples == len(keys) // KEY_BYTES
        found[folder.name] = lines, keys
    return found


@pytest.mark.parametrize(
    ("tier", "loaders"),
    [(2, ["instruction_shadowing", "scope_blowup"]), (3, ["access_boundary", "flow_adjacent", "temporal"])],
)
def test_a_tier_is_the_same_inline_and_with_shards(clone: Repository, tier: int, loaders: list[str]) -> None:
    named = [part for name in loaders for part in ("--loader", name)]
    run = "run", "--tier", str(tier), "--no-merge", "--plain"
    done = clone.polecats(*run, *named, "--seed", "7", "--inline")
    assert done.returncode == 0, done.stderr
    inline = made(clone, tier)
    assert list(inline) == loaders
    assert all(lines for lines, _ in inline.values())
    shutil.rmtree(clone.paths.state)
    done = clone.polecats(*run, *named, "--seed", "7")
    assert done.returncode == 0, done.stderr
    assert made(clone, tier) == inline
    other = clone.polecats(*run, "--loader", loaders[-1], "--seed", "8", "--inline")
    assert other.returncode == 0
    assert "changed since: seed" in other.stderr
    assert [name for name, rows in made(clone, tier).items() if rows != inline[name]] == loaders[-1:]


def test_killed_and_resumed_a_tier_is_the_same(clone: Repository, tmp_path: Path) -> None:
    held = tmp_path / "held"
    waits = f"while parent.original_id.endswith('x16') and Path({str(held)!r}).exists(): time.sleep(0.01)"
    file = clone.paths.tracks / "amber" / "scope_blowup.py"
    text = file.read_text()
    at = text.index("\n", text.index("def corrupt(self")) + 1
    at = text.index("\n", at) + 1  # behind the docstring
    file.write_text(f"{text[:at]}        {waits}\n{text[at:]}")
    edit(file, "import time\nfrom pathlib import Path\n")
    clone.commit()
    run = "run", "--tier", "2", "--no-merge", *QUICK
    assert clone.polecats(*run, "--inline", "--plain").returncode == 0
    whole = made(clone, 2)
    shutil.rmtree(clone.paths.state)

    held.touch()
    first = clone.start(*run)
    first.wait_for("loader_opened", loader="amber/scope_blowup")
    state = clone.paths.state
    commits = "tier2-*/tracks/amber/scope_blowup/commits.jsonl"
    assert eventually(lambda: any(read_commits(path.parent)[0] for path in state.glob(commits)), PATIENCE)
    os.kill(first.pid("amber"), signal.SIGKILL)
    first.wait_for("loader_opened", times=2, loader="amber/scope_blowup")
    os.kill(first.child.pid, signal.SIGKILL)
    first.end()
    assert clone.all_gone(), clone.alive()
    held.unlink()

    last = clone.start(*run)
    assert last.end() == 0, last.errors
    opened = last.of("loader_opened", loader="amber/scope_blowup")
    assert opened[0]["resumed"] > 0
    assert [event["loader"] for event in last.of("loader_finished", reused=True)] == ["amber/provenance_rug_pull"]
    assert made(clone, 2) == whole


def test_a_restart_after_an_edit_redoes_one_strategy_with_the_same_options(clone: Repository) -> None:
    assert clone.polecats("run", "--tier", "2", "--seed", "5", "--no-merge", "--plain", *QUICK).returncode == 0
    before = made(clone, 2)
    folders = {folder.name: folder for folder in clone.paths.state.glob("tier2-*/tracks/amber/*")}
    stood = {name: (folder / "commits.jsonl").stat().st_mtime_ns for name, folder in folders.items()}
    edit(clone.own("amber") / "amber" / "scope_blowup.py", "EDITED = True\n")
    done = clone.polecats("restart", "amber/scope_blowup")
    assert done.returncode == 0, done.stderr
    assert list(clone.state().loaders) == ["amber/scope_blowup"]
    assert "changed since: code" in done.stderr
    again = {name for name, folder in folders.items() if (folder / "commits.jsonl").stat().st_mtime_ns != stood[name]}
    assert again == {"scope_blowup"}
    assert made(clone, 2) == before
    header = read_header(folders["scope_blowup"])
    assert header is not None
    assert header["source"]["seed"] == 5
    told = clone.polecats("status")
    assert told.returncode == 0
    assert "tier1" in told.stdout
    assert "amber/scope_blowup" in told.stdout
    assert clone.polecats("failures").stdout == "No failures and no rejected rows.\n"


def test_what_is_no_tier_i_file_is_told_before_anything_starts(clone: Repository) -> None:
    data = clone.root / "data"
    other, manifest = data / "other.jsonl", data / "other.manifest.json"

    def refused() -> str:
        with pytest.raises(PolecatsError) as error:
            tier_spec(2, other)
        return str(error.value)

    assert "there is no Tier I file" in refused()
    write_tier1(other, contract="0.9+000000000000")
    assert "was made under contract 0.9+000000000000" in refused()
    write_tier1(other, tier="II")
    assert "is of Tier II" in refused()
    manifest.write_text("{")
    assert "cannot be read as a manifest" in refused()
    manifest.unlink()
    assert "has no manifest (other.manifest.json)" in refused()
    write_tier1(other)
    os.utime(other, ns=(2**62, 2**62))  # younger than its manifest, but the same
    assert tier_spec(2, other).key.startswith("tier2-")
    other.write_bytes(other.read_bytes().replace(b"knots", b"boots"))
    os.utime(other, ns=(2**62, 2**62))
    assert "it was changed since" in refused()

    done = clone.polecats("run", "--tier", "2", "--track", "garnet")
    assert done.returncode == 2
    assert "garnet is of Tier III, which polecats run --tier 3 makes" in done.stderr
    (data / "tier1.jsonl").unlink()
    done = clone.polecats("run", "--tier", "2")
    assert done.returncode == 2
    assert f"there is no Tier I file {data / 'tier1.jsonl'}" in done.stderr
    assert not clone.paths.state.exists()


def test_a_file_merged_anew_with_the_same_bytes_is_not_read_again(clone: Repository) -> None:
    run = "run", "--tier", "2", "--no-merge", "--inline", "--loader", "provenance_rug_pull"
    assert clone.polecats(*run, "--plain").returncode == 0
    write_tier1(clone.root / "data" / "tier1.jsonl", COPIES)
    again = clone.start(*run)
    assert again.end() == 0, again.errors
    assert len(again.of("loader_finished", reused=True)) == 1


def test_check_shows_a_parents_rows(clone: Repository) -> None:
    assert clone.polecats("check", "amber").returncode == 0  # on the samples
    shown = clone.polecats("check", "amber/scope_blowup", "--source", "data/tier1.jsonl", "--row", "tier1-0", "--json")
    assert shown.returncode == 0, shown.stderr
    rows = [row for line in shown.stdout.splitlines() for row in json.loads(line)["accepted"]]
    assert {row["metadata"]["variant"] for row in rows} == {"mutant", "control"}
    assert {row["metadata"]["parent"] for row in rows} == {"example/plans#plans-train-0x0"}


def test_without_enough_rows_a_tier_stays_a_draft(clone: Repository) -> None:
    write_tier1(clone.root / "data" / "tier1.jsonl", 2)
    done = clone.polecats("run", "--tier", "2", "--inline", "--plain", "--target", "8")
    assert done.returncode == 4, done.stderr
    assert "Not published" in done.stderr
    data = clone.root / "data"
    assert (data / "tier2.draft.jsonl").exists()
    assert not (data / "tier2.jsonl").exists()
    supply = clone.polecats("merge", "--dry-run", "--json")
    assert set(json.loads(supply.stdout)["loaders"]) == {f"amber/{name}" for name in AMBER}
