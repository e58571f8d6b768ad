"""Who calls what in the demo, and what must come of it.

`EXPECTED` is written by hand and knows nothing of the rules: the demo fails where the two differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callerid.testing import LocalIssuer

__all__ = [
    "CALLERS",
    "EXPECTED",
    "EXPECTED_OF_FLASK",
    "INVALID",
    "ROUTES",
    "DemoRoute",
    "Outcome",
    "credential",
    "expected",
    "routes_of",
]

PROJECT = "shop-prod"
SERVICE = "https://orders.example.com"
TASKS = f"{SERVICE}/tasks"
SCHEDULER = "scheduler@shop-prod.iam.gserviceaccount.com"


@dataclass(frozen=True, slots=True)
class DemoRoute:
    """One call to make: ``audience`` is what services mint their tokens for, ``rightful`` a caller who may.

    The method ``WS`` is the opening handshake of a WebSocket.
    """

    method: str
    path: str
    rightful: str = "staff"
    audience: str = SERVICE
    body: bytes = b""
    content_type: str = "application/json"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: the HTTP status, and the reason of a refusal."""

    status: int
    reason: str = ""

    @property
    def is_refusal(self) -> bool:
        """Whether the guard refused. What is not found or not allowed as a method was let in."""
        return self.reason != ""

    def __str__(self) -> str:
        return f"{self.status} {self.reason}".rstrip()


_UPLOAD = (
    b'--demo\r\nContent-Disposition: form-data; name="file"; filename="catalogue.csv"\r\n\r\n'
    b"kite,9.50\n\r\n--demo--\r\n"
)

ROUTES = (
    DemoRoute("GET", "/health"),
    DemoRoute("GET", "/products", "ada"),
    DemoRoute("PUT", "/products/kite", "boss", body=b'{"euros": "9.50"}'),
    DemoRoute("GET", "/users/ada/orders", "ada"),
    DemoRoute("POST", "/users/ada/orders", "ada", body=b'{"article": "kite"}'),
    DemoRoute("GET", "/users/guest/basket", "guest"),
    DemoRoute("GET", "/reports/daily"),
    DemoRoute("WS", "/reports/live"),
    DemoRoute("POST", "/catalogue", body=_UPLOAD, content_type="multipart/form-data; boundary=demo"),
    DemoRoute("POST", "/tasks/reindex", "scheduler", TASKS),
    DemoRoute("GET", "/admin/settings", "boss"),
    DemoRoute("GET", "/admin/nowhere", "boss"),
    DemoRoute("GET", "/docs"),
    DemoRoute("GET", "/nowhere"),
    DemoRoute("DELETE", "/health"),
)

CALLERS: Mapping[str, str] = MappingProxyType(
    {
        "stranger": "sends no credential",
        "staff": "sam@example.com, signed in with the shop's Google Workspace",
        "boss": "grace@example.com, of the same Workspace; keeps the catalogue",
        "outsider": "eve@example.org, signed in at the same website, of another Workspace",
        "robot": "a service account of anybody's project; Google signs it a token for any audience, this one too",
        "scheduler": "the shop's own service account; Google's client library fetches its tokens",
        "ada": "Firebase user ada",
        "ben": "Firebase user ben",
        "guest": "Firebase user guest, anonymous",
    }
)

INVALID: Mapping[str, str] = MappingProxyType(
    {
        "expired": "a token of somebody who may, expired an hour ago",
        "forged": "the same claims and key id, signed by a key that is not Google's",
        "audience": "the same, minted for another audience (for the task: for the whole service)",
        "unsigned": "the same claims with alg: none",
        "neighbour": "Firebase user ada of another project, signed by the same keys of Google's",
    }
)

EXPECTED = """
                         stranger  staff  boss  outsider  robot  scheduler  ada  ben  guest
GET /health                   200    200   200       200    200        200  200  200    200
GET /products                 200    200   200       200    200        200  200  200    200
PUT /products/kite            401    403   200       403    403        403  403  403    403
GET /users/ada/orders         401    403   403       403    403        403  200  403    403
POST /users/ada/orders        401    403   403       403    403        403  201  403    403
GET /users/guest/basket       401    403   403       403    403        403  403  403    200
GET /reports/daily            401    200   200       403    403        403  403  403    403
WS /reports/live              401    101   101       403    403        403  403  403    403
POST /catalogue               401    200   200       403    403        403  403  403    403
POST /tasks/reindex           401    401   401       401    403        204  403  403    403
GET /admin/settings           401    403   200       403    403        403  403  403    403
GET /admin/nowhere            401    403   404       403    403        403  403  403    403
GET /docs                     401    200   200       403    403        403  403  403    403
GET /nowhere                  401    404   404       403    403        403  403  403    403
DELETE /health                401    405   405       403    403        403  403  403    403
"""
"""The status of every call, by hand; invalid tokens get 401 wherever a token is read, which is all but /health."""

EXPECTED_OF_FLASK = """
                         stranger  staff  boss  outsider  robot  scheduler  ada  ben  guest
GET /reports/live             401    200   200       403    403        403  403  403    403
GET /admin/nowhere            401    404   404       403    403        403  403  403    403
"""
"""What differs there: an event stream takes the WebSocket's place, and an unknown path is in no blueprint."""

# Why a caller gets 401, where they get it. People cannot have a token for a URL, so none of theirs fits the task.
_UNKNOWN = {
    "stranger": "no_credential",
    "staff": "wrong_audience",
    "boss": "wrong_audience",
    "outsider": "wrong_audience",
    "expired": "expired",
    "forged": "bad_signature",
    "audience": "wrong_audience",
    "unsigned": "unsigned",
    "neighbour": "unknown_issuer",
}


def routes_of(app: str) -> tuple[DemoRoute, ...]:
    """The calls to make to an example: ``fastapi`` or ``flask``, which has no WebSockets and needs no roles."""
    if app != "flask":
        return ROUTES
    plain = {"WS": "GET"}
    return tuple(
        replace(route, method=plain.get(route.method, route.method)) for route in ROUTES if route.method != "PUT"
    )


def expected(app: str = "fastapi") -> dict[tuple[str, str], Outcome]:
    """What must come of each call, by route and caller."""
    found = _read(EXPECTED) | (_read(EXPECTED_OF_FLASK) if app == "flask" else {})
    calls = {str(route) for route in routes_of(app)}
    found |= {(call, how): _outcome(how, 200 if call == "GET /health" else 401) for call in calls for how in INVALID}
    return {(call, caller): outcome for (call, caller), outcome in found.items() if call in calls}


def _read(table: str) -> dict[tuple[str, str], Outcome]:
    header, *lines = (line.split() for line in table.strip().splitlines())
    return {
        (f"{method} {path}", caller): _outcome(caller, int(status))
        for method, path, *statuses in lines
        for caller, status in zip(header, statuses, strict=True)
    }


def _outcome(caller: str, status: int) -> Outcome:
    return Outcome(status, {401: _UNKNOWN.get(caller, ""), 403: "not_allowed"}.get(status, ""))


def credential(issuer: LocalIssuer, caller: str, route: DemoRoute, fetch: Callable[[str, str], str]) -> str | None:
    """The token that a caller sends to a route.

    ``fetch(email, audience)`` gets a service account's token as that account would.
    """
    if caller in INVALID:
        return _invalid(issuer, caller, credential(issuer, route.rightful, route, fetch) or "", route)
    people = {"staff": "sam@example.com", "boss": "grace@example.com", "outsider": "eve@example.org"}
    match caller:
        case "stranger":
            return None
        case "staff" | "boss" | "outsider":
            return issuer.workspace_person(people[caller])
        case "robot":
            return issuer.service_account("robot@anybody.iam.gserviceaccount.com", audience=route.audience)
        case "scheduler":
            return fetch(SCHEDULER, route.audience)
        case "guest":
            return issuer.firebase_user("guest", project=PROJECT, provider="anonymous")
        case _:
            return issuer.firebase_user(caller, project=PROJECT, email=f"{caller}@example.net")


def _invalid(issuer: LocalIssuer, how: str, token: str, route: DemoRoute) -> str:
    match how:
        case "audience":
            return issuer.wrong_audience(token, SERVICE if route.audience == TASKS else "https://elsewhere.example.net")
        case "neighbour":
            return issuer.firebase_user("ada", project="shop-next-door")
        case _:  # expired, forged, unsigned
            return {"expired": issuer.expired, "forged": issuer.forged, "unsigned": issuer.unsigned}[how](token)
