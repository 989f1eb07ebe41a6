"""A worker says that it keeps to a new number of connections once no more than that are open, and not before."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from coordinator.worker.hub.connections import Connections


def taken(connections: Connections, until: threading.Event, begun: threading.Barrier) -> None:
    with connections.one():
        begun.wait(10)
        until.wait(10)


def test_a_smaller_number_is_kept_to_once_what_is_open_beyond_it_is_closed() -> None:
    connections, ends = Connections(3), [threading.Event() for _ in range(3)]
    begun = threading.Barrier(4)
    threads = [threading.Thread(target=taken, args=(connections, end, begun)) for end in ends]
    with ExitStack() as stack:
        for thread, end in zip(threads, ends, strict=True):
            stack.callback(thread.join, 10)
            stack.callback(end.set)
            thread.start()
        begun.wait(10)
        assert connections.kept == 0
        connections.resize(1)
        for thread, end in zip(threads[:2], ends, strict=False):
            assert connections.kept == 0
            end.set()
            thread.join(10)
        assert connections.kept == 1
        connections.resize(2)
        assert connections.kept == 2


def test_of_two_changes_in_a_row_the_last_is_what_counts() -> None:
    connections = Connections(2)
    connections.resize(1)
    connections.resize(4)
    assert connections.kept == 2
