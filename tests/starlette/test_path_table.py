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

from .world import (
    AT_HAND,
    OTHERS,
    OWNER,
    ROBOT,
    ROBOTS,
    STAFF,
    URL,
    Diary,
    ask,
    asked,
    closed,
    dial,
    during_fetch,
    issuer,
    new_guard,
    status,
    statuses,
)

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
            "/users/{uid}/*": FirebaseUser(PathParam("uid")),
            "/numbers/{id}": FirebaseUser(PathParam("id")),
            "WEBSOCKET /live": OTHERS,
            "/deep/{who}/*": FirebaseUser(PathParam("who")),
        },
    )


def test_entries_hold_for_files(app: Starlette) -> None:
    assert statuses(app, "/static/page.txt", *STRANGERS) == [200] * 4
    assert statuses(app, "/static/missing.txt", None) == [404]
    assert statuses(app, "/static/secret/page.txt", *STRANGERS) == [401, 200, 403, 403]
    assert statuses(app, "/static/secret/page.txt", *STRANGERS, method="HEAD") == [401, 200, 403, 403]
    assert statuses(app, "/static/", *STRANGERS) == [401, 403, 403, 404]  # the mount itself has no entry


def test_entries_hold_for_routes_without_marks(app: Starlette, ran: Diary) -> None:
    assert statuses(app, "/open", *STRANGERS) == [200] * 4
    assert statuses(app, "/open", *STRANGERS, method="HEAD") == [200] * 4
    assert statuses(app, "/plain", *STRANGERS) == [401, 403, 403, 200]
    assert ran == ["/open"] * 8 + ["/plain"]


def test_the_most_specific_entry_wins(app: Starlette, ran: Diary) -> None:
    assert statuses(app, "/others/a", *STRANGERS) == [401, 200, 403, 403]
    assert statuses(app, "/others/a", *STRANGERS, method="HEAD") == [401, 200, 403, 403]
    assert statuses(app, "/others/a", *STRANGERS, method="POST") == [401, 403, 200, 403]
    # The table sees the path, whichever route serves it.
    assert statuses(app, "/others/best", *STRANGERS) == [401, 403, 200, 403]
    assert ran == ["/others/{name}"] * 2 + ["posted", "/others/{name}"]


def test_both_slash_forms_are_one_path(app: Starlette, ran: Diary) -> None:
    assert statuses(app, "/slashed/", None) == [200]
    assert statuses(app, "/slashed", *STRANGERS) == [401, 403, 403, 307]  # no endpoint is meant: the default, too
    assert statuses(app, "/others/a/", *STRANGERS) == [401, 403, 403, 403]
    assert ran == ["/slashed/"]


def test_entries_and_marks_both_hold(app: Starlette, ran: Diary) -> None:
    assert statuses(app, "/both", *STRANGERS) == [401, 200, 403, 403]
    assert statuses(app, "/users/ada/x", None, "ben", "ada") == [401, 403, 200]
    assert ran == ["/both", "/users/{user}/{thing}"]


def test_path_parameters_are_of_the_entry_and_of_the_route_each_its_own(ran: Diary, guard: Guard) -> None:
    # The same name, and another segment: nobody is both users, but where the path names one user twice.
    app = closed(
        ran.route("/{user}/{other}", mark=guard.allow(OWNER)),
        guard=guard,
        routes={"/{other}/{user}": OWNER},
    )
    assert statuses(app, "/ada/ben", None, "ada", "ben") == [401, 403, 403]
    assert statuses(app, "/ada/ada", None, "ada", "ben") == [401, 200, 403]
    assert ran == ["/{user}/{other}"]


def test_an_entry_judges_the_text_of_the_path(app: Starlette, ran: Diary) -> None:
    assert statuses(app, "/numbers/7", None, "8", "7") == [401, 403, 200]
    assert statuses(app, "/numbers/007", "7", "007") == [403, 200]
    assert statuses(app, "/deep/ada/x/y", None, "ben", "ada") == [401, 403, 200]


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

    marks = {"public": Public(), "maybe": Public() | STAFF, "other": Public() | OTHERS, "staff": STAFF}
    routes = [Route(f"/{name}/{{entry}}", guard.allow(mark)(who)) for name, mark in marks.items()]
    table = {
        "/{any}/public": Public(),
        "/{any}/staff": STAFF,
        "/{any}/maybe": Public() | STAFF,
        "/{any}/other": Public() | OTHERS,
    }
    app = closed(*routes, guard=guard, routes=table)
    ada = "user:ada@example.com"
    expected = {
        "public": ["None", ada, ada, "None"],
        "maybe": [ada, ada, ada, "None"],
        "other": ["None", ada, "None", "None"],
        "staff": [ada, ada, ada, ada],
    }
    got = {
        name: [ask(app, f"/{name}/{entry}", "staff").text for entry in ("public", "staff", "maybe", "other")]
        for name in marks
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
        routes={"/a/{b}/x": Public(), "/a/locked/*": ROBOTS, "/a/{who}/{user}/z": FirebaseUser(PathParam("who"))},
    )
    assert statuses(app, "/a/b/x", *STRANGERS) == [200] * 4
    assert statuses(app, "/a/b/y", *STRANGERS) == [401, 403, 403, 200]
    assert statuses(app, "/a/locked/x", *STRANGERS) == [401, 403, 200, 403]
    assert statuses(app, "/a/ada/ada/z", None, "ben", "ada") == [401, 403, 200]
    assert statuses(app, "/a/ben/ada/z", "ben", "ada") == [403, 403]
    assert ran == ["/x"] * 4 + ["/y", "/x", "/{user}/z"]


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
    app = closed(Mount("/{user}", sub), guard=guard, routes={"/{user}/*": OWNER})
    assert statuses(app, "/ada/ada/x", None, "ben", "ada") == [401, 403, 200]
    assert statuses(app, "/ada/ben/x", "ben", "ada") == [403, 403]
    assert ran == ["/{user}/x"]


def test_paths_are_those_inside_the_application(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/x"), ran.route("/api/x", "outer"), guard=guard, routes={"/x": Public()})
    assert status(app, "/api/x", root_path="/api") == 200
    assert status(app, "/x", root_path="/api") == 200
    assert status(app, "/api/x") == 401
    assert status(app, "/api/api/x", root_path="/api") == 401
    assert status(app, "/apix", root_path="/api") == 400
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
    "//open",
    "/open\n",
    "/open\0",
    "/nowhere//",
]


@pytest.mark.parametrize("path", AMBIGUOUS)
def test_a_path_that_could_be_read_in_two_ways_is_refused_where_only_paths_protect(
    path: str, app: Starlette, ran: Diary
) -> None:
    sent = sending(app, path.replace("%2f", "/"), path.encode())
    for who in STRANGERS:
        reply = ask(sent, "/", who)
        assert (reply.status, reply.json["reason"], reply.reads) == (400, "ambiguous_path", 0)
    assert dial(sent, "/", "staff").status == 400
    assert ran == []


def test_only_the_raw_path_may_tell(app: Starlette, ran: Diary) -> None:
    assert status(sending(app, "/open", b"/%6fpen"), "/") == 200
    assert status(sending(app, "/open", b"/x/%2e%2e/open"), "/") == 400
    assert status(sending(app, "/open", None), "/") == 200
    assert status(app, "/open", None, method="get") == 400
    assert ran == ["/open"] * 2


def test_marks_hold_however_a_path_is_written(app: Starlette, ran: Diary) -> None:
    for path, raw_path in (("/users/ada/x", b"/users/%61da/%2e/x"), ("/users/ada/x;y", None)):
        assert statuses(sending(app, path, raw_path), "/", None, "ben", "ada") == [401, 403, 200]
    assert ran == ["/users/{user}/{thing}"] * 2


def test_a_marked_application_that_reads_the_path_itself_is_not_asked_for_another_entry(
    files: Path, guard: Guard
) -> None:
    marked: Any = guard.allow(OTHERS | STAFF)(StaticFiles(directory=files))
    app = closed(Mount("/f", marked), guard=guard, routes={"/f/secret/*": STAFF})
    assert statuses(app, "/f/page.txt", None, "outsider", "staff") == [401, 200, 200]
    assert statuses(app, "/f/secret/page.txt", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(app, "/f/x/../secret/page.txt", None, "outsider", "staff") == [400] * 3
    assert statuses(app, "/f//secret/page.txt", None, "outsider", "staff") == [400] * 3


def test_without_a_table_nothing_is_ambiguous(ran: Diary) -> None:
    app = closed(ran.route("/{rest:path}"))
    assert statuses(app, "/a;b/../c", *STRANGERS) == [401, 403, 403, 200]


def test_an_inner_table_makes_paths_ambiguous_in_its_application_only(ran: Diary, guard: Guard) -> None:
    sub = closed(ran.route("/{rest:path}", "sub"), guard=new_guard(), routes={"/x": Public()})
    app = closed(Mount("/sub", sub), ran.route("/{rest:path}", "own"), guard=guard)
    assert statuses(app, "/sub/a;b", None, "staff") == [400, 400]
    assert statuses(app, "/own/a;b", None, "staff") == [401, 200]
    assert ran == ["own"]


def test_the_log_says_why_and_not_the_path(app: Starlette, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "callerid")
    ask(sending(app, "/static/\x1b[31m//x", None), "/")
    record = caplog.records[-1]
    assert "refused GET /static: 400 ambiguous_path" in record.getMessage()
    assert "31m" not in record.getMessage()


def test_a_refusal_for_its_path_may_be_dressed(ran: Diary) -> None:
    app = closed(
        ran.route("/x"), routes={"/x": Public()}, on_refusal=lambda _, refusal: PlainTextResponse("dressed", 418)
    )
    reply = ask(app, "//x")
    assert (reply.status, reply.text, ran) == (418, "dressed", [])


# --- what changes ---


def test_the_entry_judged_is_that_of_the_path_that_serves(served: LocalIssuer, backend: str) -> None:
    seen: list[str] = []

    async def endpoint(request: Any) -> PlainTextResponse:
        seen.append(request.path_params["name"])
        return PlainTextResponse("")

    app = closed(Route("/{name}", endpoint), guard=new_guard(served), routes={"/open": OTHERS, "/{name}": Nobody()})
    scopes: list[Any] = []

    async def outside(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await app(scope, receive, send)

    def rewrite() -> None:
        scopes[0]["path"] = "/secret"

    call = functools.partial(asked, outside, "/open", "outsider")
    assert during_fetch(served, call, rewrite, backend=backend).status == 200
    assert seen == ["open"]
    seen.clear()

    def open_up() -> None:
        scopes[1]["path"] = "/open"

    app = closed(Route("/{name}", endpoint), guard=new_guard(served), routes={"/open": Public(), "/{name}": STAFF})
    call = functools.partial(asked, outside, "/secret", "outsider")
    assert during_fetch(served, call, open_up, backend=backend).status == 403
    assert seen == []


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


def test_routes_added_later_are_under_the_table(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/late"), guard=guard, routes={"/late": Public(), "/later/*": ROBOTS})
    app.routes.append(ran.route("/later/x"))
    assert statuses(app, "/late", *STRANGERS) == [200] * 4
    app.routes.append(ran.route("/later/y"))
    app.routes.append(ran.route("/new"))
    assert statuses(app, "/later/y", *STRANGERS) == [401, 403, 200, 403]
    assert statuses(app, "/new", *STRANGERS) == [401, 403, 403, 200]


def test_a_request_adds_no_ruling(guard: Guard, ran: Diary) -> None:
    route = ran.route("/{user}")
    app = closed(route, guard=guard, routes={"/{user}": OWNER})
    for name in ("ada", "ben", "eve"):
        assert status(app, f"/{name}", name) == 200
    seam: Any = app.router.middleware_stack
    assert len(seam.protection.reader.place(route, "GET").ways) == 1


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
    "text",
    [
        "/",
        "/opne",
        "/users/{id}",
        "/users/ada/orders/7/*",
        "DELETE /open",
        "OPTIONS /open",
        "WEBSOCKET /open",
        "GET /live",
        "/live/x",
        "/open/*",
        "/parts/a-b/c",
        "/ids/a/b",
        "/router/y",
        "/router/x/*",
        "/mm",
    ],
)
def test_an_entry_that_nothing_answers_is_an_error(text: str, ran: Diary) -> None:
    app = closed(*routes_of_every_kind(ran), routes={text: STAFF})
    error = ask(app, "/open", "staff").error
    assert isinstance(error, ConfigurationError)
    assert str(error).startswith(f"routes[{text!r}]: no route of this application answers there: mend")
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
        "/{anything}",
        "/*",
        "/users/ada/orders",
        "/users/*",
        "/users/{id}/{what}",
        "/parts/a-b",
        "/ids/{id}",
        "/files",
        "/files/a/b/c",
        "/files/*",
        "/files/{a}/b",
        "/sub/a/b/tail",
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
def test_an_entry_that_something_may_answer_is_none(text: str, ran: Diary) -> None:
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
        routes={"/jobs/{id}": ROBOTS, "/jobs/odd": ROBOTS, "/jobs/ada/x": ROBOTS, "/m/robots/*": ROBOTS},
    )
    lines = str(ask(app, "/jobs/odd", "robot").error).splitlines()
    assert [line.partition(": this rule can admit nobody")[0] for line in lines] == [
        "/jobs/{id} and routes['/jobs/{id}']",
        "/jobs/{id}/x and routes['/jobs/ada/x']",
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
    app = closed(ran.route("/x"), guard=guard, routes={"/{name}": ROBOTS})
    assert status(app, "/x", "robot") == 200
    app.routes.append(ran.route("/y", mark=guard.allow(STAFF)))
    assert isinstance(ask(app, "/y", "staff").error, ConfigurationError)
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


def test_a_mark_may_name_no_parameter_of_an_entry(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/a/{id}", mark=guard.allow(OWNER)), guard=guard, routes={"/a/{user}": OWNER})
    assert "PathParam('user')" in str(ask(app, "/a/b").error)


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
    assert found.problems == ()
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
        ("/deep/{rest}", "GET"): (("default",), STAFF),
        ("/deep/{who}/*", "GET"): (("table",), FirebaseUser(PathParam("who"))),
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
