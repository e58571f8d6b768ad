"""Personas: who calls an application in a test, with whatever is not said made up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from types import MappingProxyType
from typing import Any, Final

from callerid.audit._suite import KINDS, SuitePersona, persona_of

__all__ = ["persona"]


def persona(  # noqa: PLR0913 - what may be said of every persona
    kind: str = "stranger",
    who: str | None = None,
    *,
    via: str | None = None,
    app: str | None = None,
    roles: Iterable[str] | None = None,
    looked_up: Mapping[str, Iterable[str]] = MappingProxyType({}),
    **said: Any,
) -> SuitePersona:
    """Somebody who calls, for the fixture ``caller_client``: each is somebody else, unless ``who`` says who.

    ``kind`` is that of a persona in ``access.toml``, and ``said`` what may be said of one there:

    - ``person``, ``workspace_person`` and ``service_account`` have a Google ID token, or IAP's assertion where the
      application reads that; ``self_signed`` is a service account with a token that it signed itself, ``chat`` Google
      Chat, ``access_token`` a person with one. ``who`` is the e-mail address; of ``chat`` the project's number.
    - ``firebase_user`` has a Firebase ID token, or a session cookie where the application reads that; ``oidc_caller``
      the token of an OpenID Connect provider, ``own_credential`` one of the application's own. ``who`` is the uid or
      subject.
    - ``stranger`` has no credential.

    Audience, project and issuer are those that the application accepts, where ``said`` names no others. ``via`` is the
    service account that carries the call, ``app`` the id of the app whose App Check token comes with it. ``roles`` is
    what the look-up "roles" says of them, ``looked_up`` what each look-up of a name says.

    Raises `ValueError` for what is no kind, and without ``who`` for ``self_signed`` and ``chat``: an application
    believes a few accounts only. Raises `ConfigurationError` for what cannot be said of this kind.
    """
    known = ("stranger", *KINDS)
    if kind not in known:
        raise ValueError(f"a persona is one of {', '.join(known)}, not {kind!r}")
    if kind == "stranger":
        table: dict[str, Any] = dict(said)
    else:
        if who is None and kind not in _MADE_UP:
            raise ValueError(f"say who it is: persona({kind!r}, who)")
        table = {kind: _MADE_UP[kind].format(next(_numbers)) if who is None else who, **said}
    answers = {of: sorted(facts) for of, facts in looked_up.items()}
    if roles is not None:
        answers["roles"] = sorted(roles)
    more = {"via": via, "app": app, "looked_up": answers}
    return persona_of(who or kind, table | {name: value for name, value in more.items() if value is not None})


_numbers = count(1)

_MADE_UP: Final = {
    "person": "person{}@gmail.com",
    "workspace_person": "person{}@example.com",
    "service_account": "account{}@shop-prod.iam.gserviceaccount.com",
    "access_token": "person{}@gmail.com",
    "own_credential": "caller{}",
    "oidc_caller": "caller{}",
    "firebase_user": "user{}",
}
"""By which name each kind of persona goes, by its number."""
