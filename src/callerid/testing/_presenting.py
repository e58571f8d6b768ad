"""How a caller presents themselves to a guard: by an ID token, or by what is made of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from callerid.callers import Kind
from callerid.issuers import GatewayIssuer, SpeaksFor
from callerid.testing._claims import FIREBASE_ISSUER, GOOGLE_ISSUER
from callerid.testing._compact import header_and_claims

if TYPE_CHECKING:
    from callerid.issuers import Issuer
    from callerid.testing._mint import Mint

__all__ = ["presented"]


def presented(token: str, issuers: Sequence[Issuer], mint: Mint) -> dict[str, str]:
    """The headers by which these issuers know whoever has this ID token: itself, if one of them reads ID tokens.

    Where it is read behind a gateway alone, it comes through that.
    """
    _, claims = header_and_claims(token)
    known = [each for each in issuers if SpeaksFor.CALLER in each.roles]
    reading = [place for each in known if claims["iss"] in each.accepted_iss for place in each.locations]
    behind = {place.behind for place in reading}
    gateways = [each for each in issuers if isinstance(each, GatewayIssuer) and each.gateway in behind]
    if gateways and "" not in behind:
        return mint.through_gateway(token, gateways[0].gateway, audience=min(gateways[0].audiences))
    if str(claims["iss"]).startswith(FIREBASE_ISSUER):
        kind, project = Kind.FIREBASE, claims["aud"]
    elif claims["iss"] == GOOGLE_ISSUER:
        kind, project = Kind.GOOGLE, None
    else:
        return mint.bearer(token)
    fitting = [each for each in known if (each.kind, each.project, each.account) == (kind, project, None)]
    if not fitting or any(not each.locations[0].is_bare for each in fitting):
        return mint.bearer(token)
    # What Google would not make is made anyway: rules are judged by what a credential says.
    own = fitting[0]
    if own.locations[0].cookie:
        return mint.cookie(mint.session_cookie(token, hostile=True), own.locations[0].cookie)
    return mint.assertion(mint.iap_assertion(token, audience=min(own.audiences), hostile=True))
