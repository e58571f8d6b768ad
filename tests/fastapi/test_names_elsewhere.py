"""A parameter of a mount's path that FastAPI reads from elsewhere, as it does what is not in a route's own path."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Cookie, Depends, FastAPI, Form, Header, Path, Query
from pydantic import BaseModel

from callerid import ConfigurationError, FirebaseUser, PathParam
from tests.fixtures import STAFF

from .world import ask, new_guard, start, statuses

guard = new_guard()
OWNER = FirebaseUser(PathParam("user_id"))


def not_at_all() -> None: ...


def by_query(user_id: str) -> str:
    return user_id


def by_header(user_id: Annotated[str, Header()]) -> str:
    return user_id


def by_cookie(user_id: Annotated[str, Cookie()]) -> str:
    return user_id


def by_body(user_id: Annotated[str, Body()]) -> str:
    return user_id


def by_form(user_id: Annotated[str, Form()]) -> str:
    return user_id


def by_alias(other: Annotated[str, Query(alias="user_id")]) -> str:
    return other


class Filter(BaseModel):
    user_id: str


def by_query_model(filtered: Annotated[Filter, Query()]) -> str:
    return filtered.user_id


def by_dependency(orders: Annotated[str, Depends(by_query)]) -> str:
    return orders


def by_sub_dependency(user_id: Annotated[str, Path()], orders: Annotated[str, Depends(by_dependency)]) -> str:
    return orders


ELSEWHERE = [
    (by_query, "query"),
    (by_header, "header"),
    (by_cookie, "cookie"),
    (by_body, "body"),
    (by_form, "body"),
    (by_alias, "query"),
    (by_query_model, "query"),
    (by_dependency, "query"),
    (by_sub_dependency, "query"),
]


@pytest.mark.parametrize(("endpoint", "where"), ELSEWHERE)
@pytest.mark.parametrize("ruled", ["mount", "route", "router"])
def test_a_parameter_of_a_mount_that_the_endpoint_reads_from_elsewhere_is_a_start_up_error(
    ruled: str, endpoint: Any, where: str
) -> None:
    app, sub, router = FastAPI(), FastAPI(), APIRouter()
    guard.protect(app, default=STAFF)
    router.add_api_route("/orders", guard.allow(OWNER)(endpoint) if ruled == "route" else endpoint, methods=["POST"])
    sub.include_router(router, dependencies=[guard.allow(OWNER)] if ruled == "router" else [])
    app.mount("/users/{user_id}", guard.allow(OWNER)(sub) if ruled == "mount" else sub)
    with pytest.raises(ConfigurationError, match=f"the endpoint reads 'user_id' from the {where}") as caught:
        start(app)
    assert str(caught.value).startswith("/users/{user_id}/orders: ")
    assert "declare it as Annotated[str, Path()]" in str(caught.value)
    assert statuses(app, "/users/u1/orders?user_id=u2", "u1", "u2", method="POST") == [500, 500]


def with_both(user_id: Annotated[str, Path()], other: Annotated[str, Query(alias="user_id")]) -> str:
    return f"{user_id} {other}"


def by_body_model(order: Filter) -> str:
    return order.user_id


@pytest.mark.parametrize("endpoint", [with_both, by_body_model, not_at_all])
def test_a_name_that_is_read_from_the_path_or_is_a_field_of_a_body_may_be_used_again(endpoint: Any) -> None:
    app, sub = FastAPI(), FastAPI()
    guard.protect(app, default=STAFF)
    sub.add_api_route("/orders", endpoint, methods=["POST"])
    app.mount("/users/{user_id}", guard.allow(OWNER)(sub))
    start(app)
    body = b'{"user_id": "u2"}' if endpoint is by_body_model else b""
    reply = ask(app, "/users/u1/orders?user_id=u2", "u1", method="POST", body=body)
    assert (reply.status, reply.json) == (200, {with_both: "u1 u2", by_body_model: "u2", not_at_all: None}[endpoint])
    assert statuses(app, "/users/u1/orders?user_id=u2", "u2", method="POST", body=body) == [403]


def test_a_query_of_the_name_is_fine_in_the_routes_own_path_and_where_no_rule_compares_it() -> None:
    app, sub = FastAPI(), FastAPI()
    guard.protect(app, default=STAFF)
    app.add_api_route("/own/{user_id}", guard.allow(OWNER)(by_alias))
    sub.add_api_route("/orders", by_query)
    app.mount("/users/{user_id}", sub)
    start(app)
    assert ask(app, "/own/u1?user_id=u2", "u1").json == "u2"
    assert ask(app, "/users/u1/orders?user_id=u2", "staff").json == "u2"
