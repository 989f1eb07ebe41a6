"""The cursor holds on to what it stands on; every part has its place at any size."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from coordinator.engine.state import LoaderStatus, RunState, TrackStatus
from coordinator.events import Failure
from coordinator.screen.columns import GAP, GUTTER, LEAST_BAR, STATE, columns
from coordinator.screen.model import Selection
from coordinator.screen.places import places
from coordinator.screen.tree import told_of_waits
from coordinator.screen.view import View


def a_view(height: int = 30) -> View:
    state = RunState(run="r", started=0.0)
    for track in ("a", "b"):
        state.tracks[track] = TrackStatus("RUNNING")
        for name in ("one", "two", "three", "four"):
            state.loaders[f"{track}/{name}"] = LoaderStatus(state="DONE" if name == "one" else "STREAMING")
    view = View()
    view.see(state, 10.0)
    view.resize(height)
    view.refresh()
    return view


def break_(view: View, name: str) -> None:
    status = view.state.loaders[name]
    status.state, status.ended = "FAILED", 5.0
    status.failure = Failure("parse", f"{name} is torn", "mend it", "", "see")
    view.refresh()


def test_the_cursor_stays_on_its_row_when_problems_come() -> None:
    view = a_view()
    view.to("b/two")
    break_(view, "a/two")
    assert view.cursor == "b/two"
    assert view.selection == Selection("b", "two")
    assert view.targets == ["b/two"]


def test_strip_and_tree_are_one_list() -> None:
    view = a_view()
    break_(view, "a/two")
    break_(view, "b/two")
    view.move(-100)
    assert view.targets == ["a/two", "b/two"]
    assert view.selection == Selection("a", "two")
    view.move(1)
    assert view.cursor == "a"
    assert len(view.targets) == 4
    view.next_problem()
    assert view.cursor.startswith("!parse")


def test_a_healed_problem_leaves_the_cursor_near() -> None:
    view = a_view()
    break_(view, "a/two")
    view.move(-100)
    status = view.state.loaders["a/two"]
    status.failure, status.state = None, "DONE"
    view.refresh()
    assert view.cursor == "a"


def test_scrolling_keeps_the_cursor_in_sight() -> None:
    view = a_view(height=4)
    for _ in range(12):
        view.move(1)
        row = view.row
        assert row is not None
        below = view.top + view.height < len(view.rows)
        assert view.top <= row < view.top + view.height - below
    view.scroll(-100)
    assert view.top == 0
    view.resize(2)
    assert view.row is not None
    assert view.top <= view.row


def test_folding() -> None:
    view = a_view()
    view.to("a/two")
    view.fold(True)
    assert (view.cursor, len(view.rows)) == ("a", 6)
    view.fold()
    assert len(view.rows) == 10


def test_an_empty_run_has_no_cursor() -> None:
    view = View()
    view.move(1)
    view.next_problem()
    view.fold()
    assert (view.cursor, view.current, view.targets) == ("", None, [])


@given(st.integers(1, 260), st.integers(1, 80), st.integers(0, 30), st.sampled_from(["", "tree", "drawer"]))
def test_parts_never_overlap_and_stay_inside(width: int, height: int, problems: int, zoom: str) -> None:
    taken: set[tuple[int, int]] = set()
    for box in places(width, height, problems, zoom).values():  # type: ignore[arg-type]
        assert 0 <= box.x <= box.x + box.width <= width
        assert box.y + box.height <= height or height < 4
        cells = {(x, y) for x in range(box.x, box.x + box.width) for y in range(box.y, box.y + box.height)}
        assert not cells & taken or height < 4
        taken |= cells


def test_places_are_those_of_the_design() -> None:
    def rows(width: int, height: int, problems: int) -> dict[str, tuple[int, int]]:
        return {name: (box.y + 1, box.y + box.height) for name, box in places(width, height, problems).items()}

    assert rows(80, 24, 5) == {
        "header": (1, 2),
        "problems": (3, 5),
        "tree": (6, 18),
        "drawer": (19, 23),
        "footer": (24, 24),
    }
    tall = rows(120, 36, 3)
    assert (tall["problems"], tall["tree"], tall["drawer"]) == ((4, 6), (7, 26), (27, 35))
    assert places(120, 36, 3)["drawer"].width == 76
    wide = rows(200, 50, 3)
    assert (wide["tree"], wide["log"], wide["plot"]) == ((7, 41), (42, 49), (4, 18))
    assert "drawer" not in rows(79, 24, 0)


@given(st.integers(1, 300), st.integers(0, 64), st.booleans())
def test_columns_fill_the_row(width: int, longest: int, waits: bool) -> None:
    at = columns(width, longest, waits)
    cells = [cell for cell in dataclasses.astuple(at)[1:] if cell]
    used = GUTTER + at.name + GAP + STATE + sum(cell + GAP for cell in cells) + 1
    assert used == width or at.name == 1


@given(st.integers(1, 300), st.integers(0, 64))
def test_what_a_loader_waits_for_takes_room_from_bar_and_name_alone(width: int, longest: int) -> None:
    before, after = columns(width, longest), columns(width, longest, True)
    assert before.waits == 0
    assert dataclasses.replace(after, waits=0, bar=before.bar, name=before.name) == before
    if after.waits:
        assert after.name >= longest
        assert after.bar >= LEAST_BAR or not before.bar


def test_there_is_room_for_waits_at_120_columns_and_none_at_80() -> None:
    assert [columns(width, 23, True).waits for width in (80, 120)] == [0, 9]


def test_waits_are_told_while_a_run_has_anything_to_do_with_the_wire() -> None:
    view = a_view()
    assert not told_of_waits(view)
    view.state.loaders["a/two"].wire = 1
    assert told_of_waits(view)
    view.state.ended = 9.0
    assert not told_of_waits(view)
