"""What gunicorn serves in the tests: an application of its own process, told by the environment where keys are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from callerid import Guard, Nobody, Public, google
from callerid.wsgi import CallerMiddleware
from tests.fixtures import CLIENT, STAFF, URL

ROUTES = {"/public": Public(), "/public/*": Public(), "POST /tasks": Nobody(), "/tasks": Public()}


def served(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Writes down that it ran, and answers with what it was told."""
    with Path(os.environ["SERVED_DIARY"]).open("a", encoding="utf-8") as diary:
        diary.write(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}\n")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ.get("REMOTE_USER", "nobody").encode("latin-1")]


def application() -> CallerMiddleware:
    guard = Guard(google(URL, CLIENT, keys=os.environ["SERVED_KEYS"]))
    guard.warm()  # with --preload: before the fork
    return CallerMiddleware(served, guard=guard, default=STAFF, routes=ROUTES)
