"""The cache beside huggingface_hub: what either brings serves both, and only what is ours alone goes."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants, hf_hub_download, scan_cache_dir, try_to_load_from_cache

from coordinator.demo.hub import Hub, mark
from coordinator.disk import DiskError
from coordinator.worker.hub.remote_file import RemoteFile
from coordinator.worker.hub.store import Store

REPO = "inv/alpha-one"
FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(10_000, tmp_path / "hub", tmp_path / "assets" / "polecats")


def remote(path: str = "data/rows.jsonl", data: bytes = b"rows", commit: str = FIRST, repo: str = REPO) -> RemoteFile:
    return RemoteFile(repo, commit, path, len(data), sha256(data).hexdigest())


def bring(store: Store, file: RemoteFile, data: bytes = b"rows", revision: str = "") -> Path:
    """As a filler does it: parts first, then the whole file."""
    stem = store.parts_of(file)
    whole = stem.with_name(stem.name + ".data")
    whole.write_bytes(data)
    return store.take_in(file, whole, revision)


def cached(store: Store, file: RemoteFile, revision: str) -> Any:
    """What huggingface_hub has of it."""
    return try_to_load_from_cache(REPO, file.path, store.hub, revision, "dataset")


def used(store: Store, file: RemoteFile, at: float) -> None:
    """Set when it was last used."""
    (record,) = (store.own / "files").glob(f"*{file.etag}*")
    os.utime(record, (at, at))


def left(folder: Path) -> list[str]:
    """What there is below a folder, but for locks and the tag, which stay."""
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    return sorted(str(path) for path in found if path.parts[0] not in (".locks", "CACHEDIR.TAG"))


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


@pytest.fixture
def hub(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The Hub that huggingface_hub downloads from, into the store's folder."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    served = tmp_path / "served" / REPO / "data"
    served.mkdir(parents=True)
    (served / "rows.jsonl").write_bytes(b"rows")
    (served / "more.jsonl").write_bytes(b"more")
    with Hub(tmp_path / "served") as running:
        yield running


def listed(hub: Hub, path: str = "data/rows.jsonl", commit: str = "") -> RemoteFile:
    """As the Hub's listing has it."""
    return RemoteFile(REPO, commit or hub.sha(REPO), path, 4, mark(hub.root / REPO / path))


def download(store: Store, hub: Hub, path: str = "data/rows.jsonl") -> Path:
    return Path(hf_hub_download(REPO, path, repo_type="dataset", cache_dir=store.hub, endpoint=hub.url))


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


@pytest.mark.parametrize("revision", ["", FIRST, "../main", "/etc/x", "a\0b"])
def test_what_is_no_revision_gets_no_ref(store: Store, revision: str) -> None:
    bring(store, remote(), revision=revision)
    assert not (store.hub / "datasets--inv--alpha-one" / "refs").exists()


def test_a_nested_revision(store: Store) -> None:
    bring(store, remote(), revision="refs/convert/parquet")
    assert cached(store, remote(), "refs/convert/parquet") is not None
    assert not scan_cache_dir(store.hub).warnings


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
    assert none.recall("footer", "e" * 40) is None
    assert none.find(remote()) is not None, "what is there is used"


def test_parts_and_facts_count(store: Store) -> None:
    fill(store, remote("parts.jsonl", b"p"), 6_000)
    store.remember("footer", "e" * 40, b"f" * 2_000)
    assert store.make_room(1_900)
    assert len(store.entries()) == 1
    assert store.make_room(6_000)
    assert store.entries() == []
    assert list((store.own / "parts").iterdir()) == []


def test_room_for_a_file_counts_its_own_parts_once(store: Store) -> None:
    file = remote("parts.jsonl", b"p")
    fill(store, file, 6_000)
    assert store.make_room(6_000, of=file)
    assert [entry.size for entry in store.entries()] == [6_000]


def fill(store: Store, file: RemoteFile, size: int) -> Path:
    stem = store.parts_of(file)
    data = stem.with_name(stem.name + ".data")
    data.write_bytes(bytes(size))
    return data


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


def test_what_was_deleted_by_others_is_no_entry(store: Store) -> None:
    path = bring(store, remote())
    shutil.rmtree(store.hub)
    assert store.entries() == []
    assert store.find(remote()) is None
    assert bring(store, remote()) == path
    assert len(store.clear()) == 1
    shutil.rmtree(store.own)
    assert store.entries() == store.clear() == []


# ---- troubles


def other_size(blob: Path, pointer: Path) -> None:
    blob.write_bytes(b"half a row")


def dangling(blob: Path, pointer: Path) -> None:
    blob.unlink()


def pointer_to_another(blob: Path, pointer: Path) -> None:
    blob.rename(blob.with_name("f" * 64))
    pointer.unlink()
    pointer.symlink_to(f"../../../blobs/{'f' * 64}")


def cut_off(blob: Path, pointer: Path) -> None:
    pointer.unlink()
    pointer.write_bytes(b"ro")
    blob.unlink()


def a_file_in_the_way(blob: Path, pointer: Path) -> None:
    blob.unlink()
    shutil.rmtree(pointer.parent)
    pointer.parent.write_bytes(b"no folder")


Damage = Callable[[Path, Path], None]


@pytest.mark.parametrize("damage", [other_size, dangling, pointer_to_another, cut_off, a_file_in_the_way])
def test_what_is_damaged_is_not_found_and_taken_in_anew(store: Store, damage: Damage) -> None:
    file = remote()
    pointer = bring(store, file)
    damage(pointer.resolve(), pointer)
    assert store.find(file) is None
    path = bring(store, file)
    assert path.read_bytes() == b"rows"
    assert store.find(file) == path
    if damage is not a_file_in_the_way:
        assert (path, not scan_cache_dir(store.hub).warnings) == (pointer, True)


def test_a_folder_where_the_bytes_should_be_is_a_sentence(store: Store) -> None:
    file = remote()
    blob = store.hub / "datasets--inv--alpha-one" / "blobs" / file.etag
    (blob / "x").mkdir(parents=True)
    assert store.find(file) is None
    with pytest.raises(DiskError, match=f"{file.etag} cannot be written: Is a directory"):
        bring(store, file)
    assert [path.name for path in blob.parent.iterdir()] == [file.etag]
    assert store.entries() == []


def test_a_folder_where_the_name_should_be_leaves_the_blob(store: Store) -> None:
    pointer = store.hub / "datasets--inv--alpha-one" / "snapshots" / FIRST / "data" / "rows.jsonl"
    pointer.mkdir(parents=True)
    path = bring(store, remote())
    assert path.read_bytes() == b"rows"
    assert store.find(remote()) == path
    assert pointer.is_dir()


def test_a_file_that_is_not_whole_is_refused(store: Store) -> None:
    with pytest.raises(DiskError, match="is not the whole file"):
        bring(store, remote(), b"row")
    assert left(store.hub) == []


def test_a_record_that_was_cut_short_goes_on(store: Store) -> None:
    path = bring(store, remote())
    (record,) = (store.own / "files").iterdir()
    record.write_bytes(record.read_bytes()[:-10])
    assert store.entries() == [], "what no record tells is not ours"
    assert store.find(remote()) == path
    path.resolve().unlink()
    bring(store, remote())
    assert [entry.size for entry in store.entries()] == [4]


@pytest.mark.parametrize("folder", ["hub", "own"])
def test_a_folder_that_cannot_be_written(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    places = {"hub": tmp_path / "hub", "own": tmp_path / "own", folder: tmp_path / "file" / "x"}
    store = Store(10_000, places["hub"], places["own"])
    with pytest.raises(DiskError, match=r"file/x.* cannot be written: .*(is no folder|Not a directory)"):
        store.parts_of(remote())
    whole = tmp_path / "whole"
    whole.write_bytes(b"rows")
    with pytest.raises(DiskError, match="cannot be written: Not a directory"):
        store.take_in(remote(), whole)
    store.remember("footer", "e" * 40, b"x")
    assert (store.find(remote()), store.entries(), store.clear()) == (None, [], [])
    assert store.make_room(5)
    with store.in_use(remote()):
        pass


def test_a_read_only_folder_is_used_and_not_filled(store: Store, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    path = download(store, hub)

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    allowed = os.access
    for name in ("mkdir", "symlink", "replace", "unlink", "rmdir", "utime"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and allowed(path, mode))
    assert store.find(listed(hub)) == path
    assert store.find(listed(hub, commit=SECOND)) == path.resolve()
    with pytest.raises(DiskError, match="hub cannot be written: permission denied"):
        store.parts_of(listed(hub))


def test_another_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Renames from our folder into huggingface_hub's fail, as they do where a mount lies between them."""
    within = os.replace

    def replace(source: Any, target: Any) -> None:
        if str(source).startswith(str(store.own)) != str(target).startswith(str(store.own)):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        within(source, target)

    monkeypatch.setattr(os, "replace", replace)
    file = remote()
    path = bring(store, file, revision="main")
    assert path.read_bytes() == b"rows"
    assert not list((store.own / "parts").glob("*.data"))
    assert not list(store.hub.rglob("*.incomplete"))
    assert [entry.path for entry in store.clear()] == [file.path]
    assert left(store.hub) == []


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no second disk to try it on")
def test_another_disk_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Path("/dev/shm") / f"polecats-{os.getpid()}"
    if os.stat("/dev/shm").st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("no second disk to try it on")
    store = Store(10_000, tmp_path / "hub", own)
    try:
        assert bring(store, remote()).read_bytes() == b"rows"
        assert [entry.path for entry in store.clear()] == ["data/rows.jsonl"]
        assert left(store.hub) == []
    finally:
        shutil.rmtree(own)


def test_without_links_the_file_stands_under_its_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "symlink", refuse)
    path = bring(store, remote(), revision="main")
    assert not path.is_symlink()
    assert cached(store, remote(), "main") == str(path)
    assert store.find(remote()) == path
    assert [entry.size for entry in store.entries()] == [4]
    assert not scan_cache_dir(store.hub).warnings
    assert len(store.clear()) == 1
    assert left(store.hub) == []


@pytest.mark.parametrize(
    "file",
    [
        remote("../../../escaped"),
        remote("/etc/escaped"),
        remote("a//b"),
        remote("a/./b"),
        remote("a\0b"),
        remote("\ud800"),
        remote(""),
        remote(commit="../.."),
        remote(commit=""),
        remote(repo="../.."),
        remote(repo="inv/a/b"),
        remote(repo=f"inv/{'x' * 200}"),
        remote(repo="inv/a--b"),
        remote(repo=""),
    ],
)
def test_names_that_lead_out_of_the_cache_are_refused(store: Store, tmp_path: Path, file: RemoteFile) -> None:
    whole = tmp_path / "whole"
    whole.write_bytes(b"rows")
    assert store.find(file) is None
    for attempt in (partial(store.parts_of, file), partial(store.take_in, file, whole)):
        with pytest.raises(DiskError, match="a name of the Hub's does not fit into the cache"):
            attempt()
    with store.in_use(file):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


@pytest.mark.parametrize("etag", ["../../escaped", "", "W/x y", "x" * 5_000, "/etc/passwd"])
def test_an_etag_that_is_no_hex_word_is_hashed(store: Store, etag: str) -> None:
    file = RemoteFile(REPO, FIRST, "rows.jsonl", 4, etag)
    path = bring(store, file)
    assert store.find(file) == path
    (blob,) = (store.hub / "datasets--inv--alpha-one" / "blobs").iterdir()
    assert blob.name == sha256(etag.encode()).hexdigest()
    assert len(store.clear()) == 1


# ---- facts


def test_facts_are_recalled_byte_by_byte(store: Store) -> None:
    keys = ("inv/x@main", "e" * 40, "../../x", "y" * 900, "\ud800")
    for key in keys:
        store.remember("listing", key, key.encode(errors="replace"))
    assert [store.recall("listing", key) for key in keys] == [key.encode(errors="replace") for key in keys]
    assert store.recall("footer", keys[0]) is None
    assert {path.parent.name for path in store.own.rglob("*") if path.is_file()} == {"facts"}
    for path in (store.own / "facts").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert [store.recall("listing", key) for key in keys] == [None] * len(keys)


def test_the_usual_place_is_where_huggingface_hub_looks_and_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "assets"))
    store = Store.usual(5)
    assert (store.limit, store.hub, store.own) == (5, tmp_path / "hub", tmp_path / "assets" / "polecats")
    assert (store.find(remote()), store.entries(), store.clear()) == (None, [], [])
    assert list(tmp_path.iterdir()) == []


def test_a_git_blob_id_is_an_etag_too(store: Store) -> None:
    file = RemoteFile(REPO, FIRST, "README.md", 4, sha1(b"rows").hexdigest())
    assert bring(store, file) == store.find(file)
