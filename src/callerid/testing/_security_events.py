"""Security event tokens (RFC 8417) as Google sends them for Cross-Account Protection."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from callerid.testing._claims import numeric_id
from callerid.testing._defaults import PERSON_AUDIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["SecurityEventMint"]

_EVENT_ISSUER = "https://accounts.google.com/"


class SecurityEventMint:
    """Signs security events with the keys of Google's other tokens."""

    clock: Callable[[], float]
    sign: Callable[[Mapping[str, Any]], str]

    def security_event(  # noqa: PLR0913 - one parameter a claim
        self,
        kind: str = "sessions-revoked",
        account: str = "ada@example.com",
        *,
        audience: str | list[str] = PERSON_AUDIENCE,
        reason: str | None = None,
        state: str | None = None,
        jti: str | None = None,
        issued_at: int | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """What Google sends to a receiver about an account, or (``verification``, ``token-revoked``) about none.

        ``account`` is a numeric id, or the address that a token's is derived from. ``issued_at`` is in seconds since
        the epoch (default: now); without ``jti`` it is an event of its own. ``claims`` replace any claim.
        """
        family = "oauth" if kind in ("token-revoked", "tokens-revoked") else "risc"
        about: dict[str, Any] = {}
        if kind == "token-revoked":
            about = {"subject_type": "oauth_token", "token_type": "refresh_token", "token_identifier_alg": "prefix"}
            about["token"] = "1//0gabcdefghij"  # noqa: S105 - the beginning of one that nobody has
        elif kind != "verification":
            subject = numeric_id(account) if "@" in account else account
            about = {"subject_type": "iss-sub", "iss": _EVENT_ISSUER, "sub": subject}
        event = {"subject": about, "reason": reason, "state": state}
        standard = {
            "iss": _EVENT_ISSUER,
            "aud": audience,
            "iat": int(self.clock()) if issued_at is None else issued_at,
            "jti": secrets.token_hex(16) if jti is None else jti,
            "events": {
                f"https://schemas.openid.net/secevent/{family}/event-type/{kind}": {
                    name: value for name, value in event.items() if value
                }
            },
        }
        return self.sign({**standard, **(claims or {})})
