"""The path table: each key names rules of the URL map, and its rule holds wherever they serve, beside the marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask
from werkzeug.routing import BaseConverter

from callerid import ConfigurationError, FirebaseUser, Nobody, PathParam, Public, ServiceAccount, User
from callerid.flask import Guard
from callerid.flask._startup_checks import checked_rules
from tests.fixtures import OTHERS, ROBOT, ROBOTS, STAFF, URL, issuer

from .world import Diary, ask, closed, only_others, status, statuses


@pytest.fixture
def app(ran: Diary, guard: Guard, tmp_path: Path) -> Flask:
    (tmp_path / "page.txt").write_text("static")
    app = Flask(__name__, static_folder=str(tmp_path), static_url_path="/static")
    routes = {
        "/static/*": Public(),
        "/open": Public(),
        "/others/{rest}": OTHERS,
        "POST /others/{rest}": ROBOTS,
        "/both": OTHERS | STAFF,
        "/users/<user>/<thing>": FirebaseUser(PathParam("user")),
        "/numbers/{number}": FirebaseUser(PathParam("number")),
        "/tasks": guard.allow(ServiceAccount(ROBOT), audience=f"{URL}/tasks"),
    }
    closed(guard, app=app, routes=routes)
    app.add_url_rule("/open", "open", ran.view())
    app.add_url_rule("/others/<path:rest>", "others", ran.view(), methods=["GET", "POST"])
    app.add_url_rule("/both", "both", guard.allow(OTHERS)(ran.view()))
    app.add_url_rule("/users/<user>/<thing>", "user", ran.view())
    app.add_url_rule("/numbers/<int:number>", "number", ran.view())
    app.add_url_rule("/tasks", "tasks", ran.view())
    app.add_url_rule("/plain", "plain", ran.view())
    return app


def problems(app: Flask) -> list[str]:
    """What the error before the first request says, line by line."""
    app.testing = True
    with pytest.raises(ConfigurationError) as raised:
        status(app, "/", "staff")
    return str(raised.value).splitlines()


def test_entries_hold_for_what_has_no_mark(app: Flask, ran: Diary) -> None:
    assert statuses(app, "/static/page.txt", None) == [200]
    assert statuses(app, "/static/missing.txt", None) == [404]
    assert statuses(app, "/open", None) == [200]
    assert only_others(app, "/others/a")
    assert only_others(app, "/others/a", method="HEAD")
    assert statuses(app, "/others/a", None, "outsider", "robot", method="POST") == [401, 403, 200]
    assert statuses(app, "/plain", None, "outsider", "staff") == [401, 403, 200]


def test_entries_and_marks_both_hold(app: Flask, ran: Diary) -> None:
    assert only_others(app, "/both")
    assert statuses(app, "/users/ada/x", None, "ben", "ada") == [401, 403, 200]


def test_where_flask_knows_no_route_the_default_holds_alone(app: Flask, ran: Diary) -> None:
    for path in ("/open", "/others/a", "/tasks"):
        assert statuses(app, path, None, "outsider", "staff", method="DELETE") == [401, 403, 405]
    assert statuses(app, "/static/", None, "outsider", "staff") == [401, 403, 404]
    assert ran == []


def test_the_list_of_methods_is_under_the_entry_and_the_default(app: Flask, ran: Diary) -> None:
    assert statuses(app, "/open", None, "outsider", "staff", method="OPTIONS") == [401, 403, 200]
    assert statuses(app, "/others/a", None, "outsider", "staff", method="OPTIONS") == [401, 403, 403]
    assert ran == []


@pytest.mark.parametrize("text", ["/numbers/{number}", "/numbers/<number>", "/numbers/<int:number>"])
def test_an_entry_judges_what_the_view_is_given(text: str, ran: Diary, guard: Guard) -> None:
    app = closed(guard, routes={text: FirebaseUser(PathParam("number"))})
    app.add_url_rule("/numbers/<int:number>", "number", ran.view())
    assert statuses(app, "/numbers/7", None, "8", "7") == [401, 403, 200]
    assert statuses(app, "/numbers/007", "007", "7") == [403, 200]


@pytest.mark.parametrize(
    ("rule", "text", "message"),
    [
        ("/users/<uuid:user>", "/users/{user}", "UUIDConverter"),
        ("/users/<path:user>", "/users/{user}", "PathConverter"),
        ("/users/<float:user>", "/users/<float:user>", "FloatConverter"),
    ],
)
def test_an_entry_compares_text_and_whole_numbers_only(
    rule: str, text: str, message: str, ran: Diary, guard: Guard
) -> None:
    app = closed(guard, routes={text: FirebaseUser(PathParam("user"))})
    app.add_url_rule(rule, "user", ran.view())
    (problem,) = problems(app)
    assert problem.startswith(f"{rule}: PathParam('user')")
    assert message in problem


def test_an_audience_of_an_entry_holds(app: Flask) -> None:
    answers = [
        status(app, "/tasks", headers={"Authorization": f"Bearer {issuer.service_account(ROBOT, audience=each)}"})
        for each in (URL, f"{URL}/tasks")
    ]
    assert answers == [401, 200]


def test_an_audience_of_an_entry_is_the_marks_too(ran: Diary, guard: Guard) -> None:
    tasks = f"{URL}/tasks"
    app = closed(guard, default=ROBOTS, floor=ROBOTS, routes={"/tasks": guard.allow(ROBOTS, audience=[tasks, URL])})
    app.add_url_rule("/tasks", "tasks", guard.allow(ROBOTS, audience=[tasks])(ran.view()))
    answers = [
        status(app, "/tasks", headers={"Authorization": f"Bearer {issuer.service_account(ROBOT, audience=each)}"})
        for each in (URL, tasks)
    ]
    assert answers == [401, 200]


# --- however a path is written ---

SPELLINGS = [
    "/admin",
    "//admin",
    "///admin",
    "/%61dmin",
    "/files/x",
    "/files/./x",
    "/files/../x",
    "/files//x",
    "/files/a\\b",
    "/files/x\n",
    "/files/x;y",
    "/files/%2e%2e/x",
]


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("marked", [True, False])
def test_an_entry_holds_however_the_path_is_written(path: str, marked: bool, ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=Nobody(), routes={"/admin": OTHERS, "/files/*": OTHERS})
    made = Blueprint("made", __name__)
    made.add_url_rule("/admin", "admin", ran.view())
    made.add_url_rule("/files/<path:rest>", "files", ran.view())
    app.register_blueprint(guard.allow(OTHERS | STAFF)(made) if marked else made)
    sent = {"PATH_INFO": path, "REQUEST_URI": path}
    answers = [ask(app, "/", who, environ_overrides=sent).status_code for who in (None, "staff", "outsider")]
    served = path not in ("/files//x", "/%61dmin", "/files/x\n")
    redirected = path == "/files//x"
    assert answers == [401, 403, 200 if served else 308 if redirected else 403]
    assert ran == (["view"] if served else [])


def test_no_path_is_ambiguous_where_only_routes_decide(ran: Diary, guard: Guard) -> None:
    app = closed(guard, routes={"/<path:rest>": OTHERS})
    app.add_url_rule("/<path:rest>", "x", ran.view())
    assert only_others(app, "/a;b/../c")


def test_an_entry_holds_where_several_rules_have_its_path(ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=Public(), routes={"/x/{id}": OTHERS, "GET /y": OTHERS})
    app.add_url_rule("/x/<int:id>", "number", ran.view())
    app.add_url_rule("/x/<id>/", "text", ran.view())
    app.add_url_rule("/y", "read", ran.view(), methods=["GET"])
    app.add_url_rule("/y/", "write", ran.view(), methods=["POST"])
    assert only_others(app, "/x/7")
    assert only_others(app, "/x/seven/")
    assert only_others(app, "/y")
    assert status(app, "/y/", method="POST") == 200


# --- keys and what they name ---


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("/opne", "correct the path or the method; the nearest are '/open'"),
        ("/users/{name}/orders", "the nearest are '/users/<id>/orders'"),
        ("/users/ada/orders", "the nearest are '/users/<id>/orders'"),
        ("/users/{id}", "the nearest are '/users/<id>/orders'"),
        ("DELETE /open", "it answers GET, HEAD, and not the method of this key"),
        ("OPTIONS /open", "it answers GET, HEAD, and not the method of this key"),
        ("WEBSOCKET /open", "not the method of this key"),
        ("WEBSOCKET /any", "not the method of this key"),
        ("/hidden", "correct the path"),
        ("/parts/a-b", "correct the path"),
        ("/open/*", "a key with /* names a mounted application or a route whose last parameter takes slashes"),
        ("/users/*", "below it are '/users/<id>/orders': name each, or mark their router or blueprint"),
        ("/users/{id}/*", "below it are '/users/<id>/orders': name each"),
        ("/files/payroll/*", "a part of what '/files/<path:rest>' serves"),
        ("/files/payroll", "give that part a route of its own, or name the whole route and compare the parameter by"),
        ("/sub/tail", "correct the path"),
        ("/sub/*", "name each"),
    ],
)
def test_a_key_that_names_no_rule_is_an_error_with_the_remedy(text: str, remedy: str, ran: Diary, guard: Guard) -> None:
    app = Flask(__name__, static_folder=None)
    closed(guard, routes={text: STAFF}, app=app)
    app.add_url_rule("/open", "open", ran.view())
    app.add_url_rule("/users/<id>/orders", "orders", ran.view())
    app.add_url_rule("/parts/<a>-<b>", "parts", ran.view())
    app.add_url_rule("/hidden", "hidden", ran.view(), build_only=True)
    app.add_url_rule("/files/<path:rest>", "files", ran.view())
    app.add_url_rule("/sub/<path:rest>/tail", "tail", ran.view())
    app.url_map.add(app.url_rule_class("/any", endpoint="any"))
    (problem,) = problems(app)
    assert problem.startswith(f"routes[{text!r}]: no route of this application has this path template: ")
    assert remedy in problem


class Rest(BaseConverter):
    regex = ".*"
    part_isolating = False


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/", "/"),
        ("/open", "/open/"),
        ("/open/", "/open/"),
        ("GET /open", "/open/"),
        ("/users/{id}/orders", "/users/7/orders"),
        ("/users/<int:id>/orders/", "/users/7/orders"),
        ("/parts/{a}-{b}", "/parts/1-2"),
        ("/files/*", "/files/a/b"),
        ("/files/{rest}", "/files/a/b"),
        ("/files/<path:rest>", "/files/a/b"),
        ("/mixed/x{rest}", "/mixed/xa/b"),
        ("/own/*", "/own/a/b"),
        ("PATCH /any", "/any"),
        ("/sub/{rest}/tail", "/sub/a/b/tail"),
    ],
)
def test_a_key_names_a_rule_by_its_path(text: str, path: str, ran: Diary, guard: Guard) -> None:
    app = closed(guard, routes={text: OTHERS}, default=STAFF)
    app.url_map.converters["rest"] = Rest
    for number, rule in enumerate(
        (
            "/",
            "/open/",
            "/users/<int:id>/orders",
            "/parts/<a>-<b>",
            "/files/<path:rest>",
            "/mixed/x<path:rest>",
            "/own/<rest:rest>",
            "/sub/<path:rest>/tail",
        )
    ):
        app.add_url_rule(rule, str(number), ran.view())
    app.add_url_rule("/any", "any", ran.view(), methods=["PATCH"])
    assert only_others(app, path, method="PATCH" if "any" in path else "GET")


def test_where_werkzeug_hides_its_converters_a_key_ends_in_no_slash_and_star(
    ran: Diary, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = closed(guard, routes={"/files/*": Public()})
    app.add_url_rule("/files/<path:rest>", "files", ran.view())
    (rule,) = (rule for rule in app.url_map.iter_rules() if "rest" in rule.arguments)

    def without(self: Any, name: str) -> Any:
        if name == "_converters":
            raise AttributeError(name)
        return object.__getattribute__(self, name)

    monkeypatch.setattr(type(rule), "__getattribute__", without)
    assert problems(app)[0].startswith("routes['/files/*']")


def test_rules_that_exclude_each_other_are_found_before_the_first_request(ran: Diary, guard: Guard) -> None:
    app = closed(guard, routes={"/jobs/{id}": ROBOTS, "/jobs/odd": STAFF})
    app.add_url_rule("/jobs/<id>", "job", guard.allow(STAFF)(ran.view()))
    app.add_url_rule("/jobs/odd", "odd", guard.allow(STAFF)(ran.view()))
    (problem,) = problems(app)
    assert problem.startswith("/jobs/<id> and routes['/jobs/{id}']: this rule can admit nobody")


@pytest.mark.parametrize("shadow", [ROBOTS, "serviceAccount:x@shop-prod.iam.gserviceaccount.com"])
def test_a_shadow_table_must_be_possible_too(shadow: Any, ran: Diary, guard: Guard) -> None:
    app = closed(guard, shadow={"/jobs/{id}": shadow, "/jobs": STAFF})
    for path, name in (("/jobs/<id>", "job"), ("/jobs", "jobs")):
        app.add_url_rule(path, name, guard.allow(STAFF)(ran.view()))
    (problem,) = problems(app)
    assert problem.startswith("/jobs/<id> and shadow['/jobs/{id}']: this rule can admit nobody")


def test_audiences_that_exclude_each_other_are_told_with_their_place(ran: Diary, guard: Guard) -> None:
    app = closed(guard, routes={"/a": guard.allow(STAFF, audience="https://a.example.com")})
    app.add_url_rule("/a", "a", guard.allow(STAFF, audience="https://b.example.com")(ran.view()))
    (problem,) = problems(app)
    assert problem.startswith("/a and routes['/a']: no audience is in all of ")


def test_methods_that_only_keys_tell_apart(ran: Diary, guard: Guard) -> None:
    app = Flask(__name__, static_folder=None)
    closed(guard, app=app, default=STAFF, routes={"PATCH /any": OTHERS, "GET /any": Public()})
    app.url_map.add(app.url_rule_class("/any", endpoint="any"))
    app.view_functions["any"] = ran.view()
    checked = checked_rules(app.extensions["callerid"])
    found = {str(each): each.policy and str(each.policy.whole.rule) for each in checked}
    assert found == {
        "GET /any": "allUsers",
        "HEAD /any": "allUsers",
        "PATCH /any": "domain:other.com",
        "* /any": "domain:example.com",
    }
    assert list(found)[-1] == "* /any"
    assert only_others(app, "/any", method="PATCH")
    assert statuses(app, "/any", None, method="HEAD") == [200]
    assert statuses(app, "/any", None, "outsider", "staff", method="BREW") == [401, 403, 200]


def test_a_table_takes_what_the_guard_allows(ran: Diary, guard: Guard) -> None:
    app = closed(guard, routes={"/a": "user:eve@other.com", "/b": guard.allow(User("eve@other.com"))})
    for name in "ab":
        app.add_url_rule(f"/{name}", name, ran.view())
    assert [statuses(app, path, None, "staff", "outsider") for path in ("/a", "/b")] == [[401, 403, 200]] * 2


@pytest.mark.parametrize(
    "routes",
    [
        None,
        [("/a", STAFF)],
        {"/a": 1},
        {"a": STAFF},
        {"/{x}": FirebaseUser(PathParam("y"))},
        {"/a": STAFF, "/a/": STAFF},
    ],
)
def test_a_table_is_read_when_it_is_given(routes: Any, guard: Guard) -> None:
    with pytest.raises(ConfigurationError):
        closed(guard, routes=routes)
