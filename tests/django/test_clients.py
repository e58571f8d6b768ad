"""Test clients of Django, `callerid.testing`, and what a view is told."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import anyio
import pytest
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from callerid import FirebaseUser, Public, Refusal, UnguardedEndpointError
from callerid.django import Guard
from callerid.testing import LocalIssuer, as_caller, firebase_user, google_person
from tests.fixtures import OTHERS, OWNER, STAFF, URL, token

from .world import Diary, ask, closed, new_guard, status, statuses


def test_acting_as_a_caller(guard: Guard, ran: Diary) -> None:
    project = closed([path("<str:user>/", guard.allow(OWNER)(ran.view()))], guard)
    with project.settings():
        client = Client()
        assert client.get("/ada/").status_code == 401
        with as_caller(guard, firebase_user("ada")):
            assert [client.get(each).status_code for each in ("/ada/", "/ben/")] == [200, 403]

        async def asynchronous() -> list[int]:
            client = AsyncClient()
            with as_caller(guard, firebase_user("ada")):
                return [(await client.get(each)).status_code for each in ("/ada/", "/ben/")]

        assert anyio.run(asynchronous) == [200, 403]


def test_a_view_called_directly_is_not_decided_and_a_handler_decides(guard: Guard, ran: Diary) -> None:
    view = guard.allow(STAFF)(ran.view())
    project = closed([path("", view)], guard)
    with project.settings(), as_caller(guard, google_person("ada@example.com", domain="example.com")):
        request = RequestFactory().get("/")
        with pytest.raises(UnguardedEndpointError):
            view(request)
        handler = BaseHandler()
        handler.load_middleware()
        assert handler.get_response(request).status_code == 200


def told(request: Any) -> JsonResponse:
    headers = {name.lower() for name in request.headers}
    return JsonResponse(
        {
            "caller": str(request.caller),
            "meta": str(request.META["callerid.caller"]),
            "remote": request.META.get("REMOTE_USER"),
            "forged": "remote-user" in headers or "HTTP_REMOTE_USER" in request.META,
        }
    )


def test_a_view_is_told_who_is_calling_and_nothing_else_that_looks_like_it(guard: Guard, by_asgi: bool) -> None:
    project = closed([path("", guard.allow(Public() | STAFF)(told)), path("open/", guard.allow(Public())(told))], guard)
    forged = {"Remote-User": "admin"}
    ada = "user:ada@example.com"
    known = {"caller": ada, "meta": ada, "remote": ada, "forged": False}
    nobody = {"caller": "None", "meta": "None", "remote": None, "forged": False}
    assert ask(project, "/", "staff", headers=forged, by_asgi=by_asgi).json() == known
    assert ask(project, "/", headers=forged, by_asgi=by_asgi).json() == nobody
    assert ask(project, "/", "outsider", by_asgi=by_asgi).json() == nobody
    assert ask(project, "/open/", "staff", by_asgi=by_asgi).json() == nobody


def test_keys_that_have_to_be_fetched(served: LocalIssuer, ran: Diary, by_asgi: bool) -> None:
    project = closed([path("", ran.view())], new_guard(served))
    assert statuses(project, "/", "staff", "outsider", by_asgi=by_asgi) == [200, 403]


def test_bearer_tokens_and_the_csrf_middleware(guard: Guard, ran: Diary, by_asgi: bool) -> None:
    urls = [path("", guard.allow(STAFF)(ran.view())), path("api/", csrf_exempt(guard.allow(STAFF)(ran.view())))]
    csrf = ["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
    project = closed(urls, guard, middleware=csrf)
    with project.settings():
        client = Client(enforce_csrf_checks=True)
        sent = {"headers": {"Authorization": f"Bearer {token('staff')}"}}
        assert client.post("/", **sent).status_code == 403
        assert client.post("/api/", **sent).status_code == 200
        assert client.post("/").status_code == 401
        assert client.get("/", **sent).status_code == 200


def test_a_cookie_is_believed_on_the_applications_own_pages_alone(ran: Diary) -> None:
    issuer = LocalIssuer()
    guard = Guard(issuer.firebase_session("shop-prod"))
    project = closed([path("", ran.view())], guard, default=FirebaseUser())
    cookie = {"Cookie": f"session={issuer.session_cookie(issuer.firebase_user('ada'))}"}
    elsewhere, own = {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-origin"}
    for headers, method, expected in (
        ({**cookie, **elsewhere}, "GET", 200),
        ({**cookie, **elsewhere}, "POST", 403),
        ({**cookie, **own}, "POST", 200),
    ):
        assert status(project, "/", method=method, headers=headers) == expected


# --- refusals ---


def test_a_refusal_is_a_problem_document_and_passes_all_middleware(ran: Diary, by_asgi: bool) -> None:
    project = closed([path("", ran.view())], middleware=["django.middleware.security.SecurityMiddleware"])
    refused = ask(project, "/", by_asgi=by_asgi)
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="callerid"'
    assert refused.headers["Cache-Control"] == "no-store"
    assert refused.headers["X-Content-Type-Options"] == "nosniff"
    assert refused.json()["reason"] == "no_credential"
    headed = ask(project, "/", method="HEAD", by_asgi=by_asgi)
    assert (headed.status_code, headed.content) == (401, b"")


def _login(request: Any, refusal: Refusal) -> Any:
    return HttpResponse("sign in", status=401, headers={"Location": "/login"})


async def _login_async(request: Any, refusal: Refusal) -> Any:
    return HttpResponse("sign in", status=401, headers={"Location": "/login"})


@pytest.mark.parametrize("hook", [_login, _login_async])
def test_another_answer_to_a_refusal(ran: Diary, hook: Any, by_asgi: bool) -> None:
    refused = ask(closed([path("", ran.view())], on_refusal=hook), "/", by_asgi=by_asgi)
    assert (refused.status_code, refused.content, refused.headers["Location"]) == (401, b"sign in", "/login")
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="callerid"'
    assert refused.headers["Cache-Control"] == "no-store"


def _nothing(request: Any, refusal: Refusal) -> Any:
    return None


def _failing(request: Any, refusal: Refusal) -> Any:
    raise RuntimeError("a hook that fails")


def _no_response(request: Any, refusal: Refusal) -> Any:
    return "a text"


def _template(request: Any, refusal: Refusal) -> Any:
    return TemplateResponse(request, "missing.html")


@pytest.mark.parametrize("hook", [_nothing, _failing, _no_response, _template])
def test_a_hook_without_an_answer_changes_nothing(ran: Diary, hook: Any, by_asgi: bool) -> None:
    refused = ask(closed([path("", ran.view())], on_refusal=hook), "/", by_asgi=by_asgi)
    assert (refused.status_code, refused.headers["Content-Type"]) == (401, "application/problem+json")


def test_a_rendered_answer_to_a_refusal(ran: Diary) -> None:
    from django.template import engines

    def page(request: Any, refusal: Refusal) -> Any:
        return TemplateResponse(request, engines["django"].from_string("sign in: {{ reason }}"), {"reason": "why"})

    assert ask(closed([path("", ran.view())], on_refusal=page), "/").content == b"sign in: why"


def test_a_token_for_another_place_opens_nothing(guard: Guard, ran: Diary) -> None:
    project = closed([path("tasks/", guard.allow(STAFF | OTHERS, audience=URL)(ran.view()))], guard)
    assert statuses(project, "/tasks/", None, "staff") == [401, 401]


def test_a_function_called_with_arguments_that_it_does_not_take(guard: Guard) -> None:
    @guard.allow(OWNER)
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("got")

    @functools.wraps(view)
    def passing(request: HttpRequest, user: str) -> HttpResponse:
        return view(request, user)  # type: ignore[call-arg]

    project = closed([path("<str:user>/", view), path("passed/<str:user>/", passing)], guard)
    assert [status(project, place, "ada") for place in ("/ada/", "/passed/ada/")] == [500, 500]


def test_callers_of_requests_at_one_time_are_not_mixed(guard: Guard) -> None:
    @guard.allow(OWNER)
    async def waiting(request: Any, user: str) -> HttpResponse:
        await asyncio.sleep(0)
        return HttpResponse(request.caller.firebase.uid)

    @guard.allow(OWNER)
    def own(request: Any, user: str) -> HttpResponse:
        return HttpResponse(request.caller.firebase.uid)

    project = closed([path("a/<str:user>/", waiting), path("s/<str:user>/", own)], guard)
    names = [f"user{number}" for number in range(20)]
    sent = [{"Authorization": f"Bearer {token(name)}"} for name in names]
    places = [f"/{kind}/{name}/" for kind in "as" for name in names]

    async def all_at_once() -> list[Any]:
        client = AsyncClient()
        asked = (client.get(place, headers=headers) for place, headers in zip(places, sent + sent, strict=True))
        return await asyncio.gather(*asked)

    def in_threads() -> list[Any]:
        def get(place: str, headers: Any) -> Any:
            return Client().get(place, headers=headers)

        with ThreadPoolExecutor(8) as pool:
            waiting = [
                pool.submit(copy_context().run, get, place, headers)
                for place, headers in zip(places, sent + sent, strict=True)
            ]
            return [each.result() for each in waiting]

    with project.settings():
        for answers in (asyncio.run(all_at_once()), in_threads()):
            assert [each.content.decode() for each in answers] == names + names
