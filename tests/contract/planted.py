"""An application behind headers that only what stands before it may write; ``KEYS_AT`` says where keys are."""

from __future__ import annotations

import os
from typing import Any

from starlette.responses import PlainTextResponse

import callerid.asgi
import callerid.wsgi
from callerid import (
    AnyApp,
    Domain,
    FirebaseUser,
    Guard,
    Nobody,
    Public,
    ServiceAccount,
    Via,
    app_check,
    cloud_run,
    firebase,
    gateway,
    iap,
)

__all__ = ["BACKEND", "BEHIND", "GATEWAY", "PROJECT_NUMBER", "ROBOT", "URL", "asgi", "wsgi"]

URL, ROBOT, PROJECT_NUMBER = "https://orders.example.com", "robot@shop-prod.iam.gserviceaccount.com", "123456789012"
BEHIND, GATEWAY = f"{URL}/behind", "gateway@shop-prod.iam.gserviceaccount.com"
BACKEND = "/projects/123456789012/global/backendServices/1234567890123456789"
ROUTES = {
    "/__up": Public(),  # what is asked of a server that begins
    "/carried": FirebaseUser() & Via(ServiceAccount(ROBOT)),
    "/signed-in": Domain("example.com"),
    "/attested": AnyApp(),
    "/forwarded": FirebaseUser() & Via(ServiceAccount(GATEWAY)),
}


def _guard() -> Guard:
    google, users, proxy, apps = os.environ["KEYS_AT"].split()
    return Guard(
        cloud_run(URL, probes=ROUTES, insist=True, keys=google),
        firebase("shop-prod", keys=users),
        iap(BACKEND, keys=proxy),
        app_check(PROJECT_NUMBER, keys=apps),
        gateway(GATEWAY, firebase("shop-prod", keys=users), audience=BEHIND, keys=google),
    )


def asgi() -> Any:
    return callerid.asgi.CallerMiddleware(PlainTextResponse("in"), guard=_guard(), default=Nobody(), routes=ROUTES)


def wsgi() -> Any:
    def app(_: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"in"]

    return callerid.wsgi.CallerMiddleware(app, guard=_guard(), default=Nobody(), routes=ROUTES)
