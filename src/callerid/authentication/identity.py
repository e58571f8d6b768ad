"""Who is calling, and which service carried the call."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from callerid.callers import Caller

__all__ = ["NOBODY", "Identity", "joined"]


class Identity(NamedTuple):
    """The verified callers of one request: who is calling, and which service carried the call.

    ``ignored`` says in words what else the headers held that are read, without any of its value: another scheme than
    Bearer is no credential.
    """

    caller: Caller | None = None
    via: Caller | None = None
    ignored: str = ""


NOBODY: Final = Identity()
"""Of a request without a credential."""


def joined(one: Identity, other: Identity) -> Identity:
    """What two credentials of one request prove together: the caller knows the service that carried the call."""
    caller = one.caller if other.caller is None else other.caller
    via = one.via if other.via is None else other.via
    if caller is not None and via is not None:
        caller = replace(caller, via=via)
    return Identity(caller, via)
