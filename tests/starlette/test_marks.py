"""``guard.allow`` on endpoints of every kind, and the claim: a marked endpoint never runs undecided."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, ClassVar

import anyio.to_thread
import pytest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Match, Mount, Route, Router, WebSocketRoute
from starlette.websockets import WebSocket

from callerid import Nobody, Public, UnguardedEndpointError, User
from callerid._marks import marks_on
from callerid.starlette import Guard
from tests.fixtures import OTHERS, STAFF

from .test_startup import start
from .world import Diary, Reply, ask, closed, dial, new_guard, status, statuses


def only_others(app: Any, path: str = "/", **options: Any) -> bool:
    """Whether this endpoint is closed to strangers and staff (whom the default admits), and open to the outsider."""
    return statuses(app, path, None, "staff", "outsider", **options) == [401, 403, 200]


class Service:
    """Things with endpoints on them."""

    def __init__(self, ran: Diary) -> None:
        self.ran = ran

    async def bound(self, request: Request) -> Response:
        self.ran.append("bound")
        return PlainTextResponse("bound")

    def bound_sync(self, request: Request) -> Response:
        self.ran.append("bound sync")
        return PlainTextResponse("bound sync")

    async def two(self, extra: str, request: Request) -> Response:
        self.ran.append(extra)
        return PlainTextResponse(extra)


def kinds(ran: Diary) -> dict[str, Callable[..., Any]]:
    service = Service(ran)

    async def coroutine(request: Request) -> Response:
        ran.append("coroutine")
        return PlainTextResponse("coroutine")

    def sync(request: Request) -> Response:
        ran.append("sync")
        return PlainTextResponse("sync")

    def kept(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapper(*args: Any) -> Any:
            ran.append("kept")
            return await function(*args)

        return wrapper

    def async_over_sync(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapper(*args: Any) -> Any:
            return await run_in_threadpool(function, *args)

        return wrapper

    def sync_over_async(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return anyio.from_thread.run(function, *args)

        return wrapper

    return {
        "coroutine": coroutine,
        "sync": sync,
        "bound": service.bound,
        "bound sync": service.bound_sync,
        "partial": functools.partial(coroutine),
        "partial of a bound method": functools.partial(service.two, "extra"),
        "partial of a partial": functools.partial(functools.partial(sync)),
        "decorated": kept(coroutine),
        "async decorator over a sync function": async_over_sync(sync),
        "sync decorator over an async function": sync_over_async(coroutine),
    }


@pytest.mark.parametrize("kind", list(kinds(Diary())))
def test_a_marked_function_of_any_kind_is_judged_and_served(kind: str, ran: Diary, guard: Guard, backend: str) -> None:
    marked = guard.allow(OTHERS)(kinds(ran)[kind])
    assert only_others(closed(Route("/", marked), guard=guard), backend=backend)
    assert len(ran) >= 1


@pytest.mark.parametrize("kind", list(kinds(Diary())))
def test_a_marked_function_of_any_kind_never_runs_without_its_guard(
    kind: str, ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    app = Starlette(routes=[Route("/", guard.allow(Public())(kinds(ran)[kind]))])
    reply = ask(app, "/", "staff")
    assert (reply.status, ran) == (500, [])
    assert isinstance(reply.error, UnguardedEndpointError)
    assert "call guard.protect(app, default=...)" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


def test_marking_keeps_the_look_of_a_function(guard: Guard) -> None:
    async def handler(request: Request, number: int = 1) -> Response:
        """Says something."""
        return PlainTextResponse("")

    marked = guard.allow(STAFF)(handler)
    assert inspect.iscoroutinefunction(marked)
    assert inspect.signature(marked) == inspect.signature(handler)
    assert (marked.__name__, marked.__doc__, marked.__module__) == ("handler", "Says something.", __name__)
    assert marked.__globals__ is globals()
    assert inspect.unwrap(marked) is handler
    assert marks_on(handler) == ()
    assert repr(marks_on(marked)) == "(<allow Domain('example.com')>,)"
    assert repr(guard.allow(STAFF)) == "allow(Domain('example.com'))"


def test_generators_fail_before_their_stream_begins(ran: Diary, guard: Guard) -> None:
    def generator(request: Request) -> Iterator[str]:
        ran.append("generator")
        yield "x"

    async def async_generator(request: Request) -> AsyncIterator[str]:
        ran.append("async generator")
        yield "x"

    for function in (generator, async_generator):
        marked = guard.allow(Public())(function)
        with pytest.raises(UnguardedEndpointError):
            marked(None)  # type: ignore[arg-type]
        app = closed(Route("/", guard.allow(OTHERS)(function)), guard=guard)
        assert statuses(app, "/", None, "staff") == [401, 403]
    assert ran == []


def test_a_stream_of_a_generator_is_served_whole(guard: Guard, backend: str) -> None:
    async def numbers() -> AsyncIterator[str]:
        for number in range(3):
            await anyio.lowlevel.checkpoint()
            yield str(number)

    async def handler(request: Request) -> Response:
        return StreamingResponse(numbers())

    app = closed(Route("/", guard.allow(OTHERS)(handler)), guard=guard)
    assert ask(app, "/", "outsider", backend=backend).text == "012"


def test_two_stacked_rules_must_both_hold(ran: Diary, guard: Guard) -> None:
    handler = guard.allow(STAFF)(guard.allow(User("ada@example.com"))(ran.endpoint()))
    app = closed(Route("/", handler), guard=guard, default=Nobody())
    assert statuses(app, "/", None, "outsider", "bob@example.com", "staff") == [401, 403, 403, 200]


def test_a_function_shared_by_two_routes_has_its_rule_at_both(ran: Diary, guard: Guard) -> None:
    shared = guard.allow(OTHERS)(ran.endpoint())
    app = closed(Route("/a", shared), Mount("/m", routes=[Route("/b", shared)]), guard=guard)
    assert only_others(app, "/a")
    assert only_others(app, "/m/b")


def test_one_function_may_be_marked_for_one_route_and_left_for_another(ran: Diary, guard: Guard) -> None:
    plain = ran.endpoint()
    app = closed(Route("/plain", plain), Route("/marked", guard.allow(OTHERS)(plain)), guard=guard)
    start(app)
    assert only_others(app, "/marked")
    assert statuses(app, "/plain", None, "outsider", "staff") == [401, 403, 200]


# --- decorators above and below ---


def with_wraps(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args: Any) -> Any:
        return await function(*args)

    return wrapper


def without_wraps(function: Any) -> Any:
    async def wrapper(request: Request) -> Any:
        return await function(request)

    return wrapper


@pytest.mark.parametrize("decorate", [with_wraps, without_wraps])
def test_decorators_below_the_rule_are_served(decorate: Any, ran: Diary, guard: Guard) -> None:
    assert only_others(closed(Route("/", guard.allow(OTHERS)(decorate(ran.endpoint()))), guard=guard))


def test_a_decorator_above_the_rule_that_keeps_the_function_shows_the_rule(ran: Diary, guard: Guard) -> None:
    assert only_others(closed(Route("/", with_wraps(guard.allow(OTHERS)(ran.endpoint()))), guard=guard))


def test_a_decorator_above_the_rule_that_hides_it_ends_closed_and_is_explained(
    ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    app = closed(Route("/", without_wraps(guard.allow(OTHERS)(ran.endpoint()))), guard=guard)
    assert statuses(app, "/", None, "outsider", "staff") == [401, 403, 500]
    assert ran == []
    assert "functools.wraps" in caplog.text


# --- classes ---


def endpoint_class(ran: Diary) -> type[HTTPEndpoint]:
    class Endpoint(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            ran.append("get")
            return PlainTextResponse("get")

        def post(self, request: Request) -> Response:
            ran.append("post")
            return PlainTextResponse("post")

    return Endpoint


def test_a_marked_endpoint_class_has_its_rule_for_every_method(ran: Diary, guard: Guard) -> None:
    app = closed(Route("/", guard.allow(OTHERS)(endpoint_class(ran))), guard=guard)
    for method in ("GET", "HEAD", "POST"):
        assert only_others(app, method=method)
    assert statuses(app, "/", None, "staff", "outsider", method="DELETE") == [401, 403, 405]


def test_a_marked_endpoint_class_never_runs_without_its_guard(ran: Diary, guard: Guard) -> None:
    marked = guard.allow(Public())(endpoint_class(ran))
    assert status(Starlette(routes=[Route("/", marked)]), "/", "staff") == 500
    assert ran == []


def test_subclasses_inherit_the_rule_and_may_add_to_it(ran: Diary, guard: Guard) -> None:
    base: Any = guard.allow(STAFF)(endpoint_class(ran))

    class Plain(base):  # type: ignore[misc]
        pass

    @guard.allow(User("ada@example.com"))
    class Closer(base):  # type: ignore[misc]
        pass

    app = closed(Route("/plain", Plain), Route("/closer", Closer), Route("/base", base), guard=guard, default=Nobody())
    assert statuses(app, "/plain", None, "outsider", "bob@example.com") == [401, 403, 200]
    assert statuses(app, "/base", None, "outsider", "bob@example.com") == [401, 403, 200]
    assert statuses(app, "/closer", None, "outsider", "bob@example.com", "staff") == [401, 403, 403, 200]


def test_methods_of_an_endpoint_class_have_rules_of_their_own(ran: Diary, guard: Guard) -> None:
    class Endpoint(HTTPEndpoint):
        @guard.allow(Public())
        async def get(self, request: Request) -> Response:
            ran.append("get")
            return PlainTextResponse("get")

        @guard.allow(OTHERS)
        def post(self, request: Request) -> Response:
            ran.append("post")
            return PlainTextResponse("post")

        async def put(self, request: Request) -> Response:
            ran.append("put")
            return PlainTextResponse("put")

    for endpoint in (Endpoint, functools.partial(Endpoint)):
        app = closed(Route("/", endpoint), guard=guard)
        assert statuses(app, "/", None) == [200]
        assert statuses(app, "/", None, method="HEAD") == [200]
        assert only_others(app, method="POST")
        assert statuses(app, "/", None, "outsider", "staff", method="PUT") == [401, 403, 200]
        assert statuses(app, "/", None, "outsider", "staff", method="DELETE") == [401, 403, 405]


def test_head_of_an_endpoint_class_has_the_rule_of_what_serves_it(ran: Diary, guard: Guard) -> None:
    class WithHead(HTTPEndpoint):
        @guard.allow(Public())
        async def get(self, request: Request) -> Response:
            return PlainTextResponse("")

        @guard.allow(OTHERS)
        async def head(self, request: Request) -> Response:
            return PlainTextResponse("")

    class WithGet(HTTPEndpoint):
        @guard.allow(OTHERS)
        async def get(self, request: Request) -> Response:
            return PlainTextResponse("")

    app = closed(Route("/head", WithHead), Route("/get", WithGet), guard=guard)
    assert only_others(app, "/head", method="HEAD")
    assert only_others(app, "/get", method="HEAD")
    assert statuses(app, "/head", None) == [200]


def test_a_marked_dispatch_holds_for_every_method(ran: Diary, guard: Guard) -> None:
    class Endpoint(HTTPEndpoint):
        @guard.allow(OTHERS)
        async def dispatch(self) -> None:
            await super().dispatch()

        async def get(self, request: Request) -> Response:
            return PlainTextResponse("")

    app = closed(Route("/", Endpoint), guard=guard)
    assert only_others(app)
    assert statuses(app, "/", None, "staff", method="POST") == [401, 403]


@pytest.mark.parametrize("method", ["dispatch", "DISPATCH", "method_not_allowed", "helper", "__init__", "scope"])
def test_no_invented_method_reaches_another_attribute(ran: Diary, guard: Guard, method: str) -> None:
    class Endpoint(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            return PlainTextResponse("")

        @guard.allow(OTHERS)
        async def helper(self, request: Request) -> Response:
            ran.append("helper")
            return PlainTextResponse("")

    app = closed(Route("/", Endpoint), guard=guard)
    assert statuses(app, "/", None, method=method) == [401]
    assert status(app, "/", "outsider", method=method) in (403, 200 if method == "helper" else 403, 405)
    assert ran in ([], ["helper"])


@pytest.mark.slow
def test_invented_methods_cost_no_memory(ran: Diary, guard: Guard) -> None:
    import gc

    app = closed(ran.route("/x"), Route("/class", endpoint_class(ran)), Mount("/m", ran.asgi()), guard=guard)
    places = 0
    for turn in range(2):
        for number in range(50):
            for path in ("/x", "/class", "/m/y"):
                assert status(app, path, method=f"METHOD{turn}-{number}") == 401
        gc.collect()
        now = sum(type(each).__name__ == "Place" for each in gc.get_objects())
        assert turn == 0 or now <= places  # what an earlier test left behind may go meanwhile
        places = now


def test_a_marked_websocket_endpoint_class_is_judged(ran: Diary, guard: Guard) -> None:
    class Endpoint(WebSocketEndpoint):
        async def on_connect(self, websocket: WebSocket) -> None:
            ran.append("connect")
            await websocket.accept()

    class ByMethod(WebSocketEndpoint):
        @guard.allow(OTHERS)
        async def on_connect(self, websocket: WebSocket) -> None:
            ran.append("connect")
            await websocket.accept()

    app = closed(
        WebSocketRoute("/class", guard.allow(OTHERS)(Endpoint)), WebSocketRoute("/method", ByMethod), guard=guard
    )
    for path in ("/class", "/method"):
        assert [dial(app, path, who).status for who in (None, "staff")] == [401, 403]
        assert dial(app, path, "outsider").types[0] == "websocket.accept"
    assert ran == ["connect", "connect"]
    bare = Starlette(routes=[WebSocketRoute("/class", Endpoint)])
    assert isinstance(dial(bare, "/class", "outsider").error, UnguardedEndpointError)
    assert ran == ["connect", "connect"]


def test_a_marked_function_that_becomes_a_static_method_is_judged(ran: Diary, guard: Guard) -> None:
    class Api:
        @staticmethod
        @guard.allow(OTHERS)
        async def static(request: Request) -> Response:
            return PlainTextResponse("")

        @classmethod
        @guard.allow(OTHERS)
        async def of_class(cls, request: Request) -> Response:
            return PlainTextResponse("")

        @guard.allow(OTHERS)
        async def method(self, request: Request) -> Response:
            return PlainTextResponse("")

    app = closed(
        Route("/static", Api.static), Route("/class", Api.of_class), Route("/method", Api().method), guard=guard
    )
    for path in ("/static", "/class", "/method"):
        assert only_others(app, path)


@pytest.mark.parametrize("wrap", [staticmethod, classmethod, functools.partialmethod])
def test_the_rule_above_a_static_or_class_method_is_an_error_with_the_remedy(
    wrap: Any, ran: Diary, guard: Guard
) -> None:
    with pytest.raises(TypeError, match="below"):
        guard.allow(STAFF)(wrap(ran.endpoint()))


@pytest.mark.parametrize("junk", [None, "text", 1, object()])
def test_what_no_rule_can_be_tied_to_is_an_error(junk: Any, guard: Guard) -> None:
    with pytest.raises(TypeError, match=r"marks functions, endpoint classes and ASGI applications"):
        guard.allow(STAFF)(junk)


def test_a_route_is_not_marked_itself(ran: Diary, guard: Guard) -> None:
    for route in (ran.route("/x"), ran.socket_route("/x"), Mount("/x", routes=[])):
        with pytest.raises(TypeError, match="mark its endpoint"):
            guard.allow(STAFF)(route)


def test_a_callable_object_is_an_error_with_the_remedy(guard: Guard) -> None:
    class Callable_:  # noqa: N801
        def __call__(self, request: Request) -> Response:
            return PlainTextResponse("")

    class Unreadable:
        __signature__ = "junk"

        def __call__(self) -> None: ...

    for target in (Callable_(), Unreadable()):
        with pytest.raises(TypeError, match="mark the __call__ of its class"):
            guard.allow(STAFF)(target)


def test_an_asgi_object_may_be_a_routes_endpoint(ran: Diary, guard: Guard) -> None:
    app = closed(Route("/", guard.allow(OTHERS)(ran.asgi())), guard=guard)
    assert only_others(app)
    assert status(Starlette(routes=[Route("/", guard.allow(Public())(ran.asgi()))]), "/", "staff") == 500
    assert ran == ["asgi"]


def test_a_marked_call_of_an_asgi_object_is_judged_wherever_it_serves(ran: Diary, guard: Guard) -> None:
    class Files:
        @guard.allow(OTHERS)
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            ran.append("files")
            await PlainTextResponse("files")(scope, receive, send)

    app = closed(Route("/route", Files()), Mount("/mount", Files()), guard=guard, default=Public())
    for path in ("/route", "/mount/x"):
        assert only_others(app, path)
    assert ran == ["files", "files"]


def test_a_marked_application_is_transparent_and_can_be_copied(ran: Diary, guard: Guard) -> None:
    inner = Starlette(routes=[ran.route("/x")])
    marked: Any = guard.allow(OTHERS)(inner)
    assert marked.routes is inner.routes
    twin = copy.copy(marked)
    assert only_others(closed(Mount("/m", twin), guard=guard), "/m/x")
    assert (marked.routes, guard.allow(OTHERS)(ran.asgi()).routes) == (inner.routes, [])
    with pytest.raises(AttributeError):
        _ = marked.router


def test_a_marked_application_takes_part_in_the_lifespan(guard: Guard) -> None:
    seen: list[str] = []

    class App:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["type"])

    asyncio.run(guard.allow(STAFF)(App())({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]


# --- the claim ---


def run_with(app: Any, path: str = "/", who: str | None = "outsider") -> Reply:
    return ask(app, path, who)


def test_a_marked_function_called_by_other_code_raises(ran: Diary, guard: Guard) -> None:
    marked = guard.allow(OTHERS)(ran.endpoint("marked"))

    async def caller(request: Request) -> Any:
        return await marked(request)

    app = closed(Route("/caller", caller), Route("/marked", marked), guard=guard)
    assert statuses(app, "/caller", "staff") == [500]
    assert statuses(app, "/marked", "outsider") == [200]
    assert ran == ["marked"]


def test_a_handler_in_a_thread_is_claimed_where_the_context_is_copied_and_fails_closed_where_it_is_not(
    ran: Diary, guard: Guard
) -> None:
    @guard.allow(OTHERS)
    def work(request: Request) -> str:
        ran.append("work")
        return "done"

    async def copied(request: Request) -> Response:
        return PlainTextResponse(await anyio.to_thread.run_sync(work, request))

    async def lost(request: Request) -> Response:
        loop = asyncio.get_running_loop()
        return PlainTextResponse(await loop.run_in_executor(None, work, request))

    async def task(request: Request) -> Response:
        return PlainTextResponse(await asyncio.create_task(asyncio.to_thread(work, request)))

    def routed(function: Any) -> Any:
        return Route("/", functools.wraps(work)(function))

    assert run_with(closed(routed(copied), guard=guard)).text == "done"
    assert run_with(closed(routed(task), guard=guard)).text == "done"
    reply = run_with(closed(routed(lost), guard=guard))
    assert (reply.status, type(reply.error)) == (500, UnguardedEndpointError)
    assert ran == ["work", "work"]


def test_nothing_stays_decided_for_the_next_request(ran: Diary, guard: Guard) -> None:
    marked = guard.allow(OTHERS)(ran.endpoint("marked"))
    app, bare = closed(Route("/", marked), guard=guard), Starlette(routes=[Route("/", marked)])

    async def both() -> list[int]:
        from .world import asked

        return [(await asked(each, "/", "outsider")).status for each in (app, bare, app, bare)]

    assert anyio.run(both) == [200, 500, 200, 500]


def test_a_route_whose_endpoint_was_replaced_in_place_is_judged_anew(ran: Diary, guard: Guard) -> None:
    route = ran.route("/", "first", guard.allow(Public()))
    app = closed(route, guard=guard)
    assert ask(app, "/").text == "first"
    replacement = ran.route("/", "second")
    route.endpoint, route.app = replacement.endpoint, replacement.app
    assert statuses(app, "/", None, "outsider", "staff") == [401, 403, 200]
    assert ran == ["first", "second"]


# --- routes of other kinds ---


class Foreign(BaseRoute):
    """A route that is none of Starlette's kinds."""

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __init__(self, path: str, ran: Diary, match: Match = Match.FULL) -> None:
        self.where, self.ran, self.match = path, ran, match

    def __eq__(self, other: object) -> bool:
        return True

    def matches(self, scope: Any) -> tuple[Match, Any]:
        return (self.match, {}) if scope["path"] == self.where else (Match.NONE, {})

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        self.ran.append("foreign")
        await PlainTextResponse("foreign")(scope, receive, send)


class Slotted:
    """A route by its looks alone, with nothing but slots."""

    __slots__ = ("ran", "where")

    def __init__(self, path: str, ran: Diary) -> None:
        self.where, self.ran = path, ran

    matches = Foreign.matches
    handle = Foreign.handle
    match = Match.FULL


class Frozen(Foreign):
    def __init__(self, path: str, ran: Diary) -> None:
        self.__dict__.update(where=path, ran=ran, match=Match.FULL)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(name)


class Computing(Foreign):
    """Answers by data descriptors, which do not look into the instance."""

    @property
    def matches(self) -> Any:
        return functools.partial(Foreign.matches, self)

    @matches.setter
    def matches(self, value: Any) -> None:
        raise AttributeError


@pytest.mark.parametrize("kind", [Foreign, Slotted, Frozen, Computing])
def test_a_route_of_another_kind_is_closed_by_the_default_and_served(kind: Any, ran: Diary, guard: Guard) -> None:
    app = closed(kind("/f", ran), ran.route("/x", mark=guard.allow(Public())), guard=guard)
    for _ in range(2):
        assert statuses(app, "/f", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(app, "/x", None) == [200]
    mounted = closed(Mount("/m", routes=[kind("/m/f", ran)]), guard=guard)
    assert statuses(mounted, "/m/f", None, "outsider", "staff") == [401, 403, 200]


def test_a_partial_match_that_serves_is_judged_by_the_default(ran: Diary, guard: Guard) -> None:
    app = closed(Foreign("/f", ran, Match.PARTIAL), guard=guard)
    assert statuses(app, "/f", None, "outsider", "staff") == [401, 403, 200]


def test_what_the_frameworks_put_into_the_scope_is_the_real_route_and_router(ran: Diary, guard: Guard) -> None:
    seen: list[Any] = []

    async def handler(request: Request) -> Response:
        seen.append((request.scope.get("route"), request.scope["router"], request.scope["endpoint"]))
        return PlainTextResponse("")

    inner = Route("/x", handler)
    app = closed(Route("/", handler), Mount("/m", routes=[inner]), Slotted("/s", ran), guard=guard)  # type: ignore[arg-type]
    bare = Starlette(routes=app.routes)
    for path in ("/", "/m/x"):
        ask(bare, path)
        ask(app, path, "staff")
        bare_seen, ours = seen[-2:]
        assert ours[0] is bare_seen[0]
        assert ours[1] is app.router
        assert ours[2] is handler
    assert "route" not in ask(app, "/s", "staff").scope or ask(app, "/s", "staff").scope["route"] is app.routes[2]


def test_a_guard_of_another_module_is_no_mark() -> None:
    assert marks_on(None) == ()
    assert marks_on(Router()) == ()
    assert marks_on(new_guard()) == ()


def test_a_router_of_fastapis_is_not_marked_itself(guard: Guard) -> None:
    fastapi = pytest.importorskip("fastapi")

    class Own(fastapi.APIRouter):  # type: ignore[misc, name-defined]
        pass

    for router in (fastapi.APIRouter(), Own()):
        with pytest.raises(TypeError, match=r"APIRouter\(dependencies=\[guard.allow\(rule\)\]\)"):
            guard.allow(STAFF)(router)
