"""`polecats gates`: exit codes, exceptions by name with a reason, JSON."""

from __future__ import annotations

import json

import pytest

from coordinator.cli.gating import gates
from coordinator.errors import ExitCode, PolecatsError
from coordinator.gates import probes, verdicts
from tests.unit.gates.matched import MATCHED, make_tier


@pytest.fixture
def draft(tmp_path, monkeypatch):
    """A draft of which everything is green but the probes, which could not run."""
    monkeypatch.setattr(probes, "_installed", lambda: False)
    return make_tier(MATCHED, 30).write(tmp_path)


def refused(file):
    return [gate.name for gate in verdicts(file).refusing]


def test_what_could_not_run_refuses(draft, capsys):
    assert gates(draft, [], "", as_json=False) is ExitCode.REFUSED
    told = capsys.readouterr().out
    assert "could not run" in told
    assert f"{len(refused(draft))} gates refuse it" in told


def test_an_exception_is_accepted_by_name_and_kept_in_the_manifest(draft, capsys):
    names = refused(draft)
    assert gates(draft, names[:-1], "no probes here", as_json=False) is ExitCode.REFUSED
    assert refused(draft) == names[-1:]
    assert gates(draft, names[-1:], "nor this one", as_json=True) is ExitCode.OK
    values = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert values["passed"] is True
    assert values["accepted"] == dict.fromkeys(names[:-1], "no probes here") | {names[-1]: "nor this one"}
    manifest = json.loads((draft.parent / "tier2.draft.manifest.json").read_text())
    assert manifest["rows"] == 240
    kept = manifest["exceptions"]["gates"]
    assert kept[names[0]] == {"why": "no probes here", "verdict": "could not run", "figure": None}
    assert gates(draft, [], "", as_json=False) is ExitCode.OK


def test_an_exception_is_for_one_file_of_bytes(draft, capsys):
    gates(draft, refused(draft), "for now", as_json=False)
    lines = draft.read_bytes().splitlines(keepends=True)
    draft.write_bytes(b"".join(lines[2:] + lines[:2]))
    assert refused(draft)


def test_an_exception_needs_a_reason_a_gate_and_a_manifest(draft):
    with pytest.raises(PolecatsError, match="needs its reason"):
        gates(draft, ["replay"], " ", as_json=False)
    with pytest.raises(PolecatsError, match="No gate is called nothing"):
        gates(draft, ["nothing"], "because", as_json=False)
    (draft.parent / "tier2.draft.manifest.json").unlink()
    with pytest.raises(PolecatsError, match="exceptions are kept there"):
        gates(draft, ["probe/ids and hashes"], "because", as_json=False)
