"""What callers send: credentials of a local issuer, minted once in a while, or the token that was pasted."""

from __future__ import annotations

from collections.abc import Sequence

from callerid.guard import GuardCore
from callerid.play._people import Pasted, PlayPersona, sent_as
from callerid.testing._issuer import LocalIssuer
from callerid.testing._suite_mint import SuiteMint

__all__ = ["Sending"]

FRESH = 240
"""For so many seconds a persona sends the same credential: less than any of them lives."""

_NEVER_AMBIENT = ("authorization", "x-serverless-authorization")


class Sending:
    """The request headers of every caller, by what these guards accept."""

    def __init__(self, issuer: LocalIssuer, guards: Sequence[GuardCore]) -> None:
        self._issuer, self._guards = issuer, guards
        self._minted: dict[str, tuple[float, dict[str, str]]] = {}

    def headers(self, who: PlayPersona) -> dict[str, str]:
        """What a caller sends. Raises `ConfigurationError` for one of whom Google would mint no token."""
        now = self._issuer.clock()
        made_at, headers = self._minted.get(who.key, (now - FRESH, {}))
        if not 0 <= now - made_at < FRESH:
            headers = self._made(who)
            self._minted[who.key] = now, headers
        return headers

    def _made(self, who: PlayPersona) -> dict[str, str]:
        """A credential that browsers send unasked comes with the proof of same origin."""
        if isinstance(who.sends, Pasted):
            issuers = [issuer for guard in self._guards for issuer in guard.issuers]
            headers = sent_as(who.sends.token, issuers)
        else:
            headers = SuiteMint(self._issuer, self._guards).headers(who.sends)
        is_ambient = any(name.lower() not in _NEVER_AMBIENT for name in headers)
        return headers | ({"Sec-Fetch-Site": "same-origin"} if is_ambient else {})
