"""What a request must be before anything is done for it: from this machine, with the token, and small."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import parse_qs, urlsplit

__all__ = ["MOST_BYTES", "TOKEN_HEADER", "Guard", "Refusal"]

TOKEN_HEADER = "X-Latentbench-Token"  # noqa: S105 - the name of a header; a page elsewhere cannot send it unasked
MOST_BYTES = 20_000_000  # of a request
NAMES = ("127.0.0.1", "localhost")  # of this machine; another name would be another site that was led here


@dataclass(frozen=True)
class Refusal:
    """Why nothing is done.

    Attributes:
        status: of HTTP.
        sentence: what was expected, what came, what to do.
        headers: that go with the status.
    """

    status: int
    sentence: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Guard:
    """Looks at requests; the page is got, with the token in its address, and anything else is posted.

    Attributes:
        token: that every request must hold.
        port: that the server listens on.
        posts: the paths that are posted to; `/` is the page.
    """

    token: str
    port: int
    posts: tuple[str, ...]

    def refusal(self, method: str, address: str, headers: Message) -> Refusal | None:
        """Return why a request is refused, or None; nothing of its body has been read by then."""
        return (
            self._stranger(headers)
            or self._without_token(method, address, headers)
            or self._wrong_place(method, urlsplit(address).path)
            or (_wrong_body(headers) if method == "POST" else None)
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names by which a browser on this machine calls the server."""
        return tuple(name for host in NAMES for name in (f"{host}:{self.port}", host)[: 1 + (self.port == 80)])

    def _stranger(self, headers: Message) -> Refusal | None:
        hosts, origins = (headers.get_all(name, []) for name in ("Host", "Origin"))
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            return Refusal(403, f"The server answers to {self.hosts[0]} alone; open the address that was printed.")
        if origins not in ([], [f"http://{hosts[0]}"]):
            return Refusal(403, "The server answers its own page alone, and this request comes from another one.")
        return None

    def _without_token(self, method: str, address: str, headers: Message) -> Refusal | None:
        named = parse_qs(urlsplit(address).query).get("token", [])
        given = named if method == "GET" else headers.get_all(TOKEN_HEADER, [])
        if len(given) != 1:
            return Refusal(403, "The request holds no token; open the whole address that was printed.")
        if not hmac.compare_digest(given[0].encode("utf-8", "replace"), self.token.encode()):
            return Refusal(403, "The token is another one; open the address that was printed last.")
        return None

    def _wrong_place(self, method: str, path: str) -> Refusal | None:
        if path != "/" and path not in self.posts:
            return Refusal(404, f"There is nothing at this path; there are {', '.join(('/', *self.posts))}.")
        allowed = "GET" if path == "/" else "POST"
        if method != allowed:
            return Refusal(405, f"{path} takes {allowed}, got {method}.", {"Allow": allowed})
        return None


def _wrong_body(headers: Message) -> Refusal | None:
    lengths = headers.get_all("Content-Length", [])
    if (
        len(lengths) != 1
        or not (lengths[0].isascii() and lengths[0].isdecimal())
        or "Transfer-Encoding" in headers
    ):
        return Refusal(411, "The request must say its length, once, as a whole number of bytes.")
    if int(lengths[0][:20]) > MOST_BYTES:
        return Refusal(413, f"The request is too large: at most {MOST_BYTES / 1e6:.0f} MB are read.")
    if headers.get_content_type() != "application/octet-stream" or "Content-Type" not in headers:
        return Refusal(415, "The request must be plain bytes: Content-Type application/octet-stream.")
    return None
