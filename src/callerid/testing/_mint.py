"""Minting: the tokens Google and Firebase would issue, signed with keys of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callerid.testing import _claims as says
from callerid.testing import _objections as objections
from callerid.testing._compact import header_and_claims
from callerid.testing._defaults import (
    CHAT_ACCOUNT,
    FIREBASE_PROJECT,
    IAP_AUDIENCE,
    OIDC_AUDIENCE,
    PERSON_AUDIENCE,
    PROJECT_NUMBER,
    SERVICE_AUDIENCE,
    SOME_GATEWAY,
)
from callerid.testing._signers import Signers

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Mint"]


class Mint(Signers):
    """Signs as Google and Firebase do, without a server."""

    def person(  # noqa: PLR0913 - one parameter a claim
        self,
        email: str | None = "ada@gmail.com",
        *,
        audience: str = PERSON_AUDIENCE,
        azp: str | None = None,
        subject: str | None = None,
        email_verified: bool = True,
        lifetime: int = 3600,
        issued_at: int | None = None,
        claims: Mapping[str, Any] | None = None,
        hostile: bool = False,
    ) -> str:
        """A Google ID token of a person without a Workspace account.

        ``subject`` is the numeric account id (default: derived from the e-mail), ``azp`` the OAuth client that asked
        for the token (default: the audience), ``lifetime`` is in seconds, ``issued_at`` in seconds since the epoch
        (default: now); ``claims`` are further claims. ``email=None``: the scope ``email`` was not granted.

        Raises `ValueError` for what Google never mints: an audience that is no OAuth client id, a service account's
        address, ``hd`` beside a gmail.com address, a lifetime over an hour. ``hostile=True`` mints it all the same.
        """
        return self._person(
            email,
            domain=None,
            audience=audience,
            azp=azp,
            subject=subject,
            email_verified=email_verified,
            times=self._times(issued_at, lifetime),
            claims=claims,
            hostile=hostile,
        )

    def workspace_person(  # noqa: PLR0913 - one parameter a claim
        self,
        email: str = "ada@example.com",
        *,
        audience: str = PERSON_AUDIENCE,
        domain: str | None = None,
        azp: str | None = None,
        subject: str | None = None,
        email_verified: bool = True,
        lifetime: int = 3600,
        issued_at: int | None = None,
        claims: Mapping[str, Any] | None = None,
        hostile: bool = False,
    ) -> str:
        """A Google ID token of a person with a Workspace account: it carries ``hd``.

        ``domain`` is the Workspace's primary domain (default: the e-mail's own); everything else as for `person`.
        """
        return self._person(
            email,
            domain=email.rpartition("@")[2] if domain is None else domain,
            audience=audience,
            azp=azp,
            subject=subject,
            email_verified=email_verified,
            times=self._times(issued_at, lifetime),
            claims=claims,
            hostile=hostile,
        )

    def service_account(  # noqa: PLR0913 - one parameter a claim
        self,
        email: str = "scheduler@shop-prod.iam.gserviceaccount.com",
        *,
        audience: str = SERVICE_AUDIENCE,
        include_email: bool = True,
        use_email_azp: bool = False,
        compute_engine: Mapping[str, Any] | None = None,
        subject: str | None = None,
        lifetime: int = 3600,
        issued_at: int | None = None,
        claims: Mapping[str, Any] | None = None,
        hostile: bool = False,
    ) -> str:
        """A Google ID token of a service account.

        ``include_email`` and ``use_email_azp`` are the flags of ``generateIdToken`` in the IAM credentials API:
        without the first the token carries no e-mail, without the second ``azp`` is the numeric unique id
        (``subject``; default: derived from the e-mail). ``compute_engine`` are the facts that the metadata server adds
        for ``format=full`` (`callerid.testing.COMPUTE_ENGINE` is a set of them); the rest as for `person`.

        Raises `ValueError` for what Google never mints: an address outside ``gserviceaccount.com``, ``hd``, an empty
        audience, compute_engine facts without the e-mail. ``hostile=True`` mints it all the same.
        """
        unique_id = says.numeric_id(email) if subject is None else subject
        account = says.google_account(
            audience=audience,
            subject=unique_id,
            azp=email if use_email_azp else unique_id,
            email=email if include_email else None,
            email_verified=True,
            compute_engine=compute_engine,
        )
        standard = account | self._times(issued_at, lifetime)
        return self.sign(
            objections.settled(standard, claims, objections.service_account_objections(email), hostile=hostile)
        )

    def self_signed(
        self,
        email: str = "scheduler@shop-prod.iam.gserviceaccount.com",
        *,
        audience: str = SERVICE_AUDIENCE,
        lifetime: int = 3600,
        issued_at: int | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """A token that a service account signed itself: whatever it likes, so ``claims`` replace any claim.

        Its key is the account's own, made at first use. ``lifetime`` is in seconds, ``issued_at`` in seconds since the
        epoch (default: now). Raises `ValueError` for an address outside ``gserviceaccount.com``.
        """
        standard = {"iss": email, "sub": email, "aud": audience, **self._times(issued_at, lifetime)}
        self.account_keys(email)
        return self.sign({**standard, **(claims or {})}, key=email)

    def chat(self, project_number: int | str = PROJECT_NUMBER, *, claims: Mapping[str, Any] | None = None) -> str:
        """The token in a call of Google Chat to the Chat app of a project, audience "Project number"."""
        standard = {"iss": CHAT_ACCOUNT, "aud": str(project_number), **self._times(None, 3600)}
        self.account_keys(CHAT_ACCOUNT)
        return self.sign({**standard, **(claims or {})}, key=CHAT_ACCOUNT)

    def firebase_user(  # noqa: PLR0913 - one parameter a claim
        self,
        uid: str,
        *,
        project: str = FIREBASE_PROJECT,
        email: str | None = None,
        email_verified: bool = True,
        phone: str | None = None,
        provider: str | None = None,
        tenant: str | None = None,
        second_factor: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        signed_in_at: int | None = None,
        lifetime: int = 3600,
        issued_at: int | None = None,
        claims: Mapping[str, Any] | None = None,
        hostile: bool = False,
    ) -> str:
        """A Firebase ID token.

        ``provider`` is how the user signed in: ``"password"`` (default with an e-mail), ``"phone"`` (default with a
        number), ``"custom"`` (default with neither), ``"anonymous"``, ``"google.com"``, ``"saml.acme"``, ...
        ``second_factor`` is ``"phone"`` or ``"totp"``, ``attributes`` are those of a SAML sign-in; ``signed_in_at``
        (``auth_time``, default: when issued) is in seconds since the epoch. ``claims`` are custom claims and come at
        the top level, as Firebase puts them.

        Raises `ValueError` for what Firebase never mints: a uid that is empty or over 128 characters, a reserved
        custom claim, custom claims over 1000 characters, a sign-in after the issue, an anonymous user with an e-mail
        address. ``hostile=True`` mints it all the same.
        """
        times = self._times(issued_at, lifetime)
        user = says.firebase_user(
            uid,
            project=project,
            provider=_likely_provider(email, phone) if provider is None else provider,
            email=email,
            email_verified=email_verified,
            phone=phone,
            tenant=tenant,
            second_factor=second_factor,
            attributes=attributes,
        )
        standard = user | times | {"auth_time": times["iat"] if signed_in_at is None else signed_in_at}
        against = objections.firebase_objections({} if claims is None else claims)
        return self.sign(objections.settled(standard, claims, against, hostile=hostile), key="firebase")

    def session_cookie(
        self, id_token: str, *, lifetime: int = 5 * 86_400, issued_at: int | None = None, hostile: bool = False
    ) -> str:
        """The Firebase session cookie that a server of the project makes of an ID token (``createSessionCookie``).

        ``lifetime`` is in seconds, ``issued_at`` in seconds since the epoch (default: now). Raises `ValueError` for
        what Firebase never makes: a lifetime outside 5 minutes to 14 days, a cookie of what is no Firebase ID token.
        ``hostile=True`` makes it all the same.
        """
        _, user = header_and_claims(id_token)
        session = says.firebase_session(user) | self._times(issued_at, lifetime)
        return self.sign(
            objections.unobjectionable(session, objections.session_objections(user), hostile=hostile),
            key="firebase_session",
        )

    def iap_assertion(
        self,
        id_token: str,
        *,
        audience: str = IAP_AUDIENCE,
        lifetime: int = 600,
        issued_at: int | None = None,
        hostile: bool = False,
    ) -> str:
        """What IAP asserts to the backend ``audience`` about whoever signed in to it with an ID token.

        Of a Firebase ID token it asserts an external identity. ``lifetime`` is in seconds, ``issued_at`` in seconds
        since the epoch (default: now). Raises `ValueError` for what IAP never asserts: a lifetime over 10 minutes, an
        account without an e-mail. ``hostile=True`` asserts it all the same.
        """
        _, account = header_and_claims(id_token)
        assertion = says.iap_assertion(account, audience) | self._times(issued_at, lifetime)
        return self.sign(objections.unobjectionable(assertion, objections.iap_objections, hostile=hostile), key="iap")

    def app_check_token(  # noqa: PLR0913 - one parameter a claim
        self,
        app_id: str,
        *,
        project_number: int | str | None = None,
        lifetime: int = 3600,
        issued_at: int | None = None,
        claims: Mapping[str, Any] | None = None,
        hostile: bool = False,
    ) -> str:
        """What Firebase App Check attests of an app, such as ``1:1234567890:web:abc123``.

        ``project_number`` is that of the project (default: the one in the app's id). ``lifetime`` is in seconds,
        ``issued_at`` in seconds since the epoch (default: now). Raises `ValueError` for what App Check never attests: a
        lifetime over seven days. ``hostile=True`` mints it all the same.
        """
        number = app_id.split(":")[1] if project_number is None else str(project_number)
        standard = says.app_check(app_id, number, FIREBASE_PROJECT) | self._times(issued_at, lifetime)
        whole = {**standard, **(claims or {})}
        return self.sign(
            objections.unobjectionable(whole, objections.app_check_objections, hostile=hostile), key="app_check"
        )

    def oidc_caller(  # noqa: PLR0913 - one parameter a claim
        self,
        subject: str = "ada",
        *,
        issuer: str = says.OIDC_ISSUER,
        audience: str | list[str] = OIDC_AUDIENCE,
        lifetime: int = 3600,
        issued_at: int | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """The token of whomever an OpenID Connect provider knows as ``subject``; it may say anything in ``claims``.

        Its keys are the provider's own, made at first use. ``lifetime`` is in seconds, ``issued_at`` in seconds since
        the epoch (default: now).
        """
        standard = {"iss": issuer, "sub": subject, "aud": audience, **self._times(issued_at, lifetime)}
        self.oidc_keys(issuer)
        return self.sign({**standard, **(claims or {})}, key=issuer)

    def bearer(self, token: str) -> dict[str, str]:
        """The request header that carries a token (RFC 6750 section 2.1)."""
        return {"Authorization": f"Bearer {token}"}

    def cookie(self, token: str, name: str = "session") -> dict[str, str]:
        """The request header that carries a session cookie (RFC 6265 section 4.2)."""
        return {"Cookie": f"{name}={token}"}

    def assertion(self, token: str) -> dict[str, str]:
        """The request header that carries an assertion of IAP."""
        return {"X-Goog-IAP-JWT-Assertion": token}

    def app_check_header(self, token: str) -> dict[str, str]:
        """The request header that carries a token of App Check."""
        return {"X-Firebase-AppCheck": token}

    def through_gateway(
        self, token: str | None, service_account: str, *, audience: str = SERVICE_AUDIENCE
    ) -> dict[str, str]:
        """The request headers of a call through a gateway, which calls as this account (an address, or an id).

        Without a ``token`` of the caller (``None``) there is the gateway's alone.
        """
        email, subject = (service_account, None) if "@" in service_account else (SOME_GATEWAY, service_account)
        own = self.bearer(self.service_account(email, subject=subject, audience=audience))
        return own if token is None else {**own, "X-Forwarded-Authorization": f"Bearer {token}"}

    def _person(  # noqa: PLR0913 - one parameter a claim
        self,
        email: str | None,
        *,
        domain: str | None,
        audience: str,
        azp: str | None,
        subject: str | None,
        email_verified: bool,
        times: Mapping[str, int],
        claims: Mapping[str, Any] | None,
        hostile: bool,
    ) -> str:
        account = says.google_account(
            audience=audience,
            subject=_subject(email) if subject is None else subject,
            azp=audience if azp is None else azp,
            email=email,
            email_verified=email_verified,
            domain=domain,
        )
        return self.sign(
            objections.settled({**account, **times}, claims, objections.person_objections, hostile=hostile)
        )

    def _times(self, issued_at: int | None, lifetime: int) -> dict[str, int]:
        begin = int(self.clock()) if issued_at is None else issued_at
        return {"iat": begin, "exp": begin + lifetime}


def _subject(email: str | None) -> str:
    if email is None:
        raise ValueError("A person without an e-mail needs subject=, the numeric account id.")
    return says.numeric_id(email)


def _likely_provider(email: str | None, phone: str | None) -> str:
    if email is not None:
        return "password"
    return "custom" if phone is None else "phone"
