"""Applications of Django, in one URLconf."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path

from tests.djangos import configure

__all__ = ["configure"]


def named(name: str) -> Any:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(name)

    return view


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.META['callerid.caller']} {request.META['REMOTE_USER']}")


urlpatterns = [
    path("who", who),
    path("admin", named("admin")),
    path("open", named("open")),
    re_path("^admin/.*$", named("admin")),
]
