"""The cache beside huggingface_hub: what either brings serves both, and only what is ours alone goes."""

from __future__ import annotations

import os
import shutil

import pytest
from huggingface_hub import scan_cache_dir, try_to_load_from_cache

from coordinator.demo.hub import Hub
from coordinator.worker.hub.hub_layout import Layout
from coordinator.worker.hub.remote_file import RemoteFile
from coordinator.worker.hub.retained import Retained
from coordinator.worker.hub.store import Store
from tests.caches import FIRST, REPO, SECOND, bring, cached, download, fill, left, listed, remote


def used(store: Store, file: RemoteFile, at: float) -> None:
    """Set when it was last used."""
    (record,) = (store.own / "files").glob(f"*{file.etag}*")
    os.utime(record, (at, at))


# ---- as huggingface_hub has it


def test_a_file_stands_where_huggingface_hub_looks_for_it(store: Store) -> None:
    file = remote()
    assert store.find(file) is None
    path = bring(store, file, revision="main")
    assert path == store.find(file) == store.hub / "datasets--inv--alpha-one" / "snapshots" / FIRST / "data/rows.jsonl"
    assert path.read_bytes() == b"rows"
    assert os.readlink(path) == f"../../../blobs/{file.etag}"
    assert [cached(store, file, name) for name in ("main", FIRST, SECOND)] == [str(path), str(path), None]
    found = scan_cache_dir(store.hub)
    assert not found.warnings
    ((repo,), (revision,)) = (found.repos, next(iter(found.repos)).revisions)
    assert (repo.repo_id, repo.repo_type, repo.nb_files, repo.size_on_disk) == (REPO, "dataset", 1, 4)
    assert (revision.commit_hash, revision.refs) == (FIRST, frozenset({"main"}))
    assert "8a477f597d28d172789f06886806bc55" in (store.hub / "CACHEDIR.TAG").read_text()
    assert not list((store.own / "parts").iterdir())


def test_what_hf_download_brought_is_used_and_never_removed(store: Store, hub: Hub) -> None:
    path = download(store, hub)
    file = listed(hub)
    assert store.find(file) == path
    assert store.entries() == store.clear() == []
    assert path.read_bytes() == b"rows"


def test_what_polecats_brought_is_used_by_hf_download(store: Store, hub: Hub) -> None:
    path = bring(store, listed(hub))
    hub.requests.clear()
    assert download(store, hub) == path
    assert [request for request in hub.requests if request.startswith("GET") and "resolve" in request] == []
    assert not scan_cache_dir(store.hub).warnings


def test_a_blob_of_another_commit_gets_a_pointer(store: Store, hub: Hub) -> None:
    download(store, hub)
    file = listed(hub, commit=SECOND)
    path = store.find(file)
    assert path is not None
    assert (path.parts[-3:], path.read_bytes()) == ((SECOND, "data", "rows.jsonl"), b"rows")
    assert store.entries() == [], "it was only found"
    assert cached(store, file, SECOND) == str(path)


def test_a_blob_of_ours_that_another_commit_has_too_is_still_ours(store: Store) -> None:
    bring(store, remote())
    path = store.find(remote(commit=SECOND))
    assert path is not None
    assert SECOND in path.parts
    assert len(store.clear()) == 1
    assert left(store.hub) == []


def test_a_file_that_is_there_is_not_put_there_again(store: Store) -> None:
    path = bring(store, remote())
    before = (os.lstat(path).st_ino, os.stat(path).st_ino)
    assert bring(store, remote()) == path
    assert (os.lstat(path).st_ino, os.stat(path).st_ino) == before
    assert not list((store.own / "parts").iterdir())


def test_a_file_that_hf_download_took_up_is_left_to_it(store: Store, hub: Hub) -> None:
    file = listed(hub, commit=SECOND)
    bring(store, file)
    path = download(store, hub)  # of the commit that main stands for: the same blob under another name
    assert os.path.samefile(path, store.find(file) or "")
    assert store.clear() == []
    assert path.read_bytes() == b"rows"
    assert store.entries() == [], "and counts no more"
    assert list((store.own / "files").iterdir()) == []


def test_a_blob_that_hf_download_has_replaced_is_left_to_it(store: Store, hub: Hub) -> None:
    file = listed(hub)
    path = bring(store, file)
    os.utime(path, ns=(1, 1))
    assert store.entries() == store.clear() == []
    assert path.read_bytes() == b"rows"


def test_what_hf_download_has_of_the_same_commit_stays(store: Store, hub: Hub) -> None:
    bring(store, listed(hub))
    other = download(store, hub, "data/more.jsonl")
    assert [entry.path for entry in store.clear()] == ["data/rows.jsonl"]
    assert other.read_bytes() == b"more"
    found = scan_cache_dir(store.hub)
    assert (found.warnings, [repo.nb_files for repo in found.repos]) == ([], [1])
    assert try_to_load_from_cache(REPO, "data/more.jsonl", store.hub, "main", "dataset") == str(other)


def test_what_else_huggingface_hub_keeps_of_a_repository_stays(store: Store) -> None:
    bring(store, remote())
    absent = store.hub / "datasets--inv--alpha-one" / ".no_exist" / FIRST / "config.json"
    absent.parent.mkdir(parents=True)
    absent.touch()
    assert len(store.clear()) == 1
    assert absent.exists()
    assert not scan_cache_dir(store.hub).warnings


# ---- refs


def test_a_revision_goes_with_the_commits_unless_others_have_set_it(store: Store) -> None:
    bring(store, remote(), revision="main")
    bring(store, remote(commit=SECOND, data=b"newer"), b"newer", revision="main")
    main = store.hub / "datasets--inv--alpha-one" / "refs" / "main"
    assert main.read_text() == SECOND
    main.write_text(FIRST)
    bring(store, remote(commit="3" * 40, data=b"newest"), b"newest", revision="main")
    assert main.read_text() == FIRST
    assert not list(main.parent.glob("*.tmp"))


def test_only_refs_to_a_commit_that_is_gone_go(store: Store, hub: Hub) -> None:
    path = download(store, hub)
    bring(store, remote(commit=SECOND, data=b"newer"), b"newer", revision="dev")
    assert len(store.clear()) == 1
    assert [ref.name for ref in (store.hub / "datasets--inv--alpha-one" / "refs").iterdir()] == ["main"]
    assert try_to_load_from_cache(REPO, "data/rows.jsonl", store.hub, "main", "dataset") == str(path)
    assert not scan_cache_dir(store.hub).warnings


@pytest.mark.parametrize("revision", ["", FIRST, "../main", "/etc/x", "a\0b"])
def test_what_is_no_revision_gets_no_ref(store: Store, revision: str) -> None:
    bring(store, remote(), revision=revision)
    assert not (store.hub / "datasets--inv--alpha-one" / "refs").exists()


def test_a_nested_revision(store: Store) -> None:
    bring(store, remote(), revision="refs/convert/parquet")
    assert cached(store, remote(), "refs/convert/parquet") is not None
    assert not scan_cache_dir(store.hub).warnings
    assert len(store.clear()) == 1
    assert left(store.hub) == []


# ---- the limit


def test_what_was_not_used_for_longest_goes_first(store: Store) -> None:
    files = {name: remote(f"{name}.jsonl", name.encode() * 3_000) for name in "abc"}
    for at, (name, file) in enumerate(files.items()):
        bring(store, file, name.encode() * 3_000)
        used(store, file, at)
    assert store.make_room(1_000)
    assert len(store.entries()) == 3, "all of it fits"
    store.find(files["a"])
    assert store.make_room(2_000)
    assert sorted(entry.path for entry in store.entries()) == ["a.jsonl", "c.jsonl"]
    assert store.find(files["b"]) is None
    assert not scan_cache_dir(store.hub).warnings
    assert store.make_room(10_000)
    assert (store.entries(), left(store.hub)) == ([], [])


def test_what_never_fits_and_a_limit_of_nothing(store: Store) -> None:
    bring(store, remote())
    assert not store.make_room(10_001)
    assert len(store.entries()) == 1, "nothing goes for what would not fit all the same"
    none = Store(0, store.hub, store.own)
    assert not none.make_room(0)
    none.remember("footer", "e" * 40, b"x")
    assert none.recall("footer", "e" * 40) == b"x", "footers are kept all the same"
    assert none.find(remote()) is not None, "what is there is used"


def test_many_small_files_take_few_looks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def look() -> list[Retained]:
        looks.append(1)
        return []

    monkeypatch.setattr(store, "retained", look)
    assert all(store.make_room(1) for _ in range(1_000))
    assert 10 <= len(looks) <= 20, "a hundredth of what is free, each time"
    assert store.make_room(9_950)
    assert not store.make_room(10_001)
    monkeypatch.undo()
    bring(store, remote("big.jsonl", b"b" * 9_950), b"b" * 9_950)
    assert store.make_room(51)
    assert store.entries() == [], "after a look that left nothing to give away"


def test_parts_and_facts_count(store: Store) -> None:
    fill(store, remote("parts.jsonl", b"p"), 6_000)
    store.remember("footer", "e" * 40, b"f" * 2_000)
    assert store.make_room(1_900)
    assert len(store.entries()) == 1
    assert store.make_room(6_000)
    assert store.entries() == []
    assert list((store.own / "parts").iterdir()) == []
    assert store.recall("footer", "e" * 40) is not None
    assert store.make_room(9_000)
    assert store.recall("footer", "e" * 40) is None


def test_room_for_a_file_counts_its_own_parts_once(store: Store) -> None:
    file = remote("parts.jsonl", b"p")
    fill(store, file, 6_000)
    assert store.make_room(6_000, of=file)
    assert [entry.size for entry in store.entries()] == [6_000]


def test_what_another_process_has_removed_counts_no_more(store: Store) -> None:
    bring(store, remote())
    ((ours,), (theirs,)) = (store.retained(), store.retained())
    assert [ours.remove(), theirs.remove()] == ["removed", "left"]


def test_what_got_another_name_since_it_was_listed(store: Store) -> None:
    bring(store, remote())
    (item,) = store.retained()
    bring(store, remote(commit=SECOND))
    assert item.remove() == "removed"
    assert left(store.hub) == []


# ---- clearing


def test_clearing_leaves_nothing_of_ours(store: Store) -> None:
    for data in (b"one", b"two"):
        bring(store, remote(f"deep/er/{data.decode()}.jsonl", data), data, revision="main")
    fill(store, remote("parts.jsonl", b"p"), 5)
    store.remember("listing", "inv/x@main", b"[]")
    gone = store.clear()
    assert sorted((entry.path, entry.whole) for entry in gone) == [
        ("deep/er/one.jsonl", True),
        ("deep/er/two.jsonl", True),
        ("parts.jsonl", False),
    ]
    assert left(store.hub) == []
    assert [path for path in store.own.rglob("*") if path.is_file()] == []
    assert not scan_cache_dir(store.hub).warnings


def test_only_the_repositories_that_are_named(store: Store) -> None:
    bring(store, remote())
    bring(store, remote(repo="inv/other"))
    assert [(entry.repo, entry.commit, entry.size, entry.whole) for entry in store.clear([REPO])] == [
        (REPO, FIRST, 4, True)
    ]
    assert [entry.repo for entry in store.entries()] == ["inv/other"]


def test_a_copy_that_was_killed_goes_with_its_parts(store: Store) -> None:
    file = remote()
    fill(store, file, 4)
    staged = Layout.of(store.hub, REPO).staged(file.etag)
    staged.parent.mkdir(parents=True)
    staged.write_bytes(b"ro")
    assert len(store.clear()) == 1
    assert not staged.exists()


def test_while_somebody_downloads_no_folder_goes(store: Store) -> None:
    path = bring(store, remote(), revision="main")
    started = path.resolve().with_name("abc.12345678.incomplete")
    started.write_bytes(b"half")
    assert len(store.clear()) == 1
    assert path.parent.is_dir()
    assert started.exists()
    assert not scan_cache_dir(store.hub).warnings


def test_two_names_of_one_content_go_together(store: Store) -> None:
    bring(store, remote("a.jsonl"))
    bring(store, remote("b.jsonl", commit=SECOND))
    assert [entry.size for entry in store.entries()] == [4]
    assert len(store.clear()) == 1
    assert left(store.hub) == []


def test_a_blob_that_has_lost_its_names_goes(store: Store) -> None:
    path = bring(store, remote())
    shutil.rmtree(path.parents[2])
    assert len(store.clear()) == 1
    assert left(store.hub) == []


def test_what_was_deleted_by_others_is_no_entry(store: Store) -> None:
    path = bring(store, remote())
    shutil.rmtree(store.hub)
    assert store.entries() == []
    assert store.find(remote()) is None
    assert bring(store, remote()) == path
    assert len(store.clear()) == 1
    shutil.rmtree(store.own)
    assert store.entries() == store.clear() == []
