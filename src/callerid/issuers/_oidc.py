"""Tokens of any OpenID Connect provider. Sources: OpenID Connect Core 1.0, OpenID Connect Discovery 1.0, RFC 7519."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast
from urllib.parse import urlsplit

from callerid.callers import OIDC, Caller, Claims, Kind, OidcFacts
from callerid.errors import ConfigurationError
from callerid.issuers._claims import bad_claim, profile, shown, text_claim
from callerid.issuers._issuer import Issuer, asking, audience_set
from callerid.keys import Algorithm, AnySource, DiscoveredKeys, key_source

__all__ = ["OidcIssuer", "oidc"]

_OWN_FUNCTION: Final = {
    "accounts.google.com": "google(...)",
    "securetoken.google.com": "firebase(...)",
    "session.firebase.google.com": "firebase_session(...)",
    "cloud.google.com": "iap(...)",
    "firebaseappcheck.googleapis.com": "app_check(...)",
}
"""The hosts of issuers that have a function of their own, and know more of their tokens."""


@dataclass(frozen=True, slots=True)
class OidcIssuer(Issuer):
    """One OpenID Connect provider."""

    kind: ClassVar[Kind] = OIDC
    ignores_named_audience: ClassVar[bool] = True
    may_list_audiences: ClassVar[bool] = True

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """Whom the provider knows by ``sub``; all its other claims are its word, and no facts of a Google account."""
        subject = claims["sub"]
        if not (subject.isascii() and subject.isprintable()):
            raise bad_claim("sub", "printable ASCII (OpenID Connect Core section 2)", "other characters")
        return Caller(
            kind=OIDC,
            issuer=self.name,
            subject=subject,
            audience=self._audience(claims),
            issued_at=float(claims["iat"]),
            expires_at=float(claims["exp"]),
            profile=profile(claims, "name", "picture", "locale"),
            oidc=OidcFacts(Claims(claims)),
        )

    def _audience(self, claims: Mapping[str, Any]) -> str:
        """The audience of ours. A token that is for others, too, must have been asked for by one of ours (``azp``)."""
        if isinstance(claims["aud"], str):
            return claims["aud"]
        listed = cast("list[str]", claims["aud"])
        party = text_claim(claims, "azp")
        if not self.audiences.issuperset(listed) and party not in self.audiences:
            raise bad_claim("azp", "one of the accepted audiences, as the token is for others, too", shown(party))
        return next(each for each in listed if each in self.audiences)


def oidc(
    issuer: str,
    *audiences: str,
    keys: str | AnySource | None = None,
    algorithm: Algorithm = "RS256",
) -> OidcIssuer:
    """Tokens of an OpenID Connect provider, in ``Authorization``: a second identity provider, GitHub Actions, others.

    ``issuer`` is its ``iss``, exactly: an https URL (http on loopback only, for local work). ``audiences`` are the
    client ids, or whatever else it writes into ``aud`` for this application. Where a token has several audiences, one
    must be ours; where others are among them that are not, ``azp`` must be one of ours, too (OpenID Connect Core
    section 3.1.3.7). ``algorithm`` is RS256 or ES256: one per issuer, whatever a token says.

    ``keys`` is the URL of its JWK set, or a key source; without it, the ``jwks_uri`` of its metadata at
    ``/.well-known/openid-configuration``, which must be on the same host. Both are fetched, cached and refreshed as
    other keys are.

    Rules know its callers as ``Subject(...)``, ``Claim(...)`` and ``IssuedBy(issuer)``. They are never Google accounts
    or Firebase users, whatever ``email`` or ``hd`` their tokens have. ``audience=`` beside a rule says nothing about
    them. Raises `ConfigurationError`, and for the issuers of Google that have a function of their own names it.

    Sources: OpenID Connect Core 1.0 sections 2 and 3.1.3.7; OpenID Connect Discovery 1.0 section 4; RFC 7519 section
    4.1.3.
    """
    if not isinstance(issuer, str) or not issuer:
        raise ConfigurationError(
            f"oidc(...) takes the issuer's URL first, such as 'https://id.example.com', not {issuer!r}{asking(issuer)}",
            code="oidc-issuer",
        )
    found = _discovered(issuer)
    own = _OWN_FUNCTION.get((urlsplit(issuer).hostname or "").rstrip("."))
    if own is not None:
        raise ConfigurationError(
            f"tokens of {issuer} are read by {own}, which knows who their callers are", code="oidc-issuer"
        )
    if algorithm not in ("RS256", "ES256"):
        raise ConfigurationError(
            f"algorithm is 'RS256' or 'ES256', as the issuer signs, not {algorithm!r}", code="oidc-issuer"
        )
    return OidcIssuer(
        name=issuer,
        accepted_iss=frozenset({issuer}),
        audiences=audience_set(audiences, "oidc(...) accepts tokens minted for your own audiences only"),
        keys=found if keys is None else key_source(keys),
        algorithm=algorithm,
    )


def _discovered(issuer: str) -> DiscoveredKeys:
    """Where the issuer's keys are found. Raises `ConfigurationError` for what is no issuer's URL."""
    if "gserviceaccount.com" in issuer and "@" in issuer:
        raise ConfigurationError(
            f"tokens of {issuer} are read by service_account(...), or google_chat(...)", code="oidc-issuer"
        )
    try:
        return DiscoveredKeys(issuer)
    except ConfigurationError as error:
        written = ascii(issuer.partition("?")[0].rpartition("@")[2][:200])
        raise ConfigurationError(
            f"oidc(...) takes an issuer's https URL, without user name, query and fragment, not {written}: "
            f"{error.message}",
            code="oidc-issuer",
        ) from None
