"""The default holds where no view is meant, ahead of whatever else the application would run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, abort, redirect, request, session
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import Rule

from callerid import Domain, Nobody, Public, Unauthenticated
from callerid.flask import Guard, OnRefusal, current_caller
from callerid.guard import GuardCore
from tests.fixtures import OTHERS, STAFF

from .world import Diary, ask, closed, only_others, status, statuses

PREFLIGHT = {"Origin": "https://shop.example.com", "Access-Control-Request-Method": "GET"}


@pytest.fixture
def app(ran: Diary, guard: Guard, tmp_path: Path) -> Flask:
    (tmp_path / "page.txt").write_text("static")
    app = Flask(__name__, static_folder=str(tmp_path), static_url_path="/static")
    app.before_request(ran.noting("before"))
    closed(guard, app=app)
    app.add_url_rule("/plain", "plain", ran.view())
    app.add_url_rule("/slash/", "slash", ran.view())
    app.add_url_rule("/others", "others", guard.allow(OTHERS)(ran.view()))
    app.add_url_rule("/open", "open", guard.allow(Public())(ran.view()))
    app.add_url_rule("/own", "own", guard.allow(OTHERS)(ran.view()), methods=["GET", "OPTIONS"])
    app.add_url_rule("/old", redirect_to="/plain", endpoint="old")
    app.url_map.add(Rule("/any", endpoint="any"))
    app.view_functions["any"] = ran.view("any")
    app.url_map.add(Rule("/viewless", endpoint="viewless"))
    return app


@pytest.mark.parametrize(
    ("method", "path", "inside"),
    [
        ("GET", "/plain", 200),
        ("HEAD", "/plain", 200),
        ("OPTIONS", "/plain", 200),
        ("POST", "/plain", 405),
        ("BREW", "/plain", 405),
        ("GET", "/slash", 308),
        ("GET", "/slash//", 308),
        ("GET", "/%2fplain", 200),
        ("GET", "/old", 308),
        ("GET", "/static/page.txt", 200),
        ("GET", "/static/missing.txt", 404),
        ("GET", "/unknown", 404),
        ("GET", "/", 404),
        ("OPTIONS", "/unknown", 404),
        ("DELETE", "/open", 405),
        ("DELETE", "/others", 405),
        ("OPTIONS", "/open", 200),
        ("BREW", "/any", 200),
        ("OPTIONS", "/any", 200),
        ("GET", "/viewless", 500),
    ],
)
def test_the_default_holds(method: str, path: str, inside: int, app: Flask, ran: Diary) -> None:
    assert statuses(app, path, None, "outsider", "robot", method=method) == [401, 403, 403]
    assert ran == []
    assert status(app, path, "staff", method=method) == inside
    assert ran[0] == "before"


def test_a_list_of_methods_is_under_the_rule_and_the_default(app: Flask, ran: Diary) -> None:
    assert statuses(app, "/others", None, "staff", "outsider", method="OPTIONS") == [401, 403, 403]
    assert ran == []


def test_the_list_of_methods_is_given_to_whom_both_admit(ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=STAFF | OTHERS)
    app.add_url_rule("/", "x", guard.allow(OTHERS)(ran.view()))
    assert only_others(app, method="OPTIONS")
    assert ask(app, "/", "outsider", method="OPTIONS").allow.as_set() == {"get", "head", "options"}
    assert ran == []


@pytest.mark.parametrize("path", ["/plain", "/others", "/open", "/any/", "/static/page.txt"])
def test_a_preflight_passes_and_runs_nothing(path: str, app: Flask, ran: Diary) -> None:
    @app.after_request
    def cors(response: Any) -> Any:
        response.headers["Access-Control-Allow-Origin"] = request.headers.get("Origin", "")
        return response

    expected = 401 if path == "/any/" else 200
    for who in (None, "staff"):
        if expected == 401 and who:
            continue
        answer = ask(app, path, who, method="OPTIONS", headers=PREFLIGHT)
        assert answer.status_code == expected
        assert answer.headers["Access-Control-Allow-Origin"] == PREFLIGHT["Origin"]
    assert ran == []
    refused = ask(app, path, headers={"Origin": PREFLIGHT["Origin"]})
    if path != "/open":
        assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, PREFLIGHT["Origin"])


@pytest.mark.parametrize("missing", PREFLIGHT)
def test_options_without_both_headers_is_no_preflight(missing: str, app: Flask, ran: Diary) -> None:
    headers = {name: value for name, value in PREFLIGHT.items() if name != missing}
    assert status(app, "/others", method="OPTIONS", headers=headers) == 401
    assert ran == []


@pytest.mark.parametrize(("method", "path"), [("GET", "/others"), ("OPTIONS", "/unknown"), ("OPTIONS", "/any/x")])
def test_the_headers_of_a_preflight_open_nothing_else(method: str, path: str, app: Flask, ran: Diary) -> None:
    assert status(app, path, method=method, headers=PREFLIGHT) == 401
    assert status(app, path, method=method, headers={**PREFLIGHT, "X-HTTP-Method-Override": "OPTIONS"}) == 401
    assert ran == []


def test_an_own_answer_to_options_is_under_its_rule(app: Flask, ran: Diary) -> None:
    assert only_others(app, "/own", method="OPTIONS")
    assert ran == ["before", "view"]


def test_a_floor_holds_everywhere_but_for_preflights(ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=Public(), floor=STAFF | OTHERS)
    app.add_url_rule("/open", "open", guard.allow(Public())(ran.view()))
    app.add_url_rule("/others", "others", guard.allow(OTHERS)(ran.view()))
    app.add_url_rule("/plain", "plain", ran.view())
    assert statuses(app, "/open", None, "robot", "staff", "outsider") == [401, 403, 200, 200]
    assert statuses(app, "/plain", None, "robot", "staff", "outsider") == [401, 403, 200, 200]
    assert statuses(app, "/unknown", None, "robot", "staff", "outsider") == [401, 403, 404, 404]
    assert only_others(app, "/others")
    assert status(app, "/open", method="OPTIONS", headers=PREFLIGHT) == 200


def test_nothing_else_of_the_application_runs_before(ran: Diary, guard: Guard) -> None:
    app = Flask(__name__)
    bp = Blueprint("bp", __name__)
    for each in (app, bp):
        each.before_request(ran.noting("before"))
        each.url_value_preprocessor(ran.noting("values"))
    closed(guard, app=app)
    app.before_request_funcs[None].insert(0, ran.noting("first"))
    bp.add_url_rule("/", "index", ran.view())
    bp.before_app_request(ran.noting("before_app"))
    app.register_blueprint(bp)
    assert statuses(app, "/", None, "outsider") == [401, 403]
    assert ran == []
    assert status(app, "/", "staff") == 200
    assert ran == ["values", "values", "first", "before", "before_app", "before", "view"]


def test_a_refusal_is_answered_as_anywhere_and_error_handlers_do_not_change_it(
    app: Flask, ran: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handled(_: Any) -> Any:
        ran.append("handler")
        return "handled", 200

    for error in (400, 401, 403, 404, HTTPException, Exception, Unauthenticated):
        app.register_error_handler(error, handled)
    seen: list[Any] = []
    usual = GuardCore.answer

    def noted(*given: Any) -> Any:
        seen.append(usual(*given))
        return seen[-1]

    monkeypatch.setattr(GuardCore, "answer", noted)
    for who in (None, "outsider"):
        for method in ("GET", "HEAD"):
            answer = ask(app, "/plain", who, method=method)
            expected = seen.pop()
            assert (answer.status_code, answer.data) == (expected.status, expected.body if method == "GET" else b"")
            assert {name.lower(): value for name, value in answer.headers} == dict(expected.headers)
    assert ran == []
    assert ask(app, "/unknown", "staff").text == "handled"


def test_a_body_is_not_read_before_the_caller_is_let_in(app: Flask, ran: Diary) -> None:
    body = io.BytesIO(b"0123456789")
    answer = ask(app, "/plain", method="POST", input_stream=body, headers={"Content-Length": "10"})
    assert (answer.status_code, body.tell()) == (401, 0)


def test_what_runs_after_a_refusal_runs_as_ever(app: Flask, ran: Diary) -> None:
    app.secret_key = "made up"
    app.teardown_request(ran.noting("teardown"))

    @app.after_request
    def note(response: Any) -> Any:
        ran.append(f"after {response.status_code} {current_caller()}")
        session["seen"] = True
        return response

    answer = ask(app, "/plain")
    assert ran == ["after 401 None", "teardown"]
    assert "session=" in answer.headers["Set-Cookie"]
    ran.clear()
    assert status(app, "/plain", "staff") == 200
    assert ran == ["before", "view", "after 200 user:ada@example.com", "teardown"]


def test_a_before_request_may_still_answer_for_whom_is_let_in(app: Flask, ran: Diary) -> None:
    app.before_request(lambda: "maintenance")
    assert statuses(app, "/open", None) == [200]
    assert statuses(app, "/plain", None) == [401]
    assert ask(app, "/plain", "staff").text == "maintenance"
    assert "view" not in ran


def test_behind_other_applications_it_is_the_path_inside_that_counts(app: Flask, ran: Diary) -> None:
    inner = Flask("inner")
    inner.add_url_rule("/open", "x", ran.view("inner"))
    outer = Flask("outer")
    outer.wsgi_app = DispatcherMiddleware(outer.wsgi_app, {"/sub": app, "/bare": inner})  # type: ignore[method-assign]
    assert statuses(outer, "/sub/plain", None, "outsider", "staff") == [401, 403, 200]
    assert only_others(outer, "/sub/others")
    assert status(outer, "/sub/open") == 200
    assert status(outer, "/bare/open") == 200
    assert ask(outer, "/sub/slash", "staff").headers["Location"].endswith("/sub/slash/")


def test_hosts_and_subdomains_choose_routes_and_open_nothing(ran: Diary, guard: Guard) -> None:
    app = Flask(__name__, host_matching=True, static_host="static.example.com")
    closed(guard, app=app)
    app.add_url_rule("/", "inside", ran.view(), host="inside.example.com")
    app.add_url_rule("/", "open", guard.allow(Public())(ran.view("open")), host="open.example.com")
    hosts = ["inside.example.com", "open.example.com", "elsewhere.example.com", "a b", "open.example.com@x", ""]
    assert [status(app, "/", headers={"Host": host}) for host in hosts] == [401, 200, 401, 401, 401, 401]
    assert ran == ["open"]


# --- re-dressed refusals ---


def redressed(app: Flask | None, guard: Guard, hook: OnRefusal) -> Any:
    app = closed(guard, app=app or Flask(__name__), on_refusal=hook)
    app.add_url_rule("/", "x", lambda: "served")
    return ask(app, "/")


async def later(*_: Any) -> Any:
    return "later", 401


@pytest.mark.parametrize(
    ("hook", "status", "text"),
    [
        (lambda asked, refusal: (f"{asked.path} {refusal.reason}", 403), 403, "/ no_credential"),
        (lambda *_: redirect("/login"), 302, None),
        (lambda *_: {"sign": "in"}, 200, None),
        (lambda *_: ("", 401), 401, ""),
        (later, 401, "later"),
    ],
)
def test_a_refusal_may_be_dressed_in_other_clothes(hook: Any, status: int, text: str | None, guard: Guard) -> None:
    answer = redressed(None, guard, hook)
    assert answer.status_code == status
    assert text is None or answer.text == text
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) is (status in (401, 403))


@pytest.mark.parametrize(
    "hook", [lambda *_: None, lambda *_: abort(404), lambda *_: object(), lambda: "", lambda *_: 1]
)
def test_a_hook_that_says_nothing_or_fails_changes_nothing(hook: Any, guard: Guard) -> None:
    answer = redressed(None, guard, hook)
    assert answer.status_code == 401
    assert answer.json is not None
    assert answer.json["reason"] == "no_credential"


def test_nobody_may_call_and_the_answer_says_so(ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=Nobody())
    app.add_url_rule("/", "x", ran.view())
    assert statuses(app, "/", None, "staff") == [401, 403]
    assert ran == []


def test_guards_share_what_they_know(ran: Diary, guard: Guard) -> None:
    app = closed(Guard.like(guard), default=Domain("other.com"))
    app.add_url_rule("/", "x", ran.view())
    assert only_others(app)
