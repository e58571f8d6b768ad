"""What comparing who may call costs: one decision about long rules, and the lock of an application of 1,000 routes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bench.measure import Row
from callerid import AllOf, AnyOf, CustomClaim, Domain, Rule, SecondFactor, User, firebase, google
from callerid.access import access_map, locked, newcomers
from callerid.audit.algebra import Side, new_access
from callerid.starlette import Guard

__all__ = ["rows"]

AUDIENCE = "https://orders.example.com"
ISSUERS = (google(AUDIENCE), firebase("shop-prod"))
SECTION = "access: processor time, one run ({} s = 1.0)"


def rows() -> Iterator[Row]:
    """All rows about comparing who may call."""
    pairs = AllOf(*(AnyOf(*(_holds(number, value) for value in "01")) for number in range(16)))
    people = [User(f"u{number}@example.com") for number in range(100_000)]
    members = [person & Domain(f"d{number % 300}.example.com") for number, person in enumerate(people[:50_000])]
    decisions: dict[str, tuple[Rule, Rule]] = {
        "65,536 conjunctions, one more thing asked": (pairs, pairs & SecondFactor()),
        "65,536 conjunctions, one thing less asked": (pairs & SecondFactor(), pairs),
        "100,000 flat alternatives, one removed": (AnyOf(*people), AnyOf(*people[1:])),
        "100,000 flat alternatives, one added": (AnyOf(*people[1:]), AnyOf(*people)),
        "50,000 flat conjunctions of two, one removed": (AnyOf(*members), AnyOf(*members[1:])),
    }
    for name, (old, new) in decisions.items():
        sides = Side(old, issuers=ISSUERS), Side(new, issuers=ISSUERS)
        yield _row(f"decision: {name}", partial(new_access, *sides), 5)
    yield _row("no new access, 1,000 flat routes", _newcomers(("/route{}",)), 3)
    yield _row("no new access, 1,000 overlapping routes", _newcomers(("/route{}/{{name}}", "/{{name}}/route{}")), 10)


def _holds(number: int, value: str) -> Rule:
    return CustomClaim(f"claim{number}", contains=value)


def _newcomers(paths: tuple[str, ...]) -> Callable[[], object]:
    """Two paths in turn overlap: each route of the one kind and each of the other are for one path."""
    before = _app(paths, Domain("example.com") | User("ada@example.com"))
    lock, now = locked(access_map(before)), access_map(_app(paths, Domain("example.com")))
    return lambda: newcomers(lock, now)


def _app(paths: tuple[str, ...], rule: Rule) -> Starlette:
    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    guard = Guard(google(AUDIENCE))
    app = Starlette(routes=[Route(paths[number % len(paths)].format(number), hello) for number in range(1000)])
    guard.protect(app, default=rule)
    return app


def _row(name: str, call: Callable[[], object], seconds: float) -> Row:
    started = time.process_time()
    call()
    return Row(SECTION.format(f"{seconds:g}"), name, (time.process_time() - started) / seconds, "≤", 1.0)
