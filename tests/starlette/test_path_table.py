"""The path table beside marks: both hold, for what carries no mark and for mounts of every kind."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router
from starlette.staticfiles import StaticFiles

import callerid
from callerid import ConfigurationError, Domain, FirebaseUser, Nobody, PathParam, Public, ServiceAccount, User
from callerid.access import access_map
from callerid.starlette import Guard
from callerid.testing import LocalIssuer
from tests.fixtures import AT_HAND, OTHERS, OWNER, ROBOT, ROBOTS, STAFF, URL, issuer

from .world import Diary, ask, asked, closed, dial, during_fetch, new_guard, status, statuses

STRANGERS = (None, "outsider", "robot", "staff")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("page.txt", "secret/page.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("a file")
    return tmp_path


@pytest.fixture
def app(ran: Diary, guard: Guard, files: Path) -> Starlette:
    return closed(
        Mount("/static", StaticFiles(directory=files)),
        ran.route("/open"),
        ran.route("/slashed/"),
        ran.route("/others/{name}"),
        ran.route("/others/{name}", "posted", methods=["POST"]),
        ran.route("/others/best"),
        ran.route("/both", mark=guard.allow(OTHERS)),
        ran.route("/users/{user}/{thing}", mark=guard.allow(OWNER)),
        ran.route("/numbers/{number:int}"),
        ran.route("/plain"),
        ran.route("/deep/{rest:path}"),
        ran.socket_route("/live"),
        ran.socket_route("/open"),
        guard=guard,
        routes={
            "/static/*": Public(),
            "/static/secret/*": OTHERS,
            "GET /open": Public(),
            "/slashed": Public(),
            "/others/{name}": OTHERS,
            "/others/best": ROBOTS,
            "POST /others/{name}": ROBOTS,
            "/both": OTHERS | STAFF,
            "/users/{user}/{thing}": FirebaseUser(PathParam("user")),
            "/numbers/{number}": FirebaseUser(PathParam("number")),
            "WEBSOCKET /live": OTHERS,
            "/deep/*": OTHERS,
        },
    )


def test_entries_hold_for_files(app: Starlette) -> None:
    assert statuses(app, "/static/page.txt", *STRANGERS) == [200] * 4
    assert statuses(app, "/static/missing.txt", None) == [404]
    assert statuses(app, "/static/secret/page.txt", *STRANGERS) == [401, 200, 403, 403]
    assert statuses(app, "/static/secret/page.txt", *STRANGERS, method="HEAD") == [401, 200, 403, 403]
    assert statuses(app, "/static/", *STRANGERS) == [404] * 4  # it is bound to the mount, whatever that serves


def test_entries_hold_for_routes_without_marks(app: Starlette, ran: Diary) -> None:
    assert statuses(app, "/open", *STRANGERS) == [200] * 4
    assert statuses(app, "/open", *STRANGERS, method="HEAD") == [200] * 4
    assert statuses(app, "/plain", *STRANGERS) == [401, 403, 403, 200]
    assert ran == ["/open"] * 8 + ["/plain"]


def test_the_most_specific_entry_wins(app: Starlette, ran: Diary) -> None:
    assert statuses(app, "/others/a", *STRANGERS) == [401, 200, 403, 403]
    assert statuses(app, "/others/a", *STRANGERS, method="HEAD") == [401, 200, 403, 403]
    assert statuses(app, "/others/a", *STRANGERS, method="POST") == [401, 403, 200, 403]
    # An entry is bound to a route, and the first route that matches serves.
    assert statuses(app, "/others/best", *STRANGERS) == [401, 200, 403, 403]
    assert ran == ["/others/{name}"] * 2 + ["posted", "/others/{name}"]


def test_a_mount_with_routes_is_under_its_own_entry_unless_a_route_in_it_has_one(ran: Diary, guard: Guard) -> None:
    inner = Starlette(routes=[ran.route("/x"), ran.route("/y"), Mount("/deep", routes=[ran.route("/z")])])
    app = closed(
        Mount("/a", inner),
        guard=guard,
        routes={"/a/*": OTHERS, "/a/x": ROBOTS, "POST /a/*": ROBOTS, "GET /a/deep/*": Public()},
    )
    assert statuses(app, "/a/x", *STRANGERS) == [401, 403, 200, 403]
    assert statuses(app, "/a/y", *STRANGERS) == [401, 200, 403, 403]
    assert statuses(app, "/a/deep/z", *STRANGERS) == [200] * 4
    # Where no route is meant the default holds, too, which excludes the entry.
    assert statuses(app, "/a/nowhere", *STRANGERS) == [401, 403, 403, 403]
    assert statuses(app, "/a/y", *STRANGERS, method="POST") == [401, 403, 403, 403]


def test_both_slash_forms_are_one_path(app: Starlette, ran: Diary) -> None:
    assert statuses(app, "/slashed/", None) == [200]
    # A redirect is judged by the entry of where it leads.
    assert statuses(app, "/slashed", None) == [307]
    assert statuses(app, "/others/a/", *STRANGERS) == [401, 307, 403, 403]
    assert ran == ["/slashed/"]


def test_entries_and_marks_both_hold(app: Starlette, ran: Diary) -> None:
    assert statuses(app, "/both", *STRANGERS) == [401, 200, 403, 403]
    assert statuses(app, "/users/ada/x", None, "ben", "ada") == [401, 403, 200]
    assert ran == ["/both", "/users/{user}/{thing}"]


def test_an_entry_is_judged_by_the_path_parameters_of_the_route(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/{user}/{other}", mark=guard.allow(OWNER)),
        guard=guard,
        routes={"/{user}/{other}": FirebaseUser(PathParam("other"))},
    )
    assert statuses(app, "/ada/ben", None, "ada", "ben") == [401, 403, 403]
    assert statuses(app, "/ada/ada", None, "ada", "ben") == [401, 200, 403]
    assert ran == ["/{user}/{other}"]


def test_a_number_is_judged_as_the_route_converts_it(app: Starlette, ran: Diary) -> None:
    assert statuses(app, "/numbers/7", None, "8", "7") == [401, 403, 200]
    assert statuses(app, "/numbers/007", "7", "007") == [200, 403]
    assert statuses(app, "/deep/x/y", *STRANGERS) == [401, 200, 403, 403]


@pytest.mark.parametrize(
    "path", ["/both\n", "/both", "/sub/./x", "/sub//x", "/sub/a/../x", "/sub/x;y", "/sub/x\\y", "/sub/"]
)
def test_an_entry_holds_however_the_path_was_written(path: str, ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/both", mark=guard.allow(STAFF)),
        ran.route("/sub/{rest:path}", mark=guard.allow(STAFF)),
        guard=guard,
        default=Nobody(),
        routes={"/both": OTHERS | STAFF, "/sub/{rest}": User("boss@example.com")},
    )
    expected = [401, 403, 403, 200 if "both" in path else 403]
    assert statuses(sending(app, path, None), "/", *STRANGERS) == expected


def test_a_mounted_applications_middleware_may_rewrite_the_path_and_dodges_nothing(ran: Diary, guard: Guard) -> None:
    class Lower:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app({**scope, "path": scope["path"].lower()}, receive, send)

    sub = Starlette(routes=[ran.route("/admin"), Mount("/files", ran.asgi())], middleware=[Middleware(Lower)])
    app = closed(
        Mount("/api", sub), guard=guard, default=Public(), routes={"/api/admin": STAFF, "/api/files/secret/*": STAFF}
    )
    assert statuses(app, "/api/ADMIN", *STRANGERS) == [401, 403, 403, 200]
    assert statuses(app, "/api/Files/SECRET/x", *STRANGERS) == [401, 403, 403, 200]


def test_a_path_that_differs_from_an_entry_in_case_alone_is_refused_at_an_opaque_mount(ran: Diary) -> None:
    app = closed(Mount("/m", ran.asgi("m")), default=Public(), routes={"/m/admin/*": STAFF})
    assert statuses(app, "/m/Admin/x", *STRANGERS) == [400] * 4
    assert statuses(app, "/m/Open/x", None) == [200]


def test_sockets_are_looked_up_as_sockets(app: Starlette, ran: Diary) -> None:
    assert [dial(app, "/live", who).status for who in STRANGERS] == [401, 0, 403, 403]
    assert [dial(app, "/open", who).status for who in STRANGERS] == [401, 403, 403, 0]
    assert ran == ["/live", "/open"]
    # No method of HTTP reaches what is meant for handshakes.
    assert statuses(app, "/live", "outsider", method="WEBSOCKET") == [403]


def test_where_no_endpoint_is_meant_the_default_holds_beside_an_entry(app: Starlette, ran: Diary) -> None:
    assert statuses(app, "/slashed/", *STRANGERS, method="DELETE") == [401, 403, 403, 405]
    assert statuses(app, "/others/a", *STRANGERS, method="DELETE") == [401, 403, 403, 403]
    assert statuses(app, "/others/a/b", *STRANGERS) == [401, 403, 403, 404]
    assert ran == []


def test_a_floor_holds_beside_entries(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/a"), ran.route("/b"), guard=guard, floor=STAFF | ROBOTS, routes={"/a": Public(), "/b": ROBOTS}
    )
    assert statuses(app, "/a", *STRANGERS) == [401, 403, 200, 200]
    assert statuses(app, "/b", *STRANGERS) == [401, 403, 200, 403]


# --- who it is ---


def test_the_caller_is_whoever_was_let_in_as_somebody(guard: Guard) -> None:
    async def who(request: Any) -> PlainTextResponse:
        return PlainTextResponse(str(request.state.caller))

    rules = {"public": Public(), "maybe": Public() | STAFF, "other": Public() | OTHERS, "staff": STAFF}
    pairs = [(mark, entry) for mark in rules for entry in rules]
    routes = [Route(f"/{mark}/{entry}", guard.allow(rules[mark])(who)) for mark, entry in pairs]
    app = closed(*routes, guard=guard, routes={f"/{mark}/{entry}": rules[entry] for mark, entry in pairs})
    ada = "user:ada@example.com"
    expected = {
        "public": ["None", ada, ada, "None"],
        "maybe": [ada, ada, ada, "None"],
        "other": ["None", ada, "None", "None"],
        "staff": [ada, ada, ada, ada],
    }
    got = {
        name: [ask(app, f"/{name}/{entry}", "staff").text for entry in ("public", "staff", "maybe", "other")]
        for name in rules
    }
    assert got == expected
    assert statuses(app, "/public/public", None) == [200]
    assert statuses(app, "/maybe/public", None) == [200]
    assert statuses(app, "/public/staff", None) == [401]


def test_no_credential_is_read_where_everything_is_public(served: LocalIssuer, ran: Diary) -> None:
    guard = new_guard(served)
    app = closed(ran.route("/x", mark=guard.allow(Public())), guard=guard, routes={"/x": Public()})
    before = served.fetches["google"]
    assert status(app, "/x", headers={"authorization": "Bearer junk"}) == 200
    assert (ran, served.fetches["google"]) == (["/x"], before)


def minted(audience: str) -> dict[str, str]:
    return {"authorization": f"Bearer {issuer.service_account(ROBOT, audience=audience)}"}


def test_an_audience_of_an_entry_is_the_marks_too(ran: Diary, guard: Guard) -> None:
    tasks = f"{URL}/tasks"
    app = closed(
        ran.route("/tasks", mark=guard.allow(ROBOTS, audience=[tasks, "https://else.example"])),
        ran.route("/alone"),
        guard=guard,
        default=ROBOTS,
        floor=ROBOTS,
        routes={
            "/tasks": guard.allow(ROBOTS, audience=[tasks, URL]),
            "/alone": guard.allow(ServiceAccount(ROBOT), audience=tasks),
        },
    )
    assert [status(app, "/tasks", headers=minted(each)) for each in (URL, "https://else.example", tasks)] == [
        401,
        401,
        200,
    ]
    assert [status(app, "/alone", headers=minted(each)) for each in (URL, tasks)] == [401, 200]
    assert ran == ["/tasks", "/alone"]


def test_audiences_without_a_common_one_are_an_error_at_start(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/tasks", mark=guard.allow(ROBOTS, audience="https://a.example")),
        guard=guard,
        routes={"/tasks": guard.allow(ROBOTS, audience="https://b.example")},
    )
    message = str(ask(app, "/tasks").error)
    assert message.startswith("/tasks and routes['/tasks']: no audience is in all of")


# --- mounts ---


def test_opaque_mounts_are_judged_by_the_path_behind_them(ran: Diary, guard: Guard) -> None:
    app = closed(
        Mount("/m", ran.asgi("opaque")),
        Mount("/marked", guard.allow(OTHERS | ROBOTS)(ran.asgi("marked"))),
        Host("h.example.com", ran.asgi("host")),
        guard=guard,
        routes={
            "/m": Public(),
            "/m/*": OTHERS,
            "/m/{user}/own": OWNER,
            "POST /m/jobs": ROBOTS,
            "WEBSOCKET /m/*": STAFF,
            "/marked/robots/*": ROBOTS,
            "/hosted": Public(),
        },
    )
    assert statuses(app, "/m/", *STRANGERS) == [200] * 4
    assert statuses(app, "/m/x/y", *STRANGERS) == [401, 200, 403, 403]
    assert statuses(app, "/m/ada/own", None, "ben", "ada", "outsider") == [401, 403, 200, 403]
    assert statuses(app, "/m/jobs", *STRANGERS, method="POST") == [401, 403, 200, 403]
    assert [dial(app, "/m/x", who).status for who in STRANGERS] == [401, 403, 403, 0]
    assert statuses(app, "/marked/x", *STRANGERS) == [401, 200, 200, 403]
    assert statuses(app, "/marked/robots/x", *STRANGERS) == [401, 403, 200, 403]
    assert statuses(app, "/hosted", None, headers={"host": "h.example.com"}) == [200]
    assert statuses(app, "/other", None, headers={"host": "h.example.com"}) == [401]
    assert ran == ["opaque"] * 8 + ["marked"] * 3 + ["host"]


def test_a_mounted_application_without_a_guard_is_under_the_outer_table(ran: Diary, guard: Guard) -> None:
    inner = Starlette(routes=[ran.route("/x"), ran.route("/y"), ran.route("/{user}/z", mark=guard.allow(OWNER))])
    app = closed(
        Mount("/a", routes=[Mount("/{b}", inner)]),
        guard=guard,
        routes={"/a/{b}/x": Public(), "/a/{b}/{user}/z": FirebaseUser(PathParam("b"))},
    )
    assert statuses(app, "/a/b/x", *STRANGERS) == [200] * 4
    assert statuses(app, "/a/b/y", *STRANGERS) == [401, 403, 403, 200]
    assert statuses(app, "/a/ada/ada/z", None, "ben", "ada") == [401, 403, 200]
    assert statuses(app, "/a/ben/ada/z", "ben", "ada") == [403, 403]
    assert ran == ["/x"] * 4 + ["/y", "/{user}/z"]


def test_a_sub_application_with_its_own_guard_is_under_the_outer_table_as_well(ran: Diary, guard: Guard) -> None:
    own = new_guard()
    sub = closed(
        ran.route("/x"),
        ran.route("/y"),
        ran.route("/z"),
        ran.route("/marked", mark=own.allow(Public())),
        guard=own,
        default=OTHERS | ROBOTS,
        routes={"/y": Public(), "/z": ROBOTS | STAFF},
    )
    app = closed(
        Mount("/sub", sub),
        guard=guard,
        routes={"/sub/x": Public(), "/sub/z": OTHERS | ROBOTS, "/sub/marked": ROBOTS},
    )
    # The outer entry is the outer guard's word: the default of the inner one is its own.
    assert statuses(app, "/sub/x", *STRANGERS) == [401, 200, 200, 403]
    assert statuses(app, "/sub/y", *STRANGERS) == [200] * 4
    assert statuses(app, "/sub/z", *STRANGERS) == [401, 403, 200, 403]
    assert statuses(app, "/sub/marked", *STRANGERS) == [401, 403, 200, 403]
    assert statuses(app, "/sub/nowhere", *STRANGERS) == [401, 404, 404, 403]
    assert ran == ["/x"] * 2 + ["/y"] * 4 + ["/z", "/marked"]
    # By itself it is under its own alone.
    assert statuses(sub, "/z", *STRANGERS) == [401, 403, 200, 200]


def test_one_guard_may_protect_both_with_a_table_each(ran: Diary, guard: Guard) -> None:
    sub = closed(ran.route("/{user}/x"), guard=guard, routes={"/{user}/x": OWNER})
    app = closed(Mount("/{who}", sub), guard=guard, routes={"/{who}/*": FirebaseUser(PathParam("who"))})
    assert statuses(app, "/ada/ada/x", None, "ben", "ada") == [401, 403, 200]
    assert statuses(app, "/ada/ben/x", "ben", "ada") == [403, 403]
    assert ran == ["/{user}/x"]


def test_a_parameter_that_the_path_has_twice_names_nobody_in_an_entry_either(ran: Diary, guard: Guard) -> None:
    app = closed(Mount("/{user}", routes=[ran.route("/{user}/x")]), guard=guard, routes={"/{user}/*": OWNER})
    assert "has it more than once" in str(ask(app, "/ada/ada/x").error)
    taken = closed(Mount("/{user}", ran.asgi()), guard=guard, routes={"/{user}/{user}": OWNER})
    assert "has it more than once" in str(ask(taken, "/ada/ada").error)


def test_paths_are_those_inside_the_application(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/x"), ran.route("/api/x", "outer"), guard=guard, routes={"/x": Public()})
    assert status(app, "/api/x", root_path="/api") == 200
    assert status(app, "/x", root_path="/api") == 200
    assert status(app, "/api/x") == 401
    assert status(app, "/api/api/x", root_path="/api") == 401
    assert status(app, "/apix", root_path="/api") == 401
    assert ran == ["/x"] * 2


def test_middleware_that_answers_for_a_mount_is_under_the_entry_and_the_default(ran: Diary, guard: Guard) -> None:
    class Answers:
        def __init__(self, app: Any) -> None: ...

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("early")(scope, receive, send)

    sub = Starlette(routes=[ran.route("/x")], middleware=[Middleware(Answers)])
    app = closed(Mount("/m", sub), guard=guard, default=STAFF | ROBOTS, routes={"/m/*": ROBOTS | OTHERS})
    assert statuses(app, "/m/x", *STRANGERS) == [401, 403, 200, 403]
    assert ran == []


# --- what could be read in two ways ---


def sending(app: Any, path: str, raw_path: bytes | None) -> Any:
    """The application as if requests for another path came to it."""

    async def sent(scope: Any, receive: Any, send: Any) -> None:
        scope.update(path=path, raw_path=raw_path)
        await app(scope, receive, send)

    return sent


AMBIGUOUS = [
    "/static//page.txt",
    "/static/./page.txt",
    "/static/secret/../secret/page.txt",
    "/static/secret%2fpage.txt",
    "/static/x\\..\\secret\\page.txt",
    "/static/page.txt;x",
    "/static/page.txt\n",
    "/static/page.txt\0",
    "/static//",
]


@pytest.mark.parametrize("path", AMBIGUOUS)
def test_a_path_that_could_be_read_in_two_ways_is_refused_where_a_pattern_decides(
    path: str, app: Starlette, ran: Diary
) -> None:
    sent = sending(app, path.replace("%2f", "/"), path.encode())
    for who in STRANGERS:
        reply = ask(sent, "/", who)
        assert (reply.status, reply.json["reason"], reply.reads) == (400, "ambiguous_path", 0)
    assert dial(sent, "/", "staff").status == 400
    assert ran == []


def test_only_the_raw_path_may_tell(app: Starlette) -> None:
    assert status(sending(app, "/static/page.txt", b"/static/%70age.txt"), "/") == 200
    assert status(sending(app, "/static/page.txt", b"/x/%2e%2e/static/page.txt"), "/") == 400
    assert status(sending(app, "/static/page.txt", None), "/") == 200
    assert status(app, "/static/page.txt", None, method="get") == 400


def test_marks_hold_however_a_path_is_written(app: Starlette, ran: Diary) -> None:
    for path, raw_path in (("/users/ada/x", b"/users/%61da/%2e/x"), ("/users/ada/x;y", None)):
        assert statuses(sending(app, path, raw_path), "/", None, "ben", "ada") == [401, 403, 200]
    assert ran == ["/users/{user}/{thing}"] * 2


def test_marks_at_an_opaque_mount_make_no_path_less_ambiguous(files: Path, guard: Guard) -> None:
    marked: Any = guard.allow(OTHERS | STAFF)(StaticFiles(directory=files))
    app = closed(Mount("/f", marked), guard=guard, routes={"/f/secret/*": STAFF})
    assert statuses(app, "/f/page.txt", None, "outsider", "staff") == [401, 200, 200]
    assert statuses(app, "/f/secret/page.txt", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(app, "/f/x/../secret/page.txt", None, "outsider", "staff") == [400] * 3
    assert statuses(app, "/f//secret/page.txt", None, "outsider", "staff") == [400] * 3


def test_without_a_table_nothing_is_ambiguous(ran: Diary) -> None:
    app = closed(ran.route("/{rest:path}"))
    assert statuses(app, "/a;b/../c", *STRANGERS) == [401, 403, 403, 200]


def test_a_table_makes_paths_ambiguous_only_at_opaque_mounts_that_it_speaks_of(ran: Diary, guard: Guard) -> None:
    sub = closed(Mount("/m", ran.asgi("m")), Mount("/n", ran.asgi("n")), guard=new_guard(), routes={"/m/x": Public()})
    app = closed(Mount("/sub", sub), ran.route("/{rest:path}", "own"), guard=guard, routes={"/*": STAFF})
    assert statuses(app, "/sub/m/a;b", None, "staff") == [400, 400]
    assert statuses(app, "/sub/n/a;b", None, "staff") == [401, 200]
    assert statuses(app, "/own/a;b", None, "staff") == [401, 200]
    assert ran == ["n", "own"]


def test_the_log_says_why_and_not_the_path(app: Starlette, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "callerid")
    ask(sending(app, "/static/\x1b[31m//x", None), "/")
    record = caplog.records[-1]
    assert "refused GET /static: 400 ambiguous_path" in record.getMessage()
    assert "31m" not in record.getMessage()


def test_a_refusal_for_its_path_may_be_dressed(ran: Diary) -> None:
    app = closed(
        Mount("/m", ran.asgi()), routes={"/m/*": Public()}, on_refusal=lambda *_: PlainTextResponse("dressed", 418)
    )
    reply = ask(app, "/m//x")
    assert (reply.status, reply.text, ran) == (418, "dressed", [])


# --- what changes ---


def test_the_entry_judged_is_that_of_the_route_that_serves(served: LocalIssuer, ran: Diary, backend: str) -> None:
    app = closed(
        ran.route("/open"),
        ran.route("/secret"),
        guard=new_guard(served),
        routes={"/open": OTHERS, "/secret": Nobody()},
    )
    scopes: list[Any] = []

    async def outside(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await app(scope, receive, send)

    def rewrite() -> None:
        scopes[0]["path"] = "/secret"

    call = functools.partial(asked, outside, "/open", "outsider")
    assert during_fetch(served, call, rewrite, backend=backend).status in (200, 404)
    assert "/secret" not in ran


def test_the_entry_of_a_user_is_judged_for_the_user_who_is_served(served: LocalIssuer, backend: str) -> None:
    seen: list[str] = []

    async def orders(request: Any) -> PlainTextResponse:
        seen.append(request.path_params["user"])
        return PlainTextResponse("")

    app = closed(Mount("/m", Router([Route("/{user}", orders)])), guard=new_guard(served), routes={"/m/{user}": OWNER})
    scopes: list[Any] = []

    async def outside(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await app(scope, receive, send)

    def rewrite() -> None:
        scopes[0].update(path="/m/ben", path_params={"user": "ben"})

    call = functools.partial(asked, outside, "/m/ada", "ada")
    assert during_fetch(served, call, rewrite, backend=backend, which="firebase").status == 200
    assert seen == ["ada"]


def test_routes_added_later_are_under_the_entry_that_names_them(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/late"), Mount("/m", Router()), guard=guard, routes={"/late": Public(), "/m/*": ROBOTS})
    assert statuses(app, "/late", *STRANGERS) == [200] * 4
    mount: Any = app.routes[1]
    mount.app.routes.append(ran.route("/x"))
    app.routes.insert(0, ran.route("/late", "first", methods=["GET"]))
    app.routes.append(ran.route("/new"))
    assert statuses(app, "/m/x", *STRANGERS) == [401, 403, 200, 403]
    assert statuses(app, "/late", *STRANGERS) == [200] * 4
    assert statuses(app, "/new", *STRANGERS) == [401, 403, 403, 200]
    assert ran == ["/late"] * 4 + ["/x"] + ["first"] * 4 + ["/new"]


def test_a_request_adds_no_ruling(guard: Guard, ran: Diary) -> None:
    route = ran.route("/{user}")
    app = closed(route, guard=guard, routes={"/{user}": OWNER})
    for name in ("ada", "ben", "eve"):
        assert status(app, f"/{name}", name) == 200
    seam: Any = app.router.middleware_stack
    assert len(seam.protection.reader.place(route, "GET").chains) == 1


# --- what is checked ---


class Foreign(BaseRoute):
    def matches(self, scope: Any) -> tuple[Match, Any]:
        return Match.NONE, {}


def routes_of_every_kind(ran: Diary) -> list[BaseRoute]:
    return [
        ran.route("/open"),
        ran.route("/slashed/", methods=["PATCH"]),
        ran.route("/users/{id}/orders"),
        ran.route("/parts/{a}-{b}"),
        ran.route("/ids/{id:uuid}"),
        ran.route("/files/{rest:path}"),
        ran.route("/sub/{rest:path}/tail"),
        ran.socket_route("/live"),
        Mount("/m", ran.asgi()),
        Mount("/router", routes=[ran.route("/x"), ran.route("/")]),
    ]


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("/", "correct the path"),
        ("/opne", "the nearest are '/open'"),
        ("/users/{id}", "the nearest are '/users/{id}/orders'"),
        ("/users/{user}/orders", "the nearest are '/users/{id}/orders'"),
        ("/users/ada/orders", "the nearest are '/users/{id}/orders'"),
        ("/users/*", "below it are '/users/{id}/orders': name each"),
        ("/{anything}", "no route of this application"),
        ("/*", "write default="),
        ("DELETE /open", "it answers GET, HEAD"),
        ("OPTIONS /open", "it answers GET, HEAD"),
        ("WEBSOCKET /open", "it answers GET, HEAD"),
        ("GET /live", "it answers WEBSOCKET"),
        ("/live/x", "the nearest are '/live'"),
        ("/open/*", "a key with /* names a mounted application"),
        ("/parts/a-b", "correct the path"),
        ("/ids/a/b", "correct the path"),
        ("/files", "it is a part of"),
        ("/files/a/b/c", "it is a part of what '/files/{rest}' serves"),
        ("/files/secret/*", "give that part a route of its own"),
        ("/router/y", "the nearest are '/router/x'"),
        ("/router/x/*", "a key with /* names a mounted application"),
        ("/mm", "correct the path"),
    ],
)
def test_an_entry_that_names_no_place_is_an_error(text: str, remedy: str, ran: Diary) -> None:
    app = closed(*routes_of_every_kind(ran), routes={text: STAFF})
    error = ask(app, "/open", "staff").error
    assert isinstance(error, ConfigurationError)
    assert str(error).startswith(f"routes[{text!r}]: no route of this application has this path template: ")
    assert remedy in str(error)
    assert ran == []
    assert access_map(app).problems == (str(error),)


@pytest.mark.parametrize(
    "text",
    [
        "/open",
        "/open/",
        "GET /open",
        "HEAD /open",
        "PATCH /slashed",
        "/users/{id}/orders",
        "/parts/{a}-{b}",
        "/ids/{id}",
        "/ids/{id:uuid}",
        "/files/{rest}",
        "/files/{rest:path}",
        "/files/*",
        "/sub/{rest}/tail",
        "/live",
        "WEBSOCKET /live",
        "/m",
        "/m/x/*",
        "WEBSOCKET /m/x",
        "TRACE /m/*",
        "/router",
        "/router/x",
        "/router/*",
    ],
)
def test_an_entry_that_names_a_place_is_none(text: str, ran: Diary) -> None:
    app = closed(*routes_of_every_kind(ran), routes={text: STAFF})
    assert status(app, "/open", "staff") == 200


def test_what_tells_no_path_may_answer_anything(ran: Diary) -> None:
    assert status(closed(Foreign(), ran.route("/x"), routes={"TRACE /anything": STAFF}), "/x", "staff") == 200
    hosted = closed(Host("{sub}.example.com", ran.asgi()), ran.route("/x"), routes={"/anything": STAFF})
    assert status(hosted, "/x", "staff") == 200
    behind = closed(Host("a.example.com", Router([ran.route("/y")])), ran.route("/x"), routes={"/y": STAFF})
    assert status(behind, "/x", "staff") == 200


def test_entries_of_an_inner_application_are_checked_with_the_outer(ran: Diary, guard: Guard) -> None:
    sub = closed(ran.route("/x"), guard=new_guard(), routes={"/sub/x": STAFF})
    app = closed(Mount("/sub", sub), guard=guard)
    assert "routes['/sub/x']: no route" in str(ask(app, "/sub/x", "staff").error)
    assert ran == []


def test_an_entry_and_a_mark_that_exclude_each_other_are_named_both(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/jobs/odd", mark=guard.allow(ROBOTS)),
        ran.route("/jobs/{id}", mark=guard.allow(STAFF)),
        ran.route("/jobs/{id}/x", mark=guard.allow(STAFF)),
        Mount("/m", guard.allow(STAFF)(ran.asgi())),
        guard=guard,
        routes={"/jobs/{id}": ROBOTS, "/jobs/odd": ROBOTS, "/jobs/{id}/x": ROBOTS, "/m/robots/*": ROBOTS},
    )
    lines = str(ask(app, "/jobs/odd", "robot").error).splitlines()
    assert [line.partition(": this rule can admit nobody")[0] for line in lines] == [
        "/jobs/{id} and routes['/jobs/{id}']",
        "/jobs/{id}/x and routes['/jobs/{id}/x']",
        "/m and routes['/m/robots/*']",
    ]
    assert ran == []


def test_rules_that_exclude_each_other_where_another_route_serves_are_no_mistake(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/jobs/odd", mark=guard.allow(ROBOTS)),
        ran.route("/jobs/{id}", mark=guard.allow(STAFF)),
        guard=guard,
        routes={"/jobs/odd": ROBOTS},
    )
    assert statuses(app, "/jobs/odd", *STRANGERS) == [401, 403, 200, 403]
    assert statuses(app, "/jobs/even", *STRANGERS) == [401, 403, 403, 200]


def test_what_is_found_impossible_later_is_a_500_there(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/x"), guard=guard, routes={"/x": ROBOTS})
    assert status(app, "/x", "robot") == 200
    app.routes.append(ran.route("/x", methods=["POST"], mark=guard.allow(STAFF)))
    assert isinstance(ask(app, "/x", "staff", method="POST").error, ConfigurationError)
    assert ran == ["/x"]


def test_a_table_is_checked_once_and_a_failed_check_is_made_again(ran: Diary, guard: Guard) -> None:
    app = closed(guard=guard, routes={"/x": Public()})
    seam: Any = app.router.middleware_stack
    start = seam.start
    with pytest.raises(ConfigurationError):
        start()
    app.routes.append(ran.route("/x"))
    start()
    app.routes.clear()
    start()
    assert status(app, "/x") == 401


def test_an_entry_may_not_compare_what_the_route_converts_to_something_else(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/a/{user:path}"), guard=guard, routes={"/a/{user}": OWNER})
    assert "converts it by PathConvertor" in str(ask(app, "/a/b").error)


def test_a_table_takes_what_the_guards_allow(ran: Diary, guard: Guard) -> None:
    eve = User("eve@other.com")
    app = closed(
        *(ran.route(f"/{name}") for name in "abcd"),
        guard=guard,
        routes={
            "/a": "user:eve@other.com",
            "/b": eve,
            "/c": guard.allow(eve),
            "/d": callerid.Guard(*AT_HAND).allow(eve),
        },
    )
    assert [statuses(app, f"/{name}", None, "staff", "outsider") for name in "abcd"] == [[401, 403, 200]] * 4


@pytest.mark.parametrize(
    "routes",
    [
        None,
        [("/a", STAFF)],
        {"/a": 1},
        {"a": STAFF},
        {"/{x}": FirebaseUser(PathParam("y"))},
        {"/a": STAFF & ROBOTS},
        {"/a": STAFF, "/a/": STAFF},
    ],
)
def test_a_table_is_read_when_it_is_given(routes: Any, guard: Guard) -> None:
    with pytest.raises(ConfigurationError):
        closed(guard=guard, routes=routes)


# --- what is shown ---


def test_the_map_shows_entries_as_they_are_enforced(app: Starlette) -> None:
    found = access_map(app)
    (problem,) = found.problems
    assert problem.startswith("GET /others/best is never served, so its rule is never asked: GET /others/{name} comes")
    rows = {(row.template, method): row for row in found.rows for method in row.methods}
    expected = {
        ("/static", "*"): (("table",), Public()),
        ("/static/secret/*", "*"): (("table",), OTHERS),
        ("/open", "GET"): (("table",), Public()),
        ("/open", "HEAD"): (("table",), Public()),
        ("/open", "WS"): (("default",), STAFF),
        ("/others/{name}", "GET"): (("table",), OTHERS),
        ("/others/{name}", "POST"): (("table",), ROBOTS),
        ("/others/best", "GET"): (("table",), ROBOTS),
        ("/both", "GET"): (("decorator", "table"), OTHERS & (OTHERS | STAFF)),
        ("/live", "WS"): (("table",), OTHERS),
        ("/plain", "GET"): (("default",), STAFF),
        ("/deep/{rest}", "GET"): (("table",), OTHERS),
    }
    assert {key: (rows[key].sources, rows[key].rule) for key in expected} == expected


def test_the_map_shows_the_entries_of_every_area(ran: Diary, guard: Guard) -> None:
    own = new_guard()
    sub = closed(
        Mount("/files", ran.asgi()), guard=own, default=OTHERS, routes={"/files": Public(), "POST /files/up": Public()}
    )
    app = closed(
        Mount("/sub", sub),
        guard=guard,
        floor=Domain("example.com") | OTHERS,
        routes={"/sub/files/*": OTHERS, "WEBSOCKET /sub/files/live": OTHERS},
    )
    found = access_map(app).rows
    assert {f"{' '.join(row.methods)} {row.template}": [part.source for part in row.parts] for row in found} == {
        "* /sub/files": ["floor", "table", "default"],
        "* /sub/files/": ["floor", "table", "table"],
        "WS /sub/files/live": ["floor", "table", "default"],
        "POST /sub/files/up": ["floor", "table", "table"],
        "* /sub/(any other path)": ["floor", "default"],
        "* (any other path)": ["floor", "default"],
    }


@pytest.mark.parametrize("is_marked", [False, True])
def test_an_index_that_an_entry_leaves_to_the_rest_of_its_mount_is_warned_of(
    files: Path, guard: Guard, is_marked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    (files / "secret" / "index.html").write_text("an index")
    served: Any = StaticFiles(directory=files, html=True)
    routes = {"/static/secret/*": OTHERS} if is_marked else {"/static/*": Public(), "GET /static/secret/*": OTHERS}
    app = closed(
        Mount("/static", guard.allow(STAFF | OTHERS)(served) if is_marked else served), guard=guard, routes=routes
    )
    assert status(app, "/static/secret/", "staff") == 200
    told = [record.getMessage() for record in caplog.records if "does not cover" in record.getMessage()]
    has, entry = ("has no entry", "/static") if is_marked else ("is under '/static/*'", "GET /static")
    (said,) = told
    assert said.startswith(
        f"routes['{entry}/secret/*'] does not cover '/static/secret' itself, which {has} (allUsers): "
    )
    assert said.endswith(f"add an entry '{entry}/secret'")
