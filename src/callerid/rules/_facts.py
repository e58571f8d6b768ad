"""All that a rule may look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from callerid.callers import CUSTOM, FIREBASE, GOOGLE, OIDC, Caller, Claims, CustomFacts, FirebaseFacts, OidcFacts
from callerid.rules._text import lower

__all__ = ["NOT_ASKED", "Facts", "LookedUp"]


class LookedUp:
    """What look-ups say of the caller: nothing, where none was asked."""

    def says(self, of: str, fact: str) -> bool:
        """Whether the look-up of this name says this of the caller."""
        return False

    def was_asked(self, of: str, fact: str) -> bool:
        """Whether it was asked about it."""
        return False

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


NOT_ASKED: Final = LookedUp()

_NO_PATH: Mapping[str, Any] = Claims()


class Facts(NamedTuple):
    """All that a rule may look at.

    ``caller`` is who is calling (``None``: nobody said), ``via`` the service that carried the call, ``path`` the path
    parameters as the framework converted them, ``now`` the time in seconds since the epoch. ``tenant_named`` is set by
    `AllOf` for its members when one of them names the tenant. ``app`` is the id of the app that sent the request,
    ``looked_up`` what look-ups say of the caller, ``first_use`` whether the caller's token was not used before.
    """

    caller: Caller | None = None
    via: Caller | None = None
    path: Mapping[str, Any] = _NO_PATH
    now: float = 0.0
    tenant_named: bool = False
    app: str | None = None
    looked_up: LookedUp = NOT_ASKED
    first_use: bool = False

    # A tuple, since it is made at every request: a frozen dataclass takes more than twice the time to make.

    def __hash__(self) -> int:
        return hash((self.caller, self.via, self.now, self.tenant_named, self.app))  # the path may hold anything

    @property
    def has(self) -> tuple[str, ...]:
        """What long lists of rules are looked up by: the caller's id, address and domain."""
        caller = self.caller
        if caller is None:
            return ()
        return (f"id {caller.subject}", f"email {lower(caller.email)}", f"domain {lower(caller.domain)}")

    @property
    def google(self) -> Caller | None:
        """The caller, if a Google identity."""
        caller = self.caller
        return caller if caller is not None and caller.kind is GOOGLE else None

    @property
    def firebase(self) -> FirebaseFacts | None:
        """The caller's Firebase facts, if a Firebase user."""
        caller = self.caller
        return caller.firebase if caller is not None and caller.kind is FIREBASE else None

    @property
    def oidc(self) -> OidcFacts | None:
        """What the caller's OpenID Connect provider says of them, if they come from one."""
        caller = self.caller
        return caller.oidc if caller is not None and caller.kind is OIDC else None

    @property
    def custom(self) -> CustomFacts | None:
        """What the application says of the caller, if they have a credential of its own."""
        caller = self.caller
        return caller.custom if caller is not None and caller.kind is CUSTOM else None
