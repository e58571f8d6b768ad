"""All that a rule may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from callerid.callers import Caller, Claims, FirebaseFacts, Kind
from callerid.rules.text import lower

__all__ = ["Facts"]

_NO_PATH: Mapping[str, Any] = Claims()


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a rule may look at.

    ``caller`` is who is calling (``None``: nobody said), ``via`` the service that carried the call, ``path`` the path
    parameters as the framework converted them, ``now`` the time in seconds since the epoch. ``tenant_named`` is set by
    `AllOf` for its members when one of them names the tenant.
    """

    caller: Caller | None = None
    via: Caller | None = None
    path: Mapping[str, Any] = field(default=_NO_PATH, hash=False)
    now: float = 0.0
    tenant_named: bool = False

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
        return self.caller if self.caller is not None and self.caller.kind is Kind.GOOGLE else None

    @property
    def firebase(self) -> FirebaseFacts | None:
        """The caller's Firebase facts, if a Firebase user."""
        return self.caller.firebase if self.caller is not None and self.caller.kind is Kind.FIREBASE else None
