"""The issuers that a guard can trust, with the keys of a local issuer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import urlsplit

from callerid.callers import Kind
from callerid.testing import _claims as says
from callerid.testing._access_tokens import TOKEN_INFO_PATH
from callerid.testing._defaults import CHAT_ACCOUNT, OIDC_AUDIENCE, PROJECT_NUMBER, SERVICE_AUDIENCE
from callerid.testing._endpoints import answer
from callerid.testing._local_google import LocalGoogle
from callerid.testing._server import ReceivedRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callerid.issuers import Consumer, Issuer
    from callerid.keys import KeyDocument, KeyResponse, KeySource

__all__ = ["LocalIssuers"]


class LocalIssuers(LocalGoogle):
    """The part of a `LocalIssuer` that a guard trusts."""

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
