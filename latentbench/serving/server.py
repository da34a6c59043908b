"""A server on 127.0.0.1 for one page and what it asks for."""

from __future__ import annotations

import errno
import os
import secrets
import signal
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from latentbench.errors import RequestError
from latentbench.serving.answers import ANSWERS, Answer, answered, told_why
from latentbench.serving.guards import MOST_BYTES, Guard, Refusal
from latentbench.serving.models import ServedModels

__all__ = ["PageServer", "page_server", "stop_asked"]

HOST = "127.0.0.1"
PATIENCE = 30.0  # seconds for a request to arrive
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the page's own policy stands in the page
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class PageServer(ThreadingHTTPServer):
    """Serves one page to whoever holds the token.

    Attributes:
        page: the page; empty until it is there.
        models: that answer what the page asks.
        guard: looks at each request.
    """

    allow_reuse_address = os.name == "posix"  # elsewhere that would let two servers share a port
    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.page = b""
        self.models = ServedModels()
        super().__init__((HOST, port), _Exchange)
        self.guard = Guard(secrets.token_urlsafe(32), self.server_port, tuple(ANSWERS))

    def server_bind(self) -> None:
        """Bind without asking a name server what this machine is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    @property
    def address(self) -> str:
        """Where a browser opens the page, the token included."""
        return f"http://{HOST}:{self.server_port}/?token={self.guard.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that hangs up is no news, and a message would hold the token."""


class _Exchange(BaseHTTPRequestHandler):
    """One request and its answer."""

    server: PageServer
    server_version, sys_version = "latentbench", ""
    timeout = PATIENCE

    def do_GET(self) -> None:
        """Answer with the page."""
        if not self._refused():
            self._send(Answer(200, "text/html; charset=utf-8", self.server.page))

    def do_POST(self) -> None:
        """Answer what the page asks."""
        if self._refused():
            return
        address, length = urlsplit(self.path), int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) == length:
            self._send(answered(address.path, dict(parse_qsl(address.query)), body, self.server.models))

    def do_HEAD(self) -> None:
        """Refuse other methods, as they are nowhere allowed."""
        self._refused()

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD  # noqa: N815 - names that the base class looks for

    def _refused(self) -> bool:
        refusal = self.server.guard.refusal(self.command, self.path, self.headers)
        if refusal is not None:
            self._read_on()
            self._send(_in_words(refusal, page=self.command == "GET"), refusal.headers.items())
        return refusal is not None

    def _read_on(self) -> None:
        """Read what else comes: a connection that is closed before loses the answer on its way."""
        text = self.headers.get("Content-Length", "")
        left = min(int(text[:20]), 2 * MOST_BYTES) if text.isascii() and text.isdecimal() else 0
        while left > 0 and (part := self.rfile.read1(min(left, 65536))):
            left -= len(part)

    def _send(self, answer: Answer, headers: Any = ()) -> None:
        self.send_response(answer.status)
        about = {"Content-Type": answer.kind, "Content-Length": str(len(answer.content))}
        for name, value in {**about, **HEADERS, **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is that of the base class
        """Write no log: addresses hold the token."""


def _in_words(refusal: Refusal, *, page: bool) -> Answer:
    if page:
        return Answer(refusal.status, "text/plain; charset=utf-8", f"{refusal.sentence}\n".encode())
    return told_why(refusal.status, refusal.sentence)


@contextmanager
def page_server(port: int) -> Iterator[PageServer]:
    """Listen on a port of this machine, 0 for a free one; serve from then on, until the context ends.

    Raises:
        RequestError: the port is in use, or not allowed.
    """
    try:
        server = PageServer(port)
    except OSError as error:
        reason = {errno.EADDRINUSE: "is in use", errno.EACCES: "is not allowed to this user"}.get(error.errno or 0)
        if reason is None:
            raise
        raise RequestError(
            f"port {port} {reason}; choose another with --port, or leave it out for a free one"
        ) from error
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def stop_asked() -> Iterator[Event]:
    """Within, Ctrl-C and SIGTERM set the event instead of ending the process."""
    asked = Event()

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as `signal` calls it
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
