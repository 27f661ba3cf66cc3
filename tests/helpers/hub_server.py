"""A loopback server that speaks the Hub's protocol, as huggingface_hub asks it.

Files that Git LFS stores are on a second server, as on the Hub, which must not see the token.
"""

import hashlib
import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

#: Ends of the names of files in Git LFS.
LFS = (".safetensors", ".bin", ".h5", ".ot", ".msgpack", ".onnx")


@dataclass(frozen=True)
class Request:
    """A request that one of the servers received; the storage has the paths /storage/SHA256."""

    method: str
    path: str
    headers: dict[str, str]

    @property
    def file(self) -> str | None:
        """The name of the file that was asked for, if it is one."""
        match = re.search(r"/(?:resolve|resolve-cache/models/[^/]+/[^/]+)/[^/]+/(.+)$", self.path)
        return match[1] if match else None


@dataclass
class Repository:
    """A repository: commit -> files, and branch or tag -> commit."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    token: str | None = None  # needed to see the repository
    gated: bool = False  # its files need `member`
    member: str | None = None  # a token whose account has access to the gated files
    disabled: bool = False
    moved_to: str | None = None

    def commit(self, files: dict[str, bytes], *, branch: str = "main", tag: str = "") -> str:
        text = repr([(branch, len(self.commits)), sorted(files.items())])
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.commits[sha] = files
        self.branches[branch] = sha
        if tag:
            self.tags[tag] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        if revision in self.commits:
            return revision
        return self.branches.get(revision) or self.tags.get(revision)


class HubServer:
    """The state of the servers: repositories, what goes wrong, and what was asked."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Request] = []
        #: Answers to the next requests whose path matches: (pattern, status, headers).
        self.failures: list[tuple[str, int, dict[str, str]]] = []
        #: SHA-256 -> the bytes after which the connection is closed, once for each number.
        self.cuts: dict[str, list[int]] = {}
        #: SHA-256 -> what is sent instead.
        self.damaged: dict[str, bytes] = {}
        self.bad_token: str | None = None  # not accepted for any request
        self.endpoint = ""
        self.storage = ""

    def add(self, name: str, folder: Path, **settings: Any) -> Repository:
        """A repository with the files of a folder as its first commit."""
        repository = self.repositories[name] = Repository(**settings)
        repository.commit(files_of(folder))
        return repository

    def files(self, method: str = "GET") -> list[str]:
        """The names of the files that were asked for, each once."""
        return sorted({r.file for r in self.requests if r.method == method and r.file})


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"
    # An answer is sent in two parts; the second would wait 40 ms for the first's acknowledgement.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(Request(self.command, path, dict(self.headers.items())))
        self._answer(path)

    do_HEAD = do_GET  # noqa: N815

    def _send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _error(self, status: int, code: str = "", message: str = "", **headers: str) -> None:
        if code:
            headers["X_Error_Code"] = code
        if message:
            headers["X_Error_Message"] = message
        body = json.dumps({"error": message or code}).encode()
        self._send(status, body, Content_Type="application/json", **headers)

    def _answer(self, path: str) -> None:
        raise NotImplementedError


class _HubHandler(_Handler):
    def _answer(self, path: str) -> None:
        for failure in self.hub.failures:
            pattern, status, headers = failure
            if re.search(pattern, path):
                self.hub.failures.remove(failure)
                self._send(status, b"<html>busy</html>", **headers)
                return
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token and token == self.hub.bad_token:
            self._error(401, message="Invalid credentials in Authorization header")
            return
        match = re.match(r"(?:/api/models|/api/resolve-cache/models)?/([^/]+/[^/]+)", path)
        name = match[1] if match else ""
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.token and repository.token != token):
            if not token:  # as the Hub answers, which does not tell whether it exists
                self._error(401, message="Invalid username or password.")
            else:
                self._error(404, "RepoNotFound", "Repository not found")
        elif repository.disabled:
            self._error(403, message="Access to this resource is disabled.")
        elif repository.moved_to:
            self._send(307, Location=self.path.replace(name, repository.moved_to, 1))
        else:
            assert match
            self._answer_for(name, repository, token, path)

    def _answer_for(self, name: str, repository: Repository, token: str, path: str) -> None:
        routes = (
            (rf"/api/models/{name}/refs", self._refs),
            (rf"/api/models/{name}(?:/revision/(?P<revision>.+))?", self._info),
            (rf"/api/models/{name}/tree/(?P<revision>.+)", self._tree),
            (rf"/{name}/resolve/(?P<revision>.+?)/(?P<file>.+)", self._file),
            (rf"/api/resolve-cache/models/{name}/(?P<revision>.+?)/(?P<file>.+)", self._content),
        )
        for pattern, answer in routes:
            if match := re.fullmatch(pattern, path):
                if "file" in match.groupdict() and repository.gated and token != repository.member:
                    status = 403 if token else 401
                    self._error(status, "GatedRepo", f"Access to model {name} is restricted.")
                    return
                revision = match.groupdict().get("revision") or "main"
                commit = repository.resolve(revision)
                if commit is None:
                    self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
                    return
                answer(name, repository, commit, match.groupdict().get("file") or "")
                return
        self._error(404, message="no such route")

    def _json(self, data: object) -> None:
        self._send(200, json.dumps(data).encode(), Content_Type="application/json")

    def _refs(self, name: str, repository: Repository, commit: str, file: str) -> None:
        def refs(kind: str, named: dict[str, str]) -> list[dict[str, str]]:
            return [
                {"name": ref, "ref": f"refs/{kind}/{ref}", "targetCommit": sha}
                for ref, sha in named.items()
            ]

        branches, tags = refs("heads", repository.branches), refs("tags", repository.tags)
        self._json({"branches": branches, "tags": tags, "converts": []})

    def _info(self, name: str, repository: Repository, commit: str, file: str) -> None:
        siblings = []
        for path, data in repository.commits[commit].items():
            sibling: dict[str, Any] = {"rfilename": path, "size": len(data), "blobId": _blob(data)}
            if path.endswith(LFS):
                lfs = {"sha256": digest_of(data), "size": len(data), "pointerSize": 130}
                sibling |= {"lfs": lfs}
            siblings.append(sibling)
        self._json({"_id": "1", "id": name, "modelId": name, "sha": commit, "siblings": siblings})

    def _tree(self, name: str, repository: Repository, commit: str, file: str) -> None:
        files = repository.commits[commit]
        folders = {path.rpartition("/")[0] for path in files} - {""}
        entries: list[dict[str, Any]] = [
            {"type": "directory", "oid": "0" * 40, "size": 0, "path": path} for path in folders
        ]
        for path, data in files.items():
            entry: dict[str, Any] = {"type": "file", "oid": _blob(data), "size": len(data)}
            if path.endswith(LFS):
                entry["lfs"] = {"oid": digest_of(data), "size": len(data), "pointerSize": 130}
            entries.append(entry | {"path": path})
        self._json(entries)

    def _file(self, name: str, repository: Repository, commit: str, file: str) -> None:
        data = repository.commits[commit].get(file)
        if data is None:
            self._error(404, "EntryNotFound", "Entry not found", X_Repo_Commit=commit)
        elif file.endswith(LFS):
            digest = digest_of(data)
            self._send(
                302,
                X_Repo_Commit=commit,
                X_Linked_Etag=f'"{digest}"',
                X_Linked_Size=str(len(data)),
                ETag='"of-the-pointer"',
                Location=f"{self.hub.storage}/storage/{digest}?signature=1",
            )
        else:
            location = f"/api/resolve-cache/models/{name}/{commit}/{file}"
            self._send(307, X_Repo_Commit=commit, Location=location)

    def _content(self, name: str, repository: Repository, commit: str, file: str) -> None:
        data = repository.commits[commit][file]
        sent = self.hub.damaged.get(digest_of(data), data)
        self._send(200, sent, X_Repo_Commit=commit, ETag=f'"{_blob(data)}"')


class _StorageHandler(_Handler):
    def _answer(self, path: str) -> None:
        if "Authorization" in self.headers:  # a signed address and a token are one too many
            self._error(400, message="Only one auth mechanism allowed")
            return
        digest = path.rpartition("/")[2]
        stored = {
            digest_of(data): data
            for repository in self.hub.repositories.values()
            for files in repository.commits.values()
            for data in files.values()
        }
        data = self.hub.damaged.get(digest, stored[digest])
        start = int((self.headers.get("Range") or "bytes=0-")[len("bytes=") : -1])
        headers = {"Content_Length": str(len(data) - start), "ETag": f'"{digest}"'}
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        cuts = self.hub.cuts.get(digest, [])
        end = cuts.pop(0) if cuts else len(data)
        self._send(206 if start else 200, data[start:end], **headers)
        if end < len(data):
            self.close_connection = True


@contextmanager
def served() -> Iterator[HubServer]:
    """Both servers on loopback ports."""
    hub = HubServer()
    servers = []
    for base in (_HubHandler, _StorageHandler):
        handler = type(base.__name__, (base,), {"hub": hub})
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
    hub.endpoint, hub.storage = (f"http://127.0.0.1:{s.server_address[1]}" for s in servers)
    threads = [threading.Thread(target=s.serve_forever, args=(0.01,)) for s in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def use(monkeypatch: pytest.MonkeyPatch, endpoint: str, home: Path) -> None:
    """Let huggingface_hub in this process ask `endpoint`, with its cache in `home`.

    It reads HF_ENDPOINT and HF_HOME when it is imported.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    close_session()
    # No connection is encrypted; to read the system's certificates takes 50 ms for each client.
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_, **__: None)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(home / "stored_tokens"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)


def environment(endpoint: str, home: Path) -> dict[str, str]:
    """The variables by which another process does the same."""
    return {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_TOKEN": ""}
