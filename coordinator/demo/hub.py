"""A small stand-in of the Hugging Face Hub on loopback, for the real clients: set HF_ENDPOINT to its `url`.

It serves `<root>/<org>/<name>/...` as datasets: info, revisions, trees, access checks and files with ranges.
Faults are given by rule and count what they hit: a status, a lost connection, an answer that is slow or never comes.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from .faults import Fault as Fault

TOKEN = "hf_stand_in"
MOVED = "moved"
"""The folder to which a redirect leads."""


class Hub(ThreadingHTTPServer):
    """The server; use it as a context manager. `requests` lists what was asked, `gated` what needs TOKEN."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.gated: set[str] = set()
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.closing = threading.Event()
        self._shas: dict[str, tuple[list[str], str]] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Hub:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.closing.set()  # ends what stalls or drips
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""

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
                digest.update(path.relative_to(self.root).as_posix().encode() + path.read_bytes())
            known = self._shas[repo] = (marks, digest.hexdigest())
        return known[1]

    def fault(self, request: str) -> Fault | None:
        """The first fault that hits this request."""
        with self._lock:
            self.requests.append(request)
            return next((fault for fault in self.faults if fault.strikes(request)), None)


def mark(path: Path) -> str:
    """What changes when a file does, without reading it: its ETag, its id in a listing."""
    status = path.stat()
    return hashlib.sha1(f"{path}\0{status.st_size}\0{status.st_mtime_ns}".encode()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def _answer(self) -> None:
        self.posted = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        self.fault = self.server.fault(f"{self.command} {path}")
        match self.fault.kind if self.fault else "":
            case "reset":
                self._reset()
            case "stall":
                self._fall_silent()
            case "status" if self.fault:
                self._send(self.fault.code, json.dumps({"error": "injected"}).encode(), self.fault.headers)
            case "page":
                self._send(200, b"<!doctype html><title>Log in</title>", {"Content-Type": "text/html"})
            case "moved":
                self._send(302, b"", {"Location": f"{self.server.url}/{MOVED}{self.path}"})
            case _:
                self._route(path.removeprefix(f"/{MOVED}").strip("/").split("/"))

    do_HEAD = do_GET = do_POST = _answer

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
        headers = {"ETag": f'"{mark(path)}"', "X-Repo-Commit": self.server.sha(repo)}
        data = path.read_bytes()
        if self._is("other"):
            headers, data = {**headers, "ETag": '"other"'}, data[: len(data) * 2 // 3]
        wanted, total = self.headers.get("Range"), len(data)
        if not wanted:
            return self._send(200, data, headers)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, total - int(last))
        end = min(int(last), total - 1) if first and last else total - 1
        if self._is("short"):
            end = start + (end - start) // 2
        if start >= total:
            return self._send(416, b"", {"Content-Range": f"bytes */{total}"})
        return self._send(206, data[start : end + 1], {**headers, "Content-Range": f"bytes {start}-{end}/{total}"})

    def _entry(self, repo: str, path: Path) -> dict[str, Any]:
        relative = path.relative_to(self.server.root / repo).as_posix()
        if path.is_dir():
            return {"type": "directory", "oid": "0" * 40, "size": 0, "path": relative}
        return {"type": "file", "oid": mark(path), "size": path.stat().st_size, "path": relative}

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

    def _send(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        told = len(body) + 100 if self._is("lie") else len(body)
        for key, value in {**headers, "Content-Length": str(told)}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.fault and self.fault.kind == "slow":
            self._drip(body, self.fault.rate)
            return
        self.wfile.write(body[: len(body) // 2] if self._is("cut", "silent") else body)
        if self._is("cut"):
            self._reset()
        elif self._is("silent"):
            self._fall_silent()
        elif self._is("lie"):
            self.close_connection = True

    def _is(self, *kinds: str) -> bool:
        return self.fault is not None and self.fault.kind in kinds

    def _fall_silent(self) -> None:
        self.wfile.flush()
        self.server.closing.wait()
        self.close_connection = True

    def _drip(self, body: bytes, rate: int) -> None:
        """The body at so many bytes a second, in ten bites a second where there are as many bytes."""
        bite = max(1, rate // 10)
        for at in range(0, len(body), bite):
            self.wfile.write(body[at : at + bite])
            if self.server.closing.wait(min(bite, len(body) - at) / rate):
                self.close_connection = True
                return

    def _reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
