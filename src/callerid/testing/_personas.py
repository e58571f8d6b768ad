"""Personas minted: what a caller that `callerid.audit.algebra` describes would send."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from callerid.audit.algebra._personas import nested
from callerid.callers import Kind, unknown_kind
from callerid.testing._access_tokens import TOKEN_ISSUER, AccessTokens
from callerid.testing._claims import IAP_ISSUER, OIDC_ISSUER, SESSION_ISSUER, is_service_account

if TYPE_CHECKING:
    from callerid.audit.algebra import Persona
    from callerid.testing._mint import Mint

__all__ = ["headers_of"]


def headers_of(persona: Persona, issuer: Mint) -> dict[str, str]:
    """The request headers of a persona, with tokens that this issuer signs now; none for one without a credential.

    A persona may be what Google mints none of today (an anonymous user with an e-mail address, a person's token for a
    URL): rules are judged by what a token says, so such a token is minted all the same.
    """
    headers = {} if persona.family is None else _presented(persona, issuer)
    if persona.via is not None and persona.is_forwarded:
        headers = {name.replace("Authorization", "X-Forwarded-Authorization"): each for name, each in headers.items()}
        headers |= issuer.bearer(_token(persona.via, issuer))
    elif persona.via is not None:
        headers["X-Serverless-Authorization"] = f"Bearer {_token(persona.via, issuer)}"
    if persona.app is not None:
        headers |= issuer.app_check_header(issuer.app_check_token(persona.app))
    return headers


def _presented(persona: Persona, issuer: Mint) -> dict[str, str]:
    if persona.issuer == TOKEN_ISSUER and isinstance(issuer, AccessTokens):
        return issuer.bearer(
            issuer.access_token(
                persona.email,
                audience=persona.audience,
                subject=persona.subject,
                scopes=("openid", "email", *persona.scopes),
            )
        )
    token = _token(persona, issuer)
    if persona.issuer == IAP_ISSUER:
        return issuer.assertion(issuer.iap_assertion(token, audience=persona.audience, hostile=True))
    if persona.issuer.startswith(SESSION_ISSUER):
        return issuer.cookie(issuer.session_cookie(token, hostile=True))
    return issuer.bearer(token)


def _token(persona: Persona, issuer: Mint) -> str:
    if persona.family is Kind.FIREBASE:
        return _likely(_firebase_user, persona, issuer)
    if persona.family is Kind.OIDC:
        return issuer.oidc_caller(
            persona.subject,
            issuer=persona.issuer or OIDC_ISSUER,
            audience=persona.audience,
            claims=nested(persona.claims),
        )
    if persona.family is Kind.CUSTOM:
        raise ValueError(f"no credential is minted that the application itself hands out, for {persona}")
    if persona.family is not Kind.GOOGLE:
        raise unknown_kind(persona.family)
    if is_service_account(persona.issuer):
        return issuer.self_signed(persona.issuer, audience=persona.audience)
    return _likely(_service_account if persona.is_service_account else _person, persona, issuer)


def _likely(mint: Callable[..., str], persona: Persona, issuer: Mint) -> str:
    try:
        return mint(persona, issuer)
    except ValueError:
        return mint(persona, issuer, hostile=True)


def _firebase_user(persona: Persona, issuer: Mint, **options: Any) -> str:
    now = int(issuer.clock())
    return issuer.firebase_user(
        persona.subject,
        project=persona.project or "",
        email=persona.email,
        provider=persona.provider,
        tenant=persona.tenant,
        second_factor=persona.second_factor,
        signed_in_at=None if persona.signed_in_ago is None else now - persona.signed_in_ago,
        issued_at=now,
        claims=nested(persona.claims),
        attributes=nested(persona.attributes),
        **options,
    )


def _service_account(persona: Persona, issuer: Mint, **options: Any) -> str:
    return issuer.service_account(
        persona.email or f"account-{persona.subject}@some-project.iam.gserviceaccount.com",
        include_email=persona.email is not None,
        claims={} if persona.authorized_party is None else {"azp": persona.authorized_party},
        audience=persona.audience,
        subject=persona.subject,
        **options,
    )


def _person(persona: Persona, issuer: Mint, **options: Any) -> str:
    return issuer.person(
        persona.email,
        audience=persona.audience,
        azp=persona.authorized_party or "",  # else a client that no rule names
        subject=persona.subject,
        claims={} if persona.domain is None else {"hd": persona.domain},
        **options,
    )
