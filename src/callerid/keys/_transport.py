"""One HTTP request with urllib3, which is imported on first fetch.

It sends one request, reads up to a limit, sends nothing that identifies the client, and can be aborted by another
thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import certifi
from urllib3 import PoolManager, ProxyManager, Timeout, make_headers
from urllib3.util import Url, parse_url

from callerid.keys._attempt import AbortHandle, FetchError, KeyResponse, watched
from callerid.keys._causes import cause, overdue
from callerid.keys._environment import ca_bundle, is_https, proxy_for

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from callerid.keys._source import KeySource

__all__ = ["ask", "get", "manager_for"]

HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "callerid"}
STEP = 1024
"""Compressed bytes decoded at a time: gzip grows a step to about 1 MB at most before the limit is looked at."""


def get(source: KeySource, handle: AbortHandle) -> KeyResponse:
    """The answer to one GET: see `_sent`."""
    return _sent(source, handle, "GET", HEADERS)


def ask(source: KeySource, body: bytes | None, headers: Mapping[str, str]) -> KeyResponse:
    """The answer to one POST with this body, or to one GET without, read whatever its status is; see `_sent`.

    It ends in time by itself.
    """
    with watched(source.fetch_seconds, AbortHandle.abort) as handle:
        try:
            return _sent(source, handle, "GET" if body is None else "POST", {**HEADERS, **headers}, body, is_read=True)
        except FetchError:
            if handle.is_aborted:
                raise overdue(source) from None
            raise


def _sent(  # noqa: PLR0913 - what a request is made of
    source: KeySource,
    handle: AbortHandle,
    method: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    is_read: bool = False,
) -> KeyResponse:
    """The answer to one request.

    No redirects, retries, cookies, nor credentials that were not given. Proxies and certificate bundles named in the
    environment apply to https (``HTTPS_PROXY``, ``REQUESTS_CA_BUNDLE``); loopback http is asked directly.

    Raises FetchError.
    """
    timeout = Timeout(
        source.fetch_seconds / 2, source.fetch_seconds
    )  # if the first address does not answer, time is left for a second
    try:
        with manager_for(source.url) as manager:
            _make_abortable(manager, handle)
            response = manager.request(
                method,
                source.url,
                body=body,
                headers=headers,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            with response:
                read = _read(response, source.largest_document) if is_read or response.status == 200 else b""
            return KeyResponse(response.status, response.headers, read)
    except FetchError:
        raise
    except Exception as error:
        raise FetchError(cause(error, source.url)) from error


def manager_for(url: str) -> PoolManager:
    """A pool manager for this address, by the proxies and certificate bundles named in the environment."""
    if not is_https(url):
        return PoolManager()
    named = ca_bundle()
    bundle = certifi.where() if named is None else named[1]
    trusted: dict[str, Any] = {
        "ca_cert_dir" if Path(bundle).is_dir() else "ca_certs": bundle,
        "cert_reqs": "CERT_REQUIRED",
    }
    proxy = proxy_for(url)
    return PoolManager(**trusted) if proxy is None else _through(proxy, trusted)


def _through(proxy: str, trusted: Mapping[str, Any]) -> PoolManager:
    """A pool manager that goes through this proxy, which is an HTTP proxy where its address names no scheme."""
    address = parse_url(proxy if "://" in proxy else f"http://{proxy}")
    name, colon, password = (unquote(part) for part in (address.auth or "").partition(":"))
    plain = Url(address.scheme, None, address.host, address.port).url
    if plain.startswith("socks"):
        from urllib3.contrib.socks import SOCKSProxyManager  # noqa: PLC0415 - needs PySocks, which few have

        return SOCKSProxyManager(plain, name or None, password or None, **trusted)
    headers = make_headers(proxy_basic_auth=f"{name}:{password}") if colon else None
    return ProxyManager(plain, proxy_headers=headers, **trusted)


def _read(response: Any, largest: int) -> bytes:
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity", "gzip"):
        raise FetchError("a Content-Encoding that was not asked for")
    body = bytearray()
    for step in response.stream(STEP, decode_content=True):
        body += step
        if len(body) > largest:
            raise FetchError(f"larger than {largest} bytes")
    return bytes(body)


def _make_abortable(manager: Any, handle: AbortHandle) -> None:
    """Register the sockets of all connections of a pool manager with the handle, as soon as they are connected."""
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _abortable_pool(pool, handle) for scheme, pool in pools.items()}


def _abortable_pool(pool: Any, handle: AbortHandle) -> type:
    return type(pool.__name__, (pool,), {"ConnectionCls": _abortable_connection(pool.ConnectionCls, handle)})


def _abortable_connection(connection: Any, handle: AbortHandle) -> type:
    def connect(self: Any) -> socket.socket:
        return handle.register(connection._new_conn(self))  # noqa: SLF001 - where urllib3 opens a socket, and nowhere else

    return type(connection.__name__, (connection,), {"_new_conn": connect})
