"""Rules wherever FastAPI takes dependencies; on a refusal none of them runs, and none of them lifts a rule."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Path, Request, Security, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.security import SecurityScopes

from callerid import Caller, ConfigurationError, Domain, Public, ServiceAccount
from tests.fixtures import OTHERS, ROBOT, STAFF

from .world import KEEPS_INCLUDES, Seen, ask, closed, dial, new_guard, start, status, statuses

STRANGERS = (None, "outsider", "robot")


def test_rules_on_router_include_app_and_route_hold_alone_and_unused() -> None:
    guard = new_guard()
    app = FastAPI()
    guard.protect(app, default=OTHERS)
    by_router = APIRouter(dependencies=[guard.allow(STAFF)])
    by_include, by_route = APIRouter(), APIRouter()
    for router, name in ((by_router, "router"), (by_include, "include")):
        router.add_api_route(f"/{name}", lambda: None)
    by_route.add_api_route("/route", lambda: None, dependencies=[guard.allow(STAFF)])
    app.include_router(by_router)
    app.include_router(by_include, dependencies=[guard.allow(STAFF)])
    app.include_router(by_route)
    start(app)
    for name in ("router", "include", "route"):
        assert statuses(app, f"/{name}", *STRANGERS, "staff") == [401, 403, 403, 200], name


def test_a_rule_of_the_app_holds_for_everything_in_it() -> None:
    guard = new_guard()
    app = FastAPI(dependencies=[guard.allow(STAFF)])
    guard.protect(app, default=Public())
    app.add_api_route("/api", lambda: None)
    app.add_route("/plain", lambda _: PlainTextResponse("plain"))
    for path, served in (("/api", 200), ("/plain", 200), ("/docs", 200), ("/openapi.json", 200), ("/nowhere", 404)):
        assert statuses(app, path, *STRANGERS, "staff") == [401, 403, 403, served], path


def test_all_rules_on_the_way_must_hold() -> None:
    app, guard = closed(Public())
    inner = APIRouter(dependencies=[guard.allow("user:ada@example.com", "user:eve@other.com")])
    inner.add_api_route("/x", lambda: None, dependencies=[guard.allow("user:ada@example.com", "user:bob@example.com")])
    outer = APIRouter(dependencies=[guard.allow(STAFF)])
    outer.include_router(inner, prefix="/inner")
    app.include_router(outer, prefix="/outer")
    assert statuses(app, "/outer/inner/x", None, "outsider", "staff") == [401, 403, 200]


@pytest.mark.parametrize("level", range(4))
def test_a_rule_at_any_of_four_nested_levels_holds(level: int) -> None:
    app, guard = closed(Public())
    router = APIRouter()
    router.add_api_route("/x", lambda: None)
    for depth in range(4):
        outer = APIRouter()
        outer.include_router(router, prefix=f"/{depth}", dependencies=[guard.allow(STAFF)] if depth == level else [])
        router = outer
    app.include_router(router)
    assert statuses(app, "/3/2/1/0/x", *STRANGERS, "staff") == [401, 403, 403, 200]


def test_the_same_router_under_two_rules_is_judged_by_where_it_is() -> None:
    app, guard = closed(Public())
    router = APIRouter()
    router.add_api_route("/x", lambda: None)
    app.include_router(router, prefix="/staff", dependencies=[guard.allow(STAFF)])
    app.include_router(router, prefix="/others", dependencies=[guard.allow(OTHERS)])
    app.include_router(router, prefix="/open")
    assert statuses(app, "/staff/x", None, "staff", "outsider") == [401, 200, 403]
    assert statuses(app, "/others/x", None, "staff", "outsider") == [401, 403, 200]
    assert statuses(app, "/open/x", None, "staff", "outsider") == [200, 200, 200]


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("where", ["parameter", "route", "router", "include"])
def test_a_rule_in_a_sub_dependency_is_found_however_deep(depth: int, where: str) -> None:
    app, guard = closed(Public())
    seen = Seen()

    def rule(caller: Annotated[Caller, guard.allow(STAFF)]) -> None:
        seen.append("dependency")

    def under(dependency: Any) -> Any:
        def wrapper(value: Annotated[Any, Depends(dependency)]) -> None: ...

        return wrapper

    dependency: Any = rule
    for _ in range(depth - 1):
        dependency = under(dependency)

    def takes(value: Annotated[Any, Depends(dependency)]) -> None: ...

    router = APIRouter(dependencies=[Depends(dependency)] if where == "router" else [])
    router.add_api_route(
        "/x",
        takes if where == "parameter" else lambda: None,
        dependencies=[Depends(dependency)] if where == "route" else [],
    )
    app.include_router(router, dependencies=[Depends(dependency)] if where == "include" else [])
    assert statuses(app, "/x", *STRANGERS) == [401, 403, 403]
    assert seen == []
    assert (status(app, "/x", "staff"), seen) == (200, ["dependency"])


def test_a_rule_in_a_class_or_a_callable_object_that_is_depended_on_is_found() -> None:
    app, guard = closed(Public())
    staff = guard.allow(STAFF)

    class ByClass:
        def __init__(self, caller: Annotated[Caller, staff]) -> None:
            self.caller = caller

    class ByObject:
        def __call__(self, caller: Annotated[Caller, staff]) -> str:
            return str(caller)

    @app.get("/class")
    def by_class(service: Annotated[ByClass, Depends()]) -> str:
        return str(service.caller)

    @app.get("/object")
    def by_object(name: Annotated[str, Depends(ByObject())]) -> str:
        return name

    for path in ("/class", "/object"):
        assert statuses(app, path, *STRANGERS) == [401, 403, 403]
        assert ask(app, path, "staff").json == "user:ada@example.com"


def test_a_marked_class_that_is_depended_on_is_judged() -> None:
    app, guard = closed(Public())

    @guard.allow(STAFF)
    class Service:
        def __init__(self, q: int = 1) -> None:
            self.q = q

    class Special(Service):
        pass

    @app.get("/x")
    def endpoint(service: Annotated[Service, Depends()]) -> int:
        return service.q

    @app.get("/special")
    def special(service: Annotated[Special, Depends()]) -> int:
        return service.q

    for path in ("/x", "/special"):
        assert statuses(app, path, *STRANGERS) == [401, 403, 403], path
        assert ask(app, f"{path}?q=2", "staff").json == 2


def test_dependencies_of_a_router_may_be_of_any_kind() -> None:
    app, guard = closed(Public())

    def rule(
        user_id: Annotated[str, Path()],
        request: Request,
        tasks: BackgroundTasks,
        scopes: SecurityScopes,
        caller: Annotated[Caller, guard.allow(STAFF)],
    ) -> None: ...

    router = APIRouter(dependencies=[Security(rule, scopes=["a"])])
    router.add_api_route("/users/{user_id}", lambda: None)
    if KEEPS_INCLUDES:
        router.add_route("/plain/{user_id}", lambda _: PlainTextResponse("plain"))
    app.include_router(router)
    start(app)
    for path in ("/users/u1", "/plain/u1") if KEEPS_INCLUDES else ("/users/u1",):
        assert statuses(app, path, *STRANGERS, "staff") == [401, 403, 403, 200], path


def test_no_dependency_and_no_body_is_touched_on_a_refusal() -> None:
    seen = Seen()

    def sync_yield() -> Iterator[None]:
        seen.append("sync yield")
        yield

    async def async_yield() -> AsyncIterator[None]:
        seen.append("async yield")
        yield

    async def reads_the_body(request: Request) -> None:
        seen.append((await request.body()).decode())

    guard = new_guard()
    app = FastAPI(dependencies=[Depends(seen.dependency("app"))])
    guard.protect(app, default=STAFF)
    router = APIRouter(dependencies=[Depends(sync_yield), Depends(reads_the_body)])

    @router.post("/x", dependencies=[Depends(async_yield)])
    def endpoint(body: dict[str, int], first: Annotated[str, Depends(seen.dependency("parameter"))]) -> None:
        seen.append("endpoint")

    app.include_router(router, dependencies=[Depends(seen.dependency("include"))])
    for who in STRANGERS:
        reply = ask(app, "/x", who, method="POST", body=b'{"a": 1}')
        assert (reply.status in (401, 403), reply.reads, seen) == (True, 0, [])
    assert ask(app, "/x", "staff", method="POST", body=b'{"a": 1}').status == 200
    assert {"app", "include", "sync yield", "async yield", "parameter", '{"a": 1}', "endpoint"} == set(seen)


def test_validation_errors_are_told_to_those_alone_who_may_call() -> None:
    app, guard = closed()

    @app.post("/x")
    def endpoint(body: dict[str, int], caller: Annotated[Caller, guard.allow(STAFF)], q: int) -> None: ...

    assert statuses(app, "/x?q=text", *STRANGERS, "staff", method="POST", body=b"no json") == [401, 403, 403, 422]


def test_an_override_gives_another_value_and_never_lifts_the_rule() -> None:
    app, guard = closed(Public())
    allow = guard.allow(STAFF)

    def needs(caller: Annotated[Caller, allow]) -> str:
        return str(caller)

    @app.get("/direct")
    def direct(caller: Annotated[Any, allow]) -> str:
        return str(caller)

    @app.get("/below")
    def below(name: Annotated[str, Depends(needs)]) -> str:
        return name

    assert allow.dependency is not None
    app.dependency_overrides[allow.dependency] = lambda: "forged"
    app.dependency_overrides[needs] = lambda: "forged"
    for path in ("/direct", "/below"):
        assert statuses(app, path, *STRANGERS) == [401, 403, 403]
        assert ask(app, path, "staff").json == "forged"


def test_an_override_cannot_bring_a_rule_in_unjudged() -> None:
    app, guard = closed(Public())

    def original() -> str:
        return "original"

    def override(caller: Annotated[Caller, guard.allow(STAFF)]) -> str:
        return str(caller)

    @app.get("/x")
    def endpoint(name: Annotated[str, Depends(original)]) -> str:
        return name

    app.dependency_overrides[original] = override
    assert statuses(app, "/x", None, "staff") == [500, 500]


def test_a_dependency_added_to_a_router_afterwards_holds() -> None:
    app, guard = closed(Public())
    app.add_api_route("/x", lambda: None)
    app.router.dependencies.append(guard.allow(STAFF))
    assert statuses(app, "/x", None, "outsider", "staff") == [401, 403, 200]


def test_a_router_for_a_domain_and_a_route_for_a_service_is_a_start_up_error_that_names_both() -> None:
    app, guard = closed()
    router = APIRouter(dependencies=[guard.allow(Domain("example.com"))])
    router.add_api_route("/tasks", lambda: None, methods=["POST"], dependencies=[guard.allow(ServiceAccount(ROBOT))])
    app.include_router(router)
    with pytest.raises(ConfigurationError) as caught:
        start(app)
    for part in ("/tasks", "Domain('example.com')", f"ServiceAccount('{ROBOT}')", "move one of them"):
        assert part in str(caught.value)
    assert statuses(app, "/tasks", None, "staff", "robot", method="POST") == [500, 500, 500]


def test_an_impossible_route_added_later_answers_500_and_the_others_go_on() -> None:
    app, guard = closed()
    app.add_api_route("/before", lambda: None)
    start(app)
    assert status(app, "/before", "staff") == 200
    app.add_api_route("/later", lambda: None, dependencies=[guard.allow(STAFF), guard.allow(ServiceAccount(ROBOT))])
    assert statuses(app, "/later", None, "staff", "robot") == [500, 500, 500]
    assert statuses(app, "/before", None, "staff") == [401, 200]


def test_an_audience_of_a_route_is_asked_of_its_tokens() -> None:
    from tests.fixtures import URL, issuer

    guard = new_guard()
    app = FastAPI()
    guard.protect(app, default=STAFF)
    tasks = f"{URL}/tasks"
    app.add_api_route(
        "/tasks", lambda: None, methods=["POST"], dependencies=[guard.allow(ServiceAccount(ROBOT), audience=tasks)]
    )
    app.add_api_route("/other", lambda: None, dependencies=[guard.allow(ServiceAccount(ROBOT))])
    for_tasks = issuer.bearer(issuer.service_account(ROBOT, audience=tasks))
    assert statuses(app, "/tasks", None, "robot", method="POST") == [401, 401]
    assert status(app, "/tasks", method="POST", headers=for_tasks) == 200
    assert status(app, "/other", headers=for_tasks) == 401
    assert status(app, "/other", "robot") == 200


def test_audiences_that_no_token_can_be_for_are_a_start_up_error() -> None:
    app, guard = closed()
    router = APIRouter(dependencies=[guard.allow(ServiceAccount(ROBOT), audience="https://a.example.com")])
    router.add_api_route(
        "/x", lambda: None, dependencies=[guard.allow(ServiceAccount(ROBOT), audience="https://b.example.com")]
    )
    app.include_router(router)
    with pytest.raises(ConfigurationError, match="no audience is in all"):
        start(app)
    assert status(app, "/x", "robot") == 500


def test_websockets_are_judged_by_their_parameters_and_routers_before_accept() -> None:
    app, guard = closed(Public())
    seen = Seen()

    @app.websocket("/parameter")
    async def by_parameter(websocket: WebSocket, caller: Annotated[Caller, guard.allow(STAFF)]) -> None:
        seen.append(str(caller))
        await websocket.accept()
        await websocket.send_text(str(caller))
        await websocket.close()

    router = APIRouter(dependencies=[guard.allow(STAFF), Depends(seen.dependency("router"))])

    @router.websocket("/router")
    async def by_router(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    app.include_router(router)
    for path in ("/parameter", "/router"):
        assert [dial(app, path, who)[0].get("status") for who in STRANGERS] == [401, 403, 403]
        assert seen == []
    assert dial(app, "/parameter", "staff")[1]["text"] == "user:ada@example.com"
    assert dial(app, "/router", "staff")[0]["type"] == "websocket.accept"


def test_requests_to_a_router_whose_dependencies_are_no_list_cost_no_memory() -> None:
    app, guard = closed(Public())
    app.get("/x")(lambda: None)
    app.router.dependencies = (guard.allow(STAFF),)  # type: ignore[assignment]
    for _ in range(20):
        assert statuses(app, "/x", None, "staff", "outsider") == [401, 200, 403]
    reader = app.router.middleware_stack.protection.reader  # type: ignore[attr-defined]
    (known,) = (known for known in reader._known.values() if known.route().path == "/x")
    ((place,),) = known.places.values()
    assert len(place.chains) == 1


def test_an_application_ends_with_its_guard() -> None:
    import gc
    import weakref

    def served_and_gone() -> Any:
        app, guard = closed()
        app.get("/x")(guard.allow(STAFF)(lambda: None))
        assert statuses(app, "/x", None, "staff") == [401, 200]
        return weakref.ref(app)

    gone = [served_and_gone() for _ in range(3)]
    served_and_gone()  # what was called last may be held by whatever measures
    gc.collect()
    assert not any(each() for each in gone)
