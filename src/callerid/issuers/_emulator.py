"""Where the Firebase Auth emulator may be believed.

Source: Firebase, "Connect your app to the Authentication Emulator".
"""

from __future__ import annotations

import os
import re
from typing import Final

from callerid.errors import ConfigurationError
from callerid.issuers._issuer import asking
from callerid.keys import KeyDocument, is_loopback

__all__ = ["NO_KEYS", "check_emulator", "check_not_deployed"]

NO_KEYS: Final = KeyDocument('{"keys": []}')
"""The keys of an issuer whose tokens nobody signs."""

_DEPLOYED: Final = {
    "K_SERVICE": "Cloud Run",
    "GAE_ENV": "App Engine",
    "GAE_INSTANCE": "App Engine",  # the flexible environment sets no GAE_ENV
    "KUBERNETES_SERVICE_HOST": "Kubernetes",
}
"""Environment variables that a platform sets, and the platform."""

_ADDRESS: Final = re.compile(r"(\[::1\]|[0-9.]+|localhost):([1-9][0-9]{0,4})")


def check_emulator(address: object) -> None:
    """Raise `ConfigurationError` for what is no address of this machine, and where `check_not_deployed` does."""
    found = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
    if found is None or not is_loopback(found[1].strip("[]")) or int(found[2]) > 65_535:
        raise ConfigurationError(
            "emulator= is the Firebase Auth emulator on this machine, such as '127.0.0.1:9099', '[::1]:9099' or "
            f"'localhost:9099', not {address!r}{asking(address)}",
            code="emulator",
        )
    check_not_deployed()


def check_not_deployed() -> None:
    """Raise `ConfigurationError` where the environment is a platform's: the emulator's tokens are for a developer."""
    for name, platform in _DEPLOYED.items():
        if name in os.environ:
            raise ConfigurationError(
                f"emulator= believes unsigned tokens, which anybody can write, and this is {platform} ({name} is set): "
                "leave emulator= out here",
                code="emulator",
            )
