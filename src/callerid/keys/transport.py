"""One HTTP GET through google-auth's transport, over a session of ours. Imports requests: on first fetch.

google-auth's own session follows redirects, reads any amount and bounds each read alone. This one asks once, reads to
a limit, sends nothing that could tell who is asking, and hangs on a cord.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from google.auth.transport import requests as google_requests
from requests.adapters import HTTPAdapter

from callerid.keys.causes import cause
from callerid.keys.fetch import FetchError

if TYPE_CHECKING:
    import socket

    from callerid.keys.fetch import Cord
    from callerid.keys.source import KeySource

__all__ = ["get"]

HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "callerid"}
STEP = 1024
"""Compressed bytes decoded at a time: gzip grows a step to about 1 MB at most before the limit is looked at."""


def get(source: KeySource, cord: Cord) -> Any:
    """The answer to one GET, as a ``google.auth.transport.Response``; of other statuses than 200 the body is not read.

    No redirects, retries, cookies or credentials. Proxies and certificate bundles named in the environment apply to
    https (``HTTPS_PROXY``, ``REQUESTS_CA_BUNDLE``); loopback http is asked directly.

    Raises FetchError.
    """
    with requests.Session() as session:
        session.headers.clear()
        session.auth = _no_credentials  # else requests would look into ~/.netrc
        scheme = urlsplit(source.url).scheme
        session.trust_env = scheme == "https"
        session.adapters.clear()
        session.mount(f"{scheme}://", _Adapter(source, cord))
        request: Any = google_requests.Request(session)
        timeout = (source.fetch_seconds / 2, source.fetch_seconds)  # a dead first address leaves time for a second
        try:
            return request(source.url, headers=HEADERS, timeout=timeout, stream=True, allow_redirects=False)
        except FetchError:
            raise
        except Exception as error:
            raise FetchError(cause(error, source.url)) from error


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _Adapter(HTTPAdapter):
    """Connects on the cord and reads to the limit."""

    def __init__(self, source: KeySource, cord: Cord) -> None:
        self._source = source
        self._cord = cord
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _tie(self.poolmanager, self._cord)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        _tie(manager, self._cord)
        return manager

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **kwargs)
        with response.raw as raw:
            body = self._read(raw) if response.status_code == 200 else b""
        response.raw = io.BytesIO(body)
        return response

    def _read(self, raw: Any) -> bytes:
        coding = raw.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity", "gzip"):
            raise FetchError("a Content-Encoding that was not asked for")
        body = bytearray()
        for step in raw.stream(STEP, decode_content=True):
            body += step
            if len(body) > self._source.largest_document:
                raise FetchError(f"larger than {self._source.largest_document} bytes")
        return bytes(body)


def _tie(manager: Any, cord: Cord) -> None:
    """Makes every connection of a pool manager, whatever its kind, hang on the cord as soon as it stands."""
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _tied_pool(pool, cord) for scheme, pool in pools.items()}


def _tied_pool(pool: Any, cord: Cord) -> type:
    return type(pool.__name__, (pool,), {"ConnectionCls": _tied_connection(pool.ConnectionCls, cord)})


def _tied_connection(connection: Any, cord: Cord) -> type:
    def connect(self: Any) -> socket.socket:
        return cord.hold(connection._new_conn(self))  # noqa: SLF001 - where urllib3 opens a socket, and nowhere else

    return type(connection.__name__, (connection,), {"_new_conn": connect})
