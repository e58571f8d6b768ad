"""Why an https or http request failed, in words that are safe to log.

A cause names the environment variable that is involved, since most failed fetches are due to settings. It contains no
text of a server or a proxy, no message of urllib3 (which quotes addresses) and no credential of a proxy.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from contextlib import suppress

from callerid.errors import one_line
from callerid.keys._attempt import FetchError, short_cause
from callerid.keys._environment import OTHER_CA_VARIABLES, ca_bundle, is_https, proxy_for, variable_of
from callerid.keys._source import KeyFile, KeySource

__all__ = ["cause", "overdue"]

TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: ([0-9]{3})\b")
"""The message of http.client where a proxy answers CONNECT with another status than 200."""
PROXY_ADDRESS = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?"
    r"(?:[^/?#]*@)?"
    r"((?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?)/?"
)
"""A proxy's address whose host and port cannot be confused with a part of a password."""


def cause(error: Exception, url: str) -> str:
    """Why the request to ``url`` failed with ``error``, on one line."""
    root = _root(error)
    bundle = ca_bundle() if is_https(url) else None
    if bundle is not None and not os.path.exists(bundle[1]):  # noqa: PTH110 - a Path raises where its folder may not be read
        return f"{bundle[0]} names {one_line(bundle[1])}, which does not exist"
    words = _words(root)
    if isinstance(root, ssl.SSLError) or (bundle is not None and isinstance(root, PermissionError)):
        words = f"{words}; {_trusted(bundle)}"
    return with_proxy(words, url)


def with_proxy(words: str, url: str) -> str:
    """The cause, and which proxy is used for ``url``, if there is one."""
    proxy = proxy_for(url)
    if proxy is None:
        return words
    return f"{words}; proxy: {_without_credentials(proxy)}, from {variable_of(proxy) or 'the settings of the system'}"


def _root(error: BaseException) -> BaseException:
    """The first error of a chain. urllib3 keeps the one that a proxy caused in an attribute."""
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


def _trusted(bundle: tuple[str, str] | None) -> str:
    if bundle is not None:
        return f"CA bundle: {one_line(bundle[1])}, from {bundle[0]}"
    unread = "".join(f", {name} is not read" for name in OTHER_CA_VARIABLES if os.environ.get(name))
    return f"CA bundle: that of certifi (REQUESTS_CA_BUNDLE is not set{unread})"


def _without_credentials(proxy: str) -> str:
    """The host and port of a proxy's address."""
    address = PROXY_ADDRESS.fullmatch(proxy)
    return address[1] if address else "an address that cannot be read"


def overdue(source: KeySource | KeyFile) -> FetchError:
    """The error of a fetch that was aborted when its time was up."""
    cause = f"not done within {source.fetch_seconds:g} s"
    if isinstance(source, KeySource):
        with suppress(Exception):  # proxy settings that cannot be read must not hide the failure
            cause = with_proxy(cause, source.url)
    return FetchError(cause)
