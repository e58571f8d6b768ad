"""Who is calling: the proxy, the caller itself, and what WSGI is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, copy_current_request_context, current_app, jsonify, request, stream_with_context
from werkzeug.test import EnvironBuilder

from callerid import Caller, CalleridError, ConfigurationError, Domain, FirebaseUser, Public, ServiceAccount, Via
from callerid.flask import Guard, NoCallerError, caller, current_caller
from callerid.testing import as_caller, google_person
from tests.fixtures import CLIENT, OTHERS, ROBOT, STAFF, URL, issuer, token

from .world import Diary, ask, closed, hiding, status

VISITOR = Public() | FirebaseUser()


@pytest.fixture
def app(guard: Guard) -> Flask:
    app = closed(guard)

    @app.get("/staff")
    def staff() -> Any:
        assert isinstance(caller, Caller)
        assert caller == current_caller()
        assert caller.email == "ada@example.com"
        return str(caller)

    @app.get("/async")
    async def later() -> str:
        return f"{caller}"

    @app.get("/visitor")
    @guard.allow(VISITOR)
    def visitor() -> str:
        return f"{caller} {bool(caller)} {current_caller()} {caller == None}"  # noqa: E711 - what a user may write

    @app.get("/open")
    @guard.allow(Public())
    def opened() -> str:
        assert current_caller() is None
        return "open" if caller else "nobody"

    def told() -> Any:
        return jsonify(user=request.remote_user, caller=str(request.environ["callerid.caller"]))

    app.add_url_rule("/told", "told", hiding(told))
    app.add_url_rule("/open/told", "open_told", guard.allow(Public())(told))

    return app


def test_the_caller_is_the_verified_one(app: Flask) -> None:
    assert ask(app, "/staff", "staff").text == "user:ada@example.com"
    assert ask(app, "/async", "staff").text == "user:ada@example.com"


def test_where_nobody_need_be_known_it_may_be_nobody(app: Flask) -> None:
    assert ask(app, "/visitor").text == "None False None True"
    assert ask(app, "/visitor", "u1").text == "firebase:shop-prod/u1 True firebase:shop-prod/u1 False"
    assert ask(app, "/visitor", "staff").text == "None False None True"
    assert status(app, "/visitor", headers={"Authorization": "Bearer x.y.z"}) == 401


def test_asking_for_a_caller_where_no_credential_is_read_is_an_error_with_the_remedy(app: Flask) -> None:
    assert status(app, "/open", "staff") == 500
    app.testing = True
    with pytest.raises(ConfigurationError, match=r"GET /open is Public\(\).*Public\(\) \| rule"):
        ask(app, "/open")


def test_a_public_view_reads_no_credential(ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/", "x", guard.allow(Public())(ran.view()))
    assert status(app, "/", headers={"Authorization": "Bearer, Bearer"}) == 200


def test_outside_a_request_there_is_none(app: Flask) -> None:
    assert current_caller() is None
    assert not caller
    assert repr(caller) == "<LocalProxy unbound>"
    with pytest.raises(NoCallerError, match="there is no request here"):
        str(caller)
    assert issubclass(NoCallerError, RuntimeError)
    assert issubclass(NoCallerError, CalleridError)
    with app.test_request_context("/staff"), pytest.raises(NoCallerError, match="let anybody in"):
        str(caller)


def test_without_a_guard_there_is_none() -> None:
    app = Flask(__name__)
    app.add_url_rule("/", "x", lambda: str(caller))
    assert status(app, "/", "staff") == 500


def test_wsgi_is_told_and_nobody_else_tells_it(app: Flask) -> None:
    forged = {"REMOTE_USER": "admin", "HTTP_REMOTE_USER": "admin", "callerid.caller": "admin"}
    both = {"user": "user:ada@example.com", "caller": "user:ada@example.com"}
    assert ask(app, "/told", "staff", environ_overrides=forged).json == both
    assert ask(app, "/open/told", "staff", environ_overrides=forged).json == {"user": None, "caller": "None"}


def test_a_user_is_told_with_the_issuer(ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=FirebaseUser())
    app.add_url_rule("/", "x", lambda: str(request.remote_user))
    assert ask(app, "/", "admin").text == "firebase:shop-prod/admin"


def test_the_service_that_carried_the_call(guard: Guard) -> None:
    app = closed(guard, default=STAFF & Via(ServiceAccount(ROBOT)))
    app.add_url_rule("/", "x", lambda: f"{caller} {caller.via}")
    carried = {"X-Serverless-Authorization": f"Bearer {token('robot')}"}
    assert status(app, "/", "staff") == 403
    assert status(app, "/", headers=carried) == 401
    answer = ask(app, "/", "staff", headers=carried)
    assert answer.text == f"user:ada@example.com serviceAccount:{ROBOT}"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("HTTP_AUTHORIZATION", "Bearer {0},Bearer {0}", 400),
        ("HTTP_AUTHORIZATION", "Bearer {0}, Bearer {0}", 400),
        ("HTTP_AUTHORIZATION", "Bearer", 400),
        ("HTTP_AUTHORIZATION", "bearer {0}", 200),
        ("HTTP_AUTHORIZATION", "Basic {0}", 401),
        ("HTTP_AUTHORIZATION", "", 401),
        ("HTTP_X_AUTHORIZATION", "Bearer {0}", 401),
        ("HTTP_COOKIE", "Authorization=Bearer {0}; session={0}; token={0}", 401),
        ("QUERY_STRING", "access_token={0}", 401),
        ("REMOTE_USER", "user:ada@example.com", 401),
    ],
)
def test_credentials_are_read_from_their_slot_and_nowhere_else(
    name: str, value: str, expected: int, app: Flask
) -> None:
    sent = {name: value.format(token("staff"))}
    assert status(app, "/staff", environ_overrides=sent) == expected


def test_audiences_hold_per_view(guard: Guard) -> None:
    tasks = f"{URL}/tasks"
    app = closed(guard, default=ServiceAccount(ROBOT))
    app.add_url_rule("/tasks", "tasks", guard.allow(ServiceAccount(ROBOT), audience=tasks)(lambda: "done"))
    app.add_url_rule("/", "x", lambda: "done")

    def sent(audience: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {issuer.service_account(ROBOT, audience=audience)}"}

    assert [status(app, "/tasks", headers=sent(each)) for each in (tasks, URL)] == [200, 401]
    assert [status(app, "/", headers=sent(each)) for each in (tasks, URL)] == [401, 200]


def test_where_flask_lists_methods_somebody_is_known_if_every_rule_knows_who(guard: Guard) -> None:
    app = closed(guard, default=Public() | STAFF | OTHERS)
    told: list[str] = []
    app.before_request(lambda: told.append(str(current_caller())))
    app.add_url_rule("/", "x", guard.allow(Public() | OTHERS)(lambda: "x"))
    assert [status(app, "/", who, method="OPTIONS") for who in (None, "staff", "outsider")] == [200, 200, 200]
    assert told == ["None", "None", "user:eve@other.com"]


# --- where requests go on ---


def test_a_stream_knows_its_caller_to_the_end(guard: Guard) -> None:
    app = closed(guard)

    @app.get("/")
    @guard.allow(OTHERS)
    def stream() -> Any:
        def lines() -> Iterator[str]:
            for number in range(3):
                yield f"{number} {caller}\n"

        return stream_with_context(lines())

    assert ask(app, "/", "outsider").text.splitlines()[-1] == "2 user:eve@other.com"


def test_a_thread_knows_the_caller_if_it_was_given_the_request(guard: Guard) -> None:
    app = closed(guard)

    @app.get("/")
    def work() -> Any:
        said: list[str] = []

        def run() -> None:
            said.append(f"{current_caller()}")

        for target in (copy_current_request_context(run), run):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        return said

    assert ask(app, "/", "staff").json == ["user:ada@example.com", "None"]


def test_requests_inside_requests_have_callers_of_their_own(guard: Guard) -> None:
    app = closed(guard, default=STAFF | OTHERS | Public())
    other = closed(guard, default=OTHERS, app=Flask("other"))
    other.add_url_rule("/", "x", lambda: str(caller))
    app.add_url_rule("/inner", "inner", lambda: str(current_caller()))

    @app.get("/")
    def outer() -> Any:
        inner = [ask(current_app, "/inner", who).text for who in ("outsider", None)]
        with app.app_context():
            return [str(caller), *inner, ask(other, "/", "outsider").text, ask(other, "/", "staff").status, str(caller)]

    ada, eve = "user:ada@example.com", "user:eve@other.com"
    assert ask(app, "/", "staff").json == [ada, eve, "None", eve, "403 FORBIDDEN", ada]


@pytest.mark.parametrize("how", ["the same", "a copy", "a client"])
@pytest.mark.parametrize("inner", [None, "outsider"])
def test_a_request_over_the_environ_of_another_leaves_that_one_its_caller(
    how: str, inner: str | None, guard: Guard
) -> None:
    """As applications do that pass requests on inside of them."""
    app = closed(guard)
    seen: list[Any] = []

    def told() -> str:
        seen.append((str(current_caller()), request.remote_user, str(request.environ["callerid.caller"])))
        seen.append(("HTTP_REMOTE_USER" in request.environ, request.headers.get("Remote-User")))
        return "told"

    app.add_url_rule("/inner", "inner", guard.allow(Public() | OTHERS)(told))

    @app.get("/outer")
    def outer() -> Any:
        environ = request.environ if how == "the same" else {**request.environ}
        was = {**environ}
        environ.update(PATH_INFO="/inner", HTTP_REMOTE_USER="admin", REMOTE_USER="admin")
        environ.pop("HTTP_AUTHORIZATION")
        if inner is not None:
            environ["HTTP_AUTHORIZATION"] = f"Bearer {token(inner)}"
        if how == "a client":
            assert app.test_client().get("/inner", environ_overrides=environ).text == "told"
        else:
            with app.request_context(environ):
                assert app.full_dispatch_request().get_data(as_text=True) == "told"
        environ.update({name: was[name] for name in ("PATH_INFO", "HTTP_AUTHORIZATION")})
        return [str(caller), str(request.environ["callerid.caller"]), str(current_caller())]

    ada = "user:ada@example.com"
    eve = None if inner is None else "user:eve@other.com"
    assert ask(app, "/outer", "staff").json == [ada, ada, ada]
    assert seen == [(str(eve), eve, str(eve)), (False, None)]


def test_two_requests_over_one_environ_at_once_have_their_own_callers(guard: Guard) -> None:
    app = closed(guard, default=STAFF | OTHERS)
    app.add_url_rule("/", "x", lambda: f"{caller} {request.remote_user} {request.environ['callerid.caller']}")
    environ = EnvironBuilder().get_environ()
    contexts = []
    for who in ("staff", "outsider"):
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token(who)}"
        contexts.append(app.request_context(environ))
        with contexts[-1]:
            assert app.preprocess_request() is None
    told = []
    for context in contexts:
        with context:
            told.append(app.dispatch_request())
    assert told == [" ".join([f"user:{name}"] * 3) for name in ("ada@example.com", "eve@other.com")]


def test_a_request_that_is_prepared_again_is_the_same_request(guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/", "x", lambda: str(request.remote_user))
    with app.test_request_context("/", headers={"Authorization": f"Bearer {token('staff')}"}):
        environ = request.environ
        for _ in range(2):
            assert app.preprocess_request() is None
            assert app.dispatch_request() == "user:ada@example.com"
            assert request.environ is environ


def test_callers_of_many_threads_are_not_mixed_up(app: Flask) -> None:
    app.add_url_rule("/who", "who", lambda: str(caller), methods=["GET"])
    names = [f"p{number}@example.com" for number in range(8)]
    tokens = {name: token(name) for name in names}
    told: dict[str, set[str]] = {name: set() for name in names}

    def call(name: str) -> None:
        for _ in range(10):
            told[name].add(ask(app, "/who", headers={"Authorization": f"Bearer {tokens[name]}"}).text)

    threads = [threading.Thread(target=call, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == {name: {f"user:{name}"} for name in names}


def test_teardown_still_knows_the_caller(app: Flask) -> None:
    said: list[str] = []
    app.teardown_request(lambda _: said.append(str(current_caller())))
    assert [status(app, path, who) for path, who in (("/staff", "staff"), ("/staff", None))] == [200, 401]
    assert said == ["user:ada@example.com", "None"]


def test_tests_may_act_as_anybody_and_the_rules_are_judged(app: Flask, guard: Guard) -> None:
    with as_caller(guard, google_person("ada@example.com", domain="example.com", audience=CLIENT)):
        assert ask(app, "/staff").text == "user:ada@example.com"
        assert status(app, "/staff", "outsider") == 403
    with as_caller(guard, google_person("eve@other.com", domain="other.com", audience=CLIENT)):
        assert status(app, "/staff") == 403


def test_one_part_that_may_hold_for_nobody_beside_one_that_may_not(guard: Guard) -> None:
    """An optional identity is known where every rule on the way knows it."""
    app = closed(guard, routes={"/both": Public() | OTHERS, "/hard": Domain("other.com"), "/open": Public()})
    for name in ("both", "hard", "open"):
        view = lambda: str(current_caller())
        app.add_url_rule(f"/{name}", name, guard.allow(Public() | OTHERS | STAFF)(view))
    eve = "user:eve@other.com"
    assert [ask(app, "/both", who).text for who in (None, "staff", "outsider")] == ["None", "None", eve]
    assert [ask(app, "/open", who).text for who in (None, "outsider")] == ["None", eve]
    assert [status(app, "/hard", who) for who in (None, "staff")] == [401, 403]
    assert ask(app, "/hard", "outsider").text == eve
