"""Access tests as data: ``access.toml`` beside an application says who may call what, and who may not.

For instance::

    app = "app:app"
    site = "shop.example.com"

    [personas.stranger]
    may = ["GET /health"]
    may_not = "everything else"

    [personas.ada]
    firebase_user = "ada"
    may = ["GET /health", "GET /users/ada/orders"]
    may_not = ["GET /users/ben/orders", "WS /reports/live"]

``site`` is the host that calls name, for an application that answers to some hosts alone; it may be left out.

A persona without a credential has no kind; the kinds are ``person``, ``workspace_person``, ``service_account``,
``self_signed``, ``access_token`` (each an e-mail address), ``chat`` (the number of a Chat app's project),
``oidc_caller``, ``own_credential`` (each a subject) and ``firebase_user`` (a uid). Beside it may stand what the
credentials of that kind say: ``audience``, ``subject``, ``domain``, ``scopes``; ``issuer`` (the provider's ``iss``, or
the name of a `custom_credential`, where the guards trust several), ``facts``; ``project``, ``email``,
``phone``, ``provider``, ``tenant``, ``second_factor``, ``claims`` and ``signed_in_ago`` (seconds). Where the guards
read no ID tokens of that kind, the session cookie or the assertion of IAP is sent that is made of one. ``via`` is the
service account that carries the calls, ``app`` the id of the app that sends them, as App Check attests it. ``roles``
is what the look-up of that name says of the persona, and ``looked_up`` what others do, as in
``looked_up = {groups = ["eng@example.com"]}``: no look-up is asked, and those that are not named say nothing.
``"everything else"`` is every call that the file names anywhere and this persona may not make otherwise, and every
route of the application that none of those calls reaches, named in the file or not: a path is made up for it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from callerid.errors import ConfigurationError, one_line
from callerid.rules import App

__all__ = [
    "EVERYTHING_ELSE",
    "KINDS",
    "Case",
    "Suite",
    "SuitePersona",
    "check_options",
    "persona_of",
    "read_suite",
]

EVERYTHING_ELSE = "everything else"

_GOOGLE = {"audience": str, "subject": str}
_FIREBASE = dict.fromkeys(("project", "email", "phone", "provider", "tenant", "second_factor"), str)

KINDS: Mapping[str, Mapping[str, type]] = {
    "person": _GOOGLE,
    "workspace_person": {**_GOOGLE, "domain": str},
    "service_account": _GOOGLE,
    "self_signed": {"audience": str},
    "chat": {},
    "access_token": {**_GOOGLE, "scopes": list},
    "own_credential": {"issuer": str, "facts": dict},
    "oidc_caller": {"issuer": str, "audience": str, "claims": dict},
    "firebase_user": {**_FIREBASE, "claims": dict, "attributes": dict, "signed_in_ago": int},
}
"""The kinds of persona, each with what may be said of one."""


@dataclass(frozen=True, slots=True)
class SuitePersona:
    """Somebody who calls: of which kind (empty: without a credential), by which name, and what else is said of them."""

    name: str
    kind: str = ""
    who: str = ""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    via: str | None = None
    app: str | None = None
    looked_up: Mapping[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])


@dataclass(frozen=True, slots=True)
class Case:
    """One call of one persona, and whether they may."""

    persona: SuitePersona
    method: str
    path: str
    may: bool

    @property
    def call(self) -> str:
        """The method and the path."""
        return f"{self.method} {self.path}"

    def __str__(self) -> str:
        return f"{self.persona.name} {'may' if self.may else 'may not'} {self.call}"


@dataclass(frozen=True, slots=True)
class Suite:
    """All cases of a file, the application that it names, if it does, and the host that calls name, if it says so.

    ``rest`` are the personas who may not call any route that no case of theirs reaches.
    """

    cases: tuple[Case, ...]
    application: str | None = None
    rest: tuple[SuitePersona, ...] = ()
    site: str | None = None


def read_suite(text: str, name: str) -> Suite:
    """Read an ``access.toml``; ``name`` is its file's.

    Raises `ConfigurationError`, in one line that says what and where.
    """
    try:
        given = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _bad_suite(f"{name}: it is not TOML: {one_line(str(error))}") from None
    try:
        return _suite(given)
    except ConfigurationError as error:
        raise ConfigurationError(one_line(f"{name}: {error.message}"), code=error.code) from None


def _bad_suite(message: str) -> ConfigurationError:
    return ConfigurationError(message, code="access-tests")


def _suite(given: dict[str, Any]) -> Suite:
    application, site, personas = (given.pop(key, None) for key in ("app", "site", "personas"))
    if given:
        raise _bad_suite(f"{next(iter(given))!r} is unknown here: write app, site and [personas.NAME]")
    if not isinstance(application, str | None):
        raise _bad_suite("app is a string such as 'app:app'")
    if site is not None and (not isinstance(site, str) or re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", site) is None):
        raise _bad_suite("site is a host such as 'shop.example.com'")
    if not isinstance(personas, dict) or not personas:
        raise _bad_suite("no personas: write [personas.NAME] for each")
    tables = {name: _table(name, table) for name, table in cast("dict[str, Any]", personas).items()}
    called = {name: _calls(name, table) for name, table in tables.items()}
    every = dict.fromkeys(call for calls in called.values() for call in calls)
    described = {name: persona_of(name, table) for name, table in tables.items()}
    refused = [name for name, table in tables.items() if table.get("may_not") == EVERYTHING_ELSE]
    cases = [
        case
        for name, persona in described.items()
        for case in _cases(persona, called[name], every if name in refused else {})
    ]
    silent = next((name for name in tables if not called[name] and name not in refused), None)
    if silent is not None:
        raise _bad_suite(f"{silent} has no calls: write may = [...] and may_not = [...]")
    return Suite(tuple(cases), application, tuple(described[name] for name in refused), site)


def _table(name: str, table: Any) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise _bad_suite(f"[personas.{name}] is not a table")
    return cast("dict[str, Any]", table)


def persona_of(name: str, table: Mapping[str, Any]) -> SuitePersona:
    """The persona that a table describes. Raises `ConfigurationError` for what cannot be said of one."""
    said = {key: value for key, value in table.items() if key not in _OF_EVERY_KIND}
    kinds = [key for key in said if key in KINDS]
    if len(kinds) > 1:
        raise _bad_suite(f"{name} is {' and '.join(kinds)}: a persona is one of them, or none of them for a stranger")
    kind = kinds[0] if kinds else ""
    options = {key: value for key, value in said.items() if key != kind}
    check_options(name, kind, options)
    who, via, app = said.get(kind, ""), table.get("via"), table.get("app")
    for what, value in ((kind, who), ("via", via), ("app", app)):
        if not isinstance(value, str | None):
            raise _bad_suite(f"{name}: {what} is a string")
    if app is not None:
        App(app)  # raises for what is no app's id
    return SuitePersona(name, kind, who, options, via, app, _looked_up(name, table))


_OF_EVERY_KIND: Final = ("may", "may_not", "via", "app", "roles", "looked_up")


def check_options(name: str, kind: str, options: Mapping[str, Any]) -> None:
    """Check what is said of somebody of this kind; ``name`` says whose it is. Raises `ConfigurationError`."""
    known = KINDS.get(kind, {})
    for key, value in options.items():
        if key not in known:
            raise _bad_suite(f"{name}: {key!r} is not a setting of a {kind or 'stranger'}")
        if type(value) is not known[key]:
            raise _bad_suite(f"{name}: {key} is {value!r}, and has to be of type {known[key].__name__}")


def _looked_up(name: str, table: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    given = table.get("looked_up", {})
    if not isinstance(given, dict):
        raise _bad_suite(f"{name}: looked_up is a table, such as {{groups = ['eng@example.com']}}")
    said = cast("dict[str, Any]", given) | ({"roles": table["roles"]} if "roles" in table else {})
    for of, facts in said.items():
        if not _is_array(facts) or not all(isinstance(each, str) for each in facts):
            raise _bad_suite(f"{name}: what {of!r} says is an array of texts, such as ['editor']")
    return {of: frozenset(facts) for of, facts in said.items()}


def _calls(name: str, table: Mapping[str, Any]) -> dict[str, bool]:
    """The calls that are written out, and whether the persona may make them."""
    found: dict[str, bool] = {}
    for key, may in (("may", True), ("may_not", False)):
        given = table.get(key, [])
        if given == EVERYTHING_ELSE and not may:
            continue
        for call in _texts(given, f"{name}.{key}"):
            method, _, path = call.partition(" ")
            if not method.isalpha() or method != method.upper() or not path.startswith("/") or set(path) & set("?#{} "):
                raise _bad_suite(f"{name}.{key}: {call!r} is not a call: write 'GET /users/ada', or 'WS /live'")
            if call in found:
                raise _bad_suite(f"{name}: {call!r} is there twice")
            found[call] = may
    return found


def _texts(given: Any, where: str) -> list[str]:
    if not _is_array(given) or not all(isinstance(each, str) for each in given):
        more = f", or the text {EVERYTHING_ELSE!r}" if where.endswith(".may_not") else ""
        raise _bad_suite(f"{where} is an array of calls such as 'GET /health'{more}")
    return given  # type: ignore[no-any-return]


def _is_array(value: Any) -> bool:
    return isinstance(value, list)


def _cases(persona: SuitePersona, calls: Mapping[str, bool], refused: Iterable[str]) -> Iterator[Case]:
    for call, may in {**dict.fromkeys(refused, False), **calls}.items():
        method, _, path = call.partition(" ")
        yield Case(persona, method, path, may)
