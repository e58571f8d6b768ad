"""Who is calling, and which service carried the call."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from callerid.callers import Caller

__all__ = ["NOBODY", "Identity", "joined"]


class Identity(NamedTuple):
    """The verified callers of one request: who is calling, and which service carried the call.

    ``ignored`` describes, for the log, header values that are not bearer tokens and were ignored; it never quotes them.
    """

    caller: Caller | None = None
    via: Caller | None = None
    ignored: str = ""


NOBODY: Final = Identity()
"""The identity of a request without a credential."""


def joined(one: Identity, other: Identity) -> Identity:
    """The identity of a request with two credentials: the caller's ``via`` is the service that carried the call."""
    caller = one.caller if other.caller is None else other.caller
    via = one.via if other.via is None else other.via
    if caller is not None and via is not None:
        caller = replace(caller, via=via)
    return Identity(caller, via)
