"""The environment's settings for https connections: the proxy, and which certificates are trusted.

The variables and their order are those of curl and requests. Where none names certificates, those of certifi are used.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

__all__ = ["OTHER_CA_VARIABLES", "ca_bundle", "is_https", "proxy_for", "variable_of"]

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name a bundle of certificates, in order: a file, or a directory prepared for OpenSSL."""
OTHER_CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that OpenSSL reads, but requests and this library do not."""
PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""Variables that name a proxy for https, in order."""

METADATA_HOSTS = frozenset({"metadata", "metadata.google.internal", "fd20:ce::254"})
"""The metadata server, beside its link-local address. What it hands out is this machine's, and no proxy may see it.

Source: Google Cloud, "About VM metadata", "Metadata server endpoints".
"""


def is_https(url: str) -> bool:
    """Whether the environment's settings apply to this URL: loopback http is requested directly."""
    return url[:6].lower() == "https:"


def proxy_for(url: str) -> str | None:
    """The address of the proxy for a URL; ``None`` where it is requested directly.

    ``NO_PROXY`` is read as `urllib.request.proxy_bypass` reads it: names with all names below them, and ``*``. The
    metadata server and link-local addresses are asked directly whatever it says.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not is_https(url) or _is_of_this_link(host) or any(map(proxy_bypass, (host, parts.netloc))):
        return None
    proxies = getproxies()
    return proxies.get("https") or proxies.get("all")


def _is_of_this_link(host: str) -> bool:
    """Whether this names the metadata server, or an address that no router forwards (RFC 3927, RFC 4291)."""
    if host.rstrip(".") in METADATA_HOSTS:
        return True
    try:
        return ip_address(host).is_link_local
    except ValueError:
        return False


def variable_of(proxy: str) -> str | None:
    """The variable that holds a proxy's address; ``None`` where it comes from the system's settings."""
    return next((name for name in PROXY_VARIABLES if os.environ.get(name) == proxy), None)


def ca_bundle() -> tuple[str, str] | None:
    """The variable that says which certificates are trusted, and its value."""
    return next(((name, value) for name in CA_VARIABLES if (value := os.environ.get(name))), None)
