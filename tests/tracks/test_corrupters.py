"""The contract of every corrupter: its rows are matched, audit clean, replay, and depend on nothing but their names.

Expected outcomes stand in tracks/<track>/samples/<strategy>.expected.jsonl, one block a line; make them anew with
`python tests/tracks/test_corrupters.py` and look at them.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonpatch
import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coordinator.contract.audit import Auditor
from coordinator.contract.tiers import Corrupter, Family, Parent, group_of, make_draw, replay, write
from coordinator.contract.tiers.pairs import audit_pair, pairs_of
from coordinator.gates.relation import broken_terms
from coordinator.gates.rows import Row
from coordinator.paths import loader_names, track_names
from coordinator.publish.tier_files import Shard, write_drafts
from coordinator.worker import discovery
from tests.corrupted import corrupt_file

TRACKS = Path(__file__).parents[2] / "tracks"
TIER_TRACKS = [track for tier in (2, 3) for track in track_names(TRACKS, tier)]
NAMES = [f"{track}/{name}" for track in TIER_TRACKS for name in loader_names(TRACKS, track)]
PARENTS = TRACKS / "amber" / "samples" / "parents.jsonl"


def corrupter(name: str) -> Corrupter:
    track, stem = name.split("/")
    module = importlib.import_module(f"tracks.{track}.{stem}")
    own = [item for item in vars(module).values() if getattr(item, "__module__", "") == module.__name__]
    (cls,) = [item for item in own if isinstance(item, type) and issubclass(item, Corrupter)]
    return cls()


def parents(name: str) -> list[Parent]:
    path = TRACKS / name.split("/")[0] / "samples" / "parents.jsonl"
    return [Parent.parse(line) for line in path.read_bytes().splitlines()]


def blocks(name: str, master: int = 0, held_out: bool = False) -> list[tuple[Parent, list[bytes]]]:
    made = []
    strategy = corrupter(name)
    for parent in parents(name):
        family = Family(parent, group_of(parent.name), "test_ood" if held_out else "train")
        for k in range(strategy.draws):
            draw = make_draw(master, strategy.strategy, parent.source, parent.original_id, k, held_out)
            block = strategy.corrupt(parent, draw)
            if block:
                made.append((parent, [row.line for row in write(family, strategy, draw, block)]))
    return made


@pytest.fixture(params=NAMES, scope="module")
def name(request: pytest.FixtureRequest) -> str:
    discovery.install(TRACKS)
    return str(request.param)


def test_thirteen_strategies_are_known() -> None:
    assert len(NAMES) == 13


@pytest.mark.parametrize("held_out", [False, True])
def test_rows_audit_clean_and_replay(name: str, held_out: bool) -> None:
    made = blocks(name, held_out=held_out)
    index = {parent.name: parent.record for parent, _ in made}
    auditor = Auditor(parent_of=index.get)
    assert made, "no sample parent applies"
    for _, block in made:
        for line in block:
            assert auditor.audit(line) == []


def test_blocks_are_matched(name: str) -> None:
    for _, block in blocks(name):
        records = [json.loads(line) for line in block]
        assert [record["metadata"]["variant"] for record in records].count("mutant") == 1
        (pair,) = [json.loads(row) for row in pairs_of(records)]
        assert audit_pair(orjson.dumps(pair)) == []
        assert pair["positive_id"] in pair["control_ids"]
        assert pair["severity"] <= (0.3 if records[0]["metadata"]["tier"] == "III" else 1)


def calls(record: dict[str, Any]) -> list[tuple[Any, ...]]:
    keys = ("tool_name", "arguments", "provenance_tier")
    return [tuple(node[key] for key in keys) for node in record["execution_plan"]["nodes"]]


def test_the_oracle_applies_the_same_edits(name: str) -> None:
    for parent, block in blocks(name):
        for line in block:
            child = json.loads(line)
            edited = jsonpatch.apply_patch(
                json.loads(orjson.dumps(parent.record)), child["metadata"]["mutation"]["edits"]
            )
            calls = [
                (node["tool_name"], node["arguments"], node["provenance_tier"])
                for node in edited["execution_plan"]["nodes"]
            ]
            nodes = child["execution_plan"]["nodes"]
            assert calls == [(node["tool_name"], node["arguments"], node["provenance_tier"]) for node in nodes]
            assert edited["metadata"]["query"] == child["metadata"]["query"]


def test_a_parent_is_never_changed(name: str) -> None:
    before = [orjson.dumps(parent.record) for parent in parents(name)]
    made = blocks(name)
    after = {parent.name: orjson.dumps(parent.record) for parent, _ in made}
    assert set(after.values()) <= set(before)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(master=st.integers(0, 2**63))
@example(master=104_699_402_839)  # whose policy could name a stranger as one of its other hosts
def test_only_negatives_break_the_independent_rule(name: str, master: int) -> None:
    term = corrupter(name).term
    for _, block in blocks(name, master):
        for line in block:
            record = json.loads(line)
            broken = term in broken_terms(Row(line, record))
            assert broken == (record["metadata"]["variant"] == "mutant"), record["metadata"]["mutation"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(master=st.integers(0, 2**63))
def test_any_seed_gives_sound_rows(name: str, master: int) -> None:
    auditor = Auditor()
    for parent, block in blocks(name, master, held_out=bool(master % 2)):
        for line in block:
            assert auditor.audit(line) == []
            replay(parent.record, json.loads(line))


def shown(name: str) -> list[dict[str, Any]]:
    listed = []
    for parent, block in blocks(name):
        rows = [json.loads(line)["metadata"] for line in block]
        made = [{"variant": row["variant"], "edits": row["mutation"]["edits"]} for row in rows]
        listed.append({"parent": parent.original_id, "operator": rows[0]["mutation"]["operator"], "rows": made})
    return listed


def expected_path(name: str) -> Path:
    track, stem = name.split("/")
    return TRACKS / track / "samples" / f"{stem}.expected.jsonl"


def test_outcomes_are_the_expected_ones(name: str) -> None:
    lines = expected_path(name).read_text(encoding="utf-8").splitlines()
    assert shown(name) == [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def all_rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    discovery.install(TRACKS)
    out = tmp_path_factory.mktemp("tier") / "whole.jsonl"
    corrupt_file(PARENTS, out, [corrupter(name) for name in NAMES], 7)
    return out, out.read_bytes()


def test_sixteen_shards_write_what_one_writes(all_rows: tuple[Path, bytes], tmp_path: Path) -> None:
    found = keys = b""
    for k in range(16):
        out = tmp_path / f"{k}.jsonl"
        corrupt_file(
            TRACKS / "amber" / "samples" / "parents.jsonl", out, [corrupter(name) for name in NAMES], 7, (k, 16)
        )
        found += out.read_bytes()
        keys += out.with_name(f"{out.name}.keys").read_bytes()
    assert found == all_rows[1]
    assert keys == all_rows[0].with_name(f"{all_rows[0].name}.keys").read_bytes()


def test_drafts_do_not_depend_on_the_shards(tmp_path: Path) -> None:
    discovery.install(TRACKS)
    names = [name for name in NAMES if name.startswith("amber/")]
    strategies = [corrupter(name) for name in names]
    made = []
    for n in (1, 5):
        shards = [tmp_path / f"{k}-of-{n}.jsonl" for k in range(n)]
        for k, shard in enumerate(shards):
            corrupt_file(PARENTS, shard, strategies, 3, (k, n))
        rows, pairs = tmp_path / f"rows-{n}", tmp_path / f"pairs-{n}"
        pieces = [Shard(shard, shard.with_name(f"{shard.name}.keys")) for shard in shards]
        with rows.open("wb") as row_file, pairs.open("wb") as pair_file:
            found = write_drafts(pieces, [each.strategy for each in strategies], 0, row_file, pair_file)
        assert (found.rows.lines, found.pairs.lines) == (
            rows.read_bytes().count(b"\n"),
            pairs.read_bytes().count(b"\n"),
        )
        assert found.pairs.lines == found.selected.negatives > 0
        made.append((rows.read_bytes(), pairs.read_bytes()))
    assert made[0] == made[1]
    auditor = Auditor()
    assert not any(auditor.audit(line) for line in made[0][0].splitlines())


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_hash_seed_of_python_changes_nothing(all_rows: tuple[Path, bytes], tmp_path: Path, seed: str) -> None:
    out = tmp_path / "rows.jsonl"
    code = (
        f"import sys; sys.path[:0] = [{str(TRACKS.parent)!r}, {str(Path(__file__).parent)!r}]\n"
        "from pathlib import Path\nimport test_corrupters as t\n"
        "t.discovery.install(t.TRACKS)\n"
        f"t.corrupt_file(t.PARENTS, Path({str(out)!r}), [t.corrupter(n) for n in t.NAMES], 7)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONHASHSEED": seed})
    assert out.read_bytes() == all_rows[1]


if __name__ == "__main__":
    discovery.install(TRACKS)
    for each in NAMES:
        text = "".join(json.dumps(block, ensure_ascii=False) + "\n" for block in shown(each))
        expected_path(each).write_text(text, encoding="utf-8")
