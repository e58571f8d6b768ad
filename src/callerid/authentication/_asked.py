"""Credentials whose issuer has to be asked: who they name, by an answer that was given lately or is asked for now."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from callerid.authentication._choosing import identity_of
from callerid.authentication._identity import Identity
from callerid.authentication._token_cache import CachedToken, Fingerprint
from callerid.errors import Reason, Unauthenticated
from callerid.issuers import AskedIssuer, CredentialLocation, Denied, check_credential
from callerid.keys import Wait

if TYPE_CHECKING:
    from callerid.authentication._verification import VerifiesTokens

__all__ = ["asked_identity", "asked_issuer"]

_MOST_LEEWAY: Final = 60
"""Seconds. Cached for so much less, an answer is believed to its end and not a leeway longer: it says when that is by
our own clock."""


def asked_issuer(issuers: Iterable[AskedIssuer], text: str) -> AskedIssuer | None:
    """The one of these issuers that reads a credential."""
    return next((issuer for issuer in issuers if issuer.reads(text)), None)


def asked_identity(  # noqa: PLR0913 - a credential, where it sits, and what is known of it
    authenticator: VerifiesTokens,
    issuer: AskedIssuer,
    text: str,
    location: CredentialLocation,
    digest: Fingerprint,
    *,
    waited: Iterable[Wait],
) -> Identity | Wait:
    """Who a credential names; a `Wait` where its issuer has to be asked first.

    Raises `Unauthenticated` where the issuer does not believe it, and `Unavailable` where it cannot be asked.
    """
    check_credential(text, authenticator.longest_token)
    found = authenticator.answers.find(issuer.source, digest, issuer.question(text, authenticator.clock), waited)
    if isinstance(found, Wait):
        return found
    verdict = found.answer.value
    if isinstance(verdict, Denied):
        raise verdict.refusal()
    late = authenticator.clock() - verdict.expires_at
    if late >= 0:
        # The monotonic clock may stand still while a machine sleeps.
        if issuer.is_final or any(wait.keys is found.entry for wait in waited):
            raise Unauthenticated(Reason.EXPIRED, f"expired {late:.0f} s ago")
        authenticator.answers.expire(found)
        return asked_identity(authenticator, issuer, text, location, digest, waited=waited)
    identity = identity_of(verdict, issuer, location)
    ends_at = verdict.expires_at - (_MOST_LEEWAY if issuer.is_final else 0)
    cached = CachedToken(issuer, found.entry, found.answer, identity, -math.inf, ends_at)
    authenticator.cache.put(digest, cached)
    return identity
