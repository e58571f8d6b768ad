"""CORS middleware stands outside of the guard."""

from __future__ import annotations

from django.urls import path

from callerid import Nobody
from callerid.django import Guard

from .world import Diary, ask, closed


def test_preflights_are_answered_by_cors_middleware_outside(guard: Guard, ran: Diary, by_asgi: bool) -> None:
    cors = "corsheaders.middleware.CorsMiddleware"
    urls = [path("", guard.allow(Nobody())(ran.view()))]
    project = closed(urls, guard, middleware=[cors], CORS_ALLOWED_ORIGINS=["https://shop.example.com"])
    origin = {"Origin": "https://shop.example.com"}
    preflight = {**origin, "Access-Control-Request-Method": "POST"}
    answered = ask(project, "/", method="OPTIONS", headers=preflight, by_asgi=by_asgi)
    assert (answered.status_code, answered.headers["Access-Control-Allow-Origin"]) == (200, "https://shop.example.com")
    refused = ask(project, "/", headers=origin, by_asgi=by_asgi)
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, "https://shop.example.com")
    assert ran == []
