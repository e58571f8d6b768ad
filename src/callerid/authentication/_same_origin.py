"""Whether a browser's request comes from the application's own pages. Pure.

Browsers add cookies, and so what stands behind IAP's cookie, to requests that any site's page makes. They also say
where a request comes from, in headers that no page can set. The decision is that of Go's ``CrossOriginProtection``
(net/http, Go 1.25), with two differences: WebSocket handshakes are judged whatever their method, and ``Origin`` is
compared with the origins that the guard was told, never with ``Host``, which proxies change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from callerid.errors import ConfigurationError, CrossSite

__all__ = ["METHOD", "PROOF_HEADERS", "check_same_origin", "origins"]

METHOD: Final = ":method"
"""Under which name the request's method stands among its headers, as in HTTP/2 (RFC 9113 section 8.3.1)."""

PROOF_HEADERS: Final = ("sec-fetch-site", "origin", "upgrade")
"""The headers that are looked at beside the method."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?")


def origins(given: Iterable[str]) -> frozenset[str]:
    """The origins that are trusted, as a set. Raises `ConfigurationError` for what is no origin (RFC 6454 section 6.2).

    Browsers write them in lower case and without the scheme's own port, so that no other form can ever be met.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ConfigurationError(
            f"trusted_origins= takes several: write trusted_origins=({given!r},)", code="trusted-origins"
        )
    found: list[str] = []
    for origin in given:
        if not isinstance(origin, str) or not _ORIGIN.fullmatch(origin):
            raise ConfigurationError(
                f"{origin!r} is no origin: write scheme and host in lower case, and the port if it is not the scheme's "
                "own, such as 'https://orders.example.com'",
                code="trusted-origins",
            )
        scheme, _, port = (*origin.partition("://")[::2], origin.rpartition(":")[2])
        if (scheme, port) in (("https", "443"), ("http", "80")):
            raise ConfigurationError(
                f"{origin!r} is never sent: browsers leave out the port {port} of {scheme}", code="trusted-origins"
            )
        found.append(origin)
    return frozenset(found)


def check_same_origin(sent: Mapping[str, list[str]], trusted: frozenset[str]) -> None:
    """Raise `CrossSite` unless a request is one that another site's page cannot make, or that changes nothing.

    ``sent`` has the `METHOD` and the `PROOF_HEADERS`. A request with neither ``Sec-Fetch-Site`` nor ``Origin`` comes
    from no browser, which would send one of them. Where the method is not told, nothing is taken for granted.
    """
    is_handshake = "websocket" in ",".join(sent.get("upgrade", ())).lower()
    if sent.get(METHOD, [""])[0] in _SAFE and not is_handshake:
        return
    sites, came_from = sent.get("sec-fetch-site", []), sent.get("origin", [])
    if sites in (["same-origin"], ["none"]) or (len(came_from) == 1 and came_from[0] in trusted):
        return
    if sites or came_from or METHOD not in sent:
        site, origin = _words("Sec-Fetch-Site", sites), _words("Origin", came_from)
        raise CrossSite(
            f"expected a request of the application's own pages, got {site} and {origin}",
            remedy="if this origin's pages may act for whoever is signed in, or it is the application's own and the "
            "browser sends no Sec-Fetch-Site, name it: Guard(..., trusted_origins=('https://…',))",
        )


def _words(name: str, values: list[str]) -> str:
    return f"{name} {', '.join(values)[:200]!a}" if values else f"no {name}"
