"""A protected Django project, a diary of what ran in it, and clients that send as anybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from django.http import HttpResponse
from django.test import AsyncClient, Client

from callerid.django import Guard
from callerid.testing import LocalIssuer
from tests.djangos import Project, configure
from tests.fixtures import AT_HAND, STAFF, issuers_of, token

configure()


def new_guard(remote: LocalIssuer | None = None, **options: Any) -> Guard:
    """Its keys are at hand, or those of a serving issuer, which have to be fetched."""
    return Guard(*(AT_HAND if remote is None else issuers_of(remote)), **options)


def closed(urlpatterns: Any, guard: Guard | None = None, *, default: Any = STAFF, **options: Any) -> Project:
    """A protected project. ``middleware`` and names in capital letters are settings, the rest is for ``protect``."""
    settings = {name: options.pop(name) for name in list(options) if name.isupper()}
    middleware = options.pop("middleware", ())
    guard = guard or new_guard()
    guard.protect(default=default, **options)
    return Project(urlpatterns, guard, middleware, **settings)


class Diary(list[str]):
    """What ran."""

    def view(self, name: str = "view") -> Callable[..., HttpResponse]:
        def view(request: Any, *arguments: Any, **named: Any) -> HttpResponse:
            self.append(name)
            return HttpResponse(name)

        return view

    def async_view(self, name: str = "view") -> Callable[..., Any]:
        async def view(request: Any, *arguments: Any, **named: Any) -> HttpResponse:
            self.append(name)
            return HttpResponse(name)

        return view


def ask(project: Project, path: str, who: str | None = None, *, method: str = "GET", **options: Any) -> Any:
    headers = dict(options.pop("headers", {}))
    if who is not None:
        headers["Authorization"] = f"Bearer {token(who)}"
    by_asgi = options.pop("by_asgi", False)
    with project.settings():
        if not by_asgi:
            client = Client(raise_request_exception=False)
            return client.generic(method, path, headers=headers, **options)

        async def send() -> Any:
            client = AsyncClient(raise_request_exception=False)
            return await client.generic(method, path, headers=headers, **options)

        return anyio.run(send)


def status(project: Project, path: str, who: str | None = None, **options: Any) -> int:
    response = ask(project, path, who, **options)
    response.close()  # files, too
    return int(response.status_code)


def statuses(project: Project, path: str, *callers: str | None, **options: Any) -> list[int]:
    return [status(project, path, who, **options) for who in callers]


def only_others(project: Project, path: str = "/", **options: Any) -> bool:
    """Whether it is the mark that holds, and not the default."""
    return statuses(project, path, None, "staff", "robot", "outsider", **options) == [401, 403, 403, 200]
