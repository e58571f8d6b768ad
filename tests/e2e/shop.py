"""The shop on a real server, visited by a real browser, with other people's sites around it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from callerid.testing import LocalIssuer
from tests.servers import Address, gunicorn, hypercorn, uvicorn

from .conftest import Browse
from .sites import Certificate, elsewhere

__all__ = ["EVIL", "FRAMEWORKS", "PARTNER", "SHOP", "SIBLING", "WITH_SOCKETS", "Shop", "Told", "opened"]

SHOP, EVIL, PARTNER = "https://shop.example", "https://evil.example", "https://partner.example"
SIBLING = "https://blog.shop.example"
"""Of the same site as the shop, as browsers understand it, and another origin."""

WATCHED = ("/orders", "/open", "/away", "/live", "/sign-in")
WITH_SOCKETS = ("fastapi", "fastapi by HTTP/2", "starlette")
FRAMEWORKS = (*WITH_SOCKETS, "flask")


@dataclass(frozen=True)
class Told:
    """What the shop tells of the requests that came."""

    events: list[dict[str, Any]]

    @property
    def requests(self) -> list[str]:
        """Method, site and origin of each request as it came, and whether it had the cookie."""
        return [
            f"{each['method']} {each['sec-fetch-site']} {each['origin']} {'signed in' if each['cookie'] else 'nobody'}"
            for each in self._of("request")
        ]

    @property
    def versions(self) -> set[str]:
        """The versions of HTTP by which requests came, where the server tells them."""
        return {each["version"] for each in self._of("request")}

    @property
    def decisions(self) -> list[str]:
        """The outcome of each decision of the guard, with its reason or caller."""
        return [f"{each['outcome']} {each['reason'] or each['caller']}" for each in self._of("decision")]

    @property
    def details(self) -> list[str]:
        """What the log says beside the reasons."""
        return [each["detail"] for each in self._of("decision")]

    @property
    def ran(self) -> list[str]:
        """The methods and callers that handlers ran for."""
        return [f"{each['method']} {each['caller']}" for each in self._of("ran")]

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each["kind"] == kind]


@dataclass
class Shop:
    """What a test does with it."""

    browser: Any
    events: Path
    cookie: dict[str, Any] = field(repr=False)
    issuer: LocalIssuer
    seen: int = field(default=0, init=False)

    @contextlib.contextmanager
    def visited(self, origin: str, **cookie: Any) -> Iterator[Any]:
        """A new page at this origin, in a browser that is signed in to the shop. ``cookie`` changes its attributes."""
        self.browser.clear_cookies()
        self.browser.add_cookies([{**self.cookie, **cookie}])
        with self.browser.new_page() as page:
            page.goto(f"{origin}/")
            self.told()
            yield page

    def told(self) -> Told:
        """What happened since this was last asked, but for the icons that browsers fetch when they like."""
        lines = self.events.read_text(encoding="utf-8").splitlines()
        new, self.seen = lines[self.seen :], len(lines)
        return Told([event for event in map(json.loads, new) if event["path"] in WATCHED])


_BY_UVICORN = ("--factory", "--timeout-graceful-shutdown=1")
_SERVERS: dict[str, tuple[Callable[..., contextlib.AbstractContextManager[Address]], str, tuple[str, ...]]] = {
    "fastapi": (uvicorn, "in_fastapi", _BY_UVICORN),
    "fastapi by HTTP/2": (hypercorn, "in_fastapi()", ()),
    "starlette": (uvicorn, "in_starlette", _BY_UVICORN),
    "flask": (gunicorn, "in_flask()", ("--threads=8",)),
}


@contextlib.contextmanager
def opened(framework: str, browse: Browse, certificate: Certificate, folder: Path) -> Iterator[Shop]:
    """The shop in this framework, which trusts itself and `PARTNER`."""
    events = folder / "events.jsonl"
    events.touch()
    serve, app, options = _SERVERS[framework]
    prefix = "--ssl-" if serve is uvicorn else "--"
    options += (f"{prefix}certfile={certificate.file}", f"{prefix}keyfile={certificate.key}")
    with LocalIssuer() as issuer, pytest.MonkeyPatch.context() as environment:
        environment.setenv("EVENTS", str(events))
        environment.setenv("TRUSTED", f"{SHOP} {PARTNER}")
        environment.setenv("GOOGLE_KEYS", issuer.jwks_url("google"))
        environment.setenv("FIREBASE_KEYS", issuer.jwks_url("firebase"))
        environment.setenv("SESSION_KEYS", issuer.jwks_url("firebase_session"))
        cookie = {
            "name": "session",
            "value": issuer.session_cookie(issuer.firebase_user("ada")),
            "domain": "shop.example",
            "path": "/",
            "secure": True,
            "httpOnly": True,
            "sameSite": "None",
        }
        with serve(f"tests.e2e.guarded:{app}", *options) as (_, own), elsewhere(certificate) as port:
            hosts = {"shop.example": own} | dict.fromkeys(
                ("evil.example", "partner.example", "blog.shop.example"), port
            )
            with browse(hosts) as browser:
                yield Shop(browser, events, cookie, issuer)
