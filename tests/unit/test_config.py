"""config.toml: every mistake is answered with file, key and value."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli

from coordinator.config import Config, load, ordered_loaders
from coordinator.errors import ExitCode, PolecatsError
from coordinator.paths import Paths, find_root

ROOT = Path(__file__).parents[2]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    for name in ("opal/bfcl", "topaz/lmsys", "topaz/wildchat"):
        file = tmp_path / "tracks" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return Paths(tmp_path)


def loaded(paths: Paths, text: str, **environment: str) -> Config:
    paths.config.write_text(text, encoding="utf-8")
    return load(paths, environment)


def refused(paths: Paths, text: str | bytes, **environment: str) -> str:
    """The sentence without the file's path, which it must begin with."""
    paths.config.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PolecatsError) as caught:
        load(paths, environment)
    assert caught.value.code == ExitCode.USAGE
    assert str(caught.value).startswith(f"{paths.config}: ")
    assert str(caught.value).endswith(".")
    return str(caught.value).removeprefix(f"{paths.config}: ")


def test_an_empty_file_is_the_defaults(paths: Paths) -> None:
    config = loaded(paths, "")
    assert config == Config()
    assert (config.run.source, config.run.target, config.publish.output) == ("hub", 0, "data/tier1.jsonl")


def test_everything_can_be_said(paths: Paths) -> None:
    config = loaded(
        paths,
        """
        [run]
        source = "samples"
        target = 5
        seed = -1
        merge = false
        workers = 3
        stall_timeout = 9
        longest_wait = 60
        [restart]
        policy = "never"
        max = 0
        [publish]
        output = "out/x.jsonl"
        evaluation_only = false
        [hub]
        connections = 2
        xet = true
        [cache]
        limit = "1.5 GiB"
        [tracks.topaz.lmsys]
        max_samples = 7
        enabled = false
        include_chat = false
        languages = ["en", "tr"]
        [tracks.topaz.wildchat]
        options = 1
        model_config = { a = 1979-05-27 }
        """,
    )
    assert (config.run.workers, config.run.seed, config.restart.max) == (3, -1, 0)
    assert (config.hub.connections, config.hub.xet, config.cache.limit_bytes) == (2, True, 1_610_612_736)
    lmsys = config.loader("topaz", "lmsys")
    assert (lmsys.max_samples, lmsys.enabled) == (7, False)
    assert lmsys.options == {"include_chat": False, "languages": ["en", "tr"]}
    assert set(config.loader("topaz", "wildchat").options) == {"options", "model_config"}
    assert config.loader("opal", "bfcl").options == {}
    assert ordered_loaders(paths, config) == [("topaz", "wildchat"), ("opal", "bfcl")]


@pytest.mark.parametrize("text", ["[run", "[run]\ntarget = ", "[run]\n[run]", "a = 1\na = 2", "\ufeff[run]", "a = [1"])
def test_what_is_not_toml(paths: Paths, text: str) -> None:
    sentence = refused(paths, text)
    assert sentence.startswith("not valid TOML: ")
    assert "line" in sentence or "end of document" in sentence


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "[run]\ntarget = " + "9" * 10_000])
def test_toml_that_python_cannot_hold(paths: Paths, text: str) -> None:
    assert refused(paths, text).startswith("not valid TOML: ")


def test_another_encoding(paths: Paths) -> None:
    assert refused(paths, "[run]\nsource = 'ı'".encode("iso8859-9")) == "not UTF-8 at byte 16. Save it as UTF-8."
    assert "not UTF-8 at byte 0" in refused(paths, "[run]".encode("utf-16"))


def test_what_cannot_be_read(paths: Paths) -> None:
    with pytest.raises(PolecatsError, match=r"config\.toml: cannot be read: No such file"):
        load(paths, {})
    paths.config.mkdir()
    with pytest.raises(PolecatsError, match=r"config\.toml: cannot be read: Is a directory"):
        load(paths, {})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[rum]\n", "unknown key rum (did you mean run?). Remove or correct it."),
        ("[run]\ntargt = 5", "unknown key run.targt (did you mean target?). Remove or correct it."),
        ("[restart]\npolice = 'never'", "unknown key restart.police (did you mean policy?). Remove or correct it."),
        ("[publish]\nzzz = 1", "unknown key publish.zzz. Remove or correct it."),
        ("[run.deeper]\nx = 1", "unknown key run.deeper. Remove or correct it."),
        ("zzz = 1", "unknown key zzz. Remove or correct it."),
        ("[cache]\nlimits = 1", "unknown key cache.limits (did you mean limit?). Remove or correct it."),
        ("[hub]\nconnection = 1", "unknown key hub.connection (did you mean connections?). Remove or correct it."),
        ("'a[b' = 1", "unknown key a[b. Remove or correct it."),
        ("[run]\n'[' = 1", "unknown key run.[. Remove or correct it."),
    ],
)
def test_unknown_keys(paths: Paths, text: str, sentence: str) -> None:
    assert refused(paths, text) == sentence


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("[run]\ntarget = '5'", "run.target = '5': should be a valid integer"),
        ("[run]\ntarget = 5.0", "run.target = 5.0: should be a valid integer"),
        ("[run]\ntarget = true", "run.target = True: should be a valid integer"),
        ("[run]\ntarget = -1", "run.target = -1: should be greater than or equal to 0"),
        ("[run]\nmerge = 1", "run.merge = 1: should be a valid boolean"),
        ("[run]\nmerge = 'yes'", "run.merge = 'yes': should be a valid boolean"),
        ("[run]\nsource = 5", "run.source = 5: should be a valid string"),
        ("[run]\nstall_timeout = 0", "run.stall_timeout = 0: should be greater than or equal to 1"),
        ("[run]\nworkers = 0", "run.workers = 0: should be 'cores' or should be greater than or equal to 1"),
        ("[run]\nworkers = 'all'", "run.workers = 'all': should be 'cores' or should be a valid integer"),
        ("[restart]\npolicy = 'yes'", "restart.policy = 'yes': should be 'never', 'on-failure' or 'always'"),
        ("[restart]\nmax = -2", "restart.max = -2: should be greater than or equal to 0"),
        ("[publish]\noutput = ['x']", "publish.output = ['x']: should be a valid string"),
        ("[hub]\nconnections = 0", "hub.connections = 0: should be greater than or equal to 1"),
        ("[hub]\nconnections = '8'", "hub.connections = '8': should be a valid integer"),
        ("[hub]\nxet = 1", "hub.xet = 1: should be a valid boolean"),
        ("run = 5", "run = 5: should be a table"),
        ("[[run]]", "run = [{}]: should be a table"),
        ("tracks = 5", "tracks = 5: should be a table"),
        ("[tracks]\ntopaz = 5", "tracks.topaz = 5: should be a table"),
        ("[tracks.topaz]\nlmsys = 5", "tracks.topaz.lmsys = 5: should be a table"),
        ("[tracks.topaz]\nmax_samples = 5", "tracks.topaz.max_samples = 5: should be a table"),
        ("[tracks.topaz.lmsys]\nmax_samples = -1", "tracks.topaz.lmsys.max_samples = -1: should be greater than"),
        ("[tracks.topaz.lmsys]\nenabled = 'no'", "tracks.topaz.lmsys.enabled = 'no': should be a valid boolean"),
        (f"[run]\ntarget = '{'x' * 900}'", "run.target = 'xxxxxx"),
    ],
)
def test_wrong_values(paths: Paths, text: str, start: str) -> None:
    sentence = refused(paths, text)
    assert sentence.startswith(start)
    assert len(sentence) < 200


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[tracks.topas]", "tracks.topas: there is no folder tracks/topas (did you mean topaz?)."),
        ("[tracks.amber.x]", "tracks.amber: there is no folder tracks/amber."),
        (
            "[tracks.topaz.lmsyss]",
            "tracks.topaz.lmsyss: there is no tracks/topaz/lmsyss.py (did you mean lmsys?).",
        ),
        ("[tracks.opal.zzzzz]", "tracks.opal.zzzzz: there is no tracks/opal/zzzzz.py."),
    ],
)
def test_tracks_and_loaders_that_are_not_there(paths: Paths, text: str, sentence: str) -> None:
    assert refused(paths, text) == sentence


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        ("0", 0),
        ('"0"', 0),
        ('"0 GB"', 0),
        ('"50 GB"', 50_000_000_000),
        ('"500MiB"', 524_288_000),
        ('"0.25 kB"', 250),
        ('"7 B"', 7),
    ],
)
def test_a_size(paths: Paths, value: str, limit: int) -> None:
    assert loaded(paths, f"[cache]\nlimit = {value}").cache.limit_bytes == limit


@pytest.mark.parametrize(
    "value", ["'50'", "'50 gigs'", "'-1 GB'", "'1,5 GB'", "'GB'", "''", "50", "-0.0", "0.0", "false", "[]", "'1e9 GB'"]
)
def test_what_is_no_size_is_answered_with_an_example(paths: Paths, value: str) -> None:
    sentence = refused(paths, f"[cache]\nlimit = {value}")
    assert sentence == f"cache.limit = {tomli.loads(f'x = {value}')['x']!r}: " + (
        'should be a size such as "50 GB" or "500 MiB", or 0 for none.'
    )


# ---- POLECATS_*


def test_the_environment_wins_over_the_file(paths: Paths) -> None:
    config = loaded(
        paths,
        "[run]\ntarget = 5\nseed = 3",
        POLECATS_RUN_TARGET="9",
        POLECATS_RUN_MERGE="false",
        POLECATS_RUN_WORKERS="cores",
        POLECATS_RESTART_POLICY='"always"',
        POLECATS_PUBLISH_OUTPUT="elsewhere/tier1.jsonl",
        POLECATS_RUN_SOURCE="2026",
        POLECATS_HUB_CONNECTIONS="3",
        POLECATS_CACHE_LIMIT="1 MB",
        POLECATS_TRACKS="5",
        HOME="/",
    )
    assert (config.run.target, config.run.seed, config.run.merge, config.run.workers) == (9, 3, False, "cores")
    assert (config.restart.policy, config.publish.output) == ("always", "elsewhere/tier1.jsonl")
    assert (config.hub.connections, config.cache.limit) == (3, "1 MB")
    assert loaded(paths, "", POLECATS_CACHE_LIMIT="0").cache.limit_bytes == 0
    assert config.run.source == "2026", "a folder may have a number for a name"


def test_an_empty_variable_is_none(paths: Paths) -> None:
    assert loaded(paths, "[run]\ntarget = 5", POLECATS_RUN_TARGET="", POLECATS_RUN_SOURCE="").run.target == 5


@pytest.mark.parametrize(
    ("variable", "value", "rest"),
    [
        ("POLECATS_RUN_TARGET", "many", "run.target = 'many': should be a valid integer."),
        ("POLECATS_RUN_TARGET", "-1", "run.target = -1: should be greater than or equal to 0."),
        ("POLECATS_RUN_TARGET", "[" * 5_000, "run.target = '[[[["),
        ("POLECATS_RUN_MERGE", "False", "run.merge = 'False': should be a valid boolean."),
        ("POLECATS_RESTART_POLICY", "sometimes", "restart.policy = 'sometimes': should be 'never',"),
        ("POLECATS_CACHE_LIMIT", "5", "cache.limit = '5': should be a size such as \"50 GB\""),
        ("POLECATS_HUB_CONNECTIONS", "0", "hub.connections = 0: should be greater than or equal to 1."),
        ("POLECATS_RUN_WORKERS", "0", "run.workers = 0: should be 'cores' or"),
    ],
)
def test_a_wrong_variable_is_named(paths: Paths, variable: str, value: str, rest: str) -> None:
    paths.config.write_text("[run]\ntarget = 5\n")
    with pytest.raises(PolecatsError) as caught:
        load(paths, {variable: value})
    assert str(caught.value).startswith(f"{variable}: {rest}")


def test_a_variable_does_not_hide_a_wrong_table(paths: Paths) -> None:
    assert refused(paths, "run = 5", POLECATS_RUN_TARGET="5") == "run = 5: should be a table."


@pytest.mark.parametrize(
    "text", ["[run]\n{key} = 1", "[run]\n{key} = 1\n{key} = 2", "{key} = 1", "[run]\nsource = '{key}\n"]
)
def test_a_name_of_any_length_makes_a_short_sentence(paths: Paths, text: str) -> None:
    assert len(refused(paths, text.replace("{key}", "x" * 9_000))) < 500


# ---- the repository's own


def test_the_shipped_file_loads_and_says_the_defaults() -> None:
    paths = find_root(ROOT)
    assert paths.root == ROOT
    config = load(paths, {})
    assert (config.run, config.restart, config.publish) == (Config().run, Config().restart, Config().publish)
    assert (config.hub, config.cache) == (Config().hub, Config().cache)
    assert ordered_loaders(paths, config)


def test_a_loader_has_its_own_number_of_workers_or_its_tracks(paths: Paths) -> None:
    text = "[run]\nworkers = 3\n[tracks.opal]\nworkers = 2\n[tracks.opal.bfcl]\nworkers = 4\nlimit = 5\n"
    config = loaded(paths, text)
    names = (("opal", "bfcl"), ("opal", "acon"), ("topaz", "lmsys"))
    assert [config.loader_workers(*name) for name in names] == [3, 2, 0]
    assert config.slots() == 3
    assert config.loader("opal", "bfcl").options == {"limit": 5}
    assert config.loader("opal", "acon").options == {}


@pytest.mark.parametrize("value", ["0", "-1", "true", '"cores"', "1.5", "{}"])
@pytest.mark.parametrize("table", ["tracks.opal", "tracks.opal.bfcl"])
def test_workers_are_a_number(paths: Paths, table: str, value: str) -> None:
    assert refused(paths, f"[{table}]\nworkers = {value}\n").startswith(f"{table}.workers = ")
