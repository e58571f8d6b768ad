"""``PathParam``: whoever the path names and nobody else, by the value the endpoint gets."""

import uuid
from enum import Enum
from typing import Annotated, Any, Literal, NewType

import pytest
from fastapi import APIRouter, Depends, FastAPI, Path, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, StringConstraints
from pydantic_core import CoreSchema, core_schema

from callerid import Caller, ConfigurationError, FirebaseUser, PathParam, Public, User
from callerid.fastapi import Guard
from tests.fixtures import CLIENT, STAFF, URL, issuer

from .world import ask, closed, new_guard, start, status, statuses

guard = new_guard()
OWNER = FirebaseUser(PathParam("user_id"))
Owner = Annotated[Caller, guard.allow(OWNER)]


def serving(path: str, endpoint: Any, **options: Any) -> FastAPI:
    app = FastAPI()
    guard.protect(app, default=STAFF)
    app.add_api_route(path, endpoint, **options)
    return app


def by_text(user_id: str, caller: Owner) -> str:
    return user_id


def by_nothing(user_id, caller: Owner) -> Any:  # type: ignore[no-untyped-def] # noqa: ANN001
    return user_id


def by_alias(name: Annotated[str, Path(alias="user_id", min_length=1, max_length=99)], caller: Owner) -> str:
    return name


def by_pattern(user_id: Annotated[str, Path(pattern="^.*$")], caller: Owner) -> str:
    return user_id


def by_noted(user_id: Annotated[str, "as in the path", 1, Path()], caller: Owner) -> str:
    return user_id


UserId = NewType("UserId", str)


def by_new_type(user_id: UserId, caller: Owner) -> str:
    return user_id


def not_at_all(caller: Owner) -> str:
    return "u1"


@pytest.mark.parametrize(
    "endpoint",
    [by_text, by_nothing, by_alias, by_pattern, by_noted, by_new_type, not_at_all],
    ids=lambda each: each.__name__,
)
def test_text_is_compared_exactly(endpoint: Any) -> None:
    app = serving("/users/{user_id}/orders", endpoint)
    start(app)
    assert statuses(app, "/users/u1/orders", None, "staff", "u2", "U1", "u1") == [401, 403, 403, 403, 200]
    for path in (
        "/users/U1/orders",
        "/users/u1 /orders",
        "/users/ u1/orders",
        "/users/u1\x00/orders",
        "/users/*/orders",
    ):
        assert status(app, path, "u1") == 403, path
    assert status(app, "/users//orders", "u1") == 403  # no such path: the default
    assert ask(app, "/users/u1/orders", "u1").json == "u1"


def as_number(user_id: int, caller: Owner) -> int:
    return user_id


def as_bounded_number(user_id: Annotated[int, Path(ge=-(10**9), le=10**9)], caller: Owner) -> int:
    return user_id


def number_below(user_id: int) -> int:
    return user_id


def as_text_and_number(user_id: str, number: Annotated[int, Depends(number_below)], caller: Owner) -> int:
    return number


NUMBERS = [as_number, as_bounded_number, as_text_and_number]
ODD = (
    "042",
    "+42",
    " 42",
    "42 ",
    "\uff14\uff12",
    "4_2",
    "0x2a",
    "42.0",
    "4e1",
    "\u0664\u0662",
    "-0",
    "00",
    "-042",
    "--42",
    "-",
)


@pytest.mark.parametrize("endpoint", NUMBERS, ids=lambda each: each.__name__)
def test_only_canonical_decimals_name_an_account_where_the_endpoint_reads_a_number(endpoint: Any) -> None:
    app = serving("/users/{user_id}", endpoint)
    start(app)
    assert statuses(app, "/users/42", None, "43", "u1", "42") == [401, 403, 403, 200]
    assert [status(app, f"/users/{text}", text) for text in ("0", "-7", "42")] == [200, 200, 200]
    for text in ODD:
        assert status(app, f"/users/{text}", "42") == 403, text
        # Whoever is called just that is not the number which the endpoint would read.
        assert status(app, f"/users/{text}", text) == 403, text


def test_a_huge_number_is_refused_and_costs_nothing() -> None:
    app = serving("/users/{user_id}", as_number)
    assert status(app, "/users/" + "9" * 100_000, "42") == 403


def test_a_number_of_the_paths_own_converter_is_compared_as_its_text() -> None:
    app = serving("/users/{user_id:int}", as_number)
    start(app)
    assert statuses(app, "/users/42", None, "43", "42") == [401, 403, 200]
    assert ask(app, "/users/042", "42").json == 42
    assert status(app, "/users/042", "042") == 403


class Colour(Enum):
    RED = "red"


def as_uuid(user_id: uuid.UUID, caller: Owner) -> None: ...
def as_enum(user_id: Colour, caller: Owner) -> None: ...
def as_literal(user_id: Literal["u1"], caller: Owner) -> None: ...
def as_float(user_id: float, caller: Owner) -> None: ...
def as_bool(user_id: bool, caller: Owner) -> None: ...
def as_bytes(user_id: bytes, caller: Owner) -> None: ...
def as_either(user_id: int | str, caller: Owner) -> None: ...
def lowered(user_id: Annotated[str, StringConstraints(to_lower=True)], caller: Owner) -> None: ...
def stripped(user_id: Annotated[str, StringConstraints(strip_whitespace=True)], caller: Owner) -> None: ...
def after(user_id: Annotated[str, AfterValidator(str.lower)], caller: Owner) -> None: ...
def before(user_id: Annotated[str, BeforeValidator(str.strip)], caller: Owner) -> None: ...
def number_after(user_id: Annotated[int, AfterValidator(abs)], caller: Owner) -> None: ...


def noted_first(user_id: Annotated[str, "as it is kept", AfterValidator(str.lower)], caller: Owner) -> None: ...


class Lower:
    """Has no members, as those that only say no may have none."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(str.lower, handler(source))


class LowerPattern(Lower):
    """Has a member of a constraint's name."""

    def __init__(self) -> None:
        self.pattern = "^.*$"


def by_hook(user_id: Annotated[str, Lower(), Path()], caller: Owner) -> None: ...
def by_named_hook(user_id: Annotated[str, LowerPattern(), Path()], caller: Owner) -> None: ...
def by_other_alias(
    name: Annotated[str, Path(validation_alias="user_id"), AfterValidator(str.lower)], caller: Owner
) -> None: ...


class Kept(BaseModel):
    user_id: Annotated[str, AfterValidator(str.lower)]


def by_model(kept: Annotated[Kept, Path()], caller: Owner) -> None: ...


def _reads_uuid(user_id: uuid.UUID) -> uuid.UUID:
    return user_id


def in_a_dependency(user_id: str, caller: Owner, value: Annotated[uuid.UUID, Depends(_reads_uuid)]) -> None: ...


@pytest.mark.parametrize(
    "endpoint",
    [
        as_uuid,
        as_enum,
        as_literal,
        as_float,
        as_bool,
        as_bytes,
        as_either,
        lowered,
        stripped,
        after,
        before,
        number_after,
        noted_first,
        by_hook,
        by_named_hook,
        by_other_alias,
        by_model,
        in_a_dependency,
    ],
    ids=lambda each: each.__name__,
)
def test_what_the_endpoint_would_read_as_something_else_is_a_start_up_error(endpoint: Any) -> None:
    app = serving("/users/{user_id}", endpoint)
    with pytest.raises(ConfigurationError, match=r"PathParam\('user_id'\) compares text or whole numbers"):
        start(app)
    assert statuses(app, "/users/u1", None, "u1", "staff") == [500, 500, 500]


@pytest.mark.parametrize("converter", ["path", "float", "uuid"])
def test_other_converters_of_the_path_are_a_start_up_error(converter: str) -> None:
    app = serving(f"/users/{{user_id:{converter}}}", not_at_all)
    with pytest.raises(ConfigurationError, match="compares text or whole numbers"):
        start(app)
    assert status(app, "/users/1", "1") == 500


def test_other_types_are_fine_where_no_rule_compares_them() -> None:
    app = serving("/things/{thing}", as_enum_thing)
    start(app)
    assert statuses(app, "/things/red", None, "staff") == [401, 200]


def as_enum_thing(thing: Colour, caller: Annotated[Caller, guard.allow(STAFF)]) -> str:
    return thing.value


@pytest.mark.parametrize("path", ["/users", "/users/{userid}", "/users/{USER_ID}"])
def test_a_name_that_the_path_does_not_have_is_a_start_up_error(path: str) -> None:
    app = serving(path, not_at_all)
    with pytest.raises(ConfigurationError, match="has no such parameter"):
        start(app)
    assert status(app, path.replace("{", "").replace("}", "") + "?user_id=u1", "u1") == 500


def test_a_query_parameter_of_the_name_is_no_path_parameter() -> None:
    app = serving("/users", by_text)
    with pytest.raises(ConfigurationError, match="has no such parameter"):
        start(app)
    assert status(app, "/users?user_id=u1", "u1") == 500


def test_a_parameter_of_an_include_prefix_is_one_of_the_path() -> None:
    app = FastAPI()
    guard.protect(app, default=STAFF)
    router = APIRouter(dependencies=[guard.allow(OWNER)])
    router.add_api_route("/orders", not_at_all)
    app.include_router(router, prefix="/users/{user_id}")
    start(app)
    assert statuses(app, "/users/u1/orders", None, "u2", "u1") == [401, 403, 200]


def test_a_parameter_of_a_mount_prefix_is_one_of_the_path() -> None:
    app, sub = FastAPI(), FastAPI()
    guard.protect(app, default=STAFF)
    sub.add_api_route("/orders", not_at_all)
    app.mount("/users/{user_id}", sub)
    start(app)
    assert statuses(app, "/users/u1/orders", None, "u2", "u1") == [401, 403, 200]


def test_a_parameter_shadowed_by_a_mounts_is_a_start_up_error() -> None:
    app, sub = FastAPI(), FastAPI()
    guard.protect(app, default=STAFF)
    sub.add_api_route("/orders/{user_id}", by_text)
    app.mount("/users/{user_id}", sub)
    with pytest.raises(ConfigurationError, match="has it more than once"):
        start(app)
    assert statuses(app, "/users/u1/orders/u2", "u1", "u2") == [500, 500]


def by_mounts_lowered(user_id: Annotated[str, Path(), AfterValidator(str.lower)]) -> str:
    return user_id


def by_mounts_model(kept: Annotated[Kept, Path()]) -> str:
    return kept.user_id


@pytest.mark.parametrize("endpoint", [by_mounts_lowered, by_mounts_model], ids=lambda each: each.__name__)
def test_a_parameter_of_a_mount_that_the_endpoint_reads_as_something_else_serves_nobody(endpoint: Any) -> None:
    app, sub = FastAPI(), FastAPI()
    guard.protect(app, default=STAFF)
    sub.add_api_route("/orders", endpoint)
    app.mount("/users/{user_id}", guard.allow(OWNER)(sub))
    with pytest.raises(ConfigurationError, match=r"PathParam\('user_id'\)"):
        start(app)
    assert statuses(app, "/users/Ada/orders", "Ada", "ada") == [500, 500]


def test_a_parameter_of_a_mount_that_the_endpoint_reads_as_a_number_is_judged_as_one() -> None:
    app, sub = FastAPI(), FastAPI()
    guard.protect(app, default=STAFF)

    @sub.get("/orders")
    def endpoint(user_id: Annotated[int, Path()]) -> int:
        return user_id

    app.mount("/users/{user_id}", guard.allow(OWNER)(sub))
    start(app)
    assert statuses(app, "/users/42/orders", None, "43", "42") == [401, 403, 200]
    assert statuses(app, "/users/042/orders", "042", "42") == [403, 403]


def test_a_path_that_is_changed_after_the_decision_is_not_served() -> None:
    app, own = closed()
    seen: list[str] = []

    async def dependency(request: Request) -> None:
        request.scope["path_params"] = {"user_id": "u2"}

    @app.get("/users/{user_id}", dependencies=[Depends(dependency)])
    def endpoint(user_id: str, caller: Annotated[Caller, own.allow(OWNER)]) -> None:
        seen.append(user_id)

    assert statuses(app, "/users/u1", "u1", "u2") == [500, 403]
    assert seen == []


def test_a_persons_numeric_id_is_compared_by_path_as_text() -> None:
    me = Guard(issuer.google(URL, CLIENT))
    app = FastAPI()
    me.protect(app, default=Public())

    @app.get("/people/{person}")
    def endpoint(person: str, caller: Annotated[Caller, me.allow(User(PathParam("person")))]) -> str:
        return caller.subject

    start(app)
    headers = issuer.bearer(issuer.person("ada@gmail.com", subject="10769150350006150715"))
    assert status(app, "/people/10769150350006150715", headers=headers) == 200
    for other in ("010769150350006150715", "+10769150350006150715", "ada@gmail.com", "1"):
        assert status(app, f"/people/{other}", headers=headers) == 403
