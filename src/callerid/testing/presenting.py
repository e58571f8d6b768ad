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

__all__ = ["presented"]


def presented(token: str, issuers: Iterable[Issuer], mint: Mint) -> dict[str, str]:
    """The headers by which these issuers know whoever has this ID token: itself, if one of them reads ID tokens."""
    _, claims = header_and_claims(token)
    if str(claims["iss"]).startswith(FIREBASE_ISSUER):
        kind, project = Kind.FIREBASE, claims["aud"]
    elif claims["iss"] == GOOGLE_ISSUER:
        kind, project = Kind.GOOGLE, None
    else:
        return mint.bearer(token)
    fitting = [each for each in issuers if (each.kind, each.project, each.account) == (kind, project, None)]
    if not fitting or any(not each.locations[0].is_bare for each in fitting):
        return mint.bearer(token)
    # What Google would not make is made anyway: rules are judged by what a credential says.
    own = fitting[0]
    if own.locations[0].cookie:
        return mint.cookie(mint.session_cookie(token, hostile=True), own.locations[0].cookie)
    return mint.assertion(mint.iap_assertion(token, audience=min(own.audiences), hostile=True))
