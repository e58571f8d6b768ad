"""Who calls: strangers, personas of ``access.toml``, ones made on the spot, and whoever a pasted token names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from callerid.audit._suite import KINDS, Suite, SuitePersona, persona_of
from callerid.callers import Kind
from callerid.errors import ConfigurationError
from callerid.issuers import CredentialLocation, CustomCredentialIssuer, Issuer
from callerid.testing._compact import header_and_claims

__all__ = ["FORM_KINDS", "Pasted", "PlayPersona", "about", "first_people", "made_persona", "sent_as"]

FORM_KINDS: Final[Mapping[str, str]] = {
    "person": "a person with a Google account",
    "workspace_person": "a person of a Google Workspace",
    "service_account": "a service account",
    "firebase_user": "a Firebase user",
    "oidc_caller": "a user of another OpenID provider",
    "access_token": "a person with a Google access token",
    "own_credential": "a holder of an API key or session of the app's own",
    "chat": "Google Chat",
    "self_signed": "a service account that signs for itself",
}
"""The kinds of persona that can be made on the spot, in words."""

LONGEST_FIELD: Final = 4096


@dataclass(frozen=True, slots=True)
class Pasted:
    """A token that somebody pasted: it is sent as it is, and judged by the keys that the application really trusts."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PlayPersona:
    """One row of the table. ``key`` tells it from others; ``is_made`` is whether it may be removed again."""

    key: str
    name: str
    about: str
    sends: SuitePersona | Pasted
    is_made: bool = False

    @property
    def is_real(self) -> bool:
        """Whether its credential was pasted, and is judged by the real keys."""
        return isinstance(self.sends, Pasted)


def first_people(
    suite: Suite | None, issuers: Iterable[Issuer], named: Sequence[SuitePersona] = ()
) -> list[PlayPersona]:
    """The personas of a suite and a stranger; without a suite, a few of each family that the guards believe.

    Among these are the Google accounts that the rules name.
    """
    described = (
        _usual(issuers, named)
        if suite is None
        else [*{case.persona.name: case.persona for case in suite.cases}.values()]
    )
    if suite is not None:
        described += [each for each in suite.rest if each.name not in {known.name for known in described}]
    if not any(not (each.kind or each.via or each.app) for each in described):
        described.insert(0, SuitePersona("stranger"))
    return [PlayPersona(f"p{at}", each.name, about(each), each) for at, each in enumerate(described)]


def _usual(issuers: Iterable[Issuer], named: Sequence[SuitePersona]) -> list[SuitePersona]:
    families = {each.kind for each in issuers}
    people = [SuitePersona("stranger")]
    if Kind.GOOGLE in families:
        people += named
        if not any(each.kind == "workspace_person" for each in named):
            people.append(SuitePersona("sam", "workspace_person", "sam@example.com"))
        people += [
            SuitePersona("eve", "person", "eve@gmail.com"),
            SuitePersona("robot", "service_account", "robot@some-project.iam.gserviceaccount.com"),
        ]
    if Kind.FIREBASE in families:
        people += [
            SuitePersona("ada", "firebase_user", "ada"),
            SuitePersona("ben", "firebase_user", "ben"),
            SuitePersona("guest", "firebase_user", "guest", {"provider": "anonymous"}),
        ]
    if Kind.OIDC in families:
        people.append(SuitePersona("pipeline", "oidc_caller", "ada"))
    return people


_WORDS: Final[Mapping[str, str]] = {
    "person": "Google account {who}",
    "workspace_person": "{who}, Google Workspace",
    "service_account": "service account {who}",
    "self_signed": "signs for itself: {who}",
    "access_token": "access token of {who}",
    "chat": "Google Chat, project {who}",
    "firebase_user": "Firebase user {who}",
    "oidc_caller": "OpenID user {who}",
    "own_credential": "own credential of {who}",
}


def about(persona: SuitePersona) -> str:
    """Who a persona is, in words."""
    parts = [_WORDS[persona.kind].format(who=persona.who)] if persona.kind else []
    parts += [f"{name.replace('_', ' ')} {_short(value)}" for name, value in persona.options.items()]
    parts += [f"{name} {', '.join(sorted(facts))}" for name, facts in persona.looked_up.items() if facts]
    parts += [f"carried by {persona.via}"] if persona.via else []
    parts += [f"in app {persona.app}"] if persona.app else []
    return "; ".join(parts) or "sends no credential"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def made_persona(fields: Mapping[str, str], taken: Sequence[str]) -> SuitePersona:
    """A persona of what somebody wrote into the form; ``taken`` are the names of the others.

    The same checks as for ``access.toml`` apply. Raises `ConfigurationError`, in one line.
    """
    given = {name: value.strip() for name, value in fields.items() if value.strip()}
    if any(len(value) > LONGEST_FIELD for value in given.values()):
        raise _bad_field(f"a field is longer than {LONGEST_FIELD} characters")
    kind, who = given.get("kind", ""), given.get("who", "")
    if kind not in FORM_KINDS:
        raise _bad_field("choose what kind of caller it is")
    if not who:
        raise _bad_field("write who it is: an e-mail address, a uid or a subject")
    table: dict[str, Any] = {kind: who, **dict(_options(kind, given))}
    if "roles" in given:
        table["roles"] = [each.strip() for each in given["roles"].split(",") if each.strip()]
    if "looked_up" in given:
        table["looked_up"] = _object("looked_up", given["looked_up"])
    table |= {name: given[name] for name in ("via", "app") if name in given}
    name = given.get("name") or who.partition("@")[0]
    while name in taken:
        name += "'"
    return persona_of(name, table)


def _bad_field(message: str) -> ConfigurationError:
    return ConfigurationError(message, code="access-page")


def _options(kind: str, given: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for name, of in KINDS[kind].items():
        value = given.get(name)
        if value is None:
            continue
        if of is str:
            yield name, value
        elif of is int:
            yield name, _number(name, value)
        elif of is list:
            yield name, value.split()
        else:
            yield name, _object(name, value)


def _number(name: str, value: str) -> int:
    if not value.isdecimal() or len(value) > 12:
        raise _bad_field(f"{name.replace('_', ' ')} is a number of seconds")
    return int(value)


def _object(name: str, value: str) -> dict[str, Any]:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _bad_field(f'{name.replace("_", " ")} is a JSON object, such as {{"role": "admin"}}')
    return cast("dict[str, Any]", found)


def sent_as(token: str, issuers: Iterable[Issuer]) -> dict[str, str]:
    """The header in which a pasted credential is sent: where its issuer's are read, else ``Authorization``."""
    known = list(issuers)
    try:
        _, claims = header_and_claims(token)
        reading = [each for each in known if claims.get("iss") in each.accepted_iss]
    except ValueError:  # it is opaque
        own = (each for each in known if isinstance(each, CustomCredentialIssuer))
        reading = [each for each in own if token.startswith(each.prefix)]
    places = (place for each in reading for place in each.locations if not place.behind)
    return _header(token, next(places, CredentialLocation("authorization")))


def _header(token: str, place: CredentialLocation) -> dict[str, str]:
    if place.cookie:
        return {"Cookie": f"{place.cookie}={token}"}
    return {place.header.title(): token if place.is_bare else f"{place.scheme} {token}"}
