"""Flask applications with rules for hosts and subdomains: which of them serve at a host, and who may there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask

import callerid.flask
from callerid import Public, Rule, google
from callerid.access import AccessMap, access_map, locked, newcomers
from tests.access.made import STAFF


def made(routes: list[tuple[str, Rule, Mapping[str, Any]]], **options: Any) -> Flask:
    app = Flask("shop", static_folder=None, **options)
    if not app.url_map.host_matching:  # else Flask before 3.1 would match that host alone
        app.config["SERVER_NAME"] = "example.com"
    guard = callerid.flask.Guard(google("https://orders.example.com"))
    guard.protect(app, default=STAFF)
    for number, (path, rule, more) in enumerate(routes):
        app.add_url_rule(path, f"view{number}", guard.allow(rule)(lambda **_: "served"), **more)
    return app


def status(app: Flask, host: str, path: str) -> int:
    return app.test_client().get(path, base_url=f"http://{host}/").status_code


def found(before: AccessMap, now: Flask) -> list[str]:
    return list(map(str, newcomers(locked(before), access_map(now))))


SOMEBODY = "anybody without a credential, not domain:example.com"


def test_a_rule_without_a_host_serves_nothing_where_hosts_are_matched() -> None:
    before = made([("/a", Public(), {})], host_matching=True)
    now = made([("/a", Public(), {"host": "api.example.com"})], host_matching=True)
    assert [status(app, "api.example.com", "/a") for app in (before, now)] == [401, 200]
    was = access_map(before)
    assert [row.name for row in was.rows] == ["GET NO_HOST/a", "* (any other path)"]
    assert found(was, now) == [f"GET api.example.com/a: {SOMEBODY}"]


def test_a_rule_without_a_subdomain_serves_the_own_host_alone_where_subdomains_are_matched() -> None:
    before = made([("/<x>", Public(), {})], subdomain_matching=True)
    now = made([("/<x>", Public(), {}), ("/a", Public(), {"subdomain": "api"})], subdomain_matching=True)
    assert [status(app, "api.example.com", "/a") for app in (before, now)] == [401, 200]
    assert [status(app, "example.com", "/a") for app in (before, now)] == [200, 200]
    assert found(access_map(before), now) == [f"GET api.SERVER_NAME/a: {SOMEBODY}"]


@pytest.mark.parametrize("subdomain", ["api", "<any_of_them>"])
def test_the_router_is_asked_at_the_own_host_where_a_rule_names_none(subdomain: str) -> None:
    others = [("/<path:rest>", STAFF, {"subdomain": subdomain, "methods": ["POST"]})]
    before = made(others, subdomain_matching=True)  # type: ignore[arg-type]
    now = made([*others, ("/<x>", Public(), {})], subdomain_matching=True)
    assert [status(app, "example.com", "/a") for app in (before, now)] == [401, 200]
    (told,) = found(access_map(before), now)
    assert told == f"GET SERVER_NAME/<x>: {SOMEBODY}"


def test_subdomains_that_are_not_matched_are_none() -> None:
    rules = access_map(made([("/a", Public(), {}), ("/b", Public(), {"subdomain": "api"})])).rows
    assert [row.name for row in rules] == ["GET /a", "GET api.SERVER_NAME/b", "* (any other path)"]
