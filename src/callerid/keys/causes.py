"""Why an https or http connection brought no answer, in words fit for a log. Imports requests: on first fetch.

A cause names the environment variable that has a part in it, for most failed fetches are a matter of settings. It
holds no word of a server or a proxy, no message of requests (which quote addresses) and no credential of a proxy.
"""

from __future__ import annotations

import os
import re
import socket
import ssl

from requests.utils import get_environ_proxies, select_proxy

from callerid.errors import one_line
from callerid.keys.fetch import short_cause

__all__ = ["cause", "with_proxy"]

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""What requests takes a bundle of certificates from, the first first."""
OTHER_CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""What OpenSSL reads, and requests does not."""
PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""What requests takes a proxy for https from, the first first."""
TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: ([0-9]{3})\b")
"""What http.client says when a proxy answers CONNECT with another status than 200."""
PROXY_ADDRESS = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?"
    r"(?:[^/?#]*@)?"
    r"((?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?)/?"
)
"""A proxy's address with a host and a port that no part of a password can be taken for."""


def cause(error: Exception, url: str) -> str:
    """Why asking ``url`` failed with ``error``, on one line."""
    root = _root(error)
    bundle = _bundle() if url.lower().startswith("https:") else None
    if bundle is not None and not os.path.exists(bundle[1]):  # noqa: PTH110 - as requests asks
        return f"{bundle[0]} names {one_line(bundle[1])}, which does not exist"
    words = _words(root)
    if isinstance(root, ssl.SSLError) or (bundle is not None and isinstance(root, PermissionError)):
        words = f"{words}; {_ca_bundle(bundle)}"
    return with_proxy(words, url)


def with_proxy(words: str, url: str) -> str:
    """The words, and through which proxy ``url`` is asked, if through one."""
    proxy = select_proxy(url, get_environ_proxies(url)) if url.lower().startswith("https:") else None
    if not proxy:
        return words
    named = (name for name in PROXY_VARIABLES if os.environ.get(name) == proxy)
    return f"{words}; proxy: {_without_credentials(proxy)}, from {next(named, 'the settings of the system')}"


def _root(error: BaseException) -> BaseException:
    """The first of a chain of errors. urllib3 keeps what a proxy caused in an attribute."""
    before = error.__cause__ or getattr(error, "original_error", None) or error.__context__
    return _root(before) if isinstance(before, BaseException) else error


def _words(root: BaseException) -> str:
    if isinstance(root, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {root.verify_message.rstrip('.')}"
    if isinstance(root, socket.gaierror):
        return f"a name cannot be looked up: {root.strerror}"
    if refused := TUNNEL_REFUSED.match(str(root)):
        return f"the proxy answered with HTTP status {refused[1]}"
    return short_cause(root)


def _bundle() -> tuple[str, str] | None:
    """The variable that says which certificates are trusted, and its value."""
    return next(((name, value) for name in CA_VARIABLES if (value := os.environ.get(name))), None)


def _ca_bundle(bundle: tuple[str, str] | None) -> str:
    if bundle is not None:
        return f"CA bundle: {one_line(bundle[1])}, from {bundle[0]}"
    unread = "".join(f", {name} is not read" for name in OTHER_CA_VARIABLES if os.environ.get(name))
    return f"CA bundle: that of certifi (REQUESTS_CA_BUNDLE is not set{unread})"


def _without_credentials(proxy: str) -> str:
    """The host and port of a proxy's address."""
    address = PROXY_ADDRESS.fullmatch(proxy)
    return address[1] if address else "an address that cannot be read"
