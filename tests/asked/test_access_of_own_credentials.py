"""An application's own credentials in the map, the lock, the comparison, access.toml, and under a local issuer."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from callerid import (
    ConfigurationError,
    Fact,
    Identity,
    IssuedBy,
    Issuer,
    Nobody,
    Public,
    Rule,
    Scope,
    Subject,
    custom_credential,
    google_access_token,
)
from callerid.access import access_map, locked, newcomers, read_suite
from callerid.asgi import CallerMiddleware
from callerid.audit._ways import by_which
from callerid.guard import Guard as AnyGuard
from callerid.starlette import Guard
from callerid.testing import LocalIssuer
from callerid.testing.access import rehearsing

CLIENT = "1234-abc.apps.googleusercontent.com"


def verify(text: str) -> Identity | None:
    return Identity("ada") if text == "sk_ada" else None


def another(text: str) -> Identity | None:
    return Identity(text)


class WrittenAsAClass:
    def __call__(self, text: str) -> Identity | None:
        return another(text)


def keys(function: Any = verify, **options: Any) -> Issuer:
    return custom_credential("keys", verify=function, **(options or {"header": "X-Api-Key"}))


def app(rule: Rule, *issuers: Issuer) -> Any:
    return CallerMiddleware(Starlette(), guard=AnyGuard(*issuers), default=rule)


def new_access(before: Any, after: Any) -> list[str]:
    return [str(each) for each in newcomers(locked(access_map(before)), access_map(after))]


def test_the_lock_names_the_function_and_a_hash_of_its_source() -> None:
    lock = locked(access_map(app(Subject("ada"), keys())))
    assert "issuer keys\n" in lock
    assert f"verified by {__name__}:verify " in lock
    assert "reads x-api-key" in lock
    assert not new_access(app(Subject("ada"), keys()), app(Subject("ada"), keys()))


@pytest.mark.parametrize("function", [another, functools.partial(another), WrittenAsAClass()])
def test_what_another_function_lets_in_cannot_be_told(function: Any) -> None:
    (found,) = new_access(app(Subject("ada"), keys()), app(Subject("ada"), keys(function)))
    assert "cannot tell: the keys or settings of keys changed" in found


def test_how_long_an_answer_is_believed_decides_about_nobody() -> None:
    later = keys(header="X-Api-Key", max_age=600, timeout=5)
    assert not new_access(app(Subject("ada"), keys()), app(Subject("ada"), later))


def test_a_function_without_source_is_told_by_its_name() -> None:
    namespace: dict[str, Any] = {"__name__": "made"}
    exec("def verify(text): return None", namespace)
    assert "verified by made:verify" in locked(access_map(app(Subject("ada"), keys(namespace["verify"]))))


@pytest.mark.parametrize(
    ("before", "after", "is_new"),
    [
        (IssuedBy("keys"), Subject("ada"), False),
        (Subject("ada"), IssuedBy("keys"), True),
        (Subject("ada"), Subject("ben"), True),
        (Fact("plan", "gold"), Fact("plan", "gold") & Subject("ada"), False),
    ],
)
def test_rules_about_them_are_compared(before: Rule, after: Rule, *, is_new: bool) -> None:
    assert bool(new_access(app(before, keys()), app(after, keys()))) is is_new


def test_the_map_says_by_which_credential_one_comes() -> None:
    sessions = custom_credential("sessions", cookie="sid", verify=verify)
    found = access_map(app(Subject("ada", of="keys") | Subject("ada", of="sessions"), keys(), sessions))
    (row,) = found.rows
    assert by_which(row) == "the application's own credential (keys) or the application's own credential (sessions)"


# --- a local issuer in its place ---


def whoami(request: Any) -> PlainTextResponse:
    return PlainTextResponse(str(request.user))


def served(*issuers: Issuer) -> tuple[Any, Guard]:
    guard = Guard(*issuers)
    routes = [
        Route("/", guard.allow(Subject("ada") & Fact("plan", "gold"))(whoami)),
        Route("/open", guard.allow(Public())(lambda _: PlainTextResponse(""))),
    ]
    made = Starlette(routes=routes)
    guard.protect(made, default=Subject("ada"))
    return made, guard


@pytest.mark.parametrize(
    "where",
    [{"header": "X-Api-Key"}, {"cookie": "sid"}, {"scheme": "ApiKey"}, {"scheme": "Bearer", "matches": "sk_"}],
)
def test_a_local_issuer_hands_out_credentials_of_any_place(where: dict[str, str]) -> None:
    made, guard = served(keys(**where))
    (trusted,) = guard.issuers
    with LocalIssuer().stands_in_for(guard) as local, TestClient(made) as client:
        ada = local.own_credential(trusted, "ada", {"plan": "gold"})  # type: ignore[arg-type]
        ben = local.own_credential(trusted, "ben")  # type: ignore[arg-type]
        assert (client.get("/", headers=ada).status_code, client.get("/", headers=ada).text) == (200, "custom:keys/ada")
        assert client.get("/", headers=ben).status_code == 403
    with TestClient(made) as client:
        assert client.get("/", headers=ada).status_code == 401


SUITE = """
[personas.stranger]
may = ["GET /open"]
may_not = "everything else"

[personas.ada]
own_credential = "ada"
issuer = "keys"
facts = {plan = "gold"}
may = ["GET /"]

[personas.ben]
own_credential = "ben"
may_not = ["GET /"]

[personas.drive]
access_token = "ada@gmail.com"
scopes = ["openid", "drive"]
may = ["GET /drive"]
may_not = ["GET /"]

[personas.mail]
access_token = "ada@gmail.com"
may_not = ["GET /drive"]
"""


def test_access_toml_has_personas_with_them() -> None:
    made, guard = served(keys(), google_access_token(CLIENT))
    made.router.routes.append(Route("/drive", guard.allow(Scope("drive"))(whoami)))
    suite = read_suite(SUITE, "access.toml")
    with rehearsing(made) as rehearsal:
        assert [str(each) for each in map(rehearsal.judge, suite.cases) if not each.is_right] == []


@pytest.mark.parametrize("issuers", [[keys(), custom_credential("sessions", cookie="sid", verify=verify)], []])
def test_a_persona_says_whose_credential_it_has_where_that_is_not_plain(issuers: list[Issuer]) -> None:
    guard = Guard(*issuers, google_access_token(CLIENT))
    made = Starlette(routes=[Route("/open", guard.allow(Public())(whoami))])
    guard.protect(made, default=Nobody())
    suite = read_suite('[personas.ada]\nown_credential = "ada"\nmay = ["GET /open"]', "access.toml")
    with rehearsing(made) as rehearsal, pytest.raises(ConfigurationError, match="whose credential"):
        rehearsal.judge(suite.cases[0])
