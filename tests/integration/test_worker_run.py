"""A worker's life on a small invented checkout: what runs, is reused or redone, and how each failure is told."""

from __future__ import annotations

import errno
import json
import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator.events import Event, LoaderFinished, LoaderOpened, LoaderWarned, encode
from coordinator.worker.failures import SourceError, failure_of
from coordinator.worker.main import run
from coordinator.worker.parts import COMMITS, FORMAT, HEADER
from coordinator.worker.spec import LoaderSpec, SourceSpec, WorkerSpec

LOADER = """
from coordinator.contract import Call, HubSource, Loader, Sample
{imports}

class It(Loader):
    source = HubSource(repo="acme/it", builder="lines", files={{"train": "{file}"}}, may_be_empty={empty})
    category = "function_calling"

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit

    def transform(self, row):
        {body}
"""
PLAIN = 'return Sample(f"Do {row[\'n\']}.", [Call("aaaa", {"n": row["n"], "limit": self.limit})])'
SHARED = 'return Sample(f"Do {row[\'n\']}.", [Call(NAME, {"n": row["n"]})])'


class Checkout:
    """A `tracks` folder with a mirror and a state beside it."""

    def __init__(self, root: Path) -> None:
        self.root, self.tracks, self.mirror = root, root / "tracks", root / "mirror"
        (self.tracks / "east").mkdir(parents=True)
        (self.mirror / "acme" / "it").mkdir(parents=True)
        self.rows("it.jsonl", 20)
        self.rows("none.jsonl", 0)
        self.events: list[Event] = []

    def rows(self, name: str, count: int) -> None:
        (self.mirror / "acme" / "it" / name).write_text("".join(f'{{"n": {n}}}\n' for n in range(count)))

    def write(self, name: str, text: str) -> None:
        (self.tracks / "east" / f"{name}.py").write_text(textwrap.dedent(text))

    def loader(
        self, name: str = "it", body: str = PLAIN, imports: str = "", file: str = "it.jsonl", empty: bool = False
    ) -> None:
        self.write(name, LOADER.format(body=body, imports=imports, file=file, empty=empty))

    def __call__(
        self,
        *names: str,
        options: dict[str, Any] | None = None,
        cap: int = 0,
        fresh: bool = False,
        told: Callable[[Event], None] = lambda event: None,
    ) -> list[LoaderFinished]:
        """Run the loaders; their ends in order."""
        loaders = [LoaderSpec(name, options or {}, cap, fresh) for name in names or ("it",)]
        source = SourceSpec("dir", "dir-1", str(self.mirror))
        spec = WorkerSpec("east", str(self.tracks), loaders, source, str(self.root / "state"))
        self.events = []

        def emit(event: Event) -> None:
            json.dumps(encode(event), ensure_ascii=False).encode()
            self.events.append(event)
            told(event)

        run(WorkerSpec.decode(json.loads(json.dumps(spec.encode()))), emit, lambda: False, lambda: 0.0)
        ends = [event for event in self.events if isinstance(event, LoaderFinished)]
        assert [end.loader for end in ends] == [f"east/{loader.name}" for loader in loaders]
        assert all(end.counts.closes() for end in ends)
        return ends

    def warnings(self) -> list[str]:
        return [event.sentence for event in self.events if isinstance(event, LoaderWarned)]

    def nodes(self, name: str = "it") -> list[dict[str, Any]]:
        """The first node of every committed line."""
        folder = self.root / "state" / "tracks" / "east" / name
        lines = [line for path in sorted(folder.glob("part-*.jsonl")) for line in path.read_bytes().splitlines()]
        return [json.loads(line)["execution_plan"]["nodes"][0] for line in lines]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    made.loader()
    return made


def test_it_is_done_once(checkout: Checkout) -> None:
    (first,) = checkout()
    assert (first.state, first.counts.samples, first.reused, first.failure) == ("DONE", 20, False, None)
    (second,) = checkout()
    assert (second.state, second.counts, second.reused) == ("DONE", first.counts, True)
    assert len(checkout.nodes()) == 20


def test_an_edit_of_the_same_size_in_the_same_second_runs_the_new_code(checkout: Checkout) -> None:
    checkout()
    path = checkout.tracks / "east" / "it.py"
    before = path.stat()
    checkout.loader(body=PLAIN.replace("aaaa", "bbbb"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    (end,) = checkout()
    assert (end.state, end.reused) == ("DONE", False)
    assert {node["tool_name"] for node in checkout.nodes()} == {"bbbb"}
    assert any("changed since: code" in sentence for sentence in checkout.warnings())
    assert len(list((checkout.root / "state" / "aside" / "east" / "it" / "1").glob("part-*.jsonl"))) == 1


@pytest.mark.parametrize(
    ("module", "imports"),
    [
        ("_x", "from ._x import NAME"),
        ("_x", "from tracks.east._x import NAME"),
        ("_y", "from ._via import NAME"),
        ("_pack/__init__", "from ._pack.inner import NAME"),
        ("_pack/inner", "from ._pack.inner import NAME"),
        ("__init__", "from . import NAME"),
    ],
)
def test_an_edit_of_what_it_imports_redoes_it_and_no_other(checkout: Checkout, module: str, imports: str) -> None:
    (checkout.tracks / "east" / "_pack").mkdir()
    for name in ("_x", "_y", "_pack/__init__", "__init__"):
        checkout.write(name, 'NAME = "before"\n')
    checkout.write("_via", "from ._y import NAME\n")
    checkout.write("_pack/inner", "from . import NAME\n" if module == "_pack/__init__" else 'NAME = "before"\n')
    checkout.loader("user", SHARED, imports)
    assert [end.state for end in checkout("it", "user")] == ["DONE", "DONE"]
    checkout.write(module, 'NAME = "behind"\n')
    assert [end.reused for end in checkout("it", "user")] == [module != "__init__", False]
    assert {node["tool_name"] for node in checkout.nodes("user")} == {"behind"}


def test_an_edit_while_another_loader_runs_is_what_runs_next(checkout: Checkout) -> None:
    checkout.write("_x", 'NAME = "before"\n')
    checkout.loader("one", SHARED, "from ._x import NAME")
    checkout.loader("two", SHARED, "from ._x import NAME")

    def edit(event: Event) -> None:
        if isinstance(event, LoaderFinished) and event.loader == "east/one":
            checkout.write("_x", 'NAME = "behind"\n')

    checkout("one", "two", told=edit)
    assert {node["tool_name"] for node in checkout.nodes("two")} == {"behind"}
    assert [end.reused for end in checkout("one", "two")] == [False, True]


def test_other_options_redo_it(checkout: Checkout) -> None:
    checkout(options={"limit": 1})
    (end,) = checkout(options={"limit": 2})
    assert not end.reused
    assert {node["arguments"]["limit"] for node in checkout.nodes()} == {2}
    assert any("options" in sentence for sentence in checkout.warnings())


def test_an_option_that_is_not_taken_is_a_warning(checkout: Checkout) -> None:
    (end,) = checkout(options={"limit": 1, "speed": 9})
    assert end.state == "DONE"
    assert checkout.warnings() == ["option speed is not taken by it.py; it is ignored"]


def test_other_files_redo_it(checkout: Checkout) -> None:
    checkout()
    checkout.rows("it.jsonl", 30)
    (end,) = checkout()
    assert end.counts.samples == 30
    assert any("files" in sentence for sentence in checkout.warnings())


def test_a_cap_is_raised(checkout: Checkout) -> None:
    assert checkout(cap=7)[0].state == "CAPPED"
    (again,) = checkout(cap=7)
    assert (again.state, again.reused, again.counts.samples) == ("CAPPED", True, 7)
    assert checkout(cap=9)[0].counts.samples == 9
    assert checkout()[0].state == "DONE"
    assert [node["arguments"]["n"] for node in checkout.nodes()] == list(range(20))


def test_damage_starts_anew(checkout: Checkout) -> None:
    checkout()
    next((checkout.root / "state").rglob("part-*.keys")).unlink()
    (end,) = checkout()
    assert (end.state, end.reused, end.counts.samples) == ("DONE", False, 20)
    assert any("damaged: part-00000.keys is missing" in sentence for sentence in checkout.warnings())


def test_another_format_starts_anew_and_what_it_cannot_read_is_kept(checkout: Checkout) -> None:
    checkout()
    (part,) = (checkout.root / "state").rglob("part-*.jsonl")
    lines, header, commits = part.read_bytes(), part.with_name(HEADER), part.with_name(COMMITS)
    header.write_text(header.read_text().replace(f'"format": {FORMAT}', '"format": 1'))
    commits.write_text(commits.read_text().replace('"xxh3"', '"sha256"'))
    (end,) = checkout()
    assert (end.state, end.reused, end.counts.samples) == ("DONE", False, 20)
    assert any(f"written in format 1, and this is {FORMAT}" in sentence for sentence in checkout.warnings())
    (kept,) = (checkout.root / "state" / "aside").rglob("part-*.jsonl")
    assert kept.read_bytes() == lines


def test_fresh_starts_anew(checkout: Checkout) -> None:
    checkout()
    assert not checkout(fresh=True)[0].reused
    assert any("a fresh start was asked for" in sentence for sentence in checkout.warnings())


def test_empty_is_honest_or_a_failure(checkout: Checkout) -> None:
    checkout.loader("honest", file="none.jsonl", empty=True)
    checkout.loader("other", file="none.jsonl")
    for _ in range(2):
        honest, other = checkout("honest", "other")
        assert (honest.state, honest.failure, other.state) == ("EMPTY", None, "EMPTY")
        assert other.failure is not None
        assert other.failure.failure_class == "empty_upstream"


BROKEN = {
    "import_error": ("import nowhere_at_all", "nowhere_at_all"),
    "syntax": ("def x(:\n    pass", "SyntaxError"),
    "raises": ("raise ValueError('at import')", "at import"),
    "leaves": ("import sys\nsys.exit(3)", "SystemExit"),
    "not_there": ("import json\nopen('/nowhere/at/all')", "nowhere"),
    "no_class": ("x = 1", "it has none"),
    "two": ("class A:\n    def load(self): ...\nclass B:\n    def load(self): ...", "2 (A, B)"),
    "no_source": (
        "from coordinator.contract import Loader\nclass A(Loader):\n    def transform(self, row): ...",
        "A has no source",
    ),
    "needs": (
        "class A:\n    def __init__(self, key): ...\n    def load(self): return []",
        "missing a required argument",
    ),
    "constructor": ("class A:\n    def __init__(self): 1 / 0\n    def load(self): return []", "ZeroDivisionError"),
    "dumb": (
        "class E(Exception):\n    def __str__(self): raise RuntimeError('x')\n"
        "class A:\n    def load(self):\n        raise E()\n        yield",
        "no message",
    ),
    "half": ("class A:\n    def load(self):\n        raise RuntimeError('\\ud800')\n        yield", "\\ud800"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("linked", [False, True])
def test_a_broken_loader_is_told_and_the_next_one_runs(checkout: Checkout, name: str, linked: bool) -> None:
    code, sentence = BROKEN[name]
    checkout.write(name, code)
    if linked:
        (checkout.root / "link").symlink_to(checkout.tracks)
        checkout.tracks = checkout.root / "link"
    broken, fine = checkout(name, "it")
    assert fine.state == "DONE"
    assert broken.state == "FAILED"
    assert broken.failure is not None
    assert broken.failure.failure_class == "loader_bug", broken.failure
    assert sentence in broken.failure.sentence
    assert broken.failure.remedy
    assert broken.failure.reproduce == f"polecats check east/{name} --source {checkout.mirror}"


def test_a_loader_that_is_not_there_is_told(checkout: Checkout) -> None:
    gone, fine = checkout("gone", "it")
    assert gone.failure is not None
    assert "there is no" in gone.failure.sentence
    assert fine.state == "DONE"


def test_a_bug_names_its_row_and_a_mended_loader_goes_on_from_the_start(checkout: Checkout) -> None:
    checkout.loader(body="assert row['n'] < 7; " + PLAIN)
    (end,) = checkout()
    assert end.failure is not None
    assert end.failure.failure_class == "loader_bug"
    assert end.failure.sentence.endswith("at row train-7")
    assert end.failure.reproduce.endswith("--row train-7")
    assert "assert row['n'] < 7" in end.failure.traceback
    assert len(checkout.nodes()) == 7
    checkout.loader()
    assert checkout()[0].counts.samples == 20
    assert len(checkout.nodes()) == 20


FOREIGN = """
class Elsewhere:
    source = "acme/elsewhere"
    category = "function_calling"

    def __init__(self, count=300, *args, **kwargs):
        self.count = count

    def load(self):
        for n in range(self.count):
            plan = {"nodes": [{"tool_name": "a", "arguments": {"n": n}}, {"tool_name": "b"}], "edges": [[0, 1]]}
            yield {"execution_plan": plan, "metadata": {"query": f"Do {n}.", "mood": "calm"}}
"""


def test_a_loader_written_elsewhere_runs_and_resumes(checkout: Checkout) -> None:
    checkout.write("elsewhere", FOREIGN)
    (capped,) = checkout("elsewhere", cap=130)
    assert (capped.state, capped.counts.samples) == ("CAPPED", 130)
    (done,) = checkout("elsewhere")
    assert (done.state, done.counts.samples) == ("DONE", 300)
    assert [event.resumed for event in checkout.events if isinstance(event, LoaderOpened)] == [130]
    assert [node["arguments"]["n"] for node in checkout.nodes("elsewhere")] == list(range(300))
    assert checkout("elsewhere", options={"count": 5})[0].counts.samples == 5


def test_what_a_foreign_loader_yields_may_be_wrong(checkout: Checkout) -> None:
    checkout.write(
        "odd",
        """
        import pydantic

        class Plan(pydantic.BaseModel):
            execution_plan: dict
            metadata: dict
            category: str = "conversation"

        class Odd:
            def __init__(self):
                pass

            def load(self):
                plan = {"nodes": [{"tool_name": "a"}]}
                yield Plan(execution_plan=plan, metadata={"query": "Do it."})
                good = {"execution_plan": plan, "metadata": {"query": "Do it."}, "category": "conversation"}
                yield good
                yield {**good, "category": None}
                yield {**good, "metadata": {"query": "Do it.", "tier": "II"}}
                yield {**good, "execution_plan": {"nodes": [{"tool_name": "a", "provenance_hash": "0" * 64}]}}
                yield {**good, "execution_plan": {"nodes": [{"tool_name": "a"}], "edges": [[0, 5]]}}
                yield {**good, "execution_plan": {"nodes": [7]}}
                yield {**good, "execution_plan": {"nodes": [{}]}}
                yield {**good, "metadata": {}}
                yield {"x": 1}
                yield 7
        """,
    )
    (end,) = checkout("odd")
    assert end.state == "DONE", end.failure
    assert end.counts.read == 11
    assert end.counts.accepted == 2
    assert end.counts.rejected == {"E02": 1, "E03": 3, "E04": 1, "E05": 1, "E08": 1, "E12": 1, "E14": 1}


def test_a_foreign_loader_whose_source_fails_is_not_its_own_bug(checkout: Checkout) -> None:
    checkout.write("far", "class Far:\n    def load(self):\n        raise ConnectionError('gone')\n        yield")
    (end,) = checkout("far")
    assert end.failure is not None
    assert end.failure.failure_class == "network"


class Answer:
    def __init__(self, status: int) -> None:
        self.status_code = status


def with_status(status: int) -> Exception:
    error = Exception("no")
    error.response = Answer(status)  # type: ignore[attr-defined]
    return error


def named(name: str, text: str = "x") -> Exception:
    made: Exception = type(name, (Exception,), {})(text)
    return made


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "failure_class"),
    [
        (with_status(401), "auth"),
        (with_status(403), "auth"),
        (with_status(404), "not_found"),
        (with_status(429), "rate_limited"),
        (with_status(503), "network"),
        (caused(ConnectionError("Server Disconnected"), with_status(429)), "rate_limited"),
        (caused(named("DatasetNotFoundError"), named("GatedRepoError")), "gated"),
        (named("DatasetNotFoundError", "'x' is a gated dataset on the Hub."), "gated"),
        (named("DatasetNotFoundError", "doesn't exist"), "not_found"),
        (named("RevisionNotFoundError"), "not_found"),
        (named("ReadTimeout"), "network"),
        (TimeoutError(), "network"),
        (ConnectionResetError(), "network"),
        (RuntimeError("Dataset scripts are no longer supported, but found x.py"), "script_unsupported"),
        (named("CastError"), "schema_cast"),
        (TypeError("Couldn't cast array of type"), "schema_cast"),
        (named("ArrowInvalid"), "parse"),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "no"), "parse"),
        (FileNotFoundError("x"), "not_found"),
        (MemoryError(), "out_of_memory"),
        (OSError(errno.ENOSPC, "full"), "disk_full"),
        (caused(RuntimeError("x"), OSError(errno.EDQUOT, "full")), "disk_full"),
        (RuntimeError("x"), "internal"),
        (SourceError("gated", "a", "b"), "gated"),
    ],
)
def test_every_exception_has_its_class(error: Exception, failure_class: str, tmp_path: Path) -> None:
    failure = failure_of(error, tmp_path, "polecats check a/b", "")
    assert failure.failure_class == failure_class
    assert failure.sentence
    assert failure.remedy
