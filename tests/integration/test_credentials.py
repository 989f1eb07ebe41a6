"""A token and a proxy's password are planted, and loaders do their worst with them: they are found nowhere."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.client import watch
from coordinator.demo.hub import Fault, Hub
from coordinator.paths import Paths
from coordinator.screen.app import Watching
from coordinator.screen.palette import DARK, UNICODE
from tests.clones import Repository
from tests.tui.harness import FakeControl, FakeMerger, Still, text_of

TOKEN = "hf_" + "pLaNtEd7" * 4
PASSWORD = "pr0xy-passw0rd"
SECRETS = (TOKEN, "pLaNtEd7pLa", PASSWORD)
"""A part of the token counts, too."""
LEAKY = """
import logging
print(dict(os.environ), flush=True)
print("x" * 70_000 + " Authorization: Bearer " + os.environ["HF_TOKEN"], file=sys.stderr)
print("half a line ends with", os.environ["HF_TOKEN"], end="", flush=True)
os.system("echo $HF_TOKEN from a child")
logging.getLogger("huggingface_hub").warning("told %s", os.environ["HF_TOKEN"])
"""


@pytest.fixture
def leaking(repository: Repository, tmp_path: Path) -> Iterator[Repository]:
    """A run's worth of loaders that are refused, that raise, and that print what they know."""
    repository.loader("alpha/gated")
    repository.loader("alpha/denied")
    repository.loader("alpha/bug", each='raise RuntimeError("y" * 280 + os.environ["HF_TOKEN"])')
    repository.loader("alpha/leaky", top=LEAKY)
    repository.loader("alpha/reject", each='if row["n"] % 10 == 3: raise ValueError(f"{os.environ}"[:1_990])')
    repository.loader("alpha/raw", each='row["key"] = os.environ["HF_TOKEN"]; row["no_such_column"]')
    repository.loader("beta/crash", top='print(os.environ["HF_TOKEN"], flush=True); os._exit(9)')
    repository.loader("ruby/slow", rows=150, each="time.sleep(0.01)")
    repository.commit()
    with Hub(repository.root / "sources") as hub:
        hub.gated.add("inv/alpha-gated")
        refused = {"X-Error-Message": f"{TOKEN} is not valid for http://me:{PASSWORD}@proxy"}
        hub.faults.append(Fault("GET /datasets/inv/alpha-denied/*", "status", 401, refused))
        repository.behind(hub, tmp_path / "home")
        repository.environment |= {
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0",
            "HF_DEBUG": "1",
            "POLECATS_RESTART_MAX": "1",
            "https_proxy": f"http://me:{PASSWORD}@127.0.0.1:9",
        }
        yield repository


def test_no_credential_is_written_shown_or_sent(leaking: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}
    run = leaking.start("run")
    run.wait_for("loader_opened", loader="ruby/slow")
    monkeypatch.setenv("XDG_RUNTIME_DIR", leaking.environment["XDG_RUNTIME_DIR"])
    told: list[str] = []
    watcher = threading.Thread(target=lambda: told.extend(json.dumps(each) for each in watch(leaking.root)))
    watcher.start()
    seen["command lines"] = "\n".join(leaking.alive())
    assert "coordinator" in seen["command lines"]
    assert run.end() == 1
    watcher.join(10)
    failures = {name: status.failure for name, status in leaking.state().loaders.items() if status.failure}
    classes = {name: failure.failure_class for name, failure in failures.items()}
    assert classes == {
        "alpha/gated": "gated",
        "alpha/denied": "auth",
        "alpha/bug": "loader_bug",
        "alpha/raw": "loader_bug",
        "beta/crash": "killed",
    }
    assert "***" in failures["alpha/bug"].traceback
    log = leaking.log("alpha")
    for left in ("'HF_TOKEN': '***'", "Bearer ***", "half a line ends with ***", "*** from a child", "told ***"):
        assert left in log
    assert leaking.log("beta").count("***\n") == 1, "what a worker printed before it crashed is kept"

    seen |= {"socket": "\n".join(told), "events": json.dumps(run.events), "errors": "".join(run.errors)}
    looks = ("status --json", "failures", "failures --json", "doctor", "check alpha/bug", "check alpha/reject")
    for command in (*looks, "fetch", "fetch --json"):
        done = leaking.polecats(*command.split())
        seen[command] = done.stdout + done.stderr
        assert seen[command]
    seen["screen"] = screen(leaking, monkeypatch)
    assert "alpha" in seen["screen"]
    assert "leaky" in seen["screen"]
    disk = [path for path in leaking.root.rglob("*") if path.is_file() and ".git" not in path.parts]
    assert {"journal.jsonl", "alpha.log", "header.json", "tier1.jsonl"} <= {path.name for path in disk}
    assert any("reject" in path.name for path in disk)
    seen |= {str(path): path.read_bytes().decode("utf-8", "replace") for path in disk}
    assert [(place, secret) for place, text in seen.items() for secret in SECRETS if secret in text] == []


def screen(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> str:
    """All that the app shows of each row in its first three panes, as text and as a picture."""

    async def go() -> str:
        state, found = repository.state(), []
        source = Still(state, state.ended or 0.0)
        app = Watching(Paths(repository.root), source, FakeControl(), FakeMerger(), DARK, UNICODE)
        async with app.run_test(size=(200, 50)) as pilot:
            for _ in range(len(state.loaders) + len(state.tracks) + 5):
                for key in ("1", "2", "3"):
                    await pilot.press(key)
                    app.beat()
                    await pilot.pause()
                    found.append(text_of(app))
                found.append(app.export_screenshot())
                await pilot.press("down")
        return "\n".join(found)

    return asyncio.run(go())
