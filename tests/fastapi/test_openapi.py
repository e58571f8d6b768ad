"""The OpenAPI document says what is enforced: the scheme, 401 and 403 where a caller is needed, nothing elsewhere."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, Security
from fastapi.responses import PlainTextResponse
from fastapi.security import APIKeyHeader

from callerid import (
    AnyApp,
    App,
    Caller,
    FirebaseUser,
    Identity,
    IssuedBy,
    Public,
    app_check,
    custom_credential,
    firebase,
)
from callerid.fastapi import Guard
from tests.fixtures import OTHERS, STAFF

from .world import ask, closed, new_guard, start

NEEDED: list[dict[str, list[str]]] = [{"callerid": []}]


@pytest.fixture
def app() -> FastAPI:
    app, guard = closed()
    router = APIRouter(dependencies=[guard.allow(STAFF)])
    router.add_api_route("/by-router", lambda: None)
    app.include_router(router, prefix="/in")
    app.include_router(router, prefix="/in-again", dependencies=[guard.allow("user:ada@example.com")])

    @app.get("/by-parameter")
    def by_parameter(caller: Annotated[Caller, guard.allow(STAFF)]) -> None: ...

    @app.get("/by-decorator/{number:int}")
    @guard.allow(STAFF)
    def by_decorator(number: int) -> None: ...

    @app.get("/by-default")
    def by_default() -> None: ...

    @app.get("/optional")
    def optional(caller: Annotated[Caller | None, guard.allow(Public() | STAFF)]) -> None: ...

    @app.get("/public-by-decorator")
    @guard.allow(Public())
    def public_by_decorator() -> None: ...

    @app.get("/public-by-dependency", dependencies=[guard.allow(Public())])
    def public_by_dependency() -> None: ...

    @app.post("/by-parameter")
    @guard.allow(Public())
    def other_method() -> None: ...

    return app


GUARDED = [
    "/in/by-router",
    "/in-again/by-router",
    "/by-parameter",
    "/by-decorator/{number}",
    "/by-default",
    "/optional",
]
PUBLIC = [("/public-by-decorator", "get"), ("/public-by-dependency", "get"), ("/by-parameter", "post")]


@pytest.mark.parametrize("path", GUARDED)
def test_guarded_operations_show_the_scheme_and_the_refusals(app: FastAPI, path: str) -> None:
    operation = app.openapi()["paths"][path]["get"]
    assert operation["security"] == ([{}, *NEEDED] if path == "/optional" else NEEDED)
    for status in ("401", "403"):
        assert "application/problem+json" in operation["responses"][status]["content"]


@pytest.mark.parametrize(("path", "method"), PUBLIC)
def test_public_operations_show_nothing(app: FastAPI, path: str, method: str) -> None:
    operation = app.openapi()["paths"][path][method]
    assert "security" not in operation
    assert not {"401", "403"} & set(operation["responses"])


def test_the_scheme_is_described_once(app: FastAPI) -> None:
    (scheme,) = app.openapi()["components"]["securitySchemes"].items()
    assert scheme[0] == "callerid"
    assert (scheme[1]["type"], scheme[1]["scheme"]) == ("http", "bearer")


def test_the_scheme_is_there_even_if_only_the_default_asks_for_it() -> None:
    app, _ = closed()
    app.add_api_route("/x", lambda: None)
    document = app.openapi()
    assert document["paths"]["/x"]["get"]["security"] == NEEDED
    assert document["components"]["securitySchemes"]["callerid"]["scheme"] == "bearer"


def test_an_open_application_has_no_scheme() -> None:
    app, _ = closed(Public())
    app.add_api_route("/x", lambda: None)
    document = app.openapi()
    assert "securitySchemes" not in document.get("components", {})
    assert set(document["paths"]["/x"]["get"]["responses"]) == {"200"}


def test_a_caller_parameter_is_no_parameter_of_the_operation(app: FastAPI) -> None:
    assert "parameters" not in app.openapi()["paths"]["/by-parameter"]["get"]


def test_the_cached_document_stays_as_it_is(app: FastAPI) -> None:
    first = app.openapi()
    again = app.openapi()
    assert again is first
    assert again["paths"]["/by-parameter"]["get"]["security"] == NEEDED
    start(app)
    assert ask(app, "/openapi.json", "staff").json["paths"]["/optional"]["get"]["security"] == [{}, *NEEDED]


def test_a_custom_openapi_is_completed() -> None:
    guard = new_guard()
    app = FastAPI()
    app.add_api_route("/x", lambda: None)
    original = app.openapi

    def custom() -> dict[str, Any]:
        return {**original(), "x-custom": True}

    app.openapi = custom  # type: ignore[method-assign]
    guard.protect(app, default=STAFF)
    document = app.openapi()
    assert document["x-custom"] is True
    assert document["paths"]["/x"]["get"]["security"] == NEEDED


def test_a_custom_openapi_without_paths_is_left_alone() -> None:
    app = FastAPI()
    app.add_api_route("/x", lambda: None)
    app.openapi = lambda: {"openapi": "3.1.0"}  # type: ignore[method-assign]
    new_guard().protect(app, default=STAFF)
    assert app.openapi() == {"openapi": "3.1.0"}


def test_responses_and_schemes_of_the_applications_own_stay() -> None:
    app, guard = closed()

    @app.get("/x", responses={401: {"description": "mine"}}, dependencies=[guard.allow(STAFF)])
    def endpoint(key: Annotated[str, Security(APIKeyHeader(name="x-key"))]) -> None: ...

    @app.get("/z")
    @guard.allow(Public())
    def keyed(key: Annotated[str, Security(APIKeyHeader(name="x-key"))]) -> None: ...

    document = app.openapi()
    assert document["paths"]["/x"]["get"]["responses"]["401"]["description"] == "mine"
    assert document["paths"]["/z"]["get"]["security"] == [{"APIKeyHeader": []}]


def test_plain_routes_hidden_operations_and_mounts_do_not_appear() -> None:
    app, _guard = closed()
    app.add_api_route("/hidden", lambda: None, include_in_schema=False)
    app.add_route("/plain", lambda _: PlainTextResponse("plain"))
    sub = FastAPI()
    sub.add_api_route("/y", lambda: None)
    app.mount("/sub", sub)
    assert app.openapi()["paths"] == {}


def test_a_mounted_applications_own_document_tells_its_own_rules() -> None:
    app, guard = closed()
    sub = FastAPI()
    guard.protect(sub, default=OTHERS)
    sub.add_api_route("/y", guard.allow(Public())(lambda: None))
    sub.add_api_route("/z", lambda: None)
    app.mount("/sub", sub)
    paths = sub.openapi()["paths"]
    assert "security" not in paths["/y"]["get"]
    assert paths["/z"]["get"]["security"] == NEEDED


@pytest.mark.parametrize("included", [False, True])
def test_of_two_routes_with_one_path_the_one_that_serves_is_described(included: bool) -> None:
    app, guard = closed()
    router = APIRouter()
    router.add_api_route("/x", guard.allow(STAFF)(lambda: "first"), name="first")
    router.add_api_route("/x", guard.allow(Public())(lambda: "second"), name="second")
    app.include_router(router) if included else app.router.routes.extend(router.routes)
    assert ask(app, "/x", "staff").json == "first"
    assert app.openapi()["paths"]["/x"]["get"]["security"] == NEEDED


def test_an_operation_whose_rule_is_impossible_is_left_as_it_is() -> None:
    app, guard = closed()
    app.add_api_route("/x", lambda: None, dependencies=[guard.allow(STAFF), guard.allow(OTHERS)])
    assert "401" not in app.openapi()["paths"]["/x"]["get"]["responses"]


def test_operations_for_apps_show_their_header_beside_the_scheme() -> None:
    guard = Guard(firebase("shop-prod"), app_check(1234))
    app = FastAPI()

    @app.get("/app")
    def in_app(caller: Annotated[Caller | None, guard.allow(AnyApp())]) -> None: ...

    @app.get("/user")
    def user(caller: Annotated[Caller, guard.allow(FirebaseUser() & App("1:1234:web:abcd"))]) -> None: ...

    @app.get("/either")
    def either(caller: Annotated[Caller | None, guard.allow(FirebaseUser() | AnyApp())]) -> None: ...

    guard.protect(app, default=FirebaseUser())
    document = app.openapi()
    security = {path: operations["get"]["security"] for path, operations in document["paths"].items()}
    assert security == {
        "/app": [{"app-check": []}, {"callerid": [], "app-check": []}],
        "/user": [{"callerid": [], "app-check": []}],
        "/either": [{}, {"callerid": []}],
    }
    scheme = {"type": "apiKey", "in": "header", "name": "x-firebase-appcheck"}
    assert document["components"]["securitySchemes"]["app-check"] == scheme


def test_keys_of_the_application_s_own_are_described_where_they_are_sent() -> None:
    def known(text: str) -> Identity | None:
        return None

    guard = Guard(
        custom_credential("header", header="X-Api-Key", verify=known),
        custom_credential("scheme", scheme="ShopKey", verify=known),
        custom_credential("cookie", cookie="sid", verify=known),
        custom_credential("bearer", scheme="Bearer", verify=known),
    )
    app = FastAPI()
    app.get("/")(guard.allow(IssuedBy("header"))(lambda: None))
    guard.protect(app, default=IssuedBy("scheme"))
    start(app)
    assert app.openapi()["components"]["securitySchemes"] == {
        "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        "authorization-ShopKey": {"type": "http", "scheme": "ShopKey"},
        "cookie-sid": {"type": "apiKey", "in": "cookie", "name": "sid"},
        "callerid": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }
