"""A hub on this machine: enough of the Hugging Face Hub's interface for the real client to download from."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

LARGE = 1 << 12  # bytes from which a file is one of Git LFS
COMMIT = hashlib.sha1(b"commit").hexdigest()
KINDS = {"models": "model", "datasets": "dataset"}


def blob_id(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub:
    """`repositories`: (kind, owner/name) -> folder. Every request's path is in `asked`."""

    def __init__(self, repositories, commit=COMMIT):
        self.repositories, self.commit = repositories, commit
        self.asked, self.status = [], 200
        self.spoilt = set()  # names of files that are sent with another content than the hub says

    def described(self, folder: Path):
        files = []
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            content = path.read_bytes()
            entry = {"rfilename": path.relative_to(folder).as_posix(), "size": len(content)}
            entry["blobId"] = blob_id(content)
            if len(content) >= LARGE:
                entry["lfs"] = {
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "size": len(content),
                    "pointerSize": 134,
                }
            files.append(entry)
        return files

    def answer(self, path):
        """(status, headers, body) of one request."""
        self.asked.append(path)
        parts = unquote(urlsplit(path).path).strip("/").split("/")
        if self.status != 200:
            return self.status, {}, b"{}"
        if parts[0] == "api":
            kind, name, rest = KINDS[parts[1]], "/".join(parts[2:4]), parts[4:]
            folder = self.repositories.get((kind, name))
            if folder is None:
                return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
            if rest[:1] == ["revision"] and rest[1] not in ("main", self.commit):
                return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
            files = self.described(folder)
            if rest[:1] == ["tree"]:
                tree = [
                    {
                        "type": "file",
                        "path": f["rfilename"],
                        "size": f["size"],
                        "oid": f["blobId"],
                        **({"lfs": {**f["lfs"], "oid": f["lfs"]["sha256"]}} if "lfs" in f else {}),
                    }
                    for f in files
                ]
                return 200, {}, json.dumps(tree).encode()
            return 200, {}, json.dumps({"id": name, "sha": self.commit, "siblings": files}).encode()
        kind = "dataset" if parts[0] == "datasets" else "model"
        parts = parts[1:] if kind == "dataset" else parts
        folder = self.repositories[kind, "/".join(parts[:2])]
        file = folder.joinpath(*parts[4:])
        content = file.read_bytes()
        large = len(content) >= LARGE
        etag = hashlib.sha256(content).hexdigest() if large else blob_id(content)
        if file.name in self.spoilt:
            content = bytes(len(content))
        return 200, {"ETag": f'"{etag}"', "X-Repo-Commit": self.commit}, content


@contextmanager
def serving(hub):
    """Serve a hub; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = hub.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
