"""Django: marks on views, functions and classes; one area is a marked include, the other one within a marked one."""

from __future__ import annotations

from typing import Any

import anyio
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse
from django.urls import include, path
from django.views import View
from django.views.decorators.http import require_http_methods

from callerid.django import Guard
from tests.contract.answers import Got
from tests.contract.application import AREAS, PLACES, Place, allowed, guard_of
from tests.contract.sending import Sent
from tests.djangos import Project, wsgi_of

from .driving import ASGI, WSGI, Adapter, closing, remote_user

__all__ = ["InDjango", "InDjangoByASGI"]


def _response(status: int, headers: dict[str, str], text: str) -> HttpResponse:
    return HttpResponse(text, status=status, headers=headers, content_type="text/plain")


class _InDjango(Adapter):
    def project(self, setting: str) -> Project:
        """The project, closed in this way."""
        guard = guard_of(Guard, setting)
        marked, nested = AREAS
        urls = [
            *(self._route(guard, place) for place in PLACES),
            path(f"{marked.prefix[1:]}/", guard.allow(marked.rule)(include(self._routes(guard, marked.places)))),
            guard.allow(nested.rule)(
                path(f"{nested.prefix[1:]}/", include([path("", include(self._routes(guard, nested.places)))]))
            ),
        ]
        guard.protect(**closing(setting, _response))
        return Project(urls, guard, ["django.middleware.common.CommonMiddleware"])

    def _routes(self, guard: Guard, places: tuple[Place, ...]) -> list[Any]:
        return [self._route(guard, place) for place in places]

    def _route(self, guard: Guard, place: Place) -> Any:
        written = place.path.replace("{account:int}", "<int:account>").replace("{", "<str:").replace("}", ">")
        return path(written[1:], self._view(guard, place))

    def _view(self, guard: Guard, place: Place) -> Any:
        def view(request: Any, **_: Any) -> HttpResponse:
            caller = request.caller
            assert request.META["callerid.caller"] is caller
            assert request.META.get("REMOTE_USER") == remote_user(caller)
            assert "HTTP_REMOTE_USER" not in request.META
            if place.method == "POST":
                request.read()
            return HttpResponse(self.diary.wrote(place.name, caller), content_type="text/plain")

        marked: Any = view if place.rule is None else allowed(guard, place)(view)
        if place.method == "GET":
            return require_http_methods(["GET", "HEAD"])(marked)
        methods = {place.method.lower(): staticmethod(marked)}
        return type("OfOneMethod", (View,), methods).as_view()  # type: ignore[attr-defined]


class InDjango(_InDjango, WSGI):
    name = "django"
    kinds = frozenset({"django", "routes", "folding"})

    def application(self, setting: str) -> Any:
        return wsgi_of(self.project(setting))


class InDjangoByASGI(_InDjango, ASGI):
    name = "django-asgi"
    kinds = frozenset({"django", "routes"})
    has_body_first = True

    def application(self, setting: str) -> Any:
        project = self.project(setting)
        with project.settings():
            handler: Any = ASGIHandler()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            is_read = False

            async def receive_once() -> Any:
                nonlocal is_read
                if is_read:  # Django waits for the client to be gone
                    await anyio.sleep_forever()
                message = await receive()
                is_read = not message.get("more_body")
                return message

            with project.settings():
                await handler(scope, receive_once, send)

        return app

    def _exchange(self, app: Any, sent: Sent, got: Got) -> None:
        super()._exchange(app, sent, got)
        got.body_was_read = got.body_was_read and bool(self.diary)
