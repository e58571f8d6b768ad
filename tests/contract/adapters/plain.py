"""``CallerMiddleware`` twice: by ASGI and by WSGI, before an application that has no framework."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from callerid import Caller, Guard, asgi, wsgi
from callerid._answers import Answer
from tests.contract.application import found, guard_of, path_table

from .driving import ASGI, WSGI, closing, remote_user

__all__ = ["PlainASGI", "PlainWSGI"]


def _answer(status: int, headers: dict[str, str], text: str) -> Answer:
    return Answer(status, tuple((name.lower(), value) for name, value in headers.items()), text.encode())


class PlainASGI(ASGI):
    name = "asgi"
    kinds = frozenset({"asgi", "paths"})

    def application(self, setting: str) -> Any:
        guard = guard_of(Guard, setting)
        return asgi.CallerMiddleware(
            self._serve_plainly, guard=guard, routes=path_table(guard), **closing(setting, _answer)
        )

    async def _serve_plainly(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].removeprefix(scope["root_path"])
        place = found(scope["method"], path)
        headers, body, status = [(b"content-type", b"text/plain")], b"", 200
        if isinstance(place, int):
            status = place
            headers += [(b"location", quote(f"{path}/").encode())] if status == 307 else []
        else:
            caller: Caller | None = scope["state"]["caller"]
            assert scope.get("user") is caller
            body = self.diary.wrote(place.name, caller).encode()
            if place.method == "POST":
                await receive()
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class PlainWSGI(WSGI):
    name = "wsgi"
    kinds = frozenset({"wsgi", "paths", "folding"})

    def application(self, setting: str) -> Any:
        guard = guard_of(Guard, setting)
        return wsgi.CallerMiddleware(
            self._serve_plainly, guard=guard, routes=path_table(guard), **closing(setting, _answer)
        )

    def _serve_plainly(self, environ: Any, start_response: Any) -> list[bytes]:
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8")
        place = found(environ["REQUEST_METHOD"], path)
        headers, body, status = [("Content-Type", "text/plain")], b"", HTTPStatus.OK
        if isinstance(place, int):
            status = HTTPStatus(place)
            headers += [("Location", quote(f"{path}/"))] if status == 307 else []
        else:
            caller: Caller | None = environ["callerid.caller"]
            assert environ.get("REMOTE_USER") == remote_user(caller)
            assert "HTTP_REMOTE_USER" not in environ
            body = self.diary.wrote(place.name, caller).encode()
            if place.method == "POST":
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH", 0)))
        headers.append(("Content-Length", str(len(body))))
        start_response(f"{status.value} {status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
