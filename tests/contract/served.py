"""Every adapter in every setting behind one real server, run as ``-m tests.contract.served SERVER FD``.

The header ``X-Contract: ADAPTER SETTING`` says who shall answer. ``X-Ran`` tells what ran until the answer began, and
``X-Read`` whether the body was asked for: both are put on from outside, whoever answered.
"""

from __future__ import annotations

import asyncio
import functools
import json
import socket
import sys
from collections.abc import Callable
from typing import Any, Literal

from .adapters.driving import ASGI, WSGI
from .adapters.plain import PlainASGI, PlainWSGI
from .remembering import remember

__all__ = ["asgi", "wsgi"]

remember()


@functools.cache
def _by_asgi() -> dict[str, ASGI]:
    from .adapters.djangos import InDjangoByASGI
    from .adapters.fastapis import InFastAPI, InFastAPIByPath
    from .adapters.starlettes import InStarlette

    every = InFastAPI(), InFastAPIByPath(), InStarlette(), InDjangoByASGI(), PlainASGI()
    return {adapter.name: adapter for adapter in every}


@functools.cache
def _by_wsgi() -> dict[str, WSGI]:
    from .adapters.djangos import InDjango
    from .adapters.flasks import InFlask

    return {adapter.name: adapter for adapter in (InFlask(), InDjango(), PlainWSGI())}


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    asked = next((value.decode() for name, value in scope["headers"] if name == b"x-contract"), "asgi usual")
    name, setting = asked.split()
    adapter, read = _by_asgi()[name], False
    adapter.diary.clear()

    async def receive_noted() -> Any:
        nonlocal read
        read = True
        return await receive()

    def is_read() -> bool:
        return read and (bool(adapter.diary) or not adapter.has_body_first)

    async def send_noted(message: Any) -> None:
        if message["type"] == "http.response.start":
            noted = [(name.encode(), value.encode()) for name, value in _noted(adapter.diary, read=is_read())]
            message = {**message, "headers": [*message["headers"], *noted]}
        await send(message)

    await adapter.app(setting)(scope, receive_noted, send_noted)


class _Input:
    """The body, and whether it was asked for."""

    def __init__(self, body: Any) -> None:
        self.was_read = False
        self._body = body

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._body, name)
        if name not in ("read", "readline", "readlines"):
            return found

        def noted(*arguments: Any) -> Any:
            self.was_read = True
            return found(*arguments)

        return noted

    def __iter__(self) -> Any:
        self.was_read = True
        return iter(self._body)


def wsgi(environ: Any, start_response: Any) -> Any:
    name, setting = environ.get("HTTP_X_CONTRACT", "wsgi usual").split()
    adapter = _by_wsgi()[name]
    adapter.diary.clear()
    body = environ["wsgi.input"] = _Input(environ["wsgi.input"])

    def start_noted(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        return start_response(line, [*headers, *_noted(adapter.diary, read=body.was_read)], exc_info)

    return adapter.app(setting)(environ, start_noted)


def _noted(diary: list[tuple[str, str]], *, read: bool) -> list[tuple[str, str]]:
    return [("X-Ran", json.dumps(diary)), ("X-Read", json.dumps(read))]


def _uvicorn(http: Literal["h11", "httptools"], loop: Literal["asyncio", "uvloop"], listener: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(asgi, http=http, loop=loop, log_level="warning", ws="none", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run([listener])


def _hypercorn(listener: socket.socket) -> Any:
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.accesslog = None
    config.loglevel = "WARNING"
    return config


def _hypercorn_asyncio(listener: socket.socket) -> None:
    from hypercorn.asyncio import serve

    asyncio.run(serve(asgi, _hypercorn(listener)))


def _hypercorn_trio(listener: socket.socket) -> None:
    import trio
    from hypercorn.trio import serve

    trio.run(serve, asgi, _hypercorn(listener))


def _waitress(listener: socket.socket) -> None:
    import waitress

    waitress.serve(wsgi, sockets=[listener], threads=4)


if __name__ == "__main__":
    serve: dict[str, Callable[[socket.socket], None]] = {
        "uvicorn": functools.partial(_uvicorn, "h11", "asyncio"),
        "httptools": functools.partial(_uvicorn, "httptools", "uvloop"),
        "hypercorn-asyncio": _hypercorn_asyncio,
        "hypercorn-trio": _hypercorn_trio,
        "waitress": _waitress,
    }
    serve[sys.argv[1]](socket.socket(fileno=int(sys.argv[2])))
