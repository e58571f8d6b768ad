"""What is found out once for a rule and a method holds as long as nothing it depends on has changed, and no longer."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Generator
from contextvars import copy_context
from typing import Any, NoReturn

import pytest
from flask import Blueprint, Flask, request, request_started
from flask.views import MethodView, View
from werkzeug.exceptions import NotFound
from werkzeug.routing import Rule

from callerid import FirebaseUser, Public, Reason, Unauthenticated, UnguardedEndpointError
from callerid.flask import Guard, current_caller
from callerid.flask._current import SERVING, request_now
from callerid.flask._protection import Protection
from callerid.testing import as_caller, google_person
from tests.fixtures import AT_HAND, CLIENT, OTHERS, OWNER, ROBOTS, STAFF, URL, issuer, token

from .world import Diary, ask, closed, keeping, new_guard, only_others, status, statuses

RULES = {"public": Public(), "staff": STAFF, "others": OTHERS}
EXPECTED = {"public": [200, 200, 200], "staff": [401, 200, 403], "others": [401, 403, 200]}


def everybody(app: Flask, path: str = "/", **options: Any) -> list[int]:
    return statuses(app, path, None, "staff", "outsider", **options)


def protection_of(app: Flask) -> Protection:
    found = app.extensions["callerid"]
    assert isinstance(found, Protection)
    return found


@pytest.fixture(params=RULES)
def before(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=RULES)
def after(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- what is served changes between two requests ---


def test_a_view_put_in_anothers_place_is_judged_by_its_own_mark(before: str, after: str, guard: Guard) -> None:
    app = closed(guard, default=ROBOTS)
    app.add_url_rule("/", "x", guard.allow(RULES[before])(lambda: "before"))
    other = guard.allow(RULES[after])(lambda: "after")
    assert everybody(app) == EXPECTED[before]
    first, app.view_functions["x"] = app.view_functions["x"], other
    assert everybody(app) == EXPECTED[after]
    app.view_functions["x"] = first
    assert everybody(app) == EXPECTED[before]
    app.view_functions["x"] = lambda: "without a mark"
    assert [*everybody(app), status(app, "/", "robot")] == [401, 403, 403, 200]
    del app.view_functions["x"]
    assert everybody(app) == [401, 403, 403]


def test_other_views_in_place_of_all(before: str, after: str, guard: Guard) -> None:
    app = closed(guard, default=ROBOTS)
    app.add_url_rule("/", "x", guard.allow(RULES[before])(lambda: "before"))
    assert everybody(app) == EXPECTED[before]
    app.view_functions = {"x": guard.allow(RULES[after])(lambda: "after")}
    assert everybody(app) == EXPECTED[after]


def test_a_mark_that_comes_late_holds_from_then_on(guard: Guard) -> None:
    class Api(MethodView):
        def get(self) -> str:
            return "get"

    app = closed(guard, default=Public())
    app.add_url_rule("/", view_func=Api.as_view("x"))
    assert everybody(app) == EXPECTED["public"]
    guard.allow(OTHERS)(Api)
    assert everybody(app) == EXPECTED["others"]
    guard.allow(STAFF)(Api)
    assert everybody(app) == [500, 500, 500]  # nobody can be both


def test_a_mark_above_that_comes_while_a_view_is_read_is_found_by_the_next_request(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = closed(guard, default=Public())
    view = lambda: "view"
    app.add_url_rule("/", "x", view)
    reader = protection_of(app).reader
    read: Callable[..., Any] = reader._read

    def meanwhile(*arguments: Any) -> Any:
        found = read(*arguments)
        monkeypatch.setattr(reader, "_read", read)
        guard.allow(OTHERS)(view)  # as another thread might
        return found

    protection_of(app).check_once(lambda _: None)
    monkeypatch.setattr(reader, "_read", meanwhile)
    assert status(app, "/") == 200
    assert everybody(app) == [500, 500, 500]


def test_a_view_with_the_mark_of_another_guard_in_its_place_is_a_500(guard: Guard) -> None:
    app = closed(guard, default=Public())
    app.add_url_rule("/", "x", lambda: "view")
    assert status(app, "/") == 200
    app.view_functions["x"] = new_guard().allow(Public())(lambda: "view")
    assert everybody(app) == [500, 500, 500]
    assert status(app, "/") == 500


def test_another_class_behind_a_view_is_judged_by_its_own_marks(guard: Guard) -> None:
    class Open(View):
        def dispatch_request(self) -> str:
            return "open"

    class Closed(View):
        @guard.allow(OTHERS)
        def dispatch_request(self) -> str:
            return "closed"

    app = closed(guard, default=Public())
    view: Any = Open.as_view("x")
    app.add_url_rule("/", view_func=view)
    assert everybody(app) == EXPECTED["public"]
    view.view_class = Closed
    assert everybody(app) == EXPECTED["others"]
    view.view_class = Open
    assert everybody(app) == EXPECTED["public"]


def test_another_method_in_a_class_is_judged_by_its_own_mark(before: str, after: str, guard: Guard) -> None:
    class Api(MethodView):
        @guard.allow(RULES[before])
        def get(self) -> str:
            return "get"

        @guard.allow(ROBOTS)
        def post(self) -> str:
            return "post"

    other = guard.allow(RULES[after])(lambda self: "other")
    app = closed(guard, default=Public())
    app.add_url_rule("/", view_func=Api.as_view("x"))
    for method in ("GET", "HEAD"):
        assert everybody(app, method=method) == EXPECTED[before]
    Api.get = other  # type: ignore[method-assign]
    for method in ("GET", "HEAD"):
        assert everybody(app, method=method) == EXPECTED[after]
    assert everybody(app, method="POST") == [401, 403, 403]
    Api.head = guard.allow(ROBOTS)(lambda self: "")  # type: ignore[attr-defined]
    assert everybody(app, method="GET") == EXPECTED[after]
    assert everybody(app, method="HEAD") == [401, 403, 403]


# --- one function, several places ---


def test_one_function_at_several_places_is_judged_at_each(guard: Guard) -> None:
    app = closed(guard, default=ROBOTS)
    view = lambda **_: "view"
    app.add_url_rule("/default", "default", view)
    app.add_url_rule("/open", "open", guard.allow(Public())(lambda: "view"))
    app.add_url_rule("/users/<user>", "users", guard.allow(OWNER)(lambda user: "view"))
    app.add_url_rule("/again/<user>", "users")
    for name, rule in (("inner", OTHERS), ("outer", STAFF)):
        blueprint = guard.allow(rule)(Blueprint(name, __name__, url_prefix=f"/{name}"))
        blueprint.add_url_rule("/", "x", view)
        app.register_blueprint(blueprint)
        app.register_blueprint(blueprint, name=f"{name}2", url_prefix=f"/{name}2")
    for _ in range(3):
        assert everybody(app, "/default") == [401, 403, 403]
        assert everybody(app, "/open") == EXPECTED["public"]
        for path in ("/inner/", "/inner2/"):
            assert everybody(app, path) == EXPECTED["others"]
        for path in ("/outer/", "/outer2/"):
            assert everybody(app, path) == EXPECTED["staff"]
        for place in ("users", "again"):
            assert statuses(app, f"/{place}/ada", None, "staff", "ben", "ada") == [401, 403, 403, 200]
            assert statuses(app, f"/{place}/ben", "ada", "ben") == [403, 200]


def test_a_blueprint_registered_late_has_its_rules(guard: Guard) -> None:
    app = closed(guard, default=Public())
    app.add_url_rule("/", "x", lambda: "view")
    assert status(app, "/") == 200
    late = guard.allow(OTHERS)(Blueprint("late", __name__, url_prefix="/late"))
    late.add_url_rule("/", "x", lambda: "late")
    app._got_first_request = False  # as applications do that register while they run
    app.register_blueprint(late)
    assert only_others(app, "/late/")
    assert status(app, "/") == 200


def test_methods_are_settled_one_by_one(guard: Guard) -> None:
    app = closed(guard, default=ROBOTS)
    app.add_url_rule("/", "read", guard.allow(Public())(lambda: "read"), methods=["GET"])
    app.add_url_rule("/", "write", guard.allow(OTHERS)(lambda: "write"), methods=["POST", "PURGE"])
    for _ in range(2):
        for method in ("GET", "HEAD"):
            assert everybody(app, method=method) == EXPECTED["public"]
        for method in ("POST", "PURGE"):
            assert everybody(app, method=method) == EXPECTED["others"]
        for method in ("DELETE", "FOO"):
            assert everybody(app, method=method) == [401, 403, 403]


def test_options_are_found_out_each_time(ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=OTHERS)
    rule: Any = Rule("/", endpoint="x", methods=["GET", "OPTIONS"])
    rule.provide_automatic_options = True
    app.url_map.add(rule)
    app.view_functions["x"] = guard.allow(STAFF | OTHERS)(ran.view())
    preflight = {"Origin": "https://shop.example.com", "Access-Control-Request-Method": "GET"}
    for _ in range(2):
        assert statuses(app, "/", None, "outsider", method="OPTIONS") == [401, 200]
        assert status(app, "/", method="OPTIONS", headers=preflight) == 200
    assert ran == []
    rule.provide_automatic_options = False
    assert statuses(app, "/", None, "staff", method="OPTIONS") == [401, 200]
    assert status(app, "/", method="OPTIONS", headers=preflight) == 200
    rule.provide_automatic_options = True
    assert statuses(app, "/", None, "staff", method="OPTIONS") == [401, 403]
    assert ran == ["view"]


def test_what_clients_make_up_is_not_kept(guard: Guard) -> None:
    app = closed(guard, default=STAFF)
    app.url_map.add(Rule("/any/<path:rest>", endpoint="any"))  # for any method
    app.view_functions["any"] = lambda rest: "any"
    app.add_url_rule("/one/<name>", "one", lambda name: "one")
    settled = protection_of(app)._settled
    for number in range(20):
        assert statuses(app, f"/any/{number}", None, "staff", method=f"X{number}") == [401, 200]
        assert statuses(app, f"/one/{number}", None, "staff") == [401, 200]
        assert status(app, f"/none/{number}", "staff") == 404
        assert status(app, f"/one/{number}", "staff", method=f"X{number}") == 405
    assert [method for _, method in settled] == ["GET"]


# --- what changes between the choice of the rule and the guard ---


def not_found(app: Flask) -> None:
    request.routing_exception = NotFound()


def other_rule(app: Flask) -> None:
    request.url_rule = next(rule for rule in app.url_map.iter_rules() if rule.endpoint == "other")


def other_method(app: Flask) -> None:
    request.method = "POST"


def no_rule(app: Flask) -> None:
    request.url_rule = None
    request.routing_exception = NotFound()


@pytest.mark.parametrize("change", [not_found, other_rule, other_method, no_rule])
def test_what_is_judged_is_what_is_served(change: Callable[[Flask], None], ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=OTHERS)
    app.add_url_rule("/", "x", guard.allow(Public())(ran.view("open")))
    app.add_url_rule("/other", "other", guard.allow(OTHERS)(ran.view("other")))
    app.add_url_rule("/", "write", guard.allow(OTHERS)(ran.view("write")), methods=["POST"])
    assert status(app, "/") == 200

    def changed(_: Any, **__: Any) -> None:
        change(app)

    with request_started.connected_to(changed, app):
        expected = [200, 200] if change is other_method else [401, 403]  # Flask serves the rule that it has chosen
        assert statuses(app, "/", None, "staff") == expected
    assert set(ran) == {"open"}
    assert status(app, "/") == 200


@pytest.mark.parametrize("marked", [True, False])
def test_a_public_view_is_not_left_for_another(marked: bool, ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=Public())
    view = ran.view("open")
    app.add_url_rule("/", "x", guard.allow(Public())(view) if marked else view)
    app.add_url_rule("/other", "other", guard.allow(OTHERS)(ran.view("other")))
    app.before_request(lambda: other_rule(app) if request.args else None)
    assert statuses(app, "/", None, None) == [200, 200]
    assert statuses(app, "/?other", None, "outsider") == [500, 500]
    assert set(ran) == {"open"}


# --- one decision about everybody ---


@pytest.mark.parametrize("who", [None, "staff"])
def test_a_decision_counts_for_the_request_that_it_was_made_about(who: str | None, ran: Diary, guard: Guard) -> None:
    app, other = closed(guard), Flask("other")

    @app.get("/")
    @guard.allow(STAFF if who else Public())
    def view() -> str:
        ran.append("view")
        for inner in (app, other):
            with inner.test_request_context("/"), pytest.raises(UnguardedEndpointError):
                app.view_functions["view"]()
        with app.test_request_context("/"), pytest.raises(UnguardedEndpointError):
            app.dispatch_request()
        return "view"

    assert statuses(app, "/", who, who) == [200, 200]
    assert ran == ["view", "view"]


def test_nobody_is_known_at_a_public_view_whoever_came_before(guard: Guard) -> None:
    app = closed(guard)
    for name, rule in (("open", Public()), ("staff", STAFF), ("maybe", Public() | STAFF)):
        app.add_url_rule(f"/{name}", name, guard.allow(rule)(lambda: f"{current_caller()} {request.remote_user}"))
    ada = "user:ada@example.com user:ada@example.com"
    for _ in range(2):
        for who in ("staff", None):
            assert ask(app, "/open", who).text == "None None"
            assert ask(app, "/maybe", who).text == (ada if who else "None None")
        assert ask(app, "/staff", "staff").text == ada


def test_requests_that_take_turns_in_one_thread_are_not_mixed_up(guard: Guard) -> None:
    """As with greenlets: each has a context of its own."""
    app = closed(guard)
    seen: list[str] = []

    def view() -> str:
        seen.append(str(current_caller()))
        return "done"

    for name, rule in (("open", Public()), ("x", STAFF | OTHERS)):
        app.add_url_rule(f"/{name}", name, guard.allow(rule)(view))

    def steps(path: str, who: str | None) -> Generator[Any]:
        headers = {} if who is None else {"Authorization": f"Bearer {token(who)}"}
        with app.test_request_context(path, headers=headers):
            yield app.preprocess_request()
            yield app.dispatch_request()
            yield str(current_caller())

    asked = [("/x", "staff"), ("/open", None), ("/x", "outsider"), ("/open", "staff"), ("/x", None)]
    running = [(copy_context(), steps(*each)) for each in asked]
    refused = [context.run(next, flow) for context, flow in running]
    assert [each is None for each in refused] == [True, True, True, True, False]
    for context, flow in running[:4]:
        assert context.run(next, flow) == "done"
    ada, eve = "user:ada@example.com", "user:eve@other.com"
    assert seen == [ada, "None", eve, "None"]
    assert [context.run(next, flow) for context, flow in running[:4]] == seen
    with pytest.raises(UnguardedEndpointError):
        running[4][0].run(next, running[4][1])
    for context, flow in running:
        context.run(flow.close)


def test_nothing_is_left_behind_whatever_fails(guard: Guard) -> None:
    app = closed(guard)

    def failing(*_: Any) -> NoReturn:
        raise ZeroDivisionError

    view = guard.allow(Public())(failing)
    app.add_url_rule("/", "x", view)
    app.teardown_request(failing)
    left: list[Any] = []
    app.teardown_request(lambda _: left.append(getattr(request_now(), SERVING)))
    app.testing = True
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            ask(app, "/")
        assert left.pop() is None
        with pytest.raises(UnguardedEndpointError):
            view()


# --- what else may change ---


def test_who_listens_later_is_told(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    app = closed(guard)
    app.add_url_rule("/", "x", guard.allow(Public())(lambda: "open"))
    app.add_url_rule("/staff", "staff", lambda: "staff")
    for level, told in ((logging.INFO, []), (logging.DEBUG, ["GET /", "GET /staff"]), (logging.INFO, [])):
        caplog.clear()
        with caplog.at_level(level, logger="callerid"):
            assert status(app, "/") == status(app, "/staff", "staff") == 200
        records = [record.callerid for record in caplog.records if hasattr(record, "callerid")]
        assert [each["route"] for each in records if each["outcome"] == "allowed"] == told


def test_an_issuer_trusted_later_is_read_wherever_its_tokens_sit() -> None:
    guard = Guard(issuer.firebase("shop-prod"))
    app = closed(guard, default=FirebaseUser())
    app.add_url_rule("/", "x", lambda: str(current_caller()))
    carried = {"X-Serverless-Authorization": "Bearer x.y.z"}
    assert [status(app, "/", "ada"), status(app, "/", "ada", headers=carried)] == [200, 200]
    guard.trust(issuer.google(URL, CLIENT))
    assert [status(app, "/", "ada"), status(app, "/", "ada", headers=carried)] == [200, 401]


def test_a_test_may_act_as_somebody_where_others_have_been(guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/", "x", lambda: str(current_caller()))
    assert everybody(app) == EXPECTED["staff"]
    with as_caller(guard, google_person("eve@other.com", domain="other.com", audience=CLIENT)):
        assert status(app, "/") == 403
    with as_caller(guard, google_person("ada@example.com", domain="example.com", audience=CLIENT)):
        assert ask(app, "/").text == "user:ada@example.com"
    assert everybody(app) == EXPECTED["staff"]


# --- the dispatch ---


def test_a_dispatch_that_looks_like_the_guards_own_is_none(ran: Diary, guard: Guard) -> None:
    """``functools.wraps`` takes along by what the guard's own dispatch is known."""
    app = closed(guard, default=Public())
    app.add_url_rule("/", "x", ran.view("open"))
    app.add_url_rule("/other", "other", ran.view("other"))
    app.before_request(lambda: other_rule(app) if request.args else None)
    assert status(app, "/") == 200

    @functools.wraps(app.dispatch_request)
    def dispatch() -> Any:
        assert request.url_rule is not None
        return app.view_functions[request.url_rule.endpoint]()

    app.dispatch_request = dispatch  # type: ignore[method-assign]
    assert statuses(app, "/", None, None) == [200, 200]
    assert status(app, "/?other") == 500
    assert ran == ["open", "open", "open"]


def test_a_dispatch_put_in_while_a_request_is_prepared_runs_no_marked_view(ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/users/<name>", "x", guard.allow(STAFF)(ran.view("user")))

    def dispatch() -> Any:
        return app.view_functions["x"](name="somebody else")

    def prepare() -> None:
        app.dispatch_request = dispatch  # type: ignore[method-assign]

    app.before_request(prepare)
    assert status(app, "/users/ada", "staff") == 500
    assert ran == []
    # From the next request on it is taken along.
    app.before_request_funcs[None].remove(prepare)
    assert statuses(app, "/users/ada", None, "staff") == [401, 200]
    assert ran == ["user"]


def test_a_view_that_has_its_request_judged_anew_is_no_longer_let_in_by_the_old_answer(guard: Guard) -> None:
    app = closed(guard)
    allowed = guard.allow(STAFF)

    def view() -> str:
        del request.environ["HTTP_AUTHORIZATION"]
        assert app.preprocess_request() is not None
        return another()

    def another() -> str:
        return "another"

    another = allowed(another)
    app.add_url_rule("/", "x", allowed(view))
    app.testing = True
    with pytest.raises(UnguardedEndpointError):
        ask(app, "/", "staff")


def test_dispatches_that_come_and_go_do_not_pile_up(ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=Public())
    app.add_url_rule("/", "x", ran.view("open"))
    assert status(app, "/") == 200
    ours = app.dispatch_request

    def theirs() -> Any:
        ran.append("theirs")
        return ours()

    for _ in range(3):
        ran.clear()
        app.dispatch_request = keeping(theirs)  # type: ignore[method-assign]
        assert status(app, "/") == 200
        assert ran == ["theirs", "open"]
        app.dispatch_request = ours  # type: ignore[method-assign]
        assert status(app, "/") == 200
        assert app.dispatch_request is ours
    del app.dispatch_request
    assert status(app, "/") == 200
    assert app.dispatch_request is not ours


def test_a_guard_that_identifies_otherwise_is_asked_at_every_request(ran: Diary) -> None:
    class Revoking(Guard):
        def identify(self, sent: Any, waited: Any = ()) -> Any:
            super().identify(sent, waited)
            raise Unauthenticated(Reason.EXPIRED, "revoked")

    app = closed(Revoking(*AT_HAND))
    app.get("/")(ran.view("view"))
    assert statuses(app, "/", "staff", "staff") == [401, 401]
    assert ran == []
