"""`LocalIssuer`: a stand-in for Google on the developer's own machine, with real keys, documents and headers."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Self

from callerid.testing import _claims as says
from callerid.testing._defaults import GCLOUD_CLIENT
from callerid.testing._endpoints import answer, id_token_of
from callerid.testing._local_issuers import LocalIssuers
from callerid.testing._server import Server

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from callerid.guard import GuardCore

__all__ = ["LocalIssuer"]


class LocalIssuer(LocalIssuers):
    """Mints what Google would mint and, once it serves, answers what Google would answer.

    For instance::

        with LocalIssuer() as issuer:
            guard = Guard(issuer.google("https://orders.example.com"))
            headers = issuer.bearer(issuer.service_account(audience="https://orders.example.com"))

    No server is needed to mint. Keys are made at run time, live in memory and are never stored. Its tokens are worth
    nothing to a guard that trusts Google: they are signed by other keys.
    """

    def __repr__(self) -> str:
        return f"<LocalIssuer at {self.url}>" if self.is_serving else "<LocalIssuer, not serving>"

    def serve(self, port: int = 0) -> Self:
        """Start the HTTP server on 127.0.0.1; port 0 takes a free one. Use the result in ``with``, or call `close`.

        Raises `RuntimeError` if it serves already, `OSError` if the port is taken.
        """
        if self._server is not None:
            raise RuntimeError(f"This issuer serves already, at {self.url}.")
        self.resume()
        self._server = Server(partial(answer, self), port=port)
        return self

    def close(self) -> None:
        """Stop the server; nothing happens if there is none. Minting goes on working, and so does a new `serve`."""
        if self._server is not None:
            self.release()
            self._server.close()
            self._server = None

    def __enter__(self) -> Self:
        return self if self.is_serving else self.serve()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def stands_in_for(self, guard: GuardCore, *more: GuardCore) -> Generator[Self]:
        """While active, guards that exist already take this issuer's tokens and no others: for those of a module.

        For instance::

            with LocalIssuer().stands_in_for(guard) as issuer:
                token = issuer.workspace_person("ada@example.com")
                assert client.get("/reports", headers=issuer.bearer(token)).status_code == 200

        Names, audiences, projects, clock and rules stay; only the keys are others, from where `google` has them.
        Tokens that the guard remembers are not believed inside the block, nor those of this issuer after it. At the
        end, after an error too, the guard trusts whom it trusted before; what it was told to trust meanwhile is
        forgotten. A guard made by ``Guard.like`` is one of its own: name it, too.

        Blocks of the same issuer may nest and end in any order. Raises `RuntimeError` where another one stands in for
        a guard, `ConfigurationError` for a guard without issuers.
        """
        from callerid.testing._standing_in import standing_in_alone  # noqa: PLC0415 - minting needs no guard

        with standing_in_alone(self, guard, *more):
            yield self

    def add_person(self, email: str = "ada@example.com", *, client_id: str = GCLOUD_CLIENT) -> dict[str, str]:
        """A person who signed in by ``gcloud auth login``, or by another client: what is left of that.

        For ``google.oauth2.credentials.Credentials(None, **info)``, whose ``id_token`` after ``refresh`` is that of a
        person with the audience ``client_id``: of a Workspace account, but for ``gmail.com`` addresses. Raises
        `ValueError` for what Google never mints, `RuntimeError` while the issuer does not serve.
        """
        id_token_of(self, email, client_id)  # raises now, and not when it is refreshed
        refresh_token = f"1//{secrets.token_urlsafe(40)}"
        token_uri = f"{self.url}/token"
        self.signed_in[client_id, refresh_token] = email
        return {
            "client_id": client_id,
            "client_secret": secrets.token_urlsafe(16),
            "refresh_token": refresh_token,
            "token_uri": token_uri,
        }

    def add_service_account(self, email: str = "robot@shop-prod.iam.gserviceaccount.com") -> dict[str, str]:
        """A service account with a key of its own: what its key file would hold, ``token_uri`` pointing here.

        For ``service_account.IDTokenCredentials.from_service_account_info(info, target_audience=...)``. Its public
        keys are served where Google serves them, and ``sign(..., key=email)`` signs with its key. Adding it again
        gives the same key. Raises `ValueError` for an address outside ``gserviceaccount.com``, `RuntimeError` while
        the issuer does not serve.
        """
        key = self.account_keys(email).current
        token_uri = f"{self.url}/token"
        return {
            "type": "service_account",
            "project_id": email.partition("@")[2].partition(".")[0],
            "private_key_id": key.kid,
            "private_key": key.private_pem(),
            "client_email": email,
            "client_id": says.numeric_id(email),
            "token_uri": token_uri,
            "client_x509_cert_url": self.pem_url(email),
            "universe_domain": "googleapis.com",
        }
