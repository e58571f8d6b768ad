"""Access to Google's own APIs. Imports google.auth and an HTTP client when it is asked for."""

from __future__ import annotations

import threading
from typing import Any, Final

from callerid._forks import renew_in_child

__all__ = ["GoogleAccess"]


_TIMEOUT: Final = 5.0
"""Seconds; google-auth waits for two minutes by itself."""


class GoogleAccess:
    """Access tokens for Google's APIs: of the credentials given, else of application-default credentials.

    ``scope`` is what the latter are for. Tokens are asked for through the proxy, and by the certificates, that the
    environment names; the metadata server is asked directly. Source: google-auth, ``google.auth.default``.
    """

    def __init__(self, credentials: Any = None, *, scope: str) -> None:
        self._credentials, self._scope = credentials, scope
        self.renew_after_fork()
        renew_in_child(self)

    def renew_after_fork(self) -> None:
        """Replace the lock, which is held while Google is asked; a forked child calls it by itself."""
        self._lock = threading.Lock()

    def token(self) -> str:
        """An access token that is valid now. It waits for the network, so it is called in a thread."""
        with self._lock:
            if self._credentials is None:
                import google.auth  # noqa: PLC0415 - loaded when it is asked for

                library: Any = google.auth
                self._credentials, _ = library.default(scopes=[self._scope])
            if not self._credentials.valid:
                self._credentials.refresh(_request)
            return str(self._credentials.token)


def _request(url: str, **asked: Any) -> Any:
    """One request of google-auth's, through the proxy and by the certificates that keys are fetched by."""
    from google.auth.transport.urllib3 import Request  # noqa: PLC0415 - loaded when it is asked for

    from callerid.keys._transport import manager_for  # noqa: PLC0415 - as above

    transport: Any = Request
    with manager_for(url) as manager:
        return transport(manager)(url=url, **{**asked, "timeout": asked.get("timeout") or _TIMEOUT})
