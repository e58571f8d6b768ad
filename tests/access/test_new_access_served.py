"""New access as the map proves it, against what the changed application answers: no other verdict than over HTTP."""

from __future__ import annotations

from collections import Counter
from itertools import product
from random import Random
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router

import callerid.starlette
from callerid import Domain, FirebaseUser, PathParam, Public, Rule, User
from callerid.access import access_map, locked, newcomers
from callerid.audit._places import ANYWHERE_ELSE
from callerid.testing import LocalIssuer

pytestmark = pytest.mark.slow

PAIRS = 6
"""In each of the parts."""

ISSUER = LocalIssuer()
URL, CLIENT = "https://orders.example.com", "1234-abc.apps.googleusercontent.com"
STAFF, GRACE = Domain("example.com"), User("grace@example.com")
RULES: list[Rule] = [STAFF, GRACE, Public(), FirebaseUser(), STAFF | FirebaseUser("a")]
TEMPLATES = ["/a", "/{x}", "/a/b", "/a/{y}", "/{x}/b", "/{x}/{y}", "/a/", "/{n:int}", "/{p:path}", "/a/{n:int}"]
SEGMENTS = ("a", "b", "7", "z")
PATHS = ["/".join(("", *parts)) for length in (1, 2, 3) for parts in product(SEGMENTS, repeat=length)]
PATHS += ["/a/", "/z/", "/a/a/", "/a/z/", "/z/z/z/z", "/a/a/a/a"]
METHODS = ["GET", "POST", "HEAD"]
PERSONAS = {
    "nobody": {},
    "grace": ISSUER.bearer(ISSUER.workspace_person("grace@example.com")),
    "staff": ISSUER.bearer(ISSUER.workspace_person("sam@example.com")),
    **{uid: ISSUER.bearer(ISSUER.firebase_user(uid)) for uid in ("a", "z")},
}


async def endpoint(_: Any) -> PlainTextResponse:
    return PlainTextResponse("served")


Plan = list[tuple[str, str, Rule | None, str]]
"""Of each route: its method, its path, its rule and where it is mounted."""


def a_route(random: Random) -> tuple[str, str, Rule | None, str]:
    template = random.choice(TEMPLATES)
    own = [FirebaseUser(PathParam(name)) for name in ("x", "y") if f"{{{name}}}" in template]
    rule = random.choice([None, *RULES, *own, *own])
    return random.choice(METHODS[:2]), template, rule, random.choice(["", "", "", "/a"])


def changed(random: Random, plan: Plan) -> Plan:
    new = list(plan)
    way = random.random()
    if way < 0.3:
        random.shuffle(new)
    elif way < 0.5:
        del new[random.randrange(len(new))]
    elif way < 0.8:
        new[random.randrange(len(new))] = a_route(random)
    else:
        new.insert(random.randrange(len(new) + 1), a_route(random))
    return new


def made(plan: Plan, default: Rule) -> Starlette:
    guard = callerid.starlette.Guard(ISSUER.google(URL, CLIENT), ISSUER.firebase("shop-prod"))
    routes: list[Any] = []
    for method, path, rule, mount in plan:
        each = Route(path, endpoint if rule is None else guard.allow(rule)(endpoint), methods=[method])
        routes.append(Mount(mount, Router(routes=[each])) if mount else each)
    app = Starlette(routes=routes)
    guard.protect(app, default=default)
    return app


async def status(app: Starlette, method: str, path: str, headers: dict[str, str]) -> int:
    found: list[int] = []

    async def send(message: Any) -> None:
        found.extend([message["status"]] if message["type"] == "http.response.start" else [])

    async def receive() -> Any:
        return {"type": "http.request"}

    await app(
        {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "scheme": "https",
            "server": ("testserver", 443),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        },
        receive,
        send,
    )
    return found[0]


async def answers(app: Starlette) -> dict[tuple[str, str, str], int]:
    return {
        (who, method, path): await status(app, method, path, headers)
        for who, headers in PERSONAS.items()
        for method in METHODS
        for path in PATHS
    }


# Coverage is measured in the first part alone: the others go the same ways.
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.no_cover) for part in (1, 2, 3))])
def test_the_verdict_is_what_both_applications_answer(part: int) -> None:
    random, said = Random(part), Counter[bool]()
    for _ in range(PAIRS):
        plan = [a_route(random) for _ in range(random.randint(1, 5))]
        new_plan, default = changed(random, plan), random.choice([STAFF, GRACE, Public()])
        old, new = made(plan, default), made(new_plan, default)
        findings = newcomers(locked(access_map(old)), access_map(new))
        # Where there is no route nothing is served, whoever is let in.
        told = [str(each) for each in findings if ANYWHERE_ELSE not in each.name]
        before, after = anyio.run(answers, old), anyio.run(answers, new)
        gained = [call for call in before if before[call] in (401, 403) and after[call] == 200]
        # In front of a mount a wrong method may have asked for less than is taken in here.
        is_exact = not any(mount for *_, mount in (*plan, *new_plan))
        assert (bool(told) if gained or is_exact else False) is bool(gained), (plan, new_plan, default, told, gained)
        said[bool(told)] += 1
    assert said.total() == PAIRS
