"""FastAPI: the rule is the parameter's type, or a decorator; one area is an included router, the other a mount.

And once more without any mark, by the path table alone.

This module is not under ``from __future__ import annotations``: the types of its endpoints are made as it runs.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Body, FastAPI, Request
from fastapi.responses import PlainTextResponse

from callerid import Caller
from callerid.fastapi import Guard
from tests.contract.application import AREAS, PLACES, Place, allowed, guard_of, path_table

from .driving import ASGI, closing

__all__ = ["InFastAPI", "InFastAPIByPath"]

_DECORATED = ("open", "robot", "nobody")
_PERHAPS_NOBODY = ("optional", "optional customer", "carried alone", "app", "any app", "app or staff")


def _response(status: int, headers: dict[str, str], text: str) -> PlainTextResponse:
    return PlainTextResponse(text, status, headers)


class InFastAPI(ASGI):
    name = "fastapi"
    kinds = frozenset({"fastapi", "starlette", "routes"})

    def application(self, setting: str) -> Any:
        guard = guard_of(Guard, setting)
        app = FastAPI(openapi_url=None)
        included, mounted = AREAS
        self._add(app, guard, PLACES)
        router = APIRouter(prefix=included.prefix, dependencies=[guard.allow(included.rule)])
        self._add(router, guard, included.places)
        app.include_router(router)
        sub = FastAPI(openapi_url=None)
        self._add(sub, guard, mounted.places)
        app.mount(mounted.prefix, guard.allow(mounted.rule)(sub))
        guard.protect(app, **closing(setting, _response))
        return app

    def _add(self, router: FastAPI | APIRouter, guard: Guard, places: tuple[Place, ...]) -> None:
        for place in places:
            route = router.api_route(place.plain_path, methods=list(place.methods), response_class=PlainTextResponse)
            route(self._endpoint(guard, place))

    def _endpoint(self, guard: Guard, place: Place) -> Any:
        if place.rule is None:
            return self._unmarked(place)
        allow = allowed(guard, place)
        if any(word in place.name for word in _DECORATED):
            return allow(self._unmarked(place))
        if place.name in _PERHAPS_NOBODY:

            def optional(request: Request, caller: Annotated[Caller | None, allow]) -> str:
                return self._wrote(place, request, caller)

            return optional
        if place.path.endswith(":int}"):

            async def numbered(request: Request, account: int, caller: Annotated[Caller, allow]) -> str:
                return self._wrote(place, request, caller)

            return numbered
        if place.method == "POST":

            async def takes_a_body(
                request: Request, caller: Annotated[Caller, allow], body: Annotated[Any, Body()] = None
            ) -> str:
                return self._wrote(place, request, caller)

            return takes_a_body

        async def typed(request: Request, caller: Annotated[Caller, allow]) -> str:
            return self._wrote(place, request, caller)

        return typed

    def _unmarked(self, place: Place) -> Any:
        def unmarked(request: Request) -> str:
            return self._wrote(place, request, request.state.caller)

        return unmarked

    def _wrote(self, place: Place, request: Request, caller: Caller | None) -> str:
        assert request.state.caller is caller
        return self.diary.wrote(place.name, caller)


class InFastAPIByPath(InFastAPI):
    name = "fastapi-by-path"
    kinds = frozenset({"by path", "fastapi", "starlette", "routes"})

    def application(self, setting: str) -> Any:
        guard = guard_of(Guard, setting)
        app, sub = FastAPI(openapi_url=None), FastAPI(openapi_url=None)
        included, mounted = AREAS
        router = APIRouter(prefix=included.prefix)
        self._add(app, guard, PLACES)
        self._add(router, guard, included.places)
        self._add(sub, guard, mounted.places)
        app.include_router(router)
        app.mount(mounted.prefix, sub)
        guard.protect(app, routes=path_table(guard), **closing(setting, _response))
        return app

    def _endpoint(self, guard: Guard, place: Place) -> Any:
        return self._unmarked(place)
