"""The set of keys: as a set of bytes, in less memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coordinator.publish.keyset import KEY_BYTES, KeySet

KEYS = st.lists(st.lists(st.sampled_from([b"\0", b"\1"]), min_size=KEY_BYTES, max_size=KEY_BYTES).map(b"".join))
"""Few bytes, so that a key is found across two others."""


@given(batches=st.lists(KEYS), expected=st.sampled_from([0, 1, 40, 10_000]))
def test_it_tells_what_a_set_tells(batches: list[list[bytes]], expected: int) -> None:
    keys, known = KeySet(expected), set[bytes]()
    for batch in batches:
        repeated = [position for position, key in enumerate(batch) if key in known | set(batch[:position])]
        known |= set(batch)
        assert keys.add_all(b"".join(batch)) == repeated
        assert all(key in keys for key in batch)
    assert not any(keys.add(key) for key in known)


def test_a_key_across_two_others_is_not_there() -> None:
    keys = KeySet(0)
    assert keys.add_all(b"a" * 12 + b"b" * 16 + b"a" * 4) == []
    assert b"b" * 16 not in keys
    assert keys.add(b"b" * 16)
    assert b"b" * 16 in keys
