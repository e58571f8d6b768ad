"""Who is calling, which service carried the call, and which app sent it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from callerid.callers import Caller
from callerid.issuers import Consumer, CredentialLocation

__all__ = ["NOBODY", "Identity", "joined"]


class Identity(NamedTuple):
    """The verified callers of one request: who is calling, and which service carried the call.

    ``app`` is the id of the app that an App Check token names, with a caller or without. ``forwards`` is where the
    gateway that carried the call puts the caller's token. ``accepted`` are the audiences that the caller's issuer
    accepts; ``None``: all that the guard accepts of its name. ``consumer`` hears that the app's token was used.

    ``use_id`` is by what uses of the caller's token are counted (`callerid.authentication._uses`; ``None``: they cannot
    be), ``first_use`` whether it counts as not used before.

    ``ignored`` describes, for the log, header values that are not bearer tokens and were ignored; it never quotes them.
    """

    caller: Caller | None = None
    via: Caller | None = None
    ignored: str = ""
    app: str | None = None
    forwards: CredentialLocation | None = None
    accepted: frozenset[str] | None = None
    consumer: Consumer | None = None
    use_id: str | bytes | None = None
    first_use: bool = False


NOBODY: Final = Identity()
"""The identity of a request without a credential."""


def joined(one: Identity, other: Identity) -> Identity:
    """The identity of a request with two credentials: the caller's ``via`` is the service that carried the call.

    Their ``app`` is the one that sent it.
    """
    named = one if other.caller is None else other
    # A gateway has the last word on who carried the call: it forwarded the caller.
    carrying = one if other.via is None or one.forwards is not None else other
    caller, via = named.caller, carrying.via
    app = one.app if other.app is None else other.app
    if caller is not None and (caller.via is not via or caller.app != app):
        caller = replace(caller, via=via, app=app)
    return Identity(
        caller, via, one.ignored or other.ignored, app, carrying.forwards, named.accepted, use_id=named.use_id
    )
