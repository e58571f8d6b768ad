"""What grows: alternatives of a rule, issuers of a guard, routes of an application, entries of a path table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bench.measure import Row, ratios, turns
from bench.verifying import AUDIENCE, token_of_900_bytes
from callerid import (
    AnyOf,
    CustomClaim,
    Domain,
    Guard,
    Issuer,
    KeyDocument,
    Rule,
    SecondFactor,
    SignedInWithin,
    Tenant,
    User,
    firebase,
    google,
)
from callerid.audit.algebra import Side, new_access
from callerid.authentication import resolve
from callerid.paths import PathTable
from callerid.starlette import Guard as StarletteGuard
from callerid.testing import LocalIssuer

__all__ = ["rows"]


def rows() -> Iterator[Row]:
    """All rows about growth."""
    issuer = LocalIssuer()
    token = token_of_900_bytes(issuer)
    sent = {"authorization": ["Bearer " + token]}
    few, many = _alternatives(issuer, sent, 1), _alternatives(issuer, sent, 1000)
    yield _grown("rule alternatives 1 → 1,000", few, many)
    yield _grown("issuers 1 → 50", _issuers(issuer, sent, 0), _issuers(issuer, sent, 49))
    trusting = turns({"few": lambda: _trusting(100), "many": lambda: _trusting(1000)}, rounds=5)
    each = min(trusting["many"]) / min(trusting["few"]) / 10
    yield Row("growth of the time per issuer", "trusted one by one 100 → 1,000", each, "≤", 5.0)
    yield _grown("path table entries 12 → 10,000", _entries(3), _entries(2500))
    bare = [_routes(None, issuer, token, count) for count in (10, 10_000)]
    guarded = [_routes(StarletteGuard(issuer.google(AUDIENCE)), issuer, token, count) for count in (10, 10_000)]
    taken = turns({"bare10": bare[0], "bare": bare[1], "guarded10": guarded[0], "guarded": guarded[1]}, rounds=7)
    growth = {name: min(taken[name]) / min(taken[f"{name}10"]) for name in ("bare", "guarded")}
    section = "growth of the time per request"
    yield Row(
        section, "routes 10 → 10,000, beside the framework's own growth", growth["guarded"] / growth["bare"], "≤", 1.0
    )
    yield from _verdicts()


def _grown(name: str, few: Callable[[], object], many: Callable[[], object]) -> Row:
    taken = turns({"few": few, "many": many})
    return Row("growth of the time per request", name, min(taken["many"]) / min(taken["few"]), "≤", 2.0)


def _alternatives(issuer: LocalIssuer, sent: dict[str, list[str]], count: int) -> Callable[[], object]:
    guard = Guard(issuer.google(AUDIENCE))
    others = tuple(User(f"person{number}@example.org") for number in range(count - 1))
    requirement = guard.requirement(AnyOf(*others, Domain("example.com")))
    return lambda: guard.judge(requirement, resolve(partial(guard.identify, sent)), {})


def _issuers(issuer: LocalIssuer, sent: dict[str, list[str]], count: int) -> Callable[[], object]:
    keys = KeyDocument(issuer.jwks_document("firebase"))
    others = [firebase(f"project-{number}", keys=keys) for number in range(count)]
    guard = Guard(*others, issuer.google(AUDIENCE))
    requirement = guard.requirement(Domain("example.com"))
    return lambda: guard.judge(requirement, resolve(partial(guard.identify, sent)), {})


def _trusting(count: int) -> None:
    guard = Guard()
    for number in range(count):
        guard.trust(firebase(f"project-{number}"))


def _routes(guard: StarletteGuard | None, issuer: LocalIssuer, token: str, count: int) -> Callable[[], object]:
    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route(f"/route{number}/{{name}}", hello) for number in range(count)])
    if guard is not None:
        guard.protect(app, default=Domain("example.com"))
    headers = [(b"authorization", b"Bearer " + token.encode())]
    path = f"/route{count - 1}/x"

    async def ask() -> None:
        scope: dict[str, Any] = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "root_path": "",
            "query_string": b"", "headers": headers, "http_version": "1.1", "scheme": "http",
        }  # fmt: skip
        await app(scope, _receive, _send)

    async def several() -> None:
        for _ in range(10):
            await ask()

    return lambda: anyio.run(several)


def _entries(count: int) -> Callable[[], object]:
    guard, rule = Guard(google(AUDIENCE)), Domain("example.com")
    shapes = ("/api/{}/x", "/api/{}/{{id}}/y", "POST /api/{}", "/files/{}/*")
    table = PathTable({shape.format(number): rule for shape in shapes for number in range(count)}, guard)
    paths = [f"/api/{number}/{tail}" for number in range(3) for tail in ("x", "7/y", "none", "7/z")]
    return lambda: [table.find("GET", path) for path in paths]


def _verdicts() -> Iterator[Row]:
    """Comparing a rule with a stricter one that has as many alternatives: ten times as many cost ten times as much."""
    issuers = (google(AUDIENCE), firebase("shop-prod"))
    staff = CustomClaim("role", "staff") & SecondFactor()
    kinds: dict[str, tuple[Callable[[int], Rule], Rule]] = {
        "addresses": (lambda number: User(f"u{number}@example.com"), Domain("example.com")),
        "conjunctions": (lambda number: staff & CustomClaim("team", number), SignedInWithin(60)),
        "ages": (lambda number: SignedInWithin(number + 1) & Tenant(str(number)), SecondFactor()),
    }
    for name, (alternative, more) in kinds.items():
        calls = {str(count): _verdict(alternative, more, issuers, count) for count in (100, 1000)}
        growth = ratios(turns(calls), "100")["1000"] / 10
        yield Row("time per alternative to compare two rules of 1,000 (of 100 = 1.0)", name, growth, "≤", 1.5)


def _verdict(
    alternative: Callable[[int], Rule], more: Rule, issuers: tuple[Issuer, ...], count: int
) -> Callable[[], object]:
    old = Side(AnyOf(*map(alternative, range(count))), issuers=issuers)
    new = Side(AnyOf(*(alternative(number) & more for number in range(count))), issuers=issuers)
    return lambda: new_access(old, new)


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Any) -> None:
    pass
