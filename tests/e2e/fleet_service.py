"""One application, written in Flask and in FastAPI, whose processes share revocations: what `test_fleet` serves.

Each answer names the process that gave it, and when: ``X-Worker: PID SECONDS``, by the machine's monotonic clock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from fastapi import FastAPI
from flask import Flask

from callerid import FirebaseUser, Issuer, KeyDocument, Nobody, Public, firebase
from callerid.fastapi import Guard as FastApiGuard
from callerid.flask import Guard as FlaskGuard
from callerid.fleet import RedisFleet

OPERATOR = "operator"


def _issuer() -> Issuer:
    return firebase("shop-prod", keys=KeyDocument(os.environ["FLEET_KEYS"]))


def _fleet() -> RedisFleet:
    return RedisFleet(os.environ["FLEET_REDIS"])


def _worker() -> str:
    return f"{os.getpid()} {time.monotonic()}"


def flask_application() -> Any:
    """For gunicorn."""
    guard = FlaskGuard(_issuer(), fleet=_fleet())
    app = Flask("fleet")
    guard.protect(app, default=Nobody())

    @app.get("/public")
    @guard.allow(Public())
    def public() -> str:
        return "open"

    @app.get("/status")
    @guard.allow(Public())
    def status() -> list[Any]:
        return list(guard.fleet_status() or ())

    @app.get("/mine")
    @guard.allow(FirebaseUser())
    def mine() -> str:
        return "admitted"

    @app.get("/revoke/<uid>")
    @guard.allow(FirebaseUser(OPERATOR))
    def revoke(uid: str) -> list[float]:
        begun_at = time.monotonic()
        guard.revoke(uid)
        return [begun_at, time.monotonic()]

    return _named_wsgi(app.wsgi_app)


def _named_wsgi(app: Any) -> Any:
    def named(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, ("X-Worker", _worker())], *more)

        answer: Iterable[bytes] = app(environ, start)
        return answer

    return named


def fastapi_application() -> Any:
    """For uvicorn."""
    guard = FastApiGuard(_issuer(), fleet=_fleet())
    app = FastAPI()
    guard.protect(app, default=Nobody())

    @app.get("/public")
    @guard.allow(Public())
    async def public() -> str:
        return "open"

    @app.get("/status")
    @guard.allow(Public())
    async def status() -> list[Any]:
        return list(guard.fleet_status() or ())

    @app.get("/mine")
    @guard.allow(FirebaseUser())
    async def mine() -> str:
        return "admitted"

    @app.get("/revoke/{uid}")
    @guard.allow(FirebaseUser(OPERATOR))
    async def revoke(uid: str) -> list[float]:
        begun_at = time.monotonic()
        await guard.arevoke(uid)
        return [begun_at, time.monotonic()]

    return _NamedAsgi(app)


class _NamedAsgi:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def named(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-worker", _worker().encode())]}
            await send(message)

        await self.app(scope, receive, named)
