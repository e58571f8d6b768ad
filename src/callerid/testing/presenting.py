"""How a caller presents themselves to a guard: by an ID token, or by what is made of one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from callerid.callers import Kind
from callerid.testing.claims import FIREBASE_ISSUER, GOOGLE_ISSUER
from callerid.testing.compact import header_and_claims

if TYPE_CHECKING:
    from callerid.issuers import Issuer
    from callerid.testing.mint import Mint

__all__ = ["by_issuer", "presented"]


def presented(token: str, issuers: Iterable[Issuer], mint: Mint) -> dict[str, str]:
    """The headers by which these issuers know whoever has this ID token: itself, if one of them reads ID tokens."""
    _, claims = header_and_claims(token)
    is_firebase = str(claims["iss"]).startswith(FIREBASE_ISSUER)
    kind, project = (Kind.FIREBASE, claims["aud"]) if is_firebase else (Kind.GOOGLE, None)
    fitting = [each for each in issuers if (each.kind, each.project, each.account) == (kind, project, None)]
    is_id_token = is_firebase or claims["iss"] == GOOGLE_ISSUER
    if not fitting or not is_id_token or any(not each.locations[0].is_bare for each in fitting):
        return mint.bearer(token)
    return by_issuer(token, fitting[0], mint)


def by_issuer(token: str, issuer: Issuer, mint: Mint) -> dict[str, str]:
    """The headers by which one issuer knows whoever has this ID token; what Google would not make is made anyway."""
    if issuer.signer == "firebase_session":
        return mint.cookie(mint.session_cookie(token, hostile=True), issuer.locations[0].cookie)
    if issuer.signer == "iap":
        return mint.assertion(mint.iap_assertion(token, audience=min(issuer.audiences), hostile=True))
    return mint.bearer(token)
