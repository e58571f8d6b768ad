"""What the threaded servers of the tests serve: an application that is told by the environment where its keys are."""

from __future__ import annotations

import os
from typing import Any

from callerid import AnyGoogleAccount, Guard, KeySource, Public, google
from callerid.wsgi import CallerMiddleware

URL = "https://orders.example.com"


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ.get("REMOTE_USER", "nobody").encode()]


def application() -> CallerMiddleware:
    keys = KeySource(os.environ["SERVED_KEYS"], fetch_seconds=30)
    return CallerMiddleware(
        hello, guard=Guard(google(URL, keys=keys)), default=AnyGoogleAccount(), routes={"/public": Public()}
    )
