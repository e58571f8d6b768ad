"""What runs between the decision and a FastAPI endpoint may not change what the request was judged by."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, WebSocket
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection
from starlette.responses import Response

from callerid import FirebaseUser, PathParam, Public, UnguardedEndpointError
from tests.fixtures import STAFF

from .world import Seen, ask, closed, dial, start, statuses

OWNER = FirebaseUser(PathParam("user"))


def lowered(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value.lower() for name, value in params.items()}


async def replacing(request: Request) -> None:
    request.scope["path_params"] = lowered(request.path_params)


async def in_place(connection: HTTPConnection) -> None:
    connection.path_params.update(lowered(connection.path_params))


def yielding(request: Request) -> Iterator[None]:
    request.scope["path_params"] = lowered(request.path_params)
    yield


async def sub_dependency(changed: Annotated[None, Depends(in_place)]) -> None: ...


async def of_the_method(request: Request) -> None:
    request.scope["method"] = "DELETE" if request.headers.get("x-method") else request.method


def handling(change: Callable[[Request], Request]) -> type[APIRoute]:
    class Route(APIRoute):
        def get_route_handler(self) -> Any:
            handler = super().get_route_handler()

            async def handle(request: Request) -> Response:
                return await handler(change(request))

            return handle

    return Route


def with_a_copy(request: Request) -> Request:
    return Request({**request.scope, "path_params": lowered(request.path_params)}, request.receive)


def with_another_method(request: Request) -> Request:
    method = "DELETE" if request.headers.get("x-method") else request.method
    return Request({**request.scope, "method": method}, request.receive)


class Handling(APIRoute):
    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        await super().handle({**scope, "path_params": lowered(scope["path_params"])}, receive, send)


def served(kind: str, mark: bool, included: bool, **options: Any) -> tuple[FastAPI, Seen]:
    """An application with one operation, whose rule is a mark or an entry of a path table."""
    app, seen = FastAPI(), Seen()
    table = {} if mark else {"/orders/{user}": OWNER}
    app, guard = closed(app=app, routes=table)
    options = {"route_class": options["route_class"]} if kind == "route" else options
    router = APIRouter(**options)

    def orders(user: str) -> str:
        seen.append(user)
        return user

    router.add_api_route("/orders/{user}", guard.allow(OWNER)(orders) if mark else orders)
    if included:
        app.include_router(router)
    else:
        app.router.routes.extend(router.routes)
    start(app)
    return app, seen


CHANGES: dict[str, dict[str, Any]] = {
    "replacing": {"dependencies": [Depends(replacing)]},
    "in place": {"dependencies": [Depends(in_place)]},
    "yielding": {"dependencies": [Depends(yielding)]},
    "in a sub-dependency": {"dependencies": [Depends(sub_dependency)]},
    "in a handler": {"route_class": handling(with_a_copy)},
    "in handle": {"route_class": Handling},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("included", [True, False])
def test_other_path_parameters_than_were_judged_are_not_served(change: str, mark: bool, included: bool) -> None:
    app, seen = served("dependency", mark, included, **CHANGES[change])
    assert statuses(app, "/orders/ada", None, "ben", "ada") == [401, 403, 200]
    assert isinstance(ask(app, "/orders/ADA", "ADA").error, UnguardedEndpointError)
    assert seen == ["ada"]


@pytest.mark.parametrize(
    "options", [{"dependencies": [Depends(of_the_method)]}, {"route_class": handling(with_another_method)}]
)
def test_another_method_than_was_judged_is_not_served(options: Any) -> None:
    app, guard = closed()
    seen, router = Seen(), APIRouter(**options)

    @router.get("/x")
    @guard.allow(Public())
    def endpoint(request: Request) -> None:
        seen.append(request.method)

    app.include_router(router)
    assert statuses(app, "/x", None) == [200]
    assert isinstance(ask(app, "/x", headers={"x-method": "1"}).error, UnguardedEndpointError)
    assert seen == ["GET"]


def test_sockets_are_compared_as_well() -> None:
    app, guard = closed()
    seen = Seen()

    async def changing(websocket: WebSocket) -> None:
        websocket.scope["path_params"] = lowered(websocket.path_params)

    @app.websocket("/live/{user}", dependencies=[Depends(changing)])
    @guard.allow(OWNER)
    async def live(websocket: WebSocket, user: str) -> None:
        seen.append(user)
        await websocket.accept()

    with pytest.raises(UnguardedEndpointError):
        dial(app, "/live/ADA", "ADA")
    assert seen == []
    dial(app, "/live/ada", "ada")
    assert seen == ["ada"]


def test_nothing_is_compared_where_nothing_can_change() -> None:
    app, guard = closed()

    def plain(q: int = 1) -> int:
        return q

    @app.get("/x", dependencies=[Depends(plain), guard.allow(STAFF)])
    def endpoint(request: Request) -> None: ...

    start(app)
    (route,) = (route for route in app.routes if isinstance(route, APIRoute))
    assert len(route.dependant.dependencies) == 2


def test_reading_a_route_again_adds_no_second_comparison_and_a_bare_application_serves_as_before() -> None:
    router = APIRouter(dependencies=[Depends(replacing)])
    router.add_api_route("/orders/{user}", lambda user: user)
    route: Any = router.routes[0]
    for _ in range(2):
        app, _ = closed()
        app.router.routes.append(route)
        start(app)
        assert statuses(app, "/orders/ada", None, "staff") == [401, 200]
    assert len(route.dependant.dependencies) == 2
    bare = FastAPI()
    bare.router.routes.append(route)
    assert ask(bare, "/orders/ADA").json == "ada"
    assert "/orders/{user}" in bare.openapi()["paths"]


@pytest.mark.parametrize("change", CHANGES)
def test_the_documentation_is_the_same(change: str) -> None:
    bare, router = FastAPI(), APIRouter(**CHANGES[change])
    router.add_api_route("/orders/{user}", lambda user: user, name="orders")
    bare.include_router(router)
    app, _ = closed(Public())
    app.include_router(router)
    start(app)
    assert app.openapi()["paths"] == bare.openapi()["paths"]
