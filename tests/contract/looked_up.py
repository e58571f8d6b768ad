"""What is looked up about the callers of the contract, and who is revoked."""

from __future__ import annotations

import threading
import time
from typing import Any, TypeVar

from callerid import Caller, Lookup
from callerid.guard import GuardCore
from callerid.testing._claims import numeric_id

__all__ = ["FAILING", "GROUP", "LOOKUPS", "revoke"]

ROLES = {
    "user:ada@example.com": {"editor", "red"},
    "user:ada@gmail.com": {"viewer"},
    "custom:keys/ada": {"editor"},
}
GROUP = "eng@example.com"

G = TypeVar("G", bound=GuardCore)


def roles(caller: Caller) -> set[str]:
    return ROLES.get(str(caller), set())


async def teams(caller: Caller) -> set[str]:
    return roles(caller)


def is_member(caller: Caller, group: str) -> bool:
    """A group has members of another domain, too: that is the look-up's word."""
    return (str(caller), group) == ("user:eve@other.com", GROUP)


def status(caller: Caller) -> set[str]:
    return set() if caller.subject == "u2" else {"active"}


def raises(_: Caller) -> Any:
    raise ValueError("/secret")


def hangs(_: Caller) -> Any:
    """For longer than its look-up has time."""
    threading.Event().wait(1)
    raise TimeoutError


FAILING = ("raises", "odd", "hangs")
LOOKUPS = (
    Lookup("roles", roles),
    Lookup("teams", teams),
    Lookup("groups", is_member, one_by_one=True),
    Lookup("account_status", status),
    Lookup("raises", raises),
    Lookup("odd", lambda _: "editor"),
    Lookup("hangs", hangs, timeout=0.05),
)


def revoke(guard: G, robot: str, project: str) -> G:
    """Revoke some, and what is issued to them for an hour from now."""
    later = type(guard).like(guard, clock=lambda: time.time() + 3600)
    for account in ("ada@example.com", robot):
        later.revoke(numeric_id(account), issuer="https://accounts.google.com")
    later.revoke("u1", issuer=f"https://securetoken.google.com/{project}")
    later.revoke("ada", issuer="keys")
    return guard
