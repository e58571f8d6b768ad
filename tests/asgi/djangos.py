"""Django's settings, once for all tests of one process, and its applications."""

from __future__ import annotations

import os
import sys
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path

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


def configure() -> None:
    if not settings.configured:
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY=os.urandom(8).hex(), USE_TZ=True)
        django.setup()
    assert settings.ROOT_URLCONF in sys.modules
