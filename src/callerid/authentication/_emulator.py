"""Unsigned tokens of the Firebase Auth emulator: believed of the issuers that say so, and of no other."""

from __future__ import annotations

from callerid.authentication._claims import check_content
from callerid.authentication._jws import Token
from callerid.callers import Caller
from callerid.errors import Reason, Unauthenticated
from callerid.issuers import Issuer, is_emulated
from callerid.issuers._claims import shown

__all__ = ["check_signed", "unsigned_caller"]


def unsigned_caller(token: Token, issuer: Issuer, now: float, leeway: float) -> Caller:
    """The caller that an unsigned token names, if it is of an issuer that has none but such tokens.

    Raises `Unauthenticated`.
    """
    if not is_emulated(issuer):
        raise Unauthenticated(Reason.UNSIGNED, f"expected a token signed by {issuer.name}, got an unsigned one")
    check_content(token.claims, issuer, now, leeway)
    return issuer.caller(token.claims)


def check_signed(token: Token, issuer: Issuer) -> None:
    """Raise `Unauthenticated` for a token with a signature of an issuer that signs none."""
    if is_emulated(issuer):
        raise Unauthenticated(
            Reason.WRONG_ALGORITHM,
            f"expected an unsigned token of the Firebase Auth emulator, got {shown(token.algorithm)}",
            remedy="leave emulator= out to believe signed tokens",
        )
