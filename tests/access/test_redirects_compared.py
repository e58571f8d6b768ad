"""Paths from which a router redirects are asked where that leads: what serves there since is compared with it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.testclient import TestClient

import callerid.starlette
from callerid import Domain, Public, Rule, User, google
from tests.access.changing import found
from tests.access.test_taken_over import answer

STAFF, GRACE = Domain("example.com"), User("grace@example.com")
ITEMS = ("/items/", GRACE)
MOUNTED = ("/in", ("/items/", GRACE))


def _made() -> Any:
    """A new endpoint, for a mark of its own."""

    async def endpoint(request: Any) -> Any:
        return await answer(request)

    return endpoint


def application(default: Rule, *routes: Any, redirects: bool = True) -> Starlette:
    guard = callerid.starlette.Guard(google("https://a.example.com"))

    def made(path: str, inner: Any) -> BaseRoute:
        if not isinstance(inner, tuple):
            return Route(path, guard.allow(inner)(_made()))
        return Mount(path, Router(routes=[made(*inner)], redirect_slashes=redirects))

    app = Starlette(routes=[made(*each) for each in routes])
    app.router.redirect_slashes = redirects
    guard.protect(app, default=default)
    return app


def status(app: Starlette, path: str) -> int:
    return TestClient(app).get(path, follow_redirects=False).status_code


@pytest.mark.parametrize(
    ("before", "added", "path"),
    [
        (ITEMS, ("/items", Public()), "/items"),
        (("/items", GRACE), ("/items/", Public()), "/items/"),
        (ITEMS, ("/{x}", Public()), "/items"),
        (("/{x}/", GRACE), ("/a", Public()), "/a"),
        (MOUNTED, ("/{x}/items", Public()), "/x/items"),
        (("/in", ("/", GRACE)), ("/in", Public()), "/in"),
        (("/in", ("/{p:path}", GRACE)), ("/in", Public()), "/in"),
        (("/items/{x}/", GRACE), ("/items/{y}", Public()), "/items/7"),
    ],
)
def test_a_route_where_a_redirect_was_refused_lets_in_whom_that_refused(before: Any, added: Any, path: str) -> None:
    old, new = application(Public(), before), application(Public(), before, added)
    assert status(new, path) == 200
    findings = found(old, new)
    assert bool(findings) is (status(old, path) == 401)


@pytest.mark.parametrize("redirects", [True, False])
@pytest.mark.parametrize("default", [STAFF, Public()])
def test_an_application_is_as_its_own_lock_says(redirects: bool, default: Rule) -> None:
    same = [application(default, ITEMS, ("/in", ("/a", GRACE)), redirects=redirects) for _ in range(2)]
    assert not found(*same)


@pytest.mark.parametrize("redirects", [True, False])
def test_whether_the_router_redirected_is_not_known_so_the_default_is_asked_too(redirects: bool) -> None:
    old = application(STAFF, ("/metrics/", Public()), redirects=redirects)
    new = application(STAFF, ("/metrics/", Public()), ("/metrics", Public()), redirects=redirects)
    assert status(old, "/metrics") == (307 if redirects else 401)
    assert status(new, "/metrics") == 200
    assert len(found(old, new)) == 1


def test_a_mount_that_is_new_serves_nothing_at_paths_for_which_it_has_no_route() -> None:
    old = application(STAFF, ("/a", GRACE))
    new = application(STAFF, ("/a", GRACE), ("/in", ("/a", GRACE)))
    assert all("any other path" not in each for each in found(old, new))
