"""A tier published: rows and pairs together or neither, only where the gates let it, only from sound parts."""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from coordinator.cli.doctor.leftovers import _settle as settle
from coordinator.errors import ExitCode, PolecatsError
from coordinator.gates import record, verdicts
from coordinator.publish import card, manifest
from coordinator.publish.output import previous_of
from coordinator.publish.tier_output import draft_of, pairs_of
from coordinator.publish.tiering import Judgement, Tier, publish
from coordinator.publish.validate import validate
from tests.unit.publish.tier_store import again, green, make, red

ROOT = Path(__file__).parents[3]


@pytest.fixture
def tier(tmp_path: Path) -> Tier:
    return make(tmp_path)


def names(tier: Tier) -> list[str]:
    return sorted(path.name for path in tier.output.parent.iterdir())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("number", [2, 3])
def test_green_rows_and_pairs_are_published_and_accounted_for(tmp_path: Path, number: int) -> None:
    tier = make(tmp_path, number)
    outcome = publish(tier, green)
    told = manifest.read(tier.output)
    assert told is not None
    rows = [orjson.loads(line) for line in tier.output.read_bytes().splitlines()]
    pairs = [orjson.loads(line) for line in pairs_of(tier.output).read_bytes().splitlines()]
    negatives = [row for row in rows if row["metadata"]["variant"] == "mutant"]
    assert (outcome.file, outcome.pairs) == (tier.output, len(pairs))
    assert [pair["negative_id"] for pair in pairs] == [row["original_id"] for row in negatives] != []
    assert (told["rows"], told["sha256"]) == (len(rows), sha256(tier.output))
    assert (told["pairs"]["rows"], told["pairs"]["sha256"]) == (len(pairs), sha256(pairs_of(tier.output)))
    assert told["parents"] == {"file": "tier1.jsonl", "sha256": sha256(tier.tier1)}
    assert (told["tier"], told["seed"], told["source"]) == ("II" if number == 2 else "III", 0, tier.source)
    for name, counts in told["strategies"].items():
        own = [row for row in rows if row["metadata"]["mutation"]["strategy"] == name]
        bad = [row for row in own if row["metadata"]["variant"] == "mutant"]
        assert (counts["negatives"], counts["controls"]) == (len(bad), len(own) - len(bad))
        assert sum(counts["operators"].values()) == sum(counts["difficulties"].values()) == len(bad)
        assert sum(counts["splits"].values()) == len(own)
    assert told["yield"]["negatives"] == len(pairs)
    assert told["yield"]["bound"] == outcome.bound != ""
    assert all(loader["balance_closes"] and loader["read"] == 16 for loader in told["loaders"])
    files = [tier.output.name, pairs_of(tier.output).name, f"tier{number}.manifest.json", "README.md", "tier1.jsonl"]
    assert names(tier) == sorted(files)


def rounded(line: str) -> Any:
    """`datasets` reads 0.6 in a `json` feature as 0.6000000000000001."""
    return json.loads(line, parse_float=lambda text: round(float(text), 12))


# `datasets` leaves files that it has read to the garbage collector, which is called at the end of the test.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in. <_io.FileIO:pytest.PytestUnraisableExceptionWarning")
def test_datasets_reads_rows_and_pairs_by_the_card(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tier.output.parent.parent / "hf"))
    import datasets

    publish(tier, green)
    for file in (tier.output, pairs_of(tier.output)):
        found = datasets.load_dataset(str(file.parent), file.stem, split="train", streaming=True)
        lines = file.read_text(encoding="utf-8").splitlines()
        for row, line in zip(found, lines, strict=True):
            assert rounded(json.dumps({key: row[key] for key in json.loads(line)})) == rounded(line)
    del found
    gc.collect()


def test_the_bytes_do_not_depend_on_parts_or_on_what_stood_there(tier: Tier, tmp_path: Path) -> None:
    publish(tier, green)
    first = tier.output.read_bytes(), pairs_of(tier.output).read_bytes()
    publish(tier, green)
    assert (tier.output.read_bytes(), pairs_of(tier.output).read_bytes()) == first
    assert not previous_of(tier.output).exists(), "the same bytes are not kept twice"


def test_red_leaves_drafts_and_what_was_published(tier: Tier) -> None:
    publish(replace(tier, target=4), green)
    before = {name: (tier.output.parent / name).read_bytes() for name in names(tier)}
    outcome = publish(tier, red)
    assert outcome.file == draft_of(tier.output)
    assert not outcome.judgement.passed
    found = {name: (tier.output.parent / name).read_bytes() for name in names(tier)}
    drafts = {"tier2.draft.jsonl", "tier2_pairs.draft.jsonl", "tier2.draft.manifest.json"}
    assert found.keys() - before.keys() == drafts
    assert {name: found[name] for name in before} == before
    card.write(tier.output)
    assert "draft" not in (tier.output.parent / "README.md").read_text()
    publish(tier, green)
    assert drafts.isdisjoint(names(tier))
    assert previous_of(tier.output).read_bytes() == before["tier2.jsonl"]
    assert previous_of(pairs_of(tier.output)).read_bytes() == before["tier2_pairs.jsonl"]


def refusing(accepted: dict[str, str], seen: list[set[str]]) -> Any:
    """The gates themselves."""

    def judge(draft: Path, tier1: Path) -> Judgement:
        report = verdicts(draft, tier1, accepted)
        if accepted:
            record(draft, report)
        seen.append({gate.name for gate in report.refusing})
        return Judgement(report.passed, [{"name": gate.name, "verdict": gate.verdict.value} for gate in report.gates])

    return judge


def test_what_was_accepted_counts_for_the_same_bytes_alone(tier: Tier) -> None:
    seen: list[set[str]] = []
    assert not publish(tier, refusing({}, seen)).judgement.passed, "too few rows for the probes"
    waiting = dict.fromkeys(seen[0], "invented rows")
    assert {"contract", "replay", "pairs"}.isdisjoint(waiting)
    report = verdicts(draft_of(tier.output), tier.tier1, waiting)
    record(draft_of(tier.output), report)  # as `polecats gates --accept` does
    assert publish(tier, refusing({}, seen)).judgement.passed
    told = manifest.read(tier.output)
    assert told is not None
    assert {name: gate["why"] for name, gate in told["exceptions"]["gates"].items()} == waiting
    assert "invented rows" in (tier.output.parent / "README.md").read_text()
    assert publish(tier, refusing({}, seen)).judgement.passed, "the published file's count, too"
    assert not publish(replace(tier, target=8), refusing({}, seen)).judgement.passed
    publish(replace(tier, target=8), green)
    assert "exceptions" not in (manifest.read(tier.output) or {}), "they were for other bytes"


@pytest.mark.parametrize("ending", ["jsonl", "keys"])
@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_a_damaged_part_is_named_and_put_aside(tier: Tier, ending: str, how: str) -> None:
    publish(tier, green)
    before = tier.output.read_bytes(), pairs_of(tier.output).read_bytes()
    part = tier.inputs[1].folder / f"part-00000.{ending}"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.unlink() if how == "gone" else part.write_bytes(data if how == "flipped" else data[:-40])
    with pytest.raises(PolecatsError, match=f"{part.name} is damaged.*polecats run --tier 2") as refused:
        publish(tier, green)
    assert refused.value.code is ExitCode.REFUSED
    assert not part.exists()
    assert (tier.output.read_bytes(), pairs_of(tier.output).read_bytes()) == before
    assert not [name for name in names(tier) if name.startswith(".") or "draft" in name]


def test_every_strategy_must_be_there_of_the_same_parents_and_seed(tmp_path: Path) -> None:
    with pytest.raises(PolecatsError, match="no strategy of tier 2 is made yet") as nothing:
        publish(make(tmp_path / "a", strategies=[]), green)
    assert nothing.value.code is ExitCode.NOTHING
    with pytest.raises(PolecatsError, match="amber/exfiltration_pivot: nothing committed yet"):
        publish(make(tmp_path / "b", strategies=["scope_blowup"]), green)
    make(tmp_path / "c", seed=5, strategies=["scope_blowup"])
    mixed = make(tmp_path / "c", strategies=["exfiltration_pivot", "instruction_shadowing", "provenance_rug_pull"])
    with pytest.raises(PolecatsError, match="scope_blowup was made with another seed"):
        publish(mixed, green)
    tier = make(tmp_path / "d")
    tier.tier1.write_bytes(tier.tier1.read_bytes() + tier.tier1.read_bytes())
    with pytest.raises(PolecatsError, match="made from another Tier I file"):
        publish(tier, green)
    tier.tier1.unlink()
    with pytest.raises(PolecatsError, match="Merge Tier I first"):
        publish(tier, green)


def test_a_file_of_others_is_not_replaced_until_told(tier: Tier) -> None:
    tier.output.write_text("{}\n")
    with pytest.raises(PolecatsError, match="no manifest"):
        publish(tier, green)
    tier.output.unlink()
    pairs_of(tier.output).write_text("{}\n")
    with pytest.raises(PolecatsError, match=r"tier2_pairs\.jsonl is not what was merged"):
        publish(tier, green)
    publish(replace(tier, replace=True), green)
    assert previous_of(pairs_of(tier.output)).read_text() == "{}\n"
    with pytest.raises(PolecatsError, match="was made from samples, not from hub"):
        publish(replace(tier, source={"kind": "hub", "key": "hub"}), green)


KILLED = """
import hashlib, json, os, shutil, signal, sys
from dataclasses import replace
from pathlib import Path
from coordinator.publish.output import alone
from coordinator.publish.tiering import publish
from coordinator.worker.fingerprint import contract_version
from tests.unit.publish.tier_store import green, make

root, first = Path(sys.argv[1]), sys.argv[2] == "first"
tier = make(root)
folder, aside = tier.output.parent, root / "before"
CALLS = ("os.rename", "os.link", "os.remove", "os.chmod", "tempfile.mkstemp", "fcntl.flock")
contract_version()  # known before the first child
if not first:
    publish(replace(tier, target=4), green)
shutil.copytree(folder, aside)

def work():
    with alone(folder, lambda: None):
        publish(tier, green)

def child(point):
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    left = point
    def step():
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
    def hook(event, args):
        if event in CALLS or (event == "open" and str(folder) in str(args[0])):
            step()
    os.fsync = lambda handle: None
    if point >= 0:
        sys.addaudithook(hook)
        os.fsync = lambda handle: (step(), step())
    work()
    os._exit(0)

def seen():
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}

def told():
    path = folder / "tier2.manifest.json"
    found = json.loads(path.read_text()) if path.exists() else {"sha256": None, "pairs": {"sha256": None}}
    return [found["sha256"], found["pairs"]["sha256"]]

before, results = seen(), []
for point in range(400):
    status = child(point)
    killed, said = seen(), told()
    again = child(-1)
    results.append([status, killed, said, again, seen()])
    if status == 0:
        break
    shutil.rmtree(folder)
    shutil.copytree(aside, folder)
json.dump([before, results], sys.stdout)
"""


@pytest.mark.parametrize("first", ["first", "again"])
def test_killed_at_every_step(tmp_path: Path, first: str) -> None:
    """Each of both files is the old or the new one; the manifest tells of rows that stand; merging again mends it."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), first], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    before, results = json.loads(done.stdout)
    assert len(results) > 40
    assert [status for status, *_ in results] == [signal.SIGKILL] * (len(results) - 1) + [0]
    whole = results[-1][1]
    published = ["README.md", "tier1.jsonl", "tier2.jsonl", "tier2.manifest.json", "tier2_pairs.jsonl"]
    previous = [] if first == "first" else ["tier2.previous.jsonl", "tier2_pairs.previous.jsonl"]
    assert sorted(whole) == sorted(published + previous)
    between = 0
    for _, killed, told, again_status, after in results:
        for name in ("tier2.jsonl", "tier2_pairs.jsonl"):
            assert killed.get(name) in (before.get(name), whole[name])
        stand = [killed.get("tier2.jsonl"), killed.get("tier2_pairs.jsonl")]
        between += told != stand
        if told != stand:
            assert ".tier2.manifest.json.next" in killed, "it is known what belongs together"
        assert again_status == 0
        assert {name: after.get(name) for name in published} == {name: whole[name] for name in published}
        assert set(after) <= set(published + previous), "nothing is left over"
    assert 0 < between < 12


class Killed(BaseException):
    """What no code here catches."""


def kill_between_the_renames(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(path: Path, target: Path) -> Path:
        if path == draft_of(tier.output):
            raise Killed
        return original(path, target)

    original = Path.replace
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", rename)
        with pytest.raises(Killed):
            publish(tier, green)


def test_pairs_whose_rows_have_gone_are_taken_back(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the two renames, and then somebody removed the draft."""
    publish(replace(tier, target=4), green)
    before = tier.output.read_bytes(), pairs_of(tier.output).read_bytes()
    kill_between_the_renames(tier, monkeypatch)
    assert pairs_of(tier.output).read_bytes() != before[1]
    report = validate(tier.output)
    assert not report.ok, "rows of one merge, pairs of the next"
    draft_of(tier.output).unlink()
    publish(tier, red)
    assert (tier.output.read_bytes(), pairs_of(tier.output).read_bytes()) == before


def test_doctor_finishes_what_was_begun(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(replace(tier, target=4), green)
    kill_between_the_renames(tier, monkeypatch)
    settle(tier.output)
    assert validate(tier.output).ok
    assert not [name for name in names(tier) if name.startswith(".") or "draft" in name]


def test_another_seed_gives_other_rows(tmp_path: Path) -> None:
    tier = make(tmp_path)
    publish(tier, green)
    first = tier.output.read_bytes()
    shutil.rmtree(tmp_path / "state")
    make(tmp_path, seed=7)
    publish(again(tier, tmp_path), green)
    assert tier.output.read_bytes() != first
    told = manifest.read(tier.output)
    assert told is not None
    assert told["seed"] == 7
