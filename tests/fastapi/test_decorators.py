"""``@guard.allow`` on whatever FastAPI serves: where it is read, and that nothing marked runs undecided."""

import functools
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import StreamingResponse

from callerid import Domain, Public, UnguardedEndpointError
from callerid.fastapi import Guard
from tests.fixtures import OTHERS, STAFF

from .world import KEEPS_INCLUDES, ask, closed, dial, new_guard, status, statuses


async def coroutine(seen: list[str], q: int = 1) -> str:
    seen.append("ran")
    return f"coroutine {q}"


def plain(seen: list[str], q: int = 1) -> str:
    seen.append("ran")
    return f"plain {q}"


KINDS: dict[str, Callable[[list[str]], Any]] = {}


def kind(make: Callable[[list[str]], Any]) -> Callable[[list[str]], Any]:
    KINDS[make.__name__] = make
    return make


@kind
def sync_function(seen: list[str]) -> Any:
    def endpoint(q: int = 1) -> str:
        return plain(seen, q)

    return endpoint


@kind
def async_function(seen: list[str]) -> Any:
    async def endpoint(q: int = 1) -> str:
        return await coroutine(seen, q)

    return endpoint


@kind
def sync_partial(seen: list[str]) -> Any:
    def endpoint(who: str, q: int = 1) -> str:
        return plain(seen, q)

    return functools.partial(endpoint, "me")


@kind
def async_partial(seen: list[str]) -> Any:
    async def endpoint(who: str, q: int = 1) -> str:
        return await coroutine(seen, q)

    return functools.partial(endpoint, "me")


@kind
def bound_method(seen: list[str]) -> Any:
    class Service:
        def endpoint(self, q: int = 1) -> str:
            return plain(seen, q)

    return Service().endpoint


@kind
def wrapped_function(seen: list[str]) -> Any:
    @functools.wraps(plain)
    def endpoint(q: int = 1) -> str:
        return plain(seen, q)

    del endpoint.__wrapped__  # as decorators without functools.wraps leave it
    return endpoint


@kind
def class_(seen: list[str]) -> Any:
    class Endpoint:
        def __init__(self, q: int = 1) -> None:
            seen.append("ran")

    return Endpoint


@kind
def generator(seen: list[str]) -> Any:
    def endpoint(q: int = 1) -> Iterator[str]:
        seen.append("ran")
        yield f"plain {q}"

    return endpoint


@kind
def async_generator(seen: list[str]) -> Any:
    async def endpoint(q: int = 1) -> AsyncIterator[str]:
        seen.append("ran")
        yield f"plain {q}"

    return endpoint


STREAMS = ("generator", "async_generator")
BELOW = [name for name in KINDS if name not in STREAMS or KEEPS_INCLUDES]


@pytest.mark.parametrize("name", BELOW)
@pytest.mark.parametrize("above", [False, True], ids=["below", "above"])
def test_the_mark_is_judged_before_the_endpoint_runs(name: str, above: bool) -> None:
    seen: list[str] = []
    app, guard = closed(OTHERS)
    allow = guard.allow(STAFF)
    endpoint = KINDS[name](seen)
    if above:
        app.get("/x", response_model=None)(endpoint)
        if name != "class_":  # a class is marked in place, so it does not matter where
            return check_the_default_holds(app, seen)
        allow(endpoint)
    else:
        app.get("/x", response_model=None)(allow(endpoint))
    assert statuses(app, "/x?q=2", None, "outsider", "robot") == [401, 403, 403]
    assert seen == []
    reply = ask(app, "/x?q=2", "staff")
    assert (reply.status, seen) == (200, ["ran"])
    if name != "class_":
        assert b"2" in reply.body
    assert status(app, "/x?q=text", "staff") == 422
    return None


def check_the_default_holds(app: FastAPI, seen: list[str]) -> None:
    """Above the route's decorator a mark comes too late: the route serves the bare function, under the default."""
    assert statuses(app, "/x", None, "staff") == [401, 403]
    assert seen == []
    assert (status(app, "/x", "outsider"), seen) == (200, ["ran"])


@pytest.mark.parametrize("name", BELOW)
def test_without_an_installed_guard_a_marked_endpoint_is_a_500_with_the_remedy(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    app = FastAPI()
    app.get("/x", response_model=None)(new_guard().allow(STAFF)(KINDS[name](seen)))
    with caplog.at_level(logging.WARNING, logger="callerid"):
        reply = ask(app, "/x", "staff")
    assert (reply.status, seen) == (500, [])
    assert isinstance(reply.error, UnguardedEndpointError)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "callerid"]
    assert "guard.protect(app" in line
    assert "Domain('example.com')" in line


def test_without_an_installed_guard_a_caller_parameter_is_a_500_with_the_remedy(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI()

    @app.get("/x")
    def endpoint(c: Annotated[Any, new_guard().allow(STAFF)]) -> None:
        raise AssertionError("reached")

    with caplog.at_level(logging.WARNING, logger="callerid"):
        reply = ask(app, "/x", "staff")
    assert reply.status == 500
    assert isinstance(reply.error, UnguardedEndpointError)
    assert "guard.protect(app" in caplog.text


def test_the_wrapper_keeps_name_documentation_and_signature() -> None:
    def endpoint(q: int) -> str:
        """What it does."""
        return str(q)

    marked = new_guard().allow(STAFF)(endpoint)
    assert (marked.__name__, marked.__doc__) == ("endpoint", "What it does.")
    assert marked.__wrapped__ is endpoint  # type: ignore[attr-defined]


def test_two_stacked_marks_must_both_hold() -> None:
    app, guard = closed(Public())

    @app.get("/x")
    @guard.allow("user:ada@example.com", "user:eve@other.com")
    @guard.allow(STAFF)
    def endpoint() -> None: ...

    assert statuses(app, "/x", None, "outsider", "staff") == [401, 403, 200]


def test_marks_through_another_decorator_are_found() -> None:
    app, guard = closed(Public())

    def twice(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return [function(*args, **kwargs)] * 2

        return wrapper

    @app.get("/x", response_model=None)
    @twice
    @guard.allow(STAFF)
    def endpoint() -> int:
        return 1

    assert ask(app, "/x", "staff").json == [1, 1]
    assert statuses(app, "/x", None, "outsider") == [401, 403]


def test_a_mark_lost_in_a_decorator_without_wraps_is_a_500_and_never_served() -> None:
    app, guard = closed(Public())
    seen: list[str] = []

    @guard.allow(STAFF)
    def endpoint() -> None:
        seen.append("ran")

    @app.get("/x")
    def other() -> None:
        endpoint()

    assert (status(app, "/x", "staff"), status(app, "/x"), seen) == (500, 500, [])


def test_one_marked_function_behind_two_routes_is_judged_at_both() -> None:
    app, guard = closed(Public())

    @app.get("/a")
    @app.post("/b", dependencies=[guard.allow("user:eve@example.com")])
    @guard.allow(STAFF)
    def endpoint() -> None: ...

    assert statuses(app, "/a", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(app, "/b", None, "outsider", "staff", method="POST") == [401, 403, 403]


def test_a_marked_function_that_another_handler_calls_is_refused_under_a_weaker_rule() -> None:
    app, guard = closed(Public())

    @guard.allow(STAFF)
    def inner() -> str:
        return "secret"

    @app.get("/x")
    @guard.allow(Public())
    def endpoint() -> str:
        return inner()

    reply = ask(app, "/x", "staff")
    assert reply.status == 500
    assert isinstance(reply.error, UnguardedEndpointError)


def test_a_marked_dependency_is_judged_like_any_rule_on_the_way() -> None:
    app, guard = closed(Public())
    seen: list[str] = []

    @guard.allow(STAFF)
    def dependency(q: int = 1) -> int:
        seen.append("ran")
        return q

    @app.get("/x")
    def endpoint(value: Annotated[int, Depends(dependency)]) -> int:
        return value

    assert statuses(app, "/x", None, "outsider") == [401, 403]
    assert seen == []
    assert ask(app, "/x?q=3", "staff").json == 3


def test_generators_marked_for_a_streaming_response_are_judged_first() -> None:
    app, guard = closed(Public())

    @app.get("/x")
    @guard.allow(STAFF)
    async def endpoint() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            for number in range(3):
                yield str(number).encode()

        return StreamingResponse(chunks())

    assert statuses(app, "/x", None, "outsider") == [401, 403]
    assert ask(app, "/x", "staff").body == b"012"


class Callable_:  # noqa: N801 - it is what it is
    def __call__(self, q: int = 1) -> int:
        return q


def test_a_callable_object_cannot_be_marked() -> None:
    with pytest.raises(TypeError, match="mark the __call__ of its class"):
        new_guard().allow(STAFF)(Callable_())


def test_a_marked_call_of_an_object_is_judged_as_an_endpoint_and_as_a_dependency() -> None:
    app, guard = closed(Public())
    seen: list[str] = []

    class Handler:
        @guard.allow(STAFF)
        def __call__(self, q: int = 1) -> int:
            seen.append("ran")
            return q

    class Derived(Handler):
        pass

    class Made:
        @guard.allow(STAFF)
        def __init__(self, q: int = 1) -> None:
            self.q = q

    app.add_api_route("/endpoint", Handler())
    app.add_api_route("/derived", Derived())
    app.add_api_route("/partial", functools.partial(Handler(), q=1))

    @app.get("/dependency")
    def dependency(value: Annotated[int, Depends(Handler())]) -> int:
        return value

    @app.get("/made")
    def made(value: Annotated[Any, Depends(Made)]) -> int:
        return int(value.q)

    for path in ("/endpoint", "/derived", "/partial", "/dependency", "/made"):
        assert statuses(app, path, None, "outsider") == [401, 403], path
        assert seen == []
        assert ask(app, path, "staff").json == 1, path
        seen.clear()


class OwnRouter(APIRouter):
    pass


@pytest.mark.parametrize("make", [APIRouter, OwnRouter])
def test_a_router_cannot_be_marked(make: Callable[[], APIRouter]) -> None:
    with pytest.raises(TypeError, match=r"APIRouter\(dependencies=\[guard.allow\(rule\)\]\)"):
        new_guard().allow(STAFF)(make())


def test_an_allow_as_default_or_floor_is_refused_with_the_remedy() -> None:
    guard = new_guard()
    for name in ("default", "floor", "docs"):
        options: dict[str, Any] = {"default": STAFF, name: guard.allow(STAFF)}
        with pytest.raises(ValueError, match=f"{name}= takes the rule itself"):
            guard.protect(FastAPI(), **options)


def test_protect_refuses_what_is_no_fastapi_application() -> None:
    from starlette.applications import Starlette

    with pytest.raises(ValueError, match=r"callerid\.starlette has a Guard"):
        new_guard().protect(Starlette(), default=STAFF)


def test_a_guard_without_issuers_protects_nothing() -> None:
    with pytest.raises(ValueError, match="trusts no issuer"):
        Guard().protect(FastAPI(), default=STAFF)


def test_a_second_protect_is_refused() -> None:
    app, guard = closed()
    with pytest.raises(ValueError, match="protected already"):
        guard.protect(app, default=Domain("other.com"))


def test_a_marked_websocket_refuses_with_a_real_401() -> None:
    from fastapi import WebSocket

    app, guard = closed(Public())

    @app.websocket("/ws")
    @guard.allow(STAFF)
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    assert [message["type"] for message in dial(app, "/ws", "staff")] == ["websocket.accept", "websocket.close"]
    refused = dial(app, "/ws")
    assert [message["type"] for message in refused] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert refused[0]["status"] == 401
    assert dial(app, "/ws", denial=False)[0]["type"] == "websocket.close"
