"""What `polecats fetch` says of what does not come: loaders and sources that fail, no room, disks that take no more."""

from __future__ import annotations

import json
import re
from pathlib import Path

from coordinator.demo.hub import Fault, Hub
from coordinator.demo.network import Network, file_bytes
from tests.clones import COMMAND, Repository
from tests.disks import Mount, files, remount
from tests.fetches import OFFLINE, big, layout, size_of, told


def test_the_others_go_on_where_one_fails(repository: Repository, hub: Hub) -> None:
    tops = {"broken": "import nowhere", "leaves": "sys.exit(3)", "falls": "os._exit(9)", "gated": "", "absent": ""}
    for name, top in tops.items():
        repository.loader(f"beta/{name}", top=top)
    (hub.root / "inv" / "beta-absent").rename(repository.root / "elsewhere")
    hub.gated.add("inv/beta-gated")
    done = repository.polecats("fetch")
    assert done.returncode == 1
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert lines["beta/absent"].startswith("not_found: inv/beta-absent: ")
    assert lines["beta/broken"].startswith("loader_bug: ModuleNotFoundError: No module named 'nowhere'. Mend the")
    assert lines["beta/leaves"].startswith("loader_bug: SystemExit: 3")
    assert lines["beta/falls"].startswith(
        f"loader_bug: the import of {repository.paths.tracks / 'beta' / 'falls.py'} ends"
    )
    assert lines["beta/gated"].startswith("gated: inv/beta-gated: the dataset is gated, and no valid token was sent")
    fetched = [name for name, line in lines.items() if line.endswith("1 file, 290 B, 290 B fetched now")]
    assert fetched == ["alpha/one", "alpha/two", "beta/one"]
    assert lines["In the cache"] == "3 files, 870 B, 870 B of it fetched now. 5 loaders failed."
    for word in ("Traceback", "http", "127.0.0.1"):
        assert word not in done.stdout + done.stderr
    failed = {line["loader"]: line["failure"] for line in told(repository.polecats("fetch", "beta", "--json").stdout)}
    assert failed["beta/gated"]["failure_class"] == "gated"
    assert failed["beta/gated"]["reproduce"] == "polecats fetch beta/gated"


def test_bytes_that_are_not_the_hubs(repository: Repository, tmp_path: Path) -> None:
    big(repository, "alpha/big")
    repository.loader("alpha/one")
    with Hub(repository.root / "sources", Network(lfs=True)) as hub:
        repository.behind(hub, tmp_path / "home")
        hub.faults.append(Fault("GET /cdn/*", "garbled", times=1))
        done = repository.polecats("fetch")
        assert done.returncode == 1
        expected = "alpha/big: network: inv/alpha-big: rows.jsonl: the bytes that came are not those that the Hub lists"
        assert expected in done.stdout
        assert "alpha/one: 1 file, 290 B, 290 B fetched now" in done.stdout
        assert repository.polecats("fetch").returncode == 0


def test_files_that_the_limit_has_no_room_for(repository: Repository, hub: Hub) -> None:
    big(repository, "alpha/big")
    limit = {"POLECATS_CACHE_LIMIT": "1 kB"}
    done = repository.polecats("fetch", "alpha", **limit)
    assert done.returncode == 0
    no_room = "[cache] limit has no room for 1 file: runs stream it"
    assert f"alpha/big: nothing of it; {no_room}" in done.stdout.splitlines()
    assert file_bytes(hub.log.asked) == size_of(hub, "alpha-one", "alpha-two")
    both = size_of(hub, "alpha-one", "alpha-two")
    limit = {"POLECATS_CACHE_LIMIT": f"{both + 100} B"}
    assert f"beta/one: nothing of it; {no_room}" in repository.polecats("fetch", **limit).stdout.splitlines()
    kept = [line["files"] for line in told(repository.polecats("fetch", "--json", **limit, **OFFLINE).stdout)]
    assert kept == [0, 1, 1, 0], "what was fetched first does not go to make room for the rest"


def test_a_cache_that_is_off(repository: Repository, hub: Hub) -> None:
    done = repository.polecats("fetch", POLECATS_CACHE_LIMIT="0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "polecats: The cache is off: [cache] limit is 0. Raise it in config.toml, then fetch again.\n"


def test_a_disk_that_takes_no_such_file(repository: Repository, hub: Hub, tmp_path: Path) -> None:
    big(repository, "beta/big")
    repository.command = ["sh", "-c", 'ulimit -f 4000; exec "$@"', "sh", *COMMAND]
    done = repository.polecats("fetch")
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["alpha/one", "alpha/two"]
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"polecats: beta/big: {tmp_path / 'home' / 'assets' / 'polecats' / 'parts'}")
    assert sentence.endswith(
        "cannot be written: File too large. Mend that, or name another disk by HF_HOME, then fetch again: "
        "what is whole stays."
    )
    assert [name for name in layout(tmp_path / "home") if "beta" in name] == []
    repository.command = COMMAND
    assert repository.polecats("fetch").returncode == 0


def test_a_cache_that_cannot_be_written(repository: Repository, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "hub").touch()
    done = repository.polecats("fetch")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"polecats: alpha/one: {tmp_path / 'home' / 'hub'} cannot be written: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_full_disk_under_the_cache(repository: Repository, mount: Mount, tmp_path: Path) -> None:
    repository.loader("opal/a", rows=5)
    repository.loader("ruby/b", rows=5)
    large = repository.root / "sources" / "inv" / "ruby-b" / "rows.jsonl"
    large.write_text("".join(json.dumps({"n": n, "pad": "x" * 9_000}) + "\n" for n in range(1_000)))
    home = mount(tmp_path / "home", "size=5m")
    with Hub(repository.root / "sources") as hub:
        repository.behind(hub, home)
        fetched = repository.polecats("fetch")
        assert fetched.returncode == 1
        assert fetched.stdout == "opal/a: 1 file, 45 B, 45 B fetched now\n"
        assert re.fullmatch(
            r"polecats: ruby/b: \S+ cannot be written: the disk is full \(.* free\)\. .*\n", fetched.stderr
        )
        assert not [name for name in files(home) if "ruby" in name and name.endswith((".data", ".have", ".jsonl"))]
        run = repository.polecats("run", "--inline", "--plain")
        assert run.returncode == 0, run.stderr
        assert run.stderr.count("the cache takes no more (") == 1
        assert len(repository.questions()) == 1_005
        remount(home, "size=40m")
        assert repository.polecats("fetch").returncode == 0
        assert large.stat().st_size in {path.stat().st_size for path in (home / "hub").rglob("blobs/*")}
