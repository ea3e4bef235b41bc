"""A web server on 127.0.0.1 that misbehaves on demand."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Site:
    """What the server gives, and what it was asked."""

    content: bytes
    folder: Path | None = None
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    requests: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.requests.append({key.lower(): value for key, value in self.headers.items()})
            if site.statuses:
                self.send_response(site.statuses.pop(0))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if site.folder is not None:
                site.content = (site.folder / self.path.rpartition("/")[2]).read_bytes()
            self._send(self._start())

        def _start(self) -> int:
            asked = self.headers.get("Range")
            return int(asked.removeprefix("bytes=").rstrip("-")) if asked and site.ranges else 0

        def _send(self, start: int) -> None:
            total = len(site.content)
            if start >= total and start:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            self.send_header("Content-Length", str(total - start))
            self.end_headers()
            body = site.content[start:]
            self.wfile.write(body[: site.cuts.pop(0)] if site.cuts else body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextlib.contextmanager
def serve(site: Site) -> Iterator[Site]:
    """Run `site` on a free port for the length of a with block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
