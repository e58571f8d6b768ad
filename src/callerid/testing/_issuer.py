"""`LocalIssuer`: a stand-in for Google on the developer's own machine, with real keys, documents and headers."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, Self, cast
from urllib.parse import urlsplit

from callerid.callers import Kind
from callerid.testing import _claims as says
from callerid.testing._access_tokens import TOKEN_INFO_PATH, AccessTokens
from callerid.testing._app_check import AppCheckTokens
from callerid.testing._defaults import CHAT_ACCOUNT, GCLOUD_CLIENT, OIDC_AUDIENCE, PROJECT_NUMBER, SERVICE_AUDIENCE
from callerid.testing._endpoints import ReceivedRequest, answer, id_token_of, jwks_path, pem_path
from callerid.testing._faults import KeyEndpoints
from callerid.testing._hostile import HostileMint
from callerid.testing._own_credentials import OwnCredentials
from callerid.testing._security_events import SecurityEventMint
from callerid.testing._server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from types import TracebackType

    from callerid.guard import GuardCore
    from callerid.issuers import Consumer, Issuer
    from callerid.keys import KeyDocument, KeyResponse, KeySource

__all__ = ["LocalIssuer"]


class LocalIssuer(HostileMint, AccessTokens, AppCheckTokens, OwnCredentials, SecurityEventMint, KeyEndpoints):
    """Mints what Google would mint and, once it serves, answers what Google would answer.

    For instance::

        with LocalIssuer() as issuer:
            guard = Guard(issuer.google("https://orders.example.com"))
            headers = issuer.bearer(issuer.service_account(audience="https://orders.example.com"))

    No server is needed to mint. Keys are made at run time, live in memory and are never stored. Its tokens are worth
    nothing to a guard that trusts Google: they are signed by other keys.
    """

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

    def google(self, *audiences: str, gcloud: bool = False) -> Issuer:
        """``callerid.google(*audiences)``, with the keys of this issuer.

        The keys come over HTTP if it serves; else they are those of this moment, and `rotate` is not noticed.
        """
        from callerid.issuers import google  # noqa: PLC0415 - minting must not depend on it

        return google(*audiences, gcloud=gcloud, keys=self.keys_of("google"))

    def firebase(self, project: str, tenants: Iterable[str] = ()) -> Issuer:
        """``callerid.firebase(project, tenants)``, with the keys of this issuer, from where `google` has them."""
        from callerid.issuers import firebase  # noqa: PLC0415 - minting must not depend on it

        return firebase(project, tenants, keys=self.keys_of("firebase"))

    def cloud_run(self, *audiences: str, probes: Iterable[str] = (), gcloud: bool = False) -> Issuer:
        """``callerid.cloud_run(*audiences)``, with the keys of this issuer and a front door of its own."""
        from callerid.issuers import cloud_run  # noqa: PLC0415 - minting must not depend on it

        issuer = cloud_run(*audiences, probes=probes, gcloud=gcloud, insist=True)
        return issuer.with_keys(self.google(*audiences).keys)

    def service_account_issuer(self, email: str, *audiences: str, longest_lifetime: int = 3600) -> Issuer:
        """``callerid.service_account(email, *audiences)``, with the keys that sign `self_signed` tokens."""
        from callerid.issuers import service_account  # noqa: PLC0415 - minting must not depend on it

        self.account_keys(email)
        return service_account(email, *audiences, longest_lifetime=longest_lifetime, keys=self.keys_of(email))

    def oidc(
        self, issuer: str = says.OIDC_ISSUER, *audiences: str, algorithm: Literal["RS256", "ES256"] = "RS256"
    ) -> Issuer:
        """``callerid.oidc(issuer, *audiences)``, with the keys that sign its `oidc_caller` tokens.

        Without audiences it is for ``"orders"``. While this issuer serves, it is a provider itself, by the name of its
        ``url``: ``callerid.oidc(issuer.url, "orders")`` finds the keys by its metadata.
        """
        from callerid.issuers import oidc  # noqa: PLC0415 - minting must not depend on it

        self.oidc_keys(issuer, algorithm)
        return oidc(issuer, *(audiences or (OIDC_AUDIENCE,)), keys=self.keys_of(issuer), algorithm=algorithm)

    def google_chat(self, project_number: int | str = PROJECT_NUMBER) -> Issuer:
        """``callerid.google_chat(project_number)``, with the keys that sign `chat` tokens."""
        from callerid.issuers import google_chat  # noqa: PLC0415 - minting must not depend on it

        self.account_keys(CHAT_ACCOUNT)
        return google_chat(project_number, keys=self.keys_of(CHAT_ACCOUNT))

    def firebase_session(self, project: str, tenants: Iterable[str] = (), *, cookie: str = "session") -> Issuer:
        """``callerid.firebase_session(project, tenants, cookie=...)``, with keys of this issuer, as for `google`."""
        from callerid.issuers import firebase_session  # noqa: PLC0415 - minting must not depend on it

        return firebase_session(project, tenants, cookie=cookie, keys=self.keys_of("firebase_session"))

    def iap(self, *audiences: str, external: str | None = None, tenants: Iterable[str] = ()) -> Issuer:
        """``callerid.iap(*audiences, external=..., tenants=...)``, with the keys of this issuer, as for `google`."""
        from callerid.issuers import iap  # noqa: PLC0415 - minting must not depend on it

        return iap(*audiences, external=external, tenants=tenants, keys=self.keys_of("iap"))

    def app_check(self, project_number: int | str = PROJECT_NUMBER, *, consume: bool = False) -> Issuer:
        """``callerid.app_check(project_number)``, with the keys of this issuer, as for `google`.

        With ``consume`` this issuer is asked, in place of Firebase: by HTTP if it serves.
        """
        from callerid.issuers import app_check  # noqa: PLC0415 - minting must not depend on it

        return self.in_place_of(app_check(project_number, consume=consume))

    def gateway(self, service_account: str, *inner: Issuer, audience: str | Iterable[str] = SERVICE_AUDIENCE) -> Issuer:
        """``callerid.gateway(...)``, with the keys of this issuer, as for `google`; ``inner`` keep theirs."""
        from callerid.issuers import gateway  # noqa: PLC0415 - minting must not depend on it

        return gateway(service_account, *inner, audience=audience, keys=self.keys_of("google"))

    def google_access_token(self, *client_ids: str) -> Issuer:
        """``callerid.google_access_token(*client_ids)``, which asks this issuer: by HTTP if it serves."""
        from callerid.issuers import google_access_token  # noqa: PLC0415 - minting must not depend on it

        return self.in_place_of(google_access_token(*client_ids))

    def in_place_of(self, trusted: Issuer) -> Issuer:
        """An issuer that is trusted, with keys of this one, or with this one to ask."""
        from callerid.issuers import AppCheckIssuer, CustomCredentialIssuer, GoogleAccessTokenIssuer  # noqa: PLC0415 - as above
        from callerid.keys import key_source  # noqa: PLC0415 - as above

        if isinstance(trusted, CustomCredentialIssuer):
            return replace(trusted, verify=partial(self.verify_own, trusted.name))
        if isinstance(trusted, AppCheckIssuer) and trusted.consumer is not None:
            own = key_source(self.keys_for(trusted))
            return replace(trusted, keys=own, consumer=self._consuming(trusted.consumer))
        if not isinstance(trusted, GoogleAccessTokenIssuer):
            return trusted.with_keys(key_source(self.keys_for(trusted)))
        if self.is_serving:
            return trusted.with_keys(replace(cast("KeySource", trusted.keys), url=self.url + TOKEN_INFO_PATH))
        return replace(trusted, send=self._answered)

    def _consuming(self, consumer: Consumer) -> Consumer:
        """A consumer that asks this issuer and not Firebase."""
        from callerid.keys import GoogleAccess  # noqa: PLC0415 - as above

        access = GoogleAccess(SimpleNamespace(valid=True, token="local"), scope="")  # noqa: S106 - nobody checks it
        if not self.is_serving:
            return replace(consumer, access=access, send=self._answered)
        path = urlsplit(consumer.endpoint.url).path
        return replace(consumer, access=access, endpoint=replace(consumer.endpoint, url=self.url + path))

    def _answered(self, source: KeySource, body: bytes, headers: Mapping[str, str]) -> KeyResponse:
        from callerid.keys import KeyResponse  # noqa: PLC0415 - as above

        response = answer(self, ReceivedRequest("POST", urlsplit(source.url).path, headers, body))
        return KeyResponse(response.status, response.headers, response.body)

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

    def keys_for(self, trusted: Issuer) -> KeyDocument | str:
        """The keys that sign the tokens of an issuer here, as `keys_of` gives them."""
        if trusted.kind is Kind.OIDC:
            self.oidc_keys(trusted.name, trusted.algorithm)
            return self.keys_of(trusted.name)
        if trusted.account is None:
            return self.keys_of(trusted.signer or trusted.kind.value)
        self.account_keys(trusted.account)
        return self.keys_of(trusted.account)

    def keys_of(self, which: str) -> KeyDocument | str:
        """The keys of a signer as ``keys=`` takes them: a URL if this issuer serves, else those of this moment."""
        if self.is_serving:
            return self.jwks_url(which)
        from callerid.keys import KeyDocument  # noqa: PLC0415 - minting must not depend on it

        return KeyDocument(self.jwks_document(which))

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
