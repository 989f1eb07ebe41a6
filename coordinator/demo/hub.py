"""A small stand-in of the Hugging Face Hub on loopback, for the real clients: set HF_ENDPOINT to its `url`.

It serves `<root>/<org>/<name>/...` as datasets: info, revisions, trees, access checks and files with ranges.
Faults are given by rule and count what they hit: a status, a lost connection, an answer that is slow or never comes.
A `Network` makes it slow and far away, and lets it send clients to a CDN for large files.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import urllib.parse
from collections.abc import Callable
from functools import cached_property
from http.server import ThreadingHTTPServer as ThreadingHTTPServer  # scripts derive stand-ins of their own from it
from pathlib import Path
from types import TracebackType
from typing import Any

from .cdn import Cdn
from .digests import Digests, blob_id, pointer, update
from .digests import mark as mark
from .faults import Fault as Fault
from .network import LOOPBACK, Network
from .serving import Answering, Server

TOKEN = "hf_stand_in"


class Hub(Server):
    """The server; use it as a context manager. `requests` lists what was asked, `gated` what needs TOKEN.

    `clock` gives seconds since the epoch: addresses of the CDN expire by it.
    """

    cdn: Cdn | None = None

    def __init__(self, root: Path, network: Network = LOOPBACK, clock: Callable[[], float] = time.time) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root, self.network, self.clock = root, network, clock
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.gated: set[str] = set()
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.closing = threading.Event()
        self._shas: dict[str, tuple[list[str], str]] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        if network.lfs:
            self.cdn = Cdn(self)

    @cached_property
    def digests(self) -> Digests:
        """What the served files are called by their content."""
        return Digests()

    def __enter__(self) -> Hub:
        self._thread.start()
        if self.cdn:
            self.cdn.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.closing.set()  # ends what stalls or drips
        self.shutdown()
        self._thread.join()
        self.server_close()
        if self.cdn:
            self.cdn.stop()

    def files(self, repo: str) -> list[Path]:
        """All files of a repository."""
        return sorted(path for path in (self.root / repo).rglob("*") if path.is_file())

    def sha(self, repo: str) -> str:
        """The commit: changes with any byte. Files are read again only when one of them is another than before."""
        files = self.files(repo)
        marks = [mark(path) for path in files]
        known = self._shas.get(repo)
        if known is None or known[0] != marks:
            digest = hashlib.sha1()
            for path in files:
                digest.update(path.relative_to(self.root).as_posix().encode())
                update(digest, path)
            known = self._shas[repo] = (marks, digest.hexdigest())
        return known[1]

    def fault(self, request: str) -> Fault | None:
        """The first fault that hits this request."""
        with self._lock:
            self.requests.append(request)
            return next((fault for fault in self.faults if fault.strikes(request)), None)

    def is_large(self, path: Path) -> bool:
        """Whether a file is kept on the CDN."""
        return self.network.lfs and path.stat().st_size >= self.network.large


class _Handler(Answering):
    server: Hub

    def _route(self, parts: list[str]) -> None:
        match parts:
            case _ if ".." in parts:
                return self._refuse(404, "", "Not Found")
            case ["api", "datasets", org, name, *rest]:
                repo, handle = f"{org}/{name}", self._api
            case ["datasets", org, name, "resolve", *rest]:
                repo, handle = f"{org}/{name}", self._resolve
            case _:
                return self._refuse(404, "", "Not Found")
        if not (self.server.root / repo).is_dir():
            return self._refuse(404 if self.headers.get("Authorization") else 401, "RepoNotFound", "Not Found")
        return handle(repo, rest)

    def _api(self, repo: str, rest: list[str]) -> None:
        match rest or ["revision", "main"]:
            case ["auth-check"]:
                if not self._locked(repo):
                    self._json({})
            case ["revision", revision] if self._known(repo, revision):
                gated = "manual" if repo in self.server.gated else False
                self._json({"_id": "0", "id": repo, "sha": self.server.sha(repo), "private": False, "gated": gated})
            case ["tree", revision, *folder] if self._known(repo, revision):
                self._tree(repo, "/".join(folder))
            case ["paths-info", revision] if self._known(repo, revision):
                asked = json.loads(self.posted)["paths"] if self.posted[:1] == b"{" else self._form()
                base = self.server.root / repo
                wanted = [base / path for path in asked if path and ".." not in path.split("/")]
                self._json([self._entry(repo, path) for path in wanted if path.exists()])
            case _:
                self._refuse(404, "RevisionNotFound", "Invalid rev id")

    def _form(self) -> list[str]:
        return urllib.parse.parse_qs(self.posted.decode()).get("paths", [])

    def _tree(self, repo: str, folder: str) -> None:
        base = self.server.root / repo / folder
        if not base.is_dir():
            return self._refuse(404, "EntryNotFound", f"{folder} does not exist")
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        recursive = query.get("recursive", ["false"])[0].lower() in ("true", "1")
        return self._json(
            [self._entry(repo, path) for path in sorted(base.rglob("*") if recursive else base.iterdir())]
        )

    def _resolve(self, repo: str, rest: list[str]) -> None:
        if self._locked(repo):
            return None
        revision, path = rest[0], self.server.root / repo / "/".join(rest[1:])
        if not self._known(repo, revision):
            return self._refuse(404, "RevisionNotFound", "Invalid rev id")
        if not path.is_file():
            return self._refuse(404, "EntryNotFound", "Entry not found")
        return self._file(repo, path)

    def _file(self, repo: str, path: Path) -> None:
        headers = {"X-Repo-Commit": self.server.sha(repo)}
        if self.server.cdn and self.server.is_large(path):
            return self._redirect(self.server.cdn, path, headers)
        tag = self.server.digests.blob_id(path) if self.server.network.lfs else mark(path)
        return self._give(path, {**headers, "ETag": f'"{tag}"'})

    def _redirect(self, cdn: Cdn, path: Path, headers: dict[str, str]) -> None:
        """To the CDN; the ETag of what git has in the file's place is not that of the file."""
        size, sha256 = path.stat().st_size, self.server.digests.sha256(path)
        if self._is("other"):
            size, sha256 = size * 2 // 3, hashlib.sha256(sha256.encode()).hexdigest()
        linked = {"X-Linked-Size": str(size), "X-Linked-Etag": f'"{sha256}"'}
        address = cdn.sign(path)
        tag = {"ETag": f'"{blob_id(pointer(sha256, size))}"', "Location": address}
        self._send(302, f"Found. Redirecting to {address}".encode(), {**headers, **linked, **tag})

    def _entry(self, repo: str, path: Path) -> dict[str, Any]:
        relative = path.relative_to(self.server.root / repo).as_posix()
        if path.is_dir():
            return {"type": "directory", "oid": "0" * 40, "size": 0, "path": relative}
        entry = {"type": "file", "oid": mark(path), "size": path.stat().st_size, "path": relative}
        if self.server.is_large(path):
            return entry | self._large(path)
        return entry | {"oid": self.server.digests.blob_id(path)} if self.server.network.lfs else entry

    def _large(self, path: Path) -> dict[str, Any]:
        """What a listing has of a large file instead: what git has in its place, and what that points to."""
        size, sha256 = path.stat().st_size, self.server.digests.sha256(path)
        stub = pointer(sha256, size)
        return {"oid": blob_id(stub), "lfs": {"oid": sha256, "size": size, "pointerSize": len(stub)}}

    def _known(self, repo: str, revision: str) -> bool:
        return revision in ("main", self.server.sha(repo))

    def _locked(self, repo: str) -> bool:
        """Whether the repository is closed to this caller, who has then been told."""
        token = self.headers.get("Authorization")
        if repo not in self.server.gated or token == f"Bearer {TOKEN}":
            return False
        self._refuse(403 if token else 401, "GatedRepo", f"Access to dataset {repo} is restricted.")
        return True

    def _refuse(self, code: int, error: str, message: str) -> None:
        headers = {"X-Error-Message": message, **({"X-Error-Code": error} if error else {})}
        self._send(code, json.dumps({"error": message}).encode(), headers)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})
