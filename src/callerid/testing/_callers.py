"""Callers as a test needs them: what the library would know of whoever has such a token."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from callerid.authentication._jws import parse
from callerid.callers import FIREBASE, GOOGLE, OIDC, Caller, FirebaseFacts, unknown_kind
from callerid.guard import GuardCore
from callerid.issuers import (
    ACCESS_TOKENS,
    GCLOUD_CLIENT,
    Issuer,
    SpeaksFor,
    custom_credential,
    firebase,
    google,
    google_access_token,
    oidc,
)
from callerid.testing._claims import OIDC_ISSUER, is_client_id, numeric_id
from callerid.testing._compact import Part, compact
from callerid.testing._defaults import FIREBASE_PROJECT, OIDC_AUDIENCE, PERSON_AUDIENCE, SERVICE_AUDIENCE
from callerid.testing._mint import Mint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["firebase_user", "fitted", "google_person", "oidc_caller", "own_caller", "service_account"]


def google_person(  # noqa: PLR0913 - one parameter a fact
    email: str | None = "ada@gmail.com",
    *,
    domain: str | None = None,
    audience: str | None = None,
    subject: str | None = None,
    email_verified: bool = True,
    scopes: Iterable[str] | None = None,
) -> Caller:
    """A person with a Google account, who signed in just now; ``domain`` makes it a Workspace account.

    Without ``audience`` it is an OAuth client id, and `as_caller` takes one that its guard accepts. Takes and refuses
    what `LocalIssuer.person` and `LocalIssuer.workspace_person` do. With ``scopes`` it is known by an access token that
    was granted these, which names no domain.
    """
    chosen = PERSON_AUDIENCE if audience is None else audience
    if scopes is not None:
        if domain is not None:
            raise ValueError("An access token does not say of which Workspace somebody is.")
        known = _by_access_token(email, chosen, subject, scopes, email_verified=email_verified)
        return _marked(known, audience)
    if domain is None:
        token = _PENCIL.person(email, audience=chosen, subject=subject, email_verified=email_verified)
    elif email is None:
        raise ValueError("A Workspace person has an e-mail address.")
    else:
        token = _PENCIL.workspace_person(
            email, domain=domain, audience=chosen, subject=subject, email_verified=email_verified
        )
    return _marked(_caller(token, _google(chosen)), audience)


def own_caller(subject: str, *, issuer: str, facts: Mapping[str, Any] | None = None) -> Caller:
    """Whoever has a credential of the application's own: of the `custom_credential` that is called ``issuer``."""
    made = custom_credential(issuer, header="X-Api-Key", verify=lambda _: None)
    now = time.time()
    return made.caller({"sub": subject, "facts": facts or {}, "iat": now, "exp": now + 60})


def service_account(
    email: str = "scheduler@shop-prod.iam.gserviceaccount.com",
    *,
    audience: str | None = None,
    subject: str | None = None,
    include_email: bool = True,
    compute_engine: Mapping[str, Any] | None = None,
) -> Caller:
    """A service account with a token for this audience.

    Without ``audience`` it is ``https://orders.example.com``, and `as_caller` takes one that its guard accepts. Takes
    and refuses what `LocalIssuer.service_account` does.
    """
    chosen = SERVICE_AUDIENCE if audience is None else audience
    token = _PENCIL.service_account(
        email, audience=chosen, subject=subject, include_email=include_email, compute_engine=compute_engine
    )
    return _marked(_caller(token, _google(chosen)), audience)


def firebase_user(  # noqa: PLR0913 - one parameter a fact
    uid: str,
    *,
    project: str | None = None,
    email: str | None = None,
    email_verified: bool = True,
    phone: str | None = None,
    provider: str | None = None,
    tenant: str | None = None,
    second_factor: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    signed_in_at: int | None = None,
    claims: Mapping[str, Any] | None = None,
) -> Caller:
    """A Firebase user, who signed in just now or at ``signed_in_at`` (seconds since the epoch).

    Without ``project`` it is ``shop-prod``, and `as_caller` takes the one that its guard trusts. ``claims`` are custom
    claims, ``attributes`` those of a SAML sign-in. Takes and refuses what `LocalIssuer.firebase_user` does.
    """
    chosen = FIREBASE_PROJECT if project is None else project
    token = _PENCIL.firebase_user(
        uid,
        project=chosen,
        email=email,
        email_verified=email_verified,
        phone=phone,
        provider=provider,
        tenant=tenant,
        second_factor=second_factor,
        attributes=attributes,
        signed_in_at=signed_in_at,
        claims=claims,
    )
    return _marked(_caller(token, firebase(chosen, () if tenant is None else (tenant,))), project)


def oidc_caller(
    subject: str = "ada",
    *,
    issuer: str | None = None,
    audience: str = OIDC_AUDIENCE,
    claims: Mapping[str, Any] | None = None,
) -> Caller:
    """Whom an OpenID Connect provider knows as ``subject``, by a token with these ``claims`` and this audience.

    Without ``issuer`` it is ``https://id.example.com``, and `as_caller` takes the one that its guard trusts.
    """
    whose = OIDC_ISSUER if issuer is None else issuer
    token = _PENCIL.oidc_caller(subject, issuer=whose, audience=audience, claims=claims)
    return _marked(_caller(token, oidc(whose, audience)), issuer)


def _google(audience: str) -> Issuer:
    return google(PERSON_AUDIENCE, gcloud=True) if audience == GCLOUD_CLIENT else google(audience)


def _by_access_token(
    email: str | None, audience: str, subject: str | None, scopes: Iterable[str], *, email_verified: bool
) -> Caller:
    now = time.time()
    known = subject or numeric_id(email or "")
    mailbox = {} if email is None else {"email": email, "email_verified": email_verified}
    times = {"iat": now, "exp": now + 3599}
    token = {"aud": audience, "azp": audience, "sub": known, "scope": " ".join(scopes), **mailbox, **times}
    return google_access_token(audience).caller(token)


class _Pencil(Mint):
    """Writes what the mint would write, and signs nothing: no key is made."""

    def sign(self, claims: Part, header: Part | None = None, *, key: str = "google") -> str:
        return compact({"alg": "RS256", "kid": "pencil"}, claims, lambda _: b"pencil")


_PENCIL = _Pencil(clock=time.time)


def _caller(token: str, issuer: Issuer) -> Caller:
    # The library's own reading, so that a caller holds here what it would hold in a request.
    return issuer.caller(parse(token).claims)


class _Unchosen(str):
    """The audience of a caller for whom nobody chose one: `fitted` may take another."""

    __slots__ = ()


def _marked(caller: Caller, chosen: str | None) -> Caller:
    return caller if chosen is not None else replace(caller, audience=_Unchosen(caller.audience))


def fitted(caller: Caller, guard: GuardCore) -> Caller:
    """The caller with an issuer, and an audience or a Firebase project, of this guard's, where the test chose none.

    Raises `ValueError` where the guard trusts several Firebase projects, or OpenID Connect providers: a uid, or a
    subject, means somebody to one of them only.
    """
    if not isinstance(caller.audience, _Unchosen):
        return caller
    # Whom an ID token names, if the guard takes those; else whom it knows by a session or an assertion.
    known = [each for each in guard.issuers if SpeaksFor.CALLER in each.roles]
    signer = "access_token" if caller.issuer == ACCESS_TOKENS else caller.kind
    by_token = [each for each in known if each.signer == signer]
    others = [each for each in known if each.kind is caller.kind and each.signer in ("firebase_session", "iap")]
    if caller.kind is GOOGLE:
        return _of_google(caller, by_token or others)
    if caller.kind is FIREBASE and caller.firebase is not None:
        return _of_project(caller, caller.firebase, by_token or others)
    if caller.kind is OIDC:
        return _of_provider(caller, [each for each in guard.issuers if each.kind is OIDC])
    raise unknown_kind(caller.kind)


def _of_provider(caller: Caller, issuers: list[Issuer]) -> Caller:
    if len(issuers) > 1:
        names = ", ".join(repr(each.name) for each in issuers)
        raise ValueError(
            f"This guard trusts several OpenID Connect providers, {names}: say whose caller it is, "
            f"oidc_caller({caller.subject!r}, issuer={issuers[0].name!r})."
        )
    return replace(caller, issuer=issuers[0].name, audience=min(issuers[0].audiences)) if issuers else caller


def _of_google(caller: Caller, issuers: list[Issuer]) -> Caller:
    accepted = sorted({audience for issuer in issuers for audience in issuer.audiences - issuer.people_only})
    if not accepted or (caller.issuer == issuers[0].name and caller.audience in accepted):
        return caller
    # People get tokens for an OAuth client id, services for a URL.
    usual = [each for each in accepted if is_client_id(each) is not caller.is_service_account]
    return replace(caller, issuer=issuers[0].name, audience=(usual or accepted)[0])


def _of_project(caller: Caller, user: FirebaseFacts, issuers: list[Issuer]) -> Caller:
    projects = sorted({str(issuer.project) for issuer in issuers})
    if len(projects) > 1:
        raise ValueError(
            f"This guard trusts several Firebase projects, {', '.join(map(repr, projects))}: say whose user it is, "
            f"firebase_user({caller.subject!r}, project={projects[0]!r})."
        )
    if not projects:
        return caller
    own = issuers[0]
    return replace(caller, issuer=own.name, audience=min(own.audiences), firebase=replace(user, project=projects[0]))
