"""Starlette: marks on endpoints; one area is a marked mount, the other a mount whose endpoints carry two marks."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from callerid import Caller
from callerid.starlette import Guard
from tests.contract.application import AREAS, PLACES, Place, allowed, guard_of

from .driving import ASGI, closing

__all__ = ["InStarlette"]


def _response(status: int, headers: dict[str, str], text: str) -> PlainTextResponse:
    return PlainTextResponse(text, status, headers)


class InStarlette(ASGI):
    name = "starlette"
    kinds = frozenset({"starlette", "routes"})

    def application(self, setting: str) -> Any:
        guard = guard_of(Guard, setting)
        marked, within = AREAS
        app = Starlette(
            routes=[
                *(self._route(guard, place) for place in PLACES),
                Mount(
                    marked.prefix,
                    app=guard.allow(marked.rule)(
                        Starlette(routes=[self._route(guard, place) for place in marked.places]),
                    ),
                ),
                Mount(
                    within.prefix, routes=[self._route(guard, each, guard.allow(within.rule)) for each in within.places]
                ),
            ]
        )
        guard.protect(app, **closing(setting, _response))
        return app

    def _route(self, guard: Guard, place: Place, outer: Any = None) -> Route:
        async def endpoint(request: Request) -> PlainTextResponse:
            caller: Caller | None = request.state.caller
            assert request.user is caller if caller is not None else not request.user.is_authenticated
            if place.method == "POST":
                await request.body()
            return PlainTextResponse(self.diary.wrote(place.name, caller))

        marked = endpoint if place.rule is None else allowed(guard, place)(endpoint)
        return Route(place.path, marked if outer is None else outer(marked), methods=[place.method])
