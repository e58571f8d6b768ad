"""Which requests the page answers, and the headers of its answers.

The page calls an application as anybody, so no page of another site may make it do so, nor read what it says:

- The ``Host`` must be a name of the loopback interface: a site whose name is made to lead here (DNS rebinding) has
  another one.
- What a browser says to come from another site is refused, but for the plain way to the front page.
- A POST must come from the page itself: by its ``Origin``, and by a token that only the page knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "LOOPBACK", "PageSecurity", "is_loopback"]

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""The names of the loopback interface that the page answers to, and that it may be bound to."""

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a form of the page itself has no Origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What every answer of the page says."""


def is_loopback(host: str) -> bool:
    """Whether a name is one of the loopback interface."""
    return host.lower() in LOOPBACK


class PageSecurity:
    """ASGI middleware: refuses what no browser's own page sends, and adds `HEADERS`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        problem = _problem(scope)
        app = self._app if problem is None else PlainTextResponse(f"{problem}\n", 403)
        await app(scope, receive, send_more)


def _problem(scope: Scope) -> str | None:
    """Why a request is refused, or nothing."""
    headers = Headers(scope=scope)
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not _is_own_host(hosts[0]):
        return "The access page answers to 127.0.0.1 and localhost alone: open it by that address."
    site = headers.get("sec-fetch-site", "none")
    is_front = scope["method"] == "GET" and scope["path"] == "/" and not scope["query_string"]
    if site not in ("none", "same-origin") and not (is_front and headers.get("sec-fetch-mode") == "navigate"):
        return "Another site's page asked for this. Open the access page by its address."
    if scope["method"] not in ("GET", "HEAD") and headers.get("origin") != f"http://{hosts[0]}":
        return "This has to come from the access page itself (Origin)."
    return None


def _is_own_host(host: str) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        return is_loopback(parts.hostname or "") and parts.username is None and not parts.path and parts.port != 0
    except ValueError:
        return False
