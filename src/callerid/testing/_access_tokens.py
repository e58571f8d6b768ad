"""OAuth access tokens as Google grants them, and what its tokeninfo endpoint says of them.

Source of the format: google-auth-library-nodejs, ``TokenInfo``; RFC 6749 section 5.2 for errors.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from callerid.testing import _claims as says

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ACCESS_TOKENS", "CLOUD_PLATFORM", "TOKEN_INFO_PATH", "TOKEN_ISSUER", "AccessTokens"]

ACCESS_TOKENS = "access_token"
"""The name under which the endpoint counts how often it was asked."""

TOKEN_INFO_PATH = "/tokeninfo"  # noqa: S105 - a path

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"

TOKEN_ISSUER = "https://oauth2.googleapis.com"  # noqa: S105 - a name
"""The name of the issuer of access tokens, as callers have it."""


class AccessTokens:
    """Grants opaque tokens, and knows those it granted."""

    clock: Callable[[], float]

    def __init__(self) -> None:
        self._granted: dict[str, dict[str, str]] = {}
        self._granting = threading.Lock()

    def access_token(  # noqa: PLR0913 - one parameter a member
        self,
        email: str | None = "ada@gmail.com",
        *,
        audience: str = "1234-abc.apps.googleusercontent.com",
        azp: str | None = None,
        subject: str | None = None,
        scopes: Iterable[str] = ("openid", "https://www.googleapis.com/auth/userinfo.email"),
        email_verified: bool = True,
        lifetime: int = 3599,
        says_more: Mapping[str, str | None] | None = None,
    ) -> str:
        """An access token (``ya29.…``) that this person granted to the app with the client id ``audience``.

        ``subject`` is the account's id (default: derived from the e-mail), ``azp`` the client that asked (default: the
        audience), ``lifetime`` in seconds. tokeninfo names the account only where ``scopes`` has ``openid`` or one of
        ``userinfo``, and the address where it has ``email``. For a service account's, say its address: its token names
        the account itself as the app. ``says_more`` are members that tokeninfo has beside or in place of the usual
        ones; ``None`` leaves one out.
        """
        granted = list(scopes)
        known = says.numeric_id(email) if subject is None and email is not None else subject
        if email is not None and says.is_service_account(email):
            audience, azp = str(known), str(known)
        info = {"azp": audience if azp is None else azp, "aud": audience}
        if known is not None and any(each == "openid" or "userinfo" in each for each in granted):
            info["sub"] = known
        info["scope"] = " ".join(granted)
        info["exp"] = str(int(self.clock()) + lifetime)
        if email is not None and any(each.endswith("email") for each in granted):
            info |= {"email": email, "email_verified": str(email_verified).lower()}
        info["access_type"] = "online"
        more = {name: value for name, value in (says_more or {}).items() if value is not None}
        token = f"ya29.a0{secrets.token_urlsafe(120)}"
        with self._granting:
            self._granted[token] = {name: value for name, value in info.items() if name not in (says_more or {})} | more
        return token

    def hostile_access_tokens(self, audience: str = "1234-abc.apps.googleusercontent.com") -> dict[str, str]:
        """Tokens, by what is wrong with them, that a guard which reads those of ``audience`` must refuse with 401."""
        other = "9876-xyz.apps.googleusercontent.com"
        robot = "robot@shop-prod.iam.gserviceaccount.com"
        made = {
            "granted to another app": self.access_token(audience=other),
            "asked for by another app": self.access_token(audience=audience, azp=other),
            "granted to another app, asked for by this one": self.access_token(audience=other, azp=audience),
            "expired": self.access_token(audience=audience, lifetime=-60),
            "revoked": self.access_token(audience=audience),
            "of nobody": self.access_token(audience=audience, scopes=[CLOUD_PLATFORM]),
            "of a service account": self.access_token(robot),
            "of a service account, to this app": self.access_token(robot, says_more={"aud": audience, "azp": audience}),
            "never granted": f"ya29.a0{secrets.token_urlsafe(120)}",
        }
        self.revoke_access_token(made["revoked"])
        return made

    def revoke_access_token(self, token: str) -> None:
        """Forget a token: tokeninfo says that it is invalid."""
        with self._granting:
            self._granted.pop(token, None)

    def token_info(self, token: str) -> tuple[int, bytes]:
        """The status and the body of tokeninfo's answer about a token."""
        with self._granting:
            info: dict[str, str] = dict(self._granted.get(token, {}))
        left = int(info.get("exp", "0")) - int(self.clock()) if info.get("exp", "0").isdecimal() else 0
        if not info or ("exp" in info and left <= 0):
            return 400, json.dumps({"error": "invalid_token", "error_description": "Invalid Value"}).encode()
        if "expires_in" not in info:
            info["expires_in"] = str(left)
        return 200, json.dumps(info, indent=2).encode()
