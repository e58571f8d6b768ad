"""What a local issuer knows: who signs, who is signed in, on which machine it pretends to be, where it serves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from callerid.testing import _claims as says
from callerid.testing._access_tokens import AccessTokens
from callerid.testing._app_check import AppCheckTokens
from callerid.testing._faults import KeyEndpoints
from callerid.testing._hostile import HostileMint
from callerid.testing._key_paths import jwks_path, pem_path
from callerid.testing._own_credentials import OwnCredentials
from callerid.testing._security_events import SecurityEventMint
from callerid.testing._server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["LocalGoogle"]


class LocalGoogle(HostileMint, AccessTokens, AppCheckTokens, OwnCredentials, SecurityEventMint, KeyEndpoints):
    """The part of a `LocalIssuer` by which the answers of Google's endpoints are made."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        """``clock`` gives the seconds since the epoch; it fills ``iat`` and ``exp`` and dates the certificates."""
        HostileMint.__init__(self, clock=clock)
        AccessTokens.__init__(self)
        AppCheckTokens.__init__(self)
        OwnCredentials.__init__(self)
        KeyEndpoints.__init__(self)
        self.metadata_machine: Mapping[str, Any] = says.COMPUTE_ENGINE
        self._metadata_account = "123456789012-compute@developer.gserviceaccount.com"
        self.signed_in: dict[tuple[str, str], str] = {}
        """By client id and refresh token, the address of whoever signed in."""
        self._server: Server | None = None

    @property
    def is_serving(self) -> bool:
        """Whether the HTTP server runs."""
        return self._server is not None

    @property
    def url(self) -> str:
        """The server's address, ``http://127.0.0.1:PORT``. Raises `RuntimeError` while it does not serve."""
        if self._server is None:
            raise RuntimeError("This issuer does not serve: write `with LocalIssuer() as issuer:`, or call serve().")
        return self._server.url

    @property
    def metadata_account(self) -> str:
        """The service account whose machine the metadata server pretends to be on. May be set."""
        return self._metadata_account

    @metadata_account.setter
    def metadata_account(self, email: str) -> None:
        if not says.is_service_account(email):
            raise ValueError(f"{email!r} is not a service account's address: those end in gserviceaccount.com.")
        self._metadata_account = email

    def jwks_url(self, which: str = "google") -> str:
        """Where the signer's JWK set is served."""
        return self.url + jwks_path(which)

    def pem_url(self, which: str = "google") -> str:
        """Where the signer's X.509 certificates are served."""
        return self.url + pem_path(which)
