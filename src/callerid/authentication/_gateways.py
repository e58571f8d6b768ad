"""Calls through a gateway, whose own token stands in ``Authorization`` and the caller's in another header.

The caller's is read beside a verified token of that very gateway and nowhere else: whoever calls directly can write the
other header, and so can a gateway's client (ESPv2 clears it only where the client sent ``Authorization``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from callerid.authentication._bearer import credential, other_than_bearer
from callerid.authentication._identity import Identity
from callerid.authentication._jws import Token
from callerid.callers import Caller
from callerid.errors import Reason, Unauthenticated
from callerid.issuers import GatewayIssuer, forwarded_authorization

__all__ = ["check_forwarded", "forwarded_credential", "gateway_in", "gateway_of"]

_HEADER: Final = forwarded_authorization("").header


def gateway_in(gateways: tuple[GatewayIssuer, ...], token: Token, *, is_only: bool) -> GatewayIssuer | None:
    """The gateway that a token in ``Authorization`` says it is of, which is not verified yet.

    Where no other issuer reads such tokens (``is_only``) it is some gateway's: one refuses it.
    """
    own = [each for each in gateways if token.issuer in each.accepted_iss]
    named = [each for each in own if each.is_named_in(token.claims)]
    audience = token.claims.get("aud")
    found = next((each for each in named if isinstance(audience, str) and audience in each.audiences), None)
    if found is None and is_only:
        found = next(iter((*named, *own)), None)
    return found


def gateway_of(gateways: tuple[GatewayIssuer, ...], caller: Caller) -> GatewayIssuer | None:
    """The gateway that a verified account is, with a token that is for us."""
    return next((each for each in gateways if each.is_it(caller) and caller.audience in each.audiences), None)


def forwarded_credential(identity: Identity, sent: Mapping[str, list[str]]) -> tuple[str | None, str]:
    """The one bearer token that the gateway forwarded, if it did; else why none is read, for the log.

    Raises `BadRequest`, as for ``Authorization``.
    """
    values = sent.get(_HEADER)
    if not values:
        return None, ""
    if identity.forwards is None:
        return None, "X-Forwarded-Authorization came without the gateway's own token, so it is not read"
    text = credential(identity.forwards, values)
    return text, "" if text is not None else other_than_bearer(identity.forwards, values)


def check_forwarded(identity: Identity, caller: Caller | None) -> None:
    """Raise `Unauthenticated` where the caller whose token was forwarded is the gateway's own account."""
    via = identity.via
    if caller is not None and via is not None and (caller.kind, caller.subject) == (via.kind, via.subject):
        raise Unauthenticated(
            Reason.BAD_CLAIMS,
            f"expected a caller's token behind the gateway, got one of the gateway's own account, {via}",
            remedy="a gateway is no caller: let its clients have accounts of their own",
        )
