"""What Firebase answers about a limited-use token of App Check: whether it was used before.

Source: the discovery document of the Firebase App Check API, ``projects.verifyAppCheckToken``.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, cast

from callerid.testing._compact import header_and_claims

if TYPE_CHECKING:
    from collections.abc import Callable

    from callerid.testing._keys import SigningKeys

__all__ = ["APP_CHECK_TOKENS", "CONSUMING", "AppCheckTokens"]

APP_CHECK_TOKENS = "app_check_token"
"""The name under which the endpoint counts how often it was asked."""

CONSUMING = ":verifyAppCheckToken"
"""How the endpoint's path ends, behind ``/v1beta/projects/NUMBER``."""


class AppCheckTokens:
    """Remembers which tokens were used."""

    clock: Callable[[], float]
    key_set: Callable[[str], SigningKeys]

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._using = threading.Lock()

    def consume_app_check_token(self, path: str, authorization: str, body: bytes) -> tuple[int, bytes]:
        """The status and the body of the endpoint's answer: 403 for a token that App Check did not attest."""
        number = path.removesuffix(CONSUMING).rpartition("/")[2]
        if not authorization.startswith("Bearer "):
            return 401, b"{}"
        sent: Any = json.loads(body)
        token = str(cast("dict[str, Any]", sent).get("app_check_token", ""))
        if not self._is_attested(token, number):
            return 403, b"{}"
        with self._using:
            was_used = token in self._used
            self._used.add(token)
        return 200, json.dumps({"alreadyConsumed": True} if was_used else {}).encode()

    def _is_attested(self, token: str, number: str) -> bool:
        header, claims = header_and_claims(token)
        key = self.key_set("app_check").find(header.get("kid"))
        return key is not None and claims["exp"] > self.clock() and f"projects/{number}" in claims["aud"]
