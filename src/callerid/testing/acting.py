"""Acting: a test calls handlers as a given caller, and the rules judge as ever.

``app.dependency_overrides`` cannot do this: a rule is no dependency's value, so replacing values never lifts a rule.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from callerid.callers import Caller
from callerid.guard import GuardCore, Identity
from callerid.issuers import Issuer, firebase, google
from callerid.testing.compact import Part, compact
from callerid.testing.mint import PERSON_AUDIENCE, Mint
from callerid.tokens import parse
from callerid.verify import verified

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from callerid.guard import Flow

__all__ = ["as_caller", "firebase_user", "google_person", "service_account"]


@contextmanager
def as_caller(guard: GuardCore, caller: Caller) -> Generator[Caller]:
    """While active, requests through this guard that carry no credential count as made by this caller.

    For instance::

        with as_caller(guard, google_person("ada@example.com", domain="example.com")):
            assert client.get("/reports").status_code == 200

    Nothing else changes: every rule and every ``audience=`` is judged, so a caller who may not is refused with 403, and
    one whose `Caller.audience` does not fit with 401. A request with a credential of its own is judged by that one. It
    holds in all threads and tasks until the ``with`` block ends; blocks nest, and the innermost counts. It works as a
    decorator, too.

    Raises `TypeError` for what is no `Caller`, `ValueError` for one of an issuer that this guard does not trust: such a
    caller could never reach it.
    """
    if not isinstance(caller, Caller):
        raise TypeError(f"as_caller takes a Caller, such as google_person(...) makes, not {caller!r}")
    if all(issuer.name != caller.issuer for issuer in guard.issuers):
        trusted = [issuer.name for issuer in guard.issuers]
        raise ValueError(f"This guard believes {trusted}, so nobody of {caller.issuer!r} could reach it.")

    def identify(sent: Mapping[str, list[str]]) -> Flow[Identity]:
        found = yield from type(guard).identify(guard, sent)
        if found.caller is not None:
            return found
        carried = caller if found.via is None else replace(caller, via=found.via)
        return Identity(carried, carried.via)

    def recognise(_: Mapping[str, list[str]]) -> None:
        """Nobody: `identify` is to tell."""

    own = vars(guard)
    ours = {"identify": identify, "recognise": recognise}
    before = {name: own[name] for name in ours if name in own}
    own.update(ours)
    try:
        yield caller
    finally:
        for name in ours:
            del own[name]
        own.update(before)


def google_person(
    email: str | None = "ada@gmail.com",
    *,
    domain: str | None = None,
    audience: str = PERSON_AUDIENCE,
    subject: str | None = None,
    email_verified: bool = True,
) -> Caller:
    """A person with a Google account, who signed in just now; ``domain`` makes it a Workspace account.

    Takes and refuses what `LocalIssuer.person` and `LocalIssuer.workspace_person` do.
    """
    if domain is None:
        token = _PENCIL.person(email, audience=audience, subject=subject, email_verified=email_verified)
    elif email is None:
        raise ValueError("A Workspace person has an e-mail address.")
    else:
        token = _PENCIL.workspace_person(
            email, domain=domain, audience=audience, subject=subject, email_verified=email_verified
        )
    return _caller(token, google(audience))


def service_account(
    email: str = "scheduler@shop-prod.iam.gserviceaccount.com",
    *,
    audience: str = "https://orders.example.com",
    subject: str | None = None,
    include_email: bool = True,
    compute_engine: Mapping[str, Any] | None = None,
) -> Caller:
    """A service account with a token for this audience. Takes and refuses what `LocalIssuer.service_account` does."""
    token = _PENCIL.service_account(
        email, audience=audience, subject=subject, include_email=include_email, compute_engine=compute_engine
    )
    return _caller(token, google(audience))


def firebase_user(  # noqa: PLR0913 - one parameter a fact
    uid: str,
    *,
    project: str = "shop-prod",
    email: str | None = None,
    email_verified: bool = True,
    phone: str | None = None,
    provider: str | None = None,
    tenant: str | None = None,
    second_factor: str | None = None,
    signed_in_at: int | None = None,
    claims: Mapping[str, Any] | None = None,
) -> Caller:
    """A Firebase user, who signed in just now or at ``signed_in_at`` (seconds since the epoch).

    ``claims`` are custom claims. Takes and refuses what `LocalIssuer.firebase_user` does.
    """
    token = _PENCIL.firebase_user(
        uid,
        project=project,
        email=email,
        email_verified=email_verified,
        phone=phone,
        provider=provider,
        tenant=tenant,
        second_factor=second_factor,
        signed_in_at=signed_in_at,
        claims=claims,
    )
    return _caller(token, firebase(project))


class _Pencil(Mint):
    """Writes what the mint would write, and signs nothing: no key is made."""

    def sign(self, claims: Part, header: Part | None = None, *, key: str = "google") -> str:
        return compact({"alg": "RS256", "kid": "pencil"}, claims, lambda _: b"pencil")


_PENCIL = _Pencil(clock=time.time)


def _caller(token: str, issuer: Issuer) -> Caller:
    # The library's own reading, so that a caller holds here what it would hold in a request.
    return verified(parse(token), issuer)
