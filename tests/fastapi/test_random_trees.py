"""Random applications with included routers, asked as every kind of caller: see `tests.starlette.trees`."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from callerid import Rule
from callerid.fastapi import Guard
from tests.fixtures import AT_HAND, STAFF
from tests.starlette.trees import Tree, Way, run


class IncludingTree(Tree):
    """Makes an application of API routes, included routers and mounted applications."""

    def dependencies(self, chance: float) -> tuple[list[Any], list[Rule]]:
        rules = [self.rule()] if self.maybe(chance) else []
        return [self.allow(rule) for rule in rules if self.allow is not None], rules

    def fill(self, router: APIRouter, way: Way, depth: int) -> None:
        for _ in range(self.random.randint(1, 4)):
            kind = self.random.random()
            if kind < 0.55 or depth > 2:
                dependencies, rules = self.dependencies(0.2)
                router.add_api_route(
                    self.random.choice(("/a", "/b", "/a/", "/a/b", "/{x}", "/{rest:path}")),
                    self.endpoint(_under(way, rules)),
                    methods=self.random.choice((["GET"], ["POST"], ["GET", "PUT"])),
                    dependencies=dependencies,
                )
            elif kind < 0.62:
                router.add_api_websocket_route("/a", self.socket(way))
            elif kind < 0.72:
                router.mount(self.random.choice(("/a", "/b")), self.fast_application(way, depth + 1))
            else:
                self.include(router, way, depth)

    def include(self, router: APIRouter, way: Way, depth: int) -> None:
        (own, own_rules), (included, rules) = self.dependencies(0.3), self.dependencies(0.3)
        inner = APIRouter(prefix=self.random.choice(("", "", "/a")), dependencies=own)
        self.fill(inner, _under(way, [*own_rules, *rules]), depth + 1)
        router.include_router(
            inner, prefix=self.random.choice(("", "/a", "/b", f"/{{w{depth}}}")), dependencies=included
        )

    def fast_application(self, way: Way, depth: int) -> FastAPI:
        app = FastAPI(openapi_url=None, redirect_slashes=self.maybe(0.7))
        self.fill(app.router, way, depth)
        return app


def _under(way: Way, rules: list[Rule]) -> Way:
    for rule in rules:
        way = way.under(rule)
    return way


@pytest.mark.slow
def test_whom_the_rules_admit_is_answered_as_the_framework_alone_would() -> None:
    served = 0
    for seed in range(30):
        guard, bare = Guard(*AT_HAND), IncludingTree(seed, None).fast_application(Way(), 0)
        tree = IncludingTree(seed, guard.allow)
        guarded = tree.fast_application(Way(), 0)
        guard.protect(guarded, default=STAFF)
        served += run(bare, guarded, tree, seed, 12)
    assert served > 60
