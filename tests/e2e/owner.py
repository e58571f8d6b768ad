"""A credential for Firebase's own server library that is nobody's: neither the emulator nor a key asks for one."""

from __future__ import annotations

from typing import Any

from firebase_admin import credentials
from google.auth import credentials as google_credentials

__all__ = ["Owner"]

# google-auth and firebase-admin are not annotated.
Credential: Any = credentials.Base
Anonymous: Any = google_credentials.AnonymousCredentials


class Owner(Credential):  # type: ignore[misc]
    """Asks for nothing."""

    def get_credential(self) -> Any:
        return Anonymous()
