"""Every gate is green on matched rows, and red after one seeded fault; the published recipe does not get through."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from coordinator.errors import PolecatsError
from coordinator.gates import Verdict, audit, probes, tokens, verdicts
from coordinator.gates.rows import Row
from tests.unit.gates.matched import MATCHED, Tier, edge, make_tier, naive

BLOCKS = 400
"""A strategy; what makes the classes of a probe."""
FAULTY = 30
"""Blocks a strategy, of the tiers in which one fault is put."""


def _copy(tier: Tier, most: int = 0) -> Tier:
    """A copy whose faults stay its own, of the first `most` blocks of each strategy."""
    rows = [row for row in tier.rows if not most or int(row["metadata"]["parent"].split("#")[1][2:]) < most]
    parents = {row["metadata"]["parent"] for row in rows}
    kept = [parent for parent in tier.parents if f"made/up#{parent['original_id']}" in parents]
    pair_ids = {row["metadata"]["pair_id"] for row in rows}
    pairs = [pair for pair in tier.pairs if pair["pair_id"] in pair_ids]
    return Tier(*orjson.loads(orjson.dumps([kept, rows, pairs])))


@pytest.fixture(scope="module")
def matched():
    return make_tier(MATCHED, BLOCKS)


@pytest.fixture(scope="module")
def boundary():
    return make_tier({"numeric_edge": edge}, 30, "III")


@pytest.fixture
def enough(monkeypatch):
    """The small classes of a test are enough for a verdict."""
    monkeypatch.setattr(probes, "rows_needed", lambda bound: BLOCKS // 2)


@pytest.fixture
def no_probes(monkeypatch):
    monkeypatch.setattr(probes, "_installed", lambda: False)


@pytest.fixture(autouse=True)
def few_cells(monkeypatch):
    """As many cells as a small file needs: a full table costs more than all else that a test does."""
    monkeypatch.setattr(tokens, "CELLS", 1 << 16)


@pytest.fixture(scope="module")
def sound(matched, tmp_path_factory):
    """What the gates say of the rows in which faults are put, before they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "_installed", lambda: False)
        return outcome(verdicts(_copy(matched, FAULTY).write(tmp_path_factory.mktemp("sound"))))


def outcome(report):
    return {gate.name: gate for gate in report.gates}


def test_matched_rows_are_green_throughout(matched, tmp_path, enough):
    report = verdicts(matched.write(tmp_path))
    assert [(gate.name, gate.figure) for gate in report.refusing] == []
    assert report.passed
    assert len(report.gates) == 33
    assert (report.tier, report.rows) == ("II", 8 * BLOCKS)


def test_the_same_bytes_give_the_same_report(matched, tmp_path):
    file = _copy(matched, 40).write(tmp_path)
    assert verdicts(file) == verdicts(file)


def test_the_published_recipe_is_red(tmp_path, enough):
    tier = make_tier({strategy: naive(strategy) for strategy in MATCHED}, BLOCKS // 2)
    found = outcome(verdicts(tier.write(tmp_path)))
    for strategy in MATCHED:
        probe = found[f"probe/plan text/{strategy}"]
        assert probe.verdict is Verdict.RED
        assert probe.figure > 0.95
    assert found["tokens"].verdict is Verdict.RED
    assert found["deny list"].verdict is Verdict.RED
    leaks = {name for name, _ in found["probe/plan text/exfiltration_pivot"].leaks}
    assert leaks & {"attacker", "tool:send_data", "com", "http"}


def test_two_processes_find_the_same(matched, tmp_path, monkeypatch):
    file = _copy(matched, 30).write(tmp_path)
    alone = verdicts(file)
    monkeypatch.setattr(audit, "TWO_PROCESSES", 0)
    assert verdicts(file) == alone


def negatives(tier, strategy=""):
    return [row for row in tier.rows if row["label"] != "benign" and strategy in ("", _strategy(row))]


def _strategy(row):
    return row["metadata"]["mutation"]["strategy"]


def _nodes(row):
    return row["execution_plan"]["nodes"]


def stale_hash(tier):
    _nodes(tier.rows[0])[0]["provenance_hash"] = "0" * 64


def edit_beside_the_row(tier):
    edits = tier.rows[0]["metadata"]["mutation"]["edits"]
    edits.append({"op": "replace", "path": "/metadata/query", "value": "Another one."})


def lost_parent(tier):
    tier.parents.pop()


def rule_not_broken(tier):
    for row in negatives(tier, "scope_blowup"):
        row["metadata"]["policy"] = "Look at at most 999 items."


def rule_broken_by_benign(tier):
    for row in tier.rows:
        if row["label"] == "benign" and _strategy(row) == "exfiltration_pivot":
            row["metadata"]["policy"] = "Results may be sent to nobody.example only."


def denied_word(tier):
    _nodes(tier.rows[0])[0]["arguments"]["name"] = "the attacker's"


def frequent_word(tier):
    for row in negatives(tier)[:60]:
        _nodes(row)[0]["arguments"]["name"] = "zebra"


def fewer_of_one_strategy(tier):
    tier.rows = tier.rows[4:]


def all_hard(tier):
    for row in tier.rows:
        row["metadata"]["mutation"]["difficulty"] = "hard"


def one_tool(tier):
    for row in negatives(tier, "exfiltration_pivot"):
        for node in _nodes(row):
            node["tool_name"] = "send_it"


def torn_group(tier):
    splits = {"train": "test"}
    tier.rows[1]["metadata"]["split"] = splits.get(tier.rows[0]["metadata"]["split"], "train")


def unknown_split(tier):
    tier.rows[0]["metadata"]["split"] = "dev"


def no_control(tier):
    del tier.rows[0]


def lost_pair(tier):
    tier.pairs.pop()


def strange_control(tier):
    tier.pairs[0]["control_ids"] = ["nobody"]


def other_margin(tier):
    tier.pairs[0]["margin"] = 0.4


def other_call_in_rug_pull(tier):
    _nodes(negatives(tier, "provenance_rug_pull")[0])[0]["arguments"]["name"] = "other"


def same_tiers_in_rug_pull(tier):
    for row in tier.rows:
        if _strategy(row) == "provenance_rug_pull":
            for node in _nodes(row):
                node["provenance_tier"] = 3


def beyond_budget(tier):
    row = negatives(tier, "scope_blowup")[0]
    row["metadata"]["mutation"]["difficulty"] = "hard"
    _nodes(row)[0]["arguments"] |= {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("gate", "fault"),
    [
        ("contract", stale_hash),
        ("replay", edit_beside_the_row),
        ("replay", lost_parent),
        ("checker/negatives", rule_not_broken),
        ("rule/scope_blowup", rule_not_broken),
        ("checker/benign rows", rule_broken_by_benign),
        ("rule/exfiltration_pivot", rule_broken_by_benign),
        ("tokens", frequent_word),
        ("deny list", denied_word),
        ("shares", fewer_of_one_strategy),
        ("difficulty", all_hard),
        ("groups", torn_group),
        ("groups", unknown_split),
        ("controls", no_control),
        ("pairs", lost_pair),
        ("pairs", strange_control),
        ("pairs", other_margin),
        ("rug-pull", other_call_in_rug_pull),
        ("rug-pull", same_tiers_in_rug_pull),
        ("edit budgets", beyond_budget),
    ],
)
def test_one_fault_makes_its_gate_red(matched, sound, tmp_path, no_probes, gate, fault: Callable[[Tier], None]):
    tier = _copy(matched, FAULTY)
    assert sound[gate].verdict is Verdict.GREEN
    fault(tier)
    assert outcome(verdicts(tier.write(tmp_path)))[gate].verdict is Verdict.RED


def test_one_tool_in_a_quarter_of_the_negatives_is_red(matched, tmp_path, no_probes):
    tier = _copy(matched, 2 * FAULTY)
    assert outcome(verdicts(tier.write(tmp_path)))["top tool"].verdict is Verdict.GREEN
    one_tool(tier)
    assert outcome(verdicts(tier.write(tmp_path)))["top tool"].verdict is Verdict.RED


def an_argument(row):
    _nodes(row)[0]["arguments"]["urgent"] = True


def a_word_in_the_query(row):
    row["metadata"]["query"] += " Quickly."


def no_edges(row):
    row["execution_plan"]["edges"] = []


def another_tier(row):
    _nodes(row)[0]["provenance_tier"] = 2


def another_tool(row):
    _nodes(row)[0]["tool_name"] = "swap_it"


def a_telling_id(row):
    row["original_id"] += "m"


PROBED = [
    *((f"plan text/{strategy}", an_argument) for strategy in MATCHED),
    *((f"query/{strategy}", a_word_in_the_query) for strategy in MATCHED),
    *((f"structure/{strategy}", no_edges) for strategy in MATCHED),
    ("tiers/provenance_rug_pull", another_tier),
    ("tools/provenance_rug_pull", another_tool),
    ("ids and hashes", a_telling_id),
]


@pytest.mark.parametrize("fault", list(dict.fromkeys(fault for _, fault in PROBED)))
def test_one_artefact_makes_its_probe_red(matched, enough, fault):
    tier = _copy(matched, BLOCKS // 2)
    for row in negatives(tier):
        fault(row)
    collector = probes.Probes("II")
    for row in tier.rows:
        collector.see(Row(b"", row))
    verdict = {gate.name: gate.verdict for gate in collector.gates()}
    for name in (name for name, own in PROBED if own is fault):
        assert verdict[f"probe/{name}"] is Verdict.RED, name


def test_too_few_rows_are_no_verdict(matched, tmp_path):
    found = outcome(verdicts(_copy(matched, 60).write(tmp_path)))
    probe = found["probe/plan text/scope_blowup"]
    assert probe.verdict is Verdict.COULD_NOT_RUN
    assert "60 negatives against 60 benign rows, 1,000 of each are needed" in probe.sentence


def test_without_scikit_learn_probes_say_so(matched, tmp_path, no_probes):
    report = verdicts(_copy(matched, 30).write(tmp_path))
    assert "polecats[gates]" in outcome(report)["probe/ids and hashes"].sentence
    assert not report.passed


def test_without_tier_1_the_replay_could_not_run(matched, tmp_path, no_probes):
    file = _copy(matched, 30).write(tmp_path)
    (tmp_path / "tier1.jsonl").unlink()
    assert outcome(verdicts(file))["replay"].verdict is Verdict.COULD_NOT_RUN


def test_without_pairs_their_gate_could_not_run(matched, tmp_path, no_probes):
    file = _copy(matched, 30).write(tmp_path)
    (tmp_path / "tier2_pairs.draft.jsonl").unlink()
    assert outcome(verdicts(file))["pairs"].verdict is Verdict.COULD_NOT_RUN


def test_tier_1_is_no_case_for_gates(matched, tmp_path):
    matched.write(tmp_path)
    with pytest.raises(PolecatsError, match="tier I"):
        verdicts(tmp_path / "tier1.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(PolecatsError, match="no rows"):
        verdicts(tmp_path / "empty.jsonl")
    with pytest.raises(PolecatsError, match="cannot be read"):
        verdicts(tmp_path / "nowhere.jsonl")


def test_a_boundary_tier_keeps_its_own_points(boundary, tmp_path, no_probes):
    found = outcome(verdicts(boundary.write(tmp_path, "tier3")))
    own = {name: gate.verdict for name, gate in found.items() if name.startswith("boundary/")}
    assert own == dict.fromkeys(
        [f"boundary/{name}" for name in ("severity", "factor", "one leaf", "twin", "rule")], Verdict.GREEN
    )
    assert found["shares"].verdict is Verdict.RED  # one operator of nine


def severe(row):
    row["metadata"]["violation_labels"][0]["severity"] = 0.31


def no_severity(row):
    row["metadata"]["violation_labels"][0]["severity"] = 0.0


def far_factor(row):
    row["metadata"]["mutation"]["factor"] = 1.8


def two_leaves(row):
    next(node for node in _nodes(row) if node["tool_name"].startswith("view"))["arguments"]["name"] = "other"


def no_twin(row):
    row["metadata"]["mutation"]["twin"] = "nobody"


def unstated_limit(row):
    row["metadata"]["mutation"]["limit"] = 31_337


def no_rule(row):
    row["metadata"]["policy"] = "Be kind."


@pytest.mark.parametrize(
    ("gate", "fault"),
    [
        ("severity", severe),
        ("severity", no_severity),
        ("factor", far_factor),
        ("one leaf", two_leaves),
        ("one leaf", no_twin),
        ("twin", no_twin),
        ("twin", unstated_limit),
        ("rule", no_rule),
    ],
)
def test_one_fault_makes_a_boundary_gate_red(boundary, tmp_path, no_probes, gate, fault):
    tier = _copy(boundary)
    fault(negatives(tier)[7])
    assert outcome(verdicts(tier.write(tmp_path, "tier3")))[f"boundary/{gate}"].verdict is Verdict.RED
