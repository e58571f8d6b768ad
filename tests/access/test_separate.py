"""Layers that judge one behind the other: a tenant named in one is not known in the other."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from callerid import ConfigurationError, Domain, EmailDomain, Guard, KeySource, Nobody, Public, Rule, Tenant, google
from callerid.access import access_map, locked, newcomers
from callerid.asgi import CallerMiddleware
from callerid.audit._forms import as_json
from callerid.audit.algebra import Yes
from callerid.starlette import Guard as StarletteGuard
from callerid.testing import LocalIssuer

ISSUER = LocalIssuer()
ISSUERS = ISSUER.google("https://orders.example.com"), ISSUER.firebase("shop-prod", ["t1"])
AUDIENCE, KEYS = "https://orders.example.com", "https://keys.example.com/certs"
OURS, THEIRS, STAFF = EmailDomain("example.com"), Tenant("t1"), Domain("example.com")


async def endpoint(_: Request) -> PlainTextResponse:
    return PlainTextResponse("reports")


def behind(front: Rule, mark: Rule) -> Starlette:
    """A route behind a middleware with a guard of its own."""
    guard = StarletteGuard(*ISSUERS)
    app = Starlette(routes=[Route("/reports", guard.allow(mark)(endpoint))])
    guard.protect(app, default=Nobody())
    app.add_middleware(CallerMiddleware, guard=Guard(*ISSUERS), default=front)
    return app


def below(outer_rule: Rule, mark: Rule) -> Starlette:
    """A route of a mounted application with a guard of its own."""
    outer, inner = StarletteGuard(*ISSUERS), StarletteGuard(*ISSUERS)
    mounted = Starlette(routes=[Route("/reports", inner.allow(mark)(endpoint))])
    inner.protect(mounted, default=Nobody())
    app = Starlette()
    app.mount("/below", outer.allow(outer_rule)(mounted))
    outer.protect(app, default=Nobody())
    return app


def status(app: Any, path: str = "/reports") -> int:
    token = ISSUER.firebase_user("u1", email="ada@example.com", tenant="t1", provider="saml.acme")
    client = TestClient(app, raise_server_exceptions=False)
    return client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code


def found_between(old: Any, new: Any) -> list[Any]:
    return newcomers(locked(access_map(old)), access_map(new))


def test_whom_two_layers_refuse_is_new_where_one_rule_admits_them() -> None:
    old, new = behind(OURS, THEIRS), behind(Public(), OURS & THEIRS)
    assert (status(old), status(new)) == (403, 200)
    (found,) = found_between(old, new)
    assert isinstance(found.verdict, Yes)
    assert found.verdict.witness.tenant == "t1"
    assert found_between(new, old) == []


def test_layers_that_did_not_change_are_not_new() -> None:
    for front, mark in ((OURS, THEIRS), (THEIRS, OURS & THEIRS), (OURS | STAFF, THEIRS | STAFF)):
        assert found_between(behind(front, mark), behind(front, mark)) == []


def test_layers_that_only_fetch_keys_in_another_way_believe_the_same_tokens() -> None:
    def fetching(rule: Rule, seconds: float) -> Starlette:
        guard = StarletteGuard(google(AUDIENCE, keys=KeySource(url=KEYS)))
        app = Starlette(routes=[Route("/reports", guard.allow(rule)(endpoint))])
        guard.protect(app, default=Nobody())
        front = Guard(google(AUDIENCE, keys=KeySource(url=KEYS, fetch_seconds=seconds)))
        app.add_middleware(CallerMiddleware, guard=front, default=STAFF)
        return app

    (found,) = found_between(fetching(Nobody(), 2), fetching(STAFF, 2))
    assert isinstance(found.verdict, Yes)
    assert found.verdict.witness.domain == "example.com"


def test_the_map_says_that_nobody_comes_in_through_both() -> None:
    (problem,) = access_map(behind(OURS, THEIRS)).problems
    assert "this rule can admit nobody" in problem
    assert "join the two with & in one place" in problem
    assert access_map(behind(THEIRS, OURS & THEIRS)).problems == ()
    assert '"who": "emailDomain:example.com and tenant:t1"' in as_json(access_map(behind(OURS, THEIRS)))


def test_two_guards_that_never_let_one_caller_through_are_an_error_at_start_up() -> None:
    with pytest.raises(ConfigurationError, match="join the two with & in one place"), TestClient(below(OURS, THEIRS)):
        pass
    working = below(THEIRS, OURS & THEIRS)
    with TestClient(working):
        assert status(working, "/below/reports") == 200
    (row,) = (row for row in access_map(working).routes if row.template == "/below/reports")
    assert repr(row.rule).startswith("Separate(Tenant('t1'), AllOf(")
    assert "allow Separate(AllOf(EmailDomain('example.com'), Tenant('t1')), Tenant('t1'))" in locked(
        access_map(working)
    )
    assert found_between(working, working) == []
    (found,) = found_between(working, below(THEIRS, THEIRS))
    assert isinstance(found.verdict, Yes)
