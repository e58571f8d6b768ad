"""An application behind headers that only what stands before it may write; ``KEYS_AT`` says where keys are."""

from __future__ import annotations

import os
from typing import Any

from starlette.responses import PlainTextResponse

import callerid.asgi
import callerid.wsgi
from callerid import Domain, FirebaseUser, Guard, Nobody, Public, ServiceAccount, Via, cloud_run, firebase, iap

__all__ = ["BACKEND", "ROBOT", "URL", "asgi", "wsgi"]

URL, ROBOT = "https://orders.example.com", "robot@shop-prod.iam.gserviceaccount.com"
BACKEND = "/projects/123456789012/global/backendServices/1234567890123456789"
ROUTES = {
    "/__up": Public(),  # what is asked of a server that begins
    "/carried": FirebaseUser() & Via(ServiceAccount(ROBOT)),
    "/signed-in": Domain("example.com"),
}


def _guard() -> Guard:
    google, users, proxy = os.environ["KEYS_AT"].split()
    return Guard(
        cloud_run(URL, probes=ROUTES, insist=True, keys=google),
        firebase("shop-prod", keys=users),
        iap(BACKEND, keys=proxy),
    )


def asgi() -> Any:
    return callerid.asgi.CallerMiddleware(PlainTextResponse("in"), guard=_guard(), default=Nobody(), routes=ROUTES)


def wsgi() -> Any:
    def app(_: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"in"]

    return callerid.wsgi.CallerMiddleware(app, guard=_guard(), default=Nobody(), routes=ROUTES)
