"""What is checked when the application starts, and what the log says then."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router

from callerid import (
    ConfigurationError,
    Domain,
    FirebaseUser,
    Nobody,
    PathParam,
    Public,
    ServiceAccount,
    Tenant,
    UnguardedEndpointError,
    User,
    Via,
)
from callerid.starlette import Guard
from tests.fixtures import AT_HAND, OTHERS, OWNER, ROBOTS, STAFF

from .world import Diary, ask, closed, new_guard, status, statuses


def start(app: Any) -> list[dict[str, Any]]:
    """What the application says at start-up and shutdown."""
    sent: list[dict[str, Any]] = []
    inbox = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        return inbox.pop(0)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    async def run() -> None:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

    anyio.run(run)
    return sent


def trouble(app: Starlette, path: str = "/anything", *, host: str = "orders.example.com") -> str:
    """The one error that both the start and, without a lifespan, the first request end in."""
    with pytest.raises(ConfigurationError) as found:
        start(app)
    message = str(found.value)
    for who in (None, "staff"):
        reply = ask(app, path, who, headers={"host": host})
        assert (reply.status, str(reply.error)) == (500, message)
    return message


def test_the_lifespan_runs_untouched(ran: Diary) -> None:
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def lifespan(app: Any) -> Any:
        ran.append("up")
        yield {"pool": 1}
        ran.append("down")

    app = Starlette(routes=[ran.route("/x")], lifespan=lifespan)
    new_guard().protect(app, default=STAFF)
    assert [message["type"] for message in start(app)] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert ran == ["up", "down"]


def test_a_rule_that_can_admit_nobody_keeps_the_application_from_starting(ran: Diary, guard: Guard) -> None:
    route = ran.route("/task", mark=guard.allow(ROBOTS))
    app = closed(Mount("/staff", guard.allow(STAFF)(Router(routes=[route]))), guard=guard)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        await app({"type": "lifespan", "state": {}}, receive, send)

    with pytest.raises(ConfigurationError):
        anyio.run(run)
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    message = sent[0]["message"]
    assert "/staff/task" in message
    assert "Domain('example.com')" in message
    assert "ServiceAccount(" in message
    assert trouble(app) == message


def test_all_problems_are_told_at_once(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/a", mark=guard.allow(Tenant("t") & STAFF)),
        ran.route("/b", mark=guard.allow(OWNER)),
        ran.route("/fine"),
        guard=guard,
    )
    message = trouble(app)
    assert "/a: " in message
    assert "/b: " in message
    assert len(message.splitlines()) == 2


@pytest.mark.parametrize("path", ["/x", "/{other}", "/{users}"])
def test_a_path_parameter_that_is_missing_is_told(path: str, ran: Diary, guard: Guard) -> None:
    message = trouble(closed(ran.route(path, mark=guard.allow(OWNER)), guard=guard))
    assert "PathParam('user') needs exactly one path parameter of that name, and the path has no such" in message


def test_a_path_parameter_that_a_mount_has_too_is_told(ran: Diary, guard: Guard) -> None:
    app = closed(Mount("/{user}", routes=[ran.route("/{user}", mark=guard.allow(OWNER))]), guard=guard)
    assert "has it more than once" in trouble(app)


@pytest.mark.parametrize("converter", ["path", "float", "uuid"])
def test_a_path_parameter_of_another_converter_is_told(converter: str, ran: Diary, guard: Guard) -> None:
    app = closed(ran.route(f"/{{user:{converter}}}", mark=guard.allow(OWNER)), guard=guard)
    assert "compares text or whole numbers" in trouble(app)


def test_text_and_whole_numbers_are_compared(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/n/{user:int}", mark=guard.allow(FirebaseUser(PathParam("user")))),
        ran.route("/t/{user}", mark=guard.allow(FirebaseUser(PathParam("user")))),
        guard=guard,
    )
    assert statuses(app, "/n/7", None, "8", "7") == [401, 403, 200]
    assert statuses(app, "/t/7", None, "8", "7") == [401, 403, 200]
    assert statuses(app, "/t/007", "7") == [403]
    assert statuses(app, "/t/ALICE", "alice") == [403]


def test_the_parameter_of_a_host_names_nobody(ran: Diary, guard: Guard) -> None:
    app = closed(Host("{user}.example.com", Router(routes=[ran.route("/x", mark=guard.allow(OWNER))])), guard=guard)
    message = trouble(app, host="alice.example.com")
    assert "{user}.example.com/x: " in message
    assert "converts it by host" in message


def test_the_rest_of_a_mounts_path_is_no_parameter(ran: Diary, guard: Guard) -> None:
    app = closed(Mount("/m", guard.allow(FirebaseUser(PathParam("path")))(ran.asgi())), guard=guard)
    assert "has no such parameter" in trouble(app)


def test_a_mark_whose_guard_is_not_on_the_way_is_told(ran: Diary, guard: Guard) -> None:
    foreign = new_guard()
    app = closed(ran.route("/x", mark=foreign.allow(STAFF)), guard=guard)
    assert "no guard decided" in trouble(app)


def test_the_rules_of_two_guards_must_go_together(ran: Diary) -> None:
    inner_guard, outer_guard = new_guard(), new_guard()
    inner = closed(ran.route("/x", mark=inner_guard.allow(OTHERS)), guard=inner_guard, default=Nobody())
    app = closed(Mount("/m", outer_guard.allow(STAFF)(inner)), guard=outer_guard)
    assert "/m/x" in trouble(app)


def test_path_parameters_are_found_inside_any_rule(ran: Diary, guard: Guard) -> None:
    for rule in (Via(ServiceAccount(PathParam("other"))) & STAFF, OWNER | STAFF, STAFF & User(PathParam("other"))):
        assert "has no such parameter" in trouble(closed(ran.route("/x", mark=guard.allow(rule)), guard=guard))
        guard = new_guard()


def test_audiences_without_a_common_one_are_told(ran: Diary, guard: Guard) -> None:
    inner = Router(routes=[ran.route("/x", mark=guard.allow(ROBOTS, audience="https://b.example.com"))])
    app = closed(Mount("/m", guard.allow(ROBOTS, audience="https://a.example.com")(inner)), guard=guard)
    assert "no audience is in all of" in trouble(app)


def test_an_audience_beside_a_rule_is_judged(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/tasks", mark=guard.allow(ROBOTS, audience="https://orders.example.com/tasks")),
        ran.route("/x", mark=guard.allow(ROBOTS)),
        guard=guard,
    )
    assert statuses(app, "/tasks", None, "robot") == [401, 401]
    assert statuses(app, "/x", "robot") == [200]


def test_a_route_found_impossible_later_answers_500_and_the_others_go_on(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/x"), guard=guard)
    start(app)
    app.routes.append(ran.route("/late", mark=guard.allow(OWNER)))
    for who in (None, "staff", "alice"):
        assert isinstance(ask(app, "/late", who).error, ConfigurationError)
    assert statuses(app, "/x", None, "staff") == [401, 200]
    assert ran == ["/x"]


def test_a_wrong_method_is_refused_to_all_where_rule_and_default_exclude_each_other(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/tasks", mark=guard.allow(ROBOTS), methods=["POST"]),
        Mount("/others", guard.allow(ROBOTS)(Router(routes=[]))),
        guard=guard,
    )
    assert statuses(app, "/tasks", "robot", method="POST") == [200]
    assert statuses(app, "/tasks", None, "robot", "staff") == [401, 403, 403]
    assert statuses(app, "/others/unknown", None, "robot", "staff") == [401, 403, 403]


def test_a_problem_that_is_mended_is_asked_about_again(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/{other}", mark=guard.allow(OWNER)), guard=guard)
    assert status(app, "/alice", "alice") == 500
    app.routes[:] = [ran.route("/{user}", mark=guard.allow(OWNER))]
    assert status(app, "/alice", "alice") == 200


def test_an_inner_guard_checks_its_own_routes(ran: Diary) -> None:
    inner_guard = new_guard()
    inner = closed(ran.route("/x", mark=inner_guard.allow(OWNER)), guard=inner_guard)
    app = closed(Mount("/m", inner))
    assert "/m/x" in trouble(app)
    trouble(inner)


def test_an_application_mounted_in_itself_can_start(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/x"), guard=guard)
    app.routes.append(Mount("/self", app))
    start(app)
    assert statuses(app, "/self/self/x", None, "outsider", "staff") == [401, 403, 200]


@pytest.mark.slow
def test_applications_that_can_be_reached_from_themselves_by_many_ways_can_start(ran: Diary, guard: Guard) -> None:
    first, second = Starlette(routes=[ran.route("/first")]), Starlette(routes=[ran.route("/second")])
    for prefix in ("/a", "/b"):
        first.router.routes.append(Mount(prefix, second))
        second.router.routes.append(Mount(prefix, first))
    app = closed(ran.route("/x"), Mount("/sub", first), guard=guard)
    for prefix in ("/v1", "/latest"):
        app.router.routes.append(Mount(prefix, app))
    start(app)
    for path in ("/v1/latest/v1/x", "/sub/a/b/a/second", "/latest/sub/b/a/first"):
        assert statuses(app, path, None, "outsider", "staff") == [401, 403, 200]


def test_a_guard_without_issuers_protects_nothing_and_says_so(ran: Diary) -> None:
    guard = Guard()
    with pytest.raises(ConfigurationError, match="trusts no issuer"):
        guard.protect(Starlette(), default=STAFF)
    guard.trust(*AT_HAND)
    assert statuses(closed(ran.route("/"), guard=guard), "/", None, "staff") == [401, 200]


@pytest.mark.parametrize("junk", [False, True, object(), Domain, ["domain:example.com"], lambda: STAFF])
@pytest.mark.parametrize("name", ["default", "floor"])
def test_a_default_or_floor_must_be_a_rule(junk: Any, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}= takes a rule"):
        new_guard().protect(Starlette(), **{"default": STAFF, name: junk})


def test_a_default_given_as_an_allow_is_told_the_remedy(guard: Guard) -> None:
    with pytest.raises(ConfigurationError, match="takes the rule itself, without guard"):
        guard.protect(Starlette(), default=guard.allow(STAFF))  # type: ignore[arg-type]


def test_a_default_may_be_written_in_iams_words_or_as_a_requirement(ran: Diary, guard: Guard) -> None:
    for default in ("domain:example.com", guard.requirement(STAFF)):
        app = closed(ran.route("/"), guard=new_guard(), default=default)  # type: ignore[arg-type]
        assert statuses(app, "/", None, "outsider", "staff") == [401, 403, 200]


@pytest.mark.parametrize("rule", [Tenant("t") & STAFF, ServiceAccount("a@b.iam.gserviceaccount.com") & STAFF])
@pytest.mark.parametrize("name", ["default", "floor"])
def test_an_impossible_default_or_floor_is_told_at_once(rule: Any, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}="):
        new_guard().protect(Starlette(), **{"default": STAFF, name: rule})


@pytest.mark.parametrize("junk", [None, Router(), object(), lambda scope, receive, send: None])
def test_only_an_application_of_starlettes_can_be_protected(junk: Any, guard: Guard) -> None:
    with pytest.raises(ConfigurationError, match="takes a Starlette application"):
        guard.protect(junk, default=STAFF)


def idle(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [record.getMessage() for record in caplog.records]
    return sorted(line.removeprefix("Public() opens nothing at ") for line in said if "opens nothing" in line)


def test_a_public_that_opens_nothing_is_logged_at_the_start(
    ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    """For a rule further out, or for one beside it; not where a rule further in is stricter."""
    public = guard.allow(Public())
    inside = [ran.route("/x", mark=public), ran.route("/y"), ran.route("/z", mark=guard.allow(OTHERS))]
    app = closed(
        Mount("/staff", guard.allow(STAFF)(Router(routes=inside[:2]))),
        Mount("/public", public(Router(routes=inside[1:]))),
        ran.route("/stacked", mark=lambda endpoint: public(guard.allow(STAFF)(endpoint))),
        ran.route("/tabled", mark=public),
        ran.route("/marked", mark=guard.allow(OTHERS)),
        ran.route("/open", mark=public),
        ran.socket_route("/ws", mark=lambda endpoint: guard.allow(STAFF)(public(endpoint))),
        guard=guard,
        routes={"/tabled": STAFF, "/marked": Public()},
    )
    start(app)
    assert idle(caplog) == [
        "GET /marked: domain:other.com has to hold there, too",
        "GET /stacked: domain:example.com has to hold there, too",
        "GET /staff/x: domain:example.com has to hold there, too",
        "GET /tabled: domain:example.com has to hold there, too",
        "WS /ws: domain:example.com has to hold there, too",
    ]


def test_a_public_beneath_a_floor_opens_nothing(ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    start(closed(ran.route("/x", mark=guard.allow(Public())), guard=guard, floor=STAFF))
    assert idle(caplog) == ["GET /x: domain:example.com has to hold there, too"]


def test_what_is_open_to_everybody_is_logged_once_at_the_start(
    ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "callerid")
    app = closed(
        ran.route("/open", mark=guard.allow(Public())),
        ran.route("/closed"),
        ran.socket_route("/ws", mark=guard.allow(Public())),
        Mount("/static", guard.allow(Public())(ran.asgi())),
        Mount("/sub", routes=[ran.route("/{user}", mark=guard.allow(Public()), methods=["POST"])]),
        guard=guard,
    )
    start(app)
    start(app)
    said = [record.getMessage() for record in caplog.records]
    assert sorted(said) == [
        "open to everybody: * /static",
        "open to everybody: GET /open",
        "open to everybody: POST /sub/{user}",
        "open to everybody: WS /ws",
    ]


def test_each_method_of_an_endpoint_class_is_looked_at(ran: Diary, guard: Guard) -> None:
    class Endpoint(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            return PlainTextResponse("")

        @guard.allow(OWNER)
        async def post(self, request: Request) -> Response:
            return PlainTextResponse("")

    assert "has no such parameter" in trouble(closed(Route("/x", Endpoint), guard=guard))


def test_an_unguarded_mark_is_an_error_of_its_own_class() -> None:
    assert issubclass(UnguardedEndpointError, RuntimeError)
