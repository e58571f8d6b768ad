"""Credentials of an application's own, handed out in place of the application's."""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callerid.issuers import CustomCredentialIssuer, CustomIdentity

__all__ = ["OwnCredentials"]


class OwnCredentials:
    """Hands out credentials, and knows those it handed out."""

    def __init__(self) -> None:
        self._handed_out: dict[tuple[str, str], CustomIdentity] = {}
        self._handing_out = threading.Lock()

    def own_credential(
        self, trusted: CustomCredentialIssuer, subject: str, facts: Mapping[str, Any] | None = None
    ) -> dict[str, str]:
        """The request header with a credential of this issuer's, which names this subject with these facts.

        It is known where this issuer stands in (`LocalIssuer.stands_in_for`), and to no ``verify`` function of an
        application.
        """
        from callerid.issuers import CustomIdentity  # noqa: PLC0415 - minting must not depend on it

        text = f"{trusted.prefix}{secrets.token_urlsafe(24)}"
        with self._handing_out:
            self._handed_out[trusted.name, text] = CustomIdentity(subject, dict(facts or {}))
        (location,) = trusted.locations
        if location.cookie:
            return {"Cookie": f"{location.cookie}={text}"}
        return {location.header.title(): text if location.is_bare else f"{location.scheme} {text}"}

    def verify_own(self, name: str, text: str) -> CustomIdentity | None:
        """Whose credential of the issuer of this name it is."""
        with self._handing_out:
            return self._handed_out.get((name, text))
