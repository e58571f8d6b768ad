"""Which account is meant where one is revoked, and for how long its tokens are refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from callerid.authentication._revocations import LONGEST_DENIAL, Account, Denial
from callerid.authentication._verification import VerifiesTokens
from callerid.callers import APP, FIREBASE, GOOGLE, Caller
from callerid.errors import ConfigurationError
from callerid.issuers import Issuer

__all__ = ["denial_by_google", "denial_of"]

_HOUR: Final = 3600.0
"""The lifetime of ID tokens of Google and Firebase, and of Google's access tokens."""

_UNKNOWN: Final = 14 * 86_400.0
"""Where nobody says how long tokens live: as long as Firebase's session cookies can."""


def denial_of(
    verifier: VerifiesTokens, who: Caller | str, issuer: str | None, tenant: str | None, revoke_for: float | None
) -> tuple[Account, Denial, float]:
    """Which account is meant, its denial, and the time. Raises `ConfigurationError` for what is not clear."""
    now = verifier.clock()
    account = _account_of(who, verifier.issuers, issuer, tenant)
    if revoke_for is None:
        revoke_for = _longest_lifetime(verifier, account)
    elif type(revoke_for) not in (int, float) or not 0 < revoke_for <= LONGEST_DENIAL:
        raise ConfigurationError(
            f"revoke_for= is more than 0 and at most {LONGEST_DENIAL:.0f} s, not {revoke_for!r}", code="revocation"
        )
    # The issuer's clock may be ahead: the token in hand is refused, whatever it says.
    at = max(now, who.issued_at) if isinstance(who, Caller) else now
    return account, Denial(at, now + revoke_for), now


def denial_by_google(verifier: VerifiesTokens, subject: str, at: float) -> tuple[Account, Denial, float]:
    """A Google account, the denial of its tokens that were issued up to a time that Google named, and the time now."""
    account = Account(GOOGLE, "", "", subject)
    return account, Denial(at, at + _longest_lifetime(verifier, account)), verifier.clock()


def _account_of(who: Caller | str, issuers: Iterable[Issuer], issuer: str | None, tenant: str | None) -> Account:
    """The account that is meant. Raises `ConfigurationError` where it is not clear whose subject it is."""
    if isinstance(who, Caller):
        if issuer is not None or tenant is not None:
            raise ConfigurationError(
                "issuer= and tenant= say whose a subject is: a caller says that itself", code="revocation"
            )
        return Account.of(who)
    if type(who) is not str or not who.strip():
        raise ConfigurationError(f"expected a Caller, or the subject of one, got {who!r}", code="revocation")
    named = [each for each in issuers if each.kind is not APP and issuer in (None, each.name)]
    scopes = {(each.kind, _scope(each)) for each in named}
    if len(scopes) != 1:
        raise ConfigurationError(
            f"issuer= says whose account {who!r} is: the name of an issuer that this guard trusts, as caller.issuer "
            "has it. It may be left out where all are Google's, or of one Firebase project",
            code="revocation",
        )
    [(kind, scope)] = scopes
    if kind is GOOGLE and ("@" in who or ":" in who) and all(who != each.name for each in named):
        raise ConfigurationError(
            f"Google accounts are revoked by their id, caller.subject, and not by {who!r}", code="revocation"
        )
    if tenant is not None and kind is not FIREBASE:
        raise ConfigurationError("tenant= is for Firebase users, and this issuer's callers are none", code="revocation")
    return Account(kind, scope, tenant or "", who)


def _longest_lifetime(verifier: VerifiesTokens, account: Account) -> float:
    """For how many seconds a token of this account can be believed, with what clocks may differ by."""
    usual = _HOUR if account.kind in (GOOGLE, FIREBASE) else _UNKNOWN
    lifetimes = (each.lifetimes for each in verifier.issuers if (each.kind, _scope(each)) == account[:2])
    return max([usual, *(each[1] for each in lifetimes if each is not None)]) + 3 * verifier.leeway


def _scope(issuer: Any) -> str:
    if issuer.kind is FIREBASE:
        return str(issuer.project)
    return "" if issuer.kind is GOOGLE else str(issuer.name)
