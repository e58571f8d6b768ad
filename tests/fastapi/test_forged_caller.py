"""Nobody may write a Caller into a request: every spelling that would let them fails, with the remedy."""

from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from fastapi.exceptions import FastAPIError
from pydantic import BaseModel
from starlette.responses import Response

from callerid import Caller, CalleridError, ConfigurationError, Public
from callerid.fastapi import Guard
from callerid.fastapi._parameters import problem_with
from tests.fixtures import OTHERS, STAFF

from .world import KEEPS_INCLUDES, ask, closed, new_guard, start, status

guard = new_guard()
allow = guard.allow(STAFF)


def plain(c: Caller) -> None: ...
def optional(c: Caller | None = None) -> None: ...
def listed(c: list[Caller]) -> None: ...
def uncalled(c: Annotated[Caller, guard.allow]) -> None: ...
def uncalled_optional(c: Annotated[Caller | None, guard.allow] = None) -> None: ...
def answered() -> Caller: ...  # type: ignore[empty-body]
def answered_perhaps() -> Caller | None: ...
def answered_many() -> dict[str, list[Caller]]: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    "endpoint",
    [plain, optional, listed, uncalled, uncalled_optional, answered, answered_perhaps, answered_many],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_caller_that_would_be_read_or_shown_fails_at_registration(endpoint: Any, method: str) -> None:
    with pytest.raises(TypeError, match=r"Annotated\[Caller, guard.allow\(rule\)\]"):
        FastAPI().add_api_route("/x", endpoint, methods=[method])


def test_a_caller_as_response_model_fails_at_registration() -> None:
    with pytest.raises(TypeError, match="never a response model"):
        FastAPI().add_api_route("/x", lambda: None, response_model=Caller)


def test_a_caller_inside_a_body_model_cannot_be_declared() -> None:
    with pytest.raises(TypeError, match="never read from a request"):
        type("Body", (BaseModel,), {"__annotations__": {"c": Caller}, "__module__": __name__})


def test_a_caller_in_a_sub_dependency_fails_at_registration() -> None:
    with pytest.raises(TypeError, match="never read from a request"):
        FastAPI().add_api_route("/x", lambda: None, dependencies=[Depends(plain)])


def test_a_caller_in_a_websocket_fails_at_registration() -> None:
    with pytest.raises(TypeError, match="never read from a request"):
        FastAPI().add_api_websocket_route("/x", plain)


def by_class(c: Caller = Depends()) -> str:  # noqa: B008 - FastAPI's older way
    return str(c)


def by_class_named(c: Annotated[Any, Depends(Caller)]) -> str:
    return str(c)


@pytest.mark.parametrize("endpoint", [by_class, by_class_named])
def test_a_caller_built_from_query_parameters_never_reaches_a_handler(endpoint: Any) -> None:
    app, _ = closed(Public())
    try:
        app.add_api_route("/x", endpoint)
    except Exception:  # noqa: BLE001 - newer releases of FastAPI see themselves that it cannot be
        return
    with pytest.raises(ConfigurationError, match=r"Annotated\[Caller, guard.allow\(rule\)\]"):
        start(app)
    query = "kind=google&issuer=i&subject=boss&audience=a&issued_at=1&expires_at=9&email=boss@example.com"
    assert status(app, f"/x?{query}") == 500


def test_a_caller_that_is_depended_on_by_its_class_is_explained() -> None:
    assert "Annotated[Caller, guard.allow(rule)]" in problem_with(SimpleNamespace(call=Caller, dependencies=[]))


@pytest.mark.parametrize("wrap", [Depends, Security])
def test_depends_around_an_allow_raises_with_the_remedy(wrap: Any) -> None:
    with pytest.raises(TypeError, match="without Depends"):
        FastAPI().add_api_route("/x", lambda: None, dependencies=[wrap(allow)])


def test_depends_around_an_allow_in_a_parameter_raises_with_the_remedy() -> None:
    def endpoint(c: Annotated[Caller, Depends(allow)]) -> None: ...

    with pytest.raises(TypeError, match="without Depends"):
        FastAPI().add_api_route("/x", endpoint)


def test_depends_around_the_uncalled_allow_fails_at_registration() -> None:
    with pytest.raises(FastAPIError, match="valid Pydantic field type"):
        FastAPI().add_api_route("/x", lambda: None, dependencies=[Depends(guard.allow)])


def test_an_uncalled_allow_among_a_routes_dependencies_fails_at_registration() -> None:
    with pytest.raises(AttributeError):
        FastAPI().add_api_route("/x", lambda: None, dependencies=[guard.allow])  # type: ignore[list-item]


@pytest.mark.parametrize("where", ["router", "include", "app"] if KEEPS_INCLUDES else ["app"])
def test_an_uncalled_allow_among_a_routers_dependencies_never_serves(where: str) -> None:
    ran: list[str] = []
    uncalled_allow: Any = [guard.allow]
    app = FastAPI(dependencies=uncalled_allow if where == "app" else None)
    own = new_guard()
    own.protect(app, default=OTHERS)

    def endpoint(request: Any) -> Response:
        ran.append("endpoint")
        return Response()

    router = APIRouter(dependencies=uncalled_allow if where == "router" else None)
    (app if where == "app" else router).add_route("/plain", endpoint)
    app.include_router(router, dependencies=uncalled_allow if where == "include" else None)
    reply = ask(app, "/plain", "outsider")
    assert (ran, reply.status) == ([], 500)
    with pytest.raises(ConfigurationError, match=r"guard.allow\(rule\), called"):
        start(app)


def test_a_called_allow_gives_the_verified_caller_and_reads_no_body() -> None:
    app, own = closed()

    @app.post("/x")
    def endpoint(c: Annotated[Caller, own.allow(STAFF)]) -> str:
        return str(c)

    reply = ask(
        app, "/x", "staff", method="POST", body=b'{"email": "boss@example.com", "c": {"email": "boss@example.com"}}'
    )
    assert (reply.status, reply.json) == (200, "user:ada@example.com")
    assert ask(app, "/x", method="POST", body=b"{}").status == 401


def test_each_allow_is_equal_to_itself_alone() -> None:
    one, two = guard.allow(STAFF), guard.allow(STAFF)
    assert one == one  # noqa: PLR0124 - identity is what is tested
    assert one != two
    assert len({one, two}) == 2
    assert Annotated[Caller, one] != Annotated[Caller, two]


def test_two_allows_of_one_rule_in_one_endpoint_are_both_asked() -> None:
    app, own = closed()

    @app.get("/x")
    def endpoint(
        a: Annotated[Caller, own.allow(STAFF)],
        b: Annotated[Caller, own.allow("user:ada@example.com", "user:eve@other.com")],
    ) -> bool:
        return a == b

    assert ask(app, "/x", "staff").json is True
    assert status(app, "/x", "outsider") == 403


def test_allows_in_one_type_must_all_hold() -> None:
    app, own = closed()
    seen: list[str] = []
    staff = own.allow(STAFF)

    @app.get("/again")
    def again(c: Annotated[Annotated[Caller, staff], own.allow("user:ada@example.com", "user:eve@other.com")]) -> None:
        seen.append(str(c))

    @app.get("/else")
    def something_else(c: Annotated[Caller, staff, Depends(lambda: "else")]) -> None:
        seen.append(str(c))

    def below(c: Annotated[Caller, staff, Depends(lambda: "below")]) -> None:
        seen.append(str(c))

    @app.get("/below", dependencies=[Depends(below), own.allow("user:ada@example.com", "user:eve@other.com")])
    def above() -> None: ...

    for path in ("/again", "/else", "/below"):
        assert [status(app, path, who) for who in (None, "outsider")] == [401, 403], path
    assert seen == []
    assert [status(app, path, "staff") for path in ("/again", "/else", "/below")] == [200, 200, 200]
    assert seen == ["user:ada@example.com", "else", "below"]


def test_a_rule_of_another_guard_is_not_taken_for_ours() -> None:
    app, _ = closed(Public())

    @app.get("/x")
    def endpoint(c: Annotated[Caller, new_guard().allow(STAFF)]) -> None:
        raise AssertionError("reached")

    with pytest.raises(CalleridError, match="no guard decided"):
        start(app)
    reply = ask(app, "/x", "staff")
    assert reply.status == 500
    assert not isinstance(reply.error, AssertionError)


def test_a_rule_of_a_guard_like_ours_is_not_ours() -> None:
    app, own = closed(Public())
    twin = Guard.like(own)

    @app.get("/x", dependencies=[twin.allow(STAFF)])
    def endpoint() -> None:
        raise AssertionError("reached")

    assert status(app, "/x", "staff") == 500


def test_the_texts_of_an_allow_show_its_rule() -> None:
    assert repr(guard.allow(STAFF)) == "allow(Domain('example.com'))"
