"""What may look at the path of a request is asked about each request's own, however it is joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from callerid import Nobody, PathParam, Rule, ServiceAccount, Via, Where
from callerid.callers import Caller
from callerid.rules import Facts
from callerid.starlette import Guard
from callerid.testing import LocalIssuer

ISSUER = LocalIssuer()
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
URL = "https://orders.example.com"


@dataclass(frozen=True)
class Named(Rule):
    """A rule of one's own that looks at the path."""

    def admits(self, facts: Facts) -> bool:
        return facts.path.get("name") == "ada"


class Tolerant(ServiceAccount):
    """A rule of one's own that is one of the library's, and more."""

    def admits(self, facts: Facts) -> bool:
        return facts.path.get("name") == "ada"


def named(caller: Caller, path: Mapping[str, Any]) -> bool:
    return bool(path["name"] == "ada")


ASKED = {
    "path parameter": ServiceAccount(PathParam("account")),
    "code about the path": Where("named ada", named),
    "rule of one's own": Named(),
    "subclass of a rule of the library": Tolerant(ROBOT),
}


def answers(rule: Rule, headers: dict[str, str]) -> list[int]:
    async def shown(_: Request) -> PlainTextResponse:
        return PlainTextResponse("shown")

    guard = Guard(ISSUER.google(URL))
    app = Starlette(routes=[Route("/{name}/{account}", guard.allow(rule)(shown))])
    guard.protect(app, default=Nobody())
    client = TestClient(app)
    paths = ("/ada/123", "/eve/456", "/ada/123")
    return [client.get(path, headers=headers).status_code for path in paths]


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("joined", ["alone", "and", "or", "via"])
def test_a_rule_is_asked_about_the_path_of_each_request(asked: str, joined: str) -> None:
    token = ISSUER.service_account(ROBOT, audience=URL, subject="123")
    rule = ASKED[asked]
    headers = ISSUER.bearer(token)
    if joined == "and":
        rule = ServiceAccount(ROBOT) & rule
    elif joined == "or":
        rule = ServiceAccount("other@shop-prod.iam.gserviceaccount.com") | rule
    elif joined == "via":
        rule = ServiceAccount(ROBOT) & Via(rule)
        headers = {**headers, "X-Serverless-Authorization": headers["Authorization"]}
    assert answers(rule, headers) == [200, 403, 200]
