"""A tier's shares and caps, whatever its parents are; the same blocks give the same tier in any order."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from coordinator.contract.tiers.keys import Key, pack, unpack
from coordinator.publish.tier_selection import blocks, quotas, select, shares_of
from coordinator.publish.tier_table import Block

STRATEGIES = ["a", "b", "c", "d"]


def made(count: int, groups: int = 400, tools: int = 60, seed: int = 1) -> list[Block]:
    random, found = Random(seed), list[Block]()
    for number in range(count):
        place, group, tool = random.randrange(4), random.randrange(groups), random.randrange(tools)
        found.append(Block(random.getrandbits(64), place, random.randrange(3), 0, group, tool, 2 * number, 2))
    return found


def taken(candidates: list[Block], rows: list[int]) -> list[Block]:
    by_row = {block.first: block for block in candidates}
    return [by_row[row] for row in rows if row in by_row]


def test_shares_and_caps_hold() -> None:
    candidates = made(6_000)
    chosen = select(candidates, STRATEGIES, 0)
    kept = taken(candidates, list(chosen.rows))
    assert len(kept) == chosen.negatives > 400
    assert max(Counter(block.tool for block in kept).values()) <= 0.03 * len(kept)
    assert max(Counter(block.group for block in kept).values()) <= 8
    assert max(Counter((block.group, block.corrupter) for block in kept).values()) <= 3
    strategies = Counter(block.corrupter for block in kept)
    assert max(strategies.values()) - min(strategies.values()) <= 3
    hard = sum(block.difficulty == 0 for block in kept) / len(kept)
    assert hard == pytest.approx(0.5, abs=0.02)


def test_whole_blocks_once_each() -> None:
    chosen = select(made(3_000), STRATEGIES, 0)
    assert len(set(chosen.rows)) == len(chosen.rows) == 2 * chosen.negatives
    assert list(chosen.rows) == sorted(chosen.rows)


def test_the_order_of_the_blocks_does_not_matter() -> None:
    candidates = made(3_000)
    shuffled = Random(5).sample(candidates, len(candidates))
    assert select(candidates, STRATEGIES, 0).rows == select(shuffled, STRATEGIES, 0).rows


def test_a_target_bounds_the_tier() -> None:
    chosen = select(made(6_000), STRATEGIES, 200)
    assert (chosen.negatives, chosen.bound) == (200, "the target of 200")


def test_a_strategy_without_supply_leaves_nothing_and_is_named() -> None:
    chosen = select([block for block in made(2_000) if block.corrupter != 2], STRATEGIES, 0)
    assert (chosen.negatives, len(chosen.rows)) == (0, 0)
    assert chosen.bound.startswith("c")


def test_quotas_add_up() -> None:
    for size in (0, 1, 7, 100, 12_345):
        assert sum(quotas(size, shares_of(STRATEGIES)).values()) == size
    assert sum(shares_of(["near", "wide"]).values()) == pytest.approx(1)


def test_blocks_follow_the_seeds() -> None:
    keys = [Key(1, 9, 9, 0, 0, 0, 1, 10), Key(1, 9, 9, 0, 0, 0, 0, 10), Key(2, 9, 9, 0, 1, 0, 1, 10)]
    assert [(block.first, block.rows) for block in blocks(keys)] == [(0, 2), (2, 1)]
    assert unpack(b"".join(pack(*key) for key in keys)) == keys
    assert list(blocks([])) == []
