"""``guard.sign_in_with_google(request)`` in Django views of both kinds, and refusals that a view raises."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse
from django.urls import path

from callerid import Domain, Nobody, Public, Refusal
from callerid.django import Guard
from tests.fixtures import issuer

from .world import ask, closed, new_guard

CSRF = "f00dfeed"
TOKEN = issuer.workspace_person("ada@example.com", claims={"nonce": "n-1"})
TYPE = "application/x-www-form-urlencoded"


def project(guard: Guard, *, is_async: bool = False, **options: Any) -> Any:
    @guard.allow(Public())
    def sign_in(request: Any) -> HttpResponse:
        caller = guard.sign_in_with_google(request, rule=Domain("example.com"), nonce="n-1")
        return HttpResponse(f"{caller} {request.caller} {request.POST.get('state')}")

    @guard.allow(Public())
    async def async_sign_in(request: Any) -> HttpResponse:
        caller = await guard.asign_in_with_google(request, rule=Domain("example.com"), nonce="n-1")
        return HttpResponse(f"{caller} {request.caller} {request.POST.get('state')}")

    view: Any = async_sign_in if is_async else sign_in
    view.csrf_exempt = True  # the decorator of Django 4.2 takes no coroutine functions
    middleware = ["django.middleware.csrf.CsrfViewMiddleware"]
    return closed([path("sign-in/", view)], guard, default=Nobody(), middleware=middleware, **options)


def post(
    app: Any, fields: Any = None, *, method: str = "POST", content_type: str = TYPE, cookie: str = CSRF, **options: Any
) -> Any:
    fields = {"credential": TOKEN, "g_csrf_token": CSRF, "state": "s"} if fields is None else fields
    body = urlencode(fields, doseq=True).encode()
    headers = {"Cookie": f"g_csrf_token={cookie}"} if cookie else {}
    return ask(app, "/sign-in/", method=method, data=body, content_type=content_type, headers=headers, **options)


ways = pytest.mark.parametrize("way", [(False, False), (True, True), (False, True), (True, False)], ids=str)
"""Whether the view is a coroutine function, and whether it is called by ASGI."""


@ways
def test_the_buttons_form_names_its_caller(guard: Guard, way: tuple[bool, bool]) -> None:
    answer = post(project(guard, is_async=way[0]), by_asgi=way[1])
    assert (answer.status_code, answer.content) == (200, b"user:ada@example.com None s")


@ways
@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"cookie": ""}, 403, "wrong_csrf_token"),
        ({"cookie": "other"}, 403, "wrong_csrf_token"),
        ({"cookie": f"{CSRF}; g_csrf_token={CSRF}"}, 400, "several_credentials"),
        ({"fields": {"credential": TOKEN, "g_csrf_token": [CSRF, CSRF]}}, 400, "several_credentials"),
        ({"fields": {"g_csrf_token": CSRF}}, 401, "no_credential"),
        ({"fields": {"credential": issuer.workspace_person(), "g_csrf_token": CSRF}}, 401, "bad_claims"),
        ({"method": "PUT"}, 400, "malformed_form"),
        ({"content_type": "text/plain"}, 400, "malformed_form"),
        ({"fields": {"credential": TOKEN, "g_csrf_token": CSRF, "x": "y" * 20_000}}, 400, "malformed_form"),
    ],
)
def test_a_refused_sign_in_is_answered_as_the_librarys_refusals_are(
    change: dict[str, Any], status: int, reason: str, way: tuple[bool, bool], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "callerid"):
        answer = post(project(new_guard(), is_async=way[0]), by_asgi=way[1], **change)
    document = answer.json()
    assert (answer.status_code, document["reason"]) == (status, reason)
    assert answer["Cache-Control"] == "no-store"
    (record,) = (each for each in caplog.records if each.getMessage().startswith("refused"))
    assert f"refused (sign-in): {status} {reason}" in record.getMessage()
    assert document["instance"] in record.getMessage()


@ways
def test_a_form_without_a_length_of_its_own_is_refused(guard: Guard, way: tuple[bool, bool]) -> None:
    app = project(guard, is_async=way[0])
    answer = ask(
        app,
        "/sign-in/",
        method="POST",
        data=b"x",
        content_type=TYPE,
        headers={"Transfer-Encoding": "chunked"},
        by_asgi=way[1],
    )
    assert (answer.status_code, answer.json()["reason"]) == (400, "malformed_form")


def test_on_refusal_dresses_the_answer(guard: Guard) -> None:
    def login(_: Any, refusal: Refusal) -> HttpResponse:
        return HttpResponse(f"sign in again: {refusal.reason}", status=403)

    answer = post(project(guard, on_refusal=login), cookie="")
    assert (answer.status_code, answer.content) == (403, b"sign in again: wrong_csrf_token")
    assert answer["Cache-Control"] == "no-store"


def test_other_errors_of_a_view_are_djangos_to_answer(guard: Guard) -> None:
    def refused(_: Any) -> HttpResponse:
        return HttpResponse(str(guard.verify("x")))

    def broken(_: Any) -> HttpResponse:
        raise ZeroDivisionError

    app = closed([path("refused/", refused), path("broken/", broken)], guard, default=Public())
    answer = ask(app, "/refused/")
    assert (answer.status_code, answer.json()["reason"]) == (401, "malformed_token")
    assert ask(app, "/broken/").status_code == 500
