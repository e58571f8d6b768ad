"""How a request reaches an application without a server: by ASGI, and by WSGI."""

from __future__ import annotations

import io
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import anyio

from callerid import Caller, Refusal
from tests.contract.answers import Got
from tests.contract.application import SETTINGS, Diary, dressing
from tests.contract.sending import Sent

__all__ = ["ASGI", "WSGI", "Adapter", "closing", "remote_user"]


class _Decisions(logging.Handler):
    """The guard's decisions, as it logs them."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "callerid", {})
        if fields.get("outcome") in ("allowed", "refused"):
            self.found.append(fields)


@contextmanager
def _listening() -> Iterator[list[dict[str, Any]]]:
    log, decisions = logging.getLogger("callerid"), _Decisions()
    before = log.level
    log.addHandler(decisions)
    log.setLevel(logging.DEBUG)
    try:
        yield decisions.found
    finally:
        log.setLevel(before)
        log.removeHandler(decisions)


class Adapter(ABC):
    """One adapter: makes the application in each setting, and brings requests to it."""

    name: ClassVar[str]
    kinds: ClassVar[frozenset[str]]
    """What may stand in a row's ``differs``."""
    has_body_first: ClassVar[bool] = False
    """The framework has read the whole body before it calls anything of the application."""

    def __init__(self) -> None:
        self.diary = Diary()
        self._apps: dict[str, Any] = {}

    @abstractmethod
    def application(self, setting: str) -> Any:
        """The application, closed in this way; its handlers write into the diary."""

    def app(self, setting: str) -> Any:
        """The same, made once."""
        if setting not in self._apps:
            self._apps[setting] = self.application(setting)
        return self._apps[setting]

    def ask(self, sent: Sent) -> Got:
        """What comes back."""
        app, got = self.app(sent.setting), Got()
        self.diary.clear()
        with _listening() as decisions:
            self._exchange(app, sent.filled, got)
        got.ran, got.decisions = list(self.diary), decisions
        return got

    @abstractmethod
    def _exchange(self, app: Any, sent: Sent, got: Got) -> None: ...


class ASGI(Adapter):
    """An application that servers call by ASGI 3."""

    def _exchange(self, app: Any, sent: Sent, got: Got) -> None:
        anyio.run(self._serve, app, sent, got)

    async def _serve(self, app: Any, sent: Sent, got: Got) -> None:
        body = sent.body.encode()
        length = [(b"content-length", str(len(body)).encode())] if body else []
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in sent.headers]
        if not any(name == b"host" for name, _ in headers):
            headers = [(b"host", b"orders.example.com"), *headers]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": sent.method,
            "scheme": "http",
            "path": sent.root + sent.path.decode("utf-8", "replace"),
            "raw_path": (sent.root + sent.raw_path).encode("latin-1"),
            "query_string": sent.query.encode("latin-1"),
            "root_path": sent.root,
            "headers": [*headers, *length],
            "client": ("127.0.0.1", 1),
            "server": ("orders.example.com", 80),
        }

        async def receive() -> dict[str, Any]:
            got.body_was_read = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                got.status = message["status"]
                got.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
            else:
                got.body += message.get("body", b"")

        await app(scope, receive, send)


class _Input(io.BytesIO):
    """A body that tells when it is read."""

    def __init__(self, body: bytes, got: Got) -> None:
        super().__init__(body)
        self._got = got

    def read(self, size: int | None = -1, /) -> bytes:
        self._got.body_was_read = True
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        self._got.body_was_read = True
        return super().readline(size)


class WSGI(Adapter):
    """An application that servers call by WSGI (PEP 3333)."""

    def _exchange(self, app: Any, sent: Sent, got: Got) -> None:
        body = sent.body.encode()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": sent.method,
            "SCRIPT_NAME": sent.root,
            "PATH_INFO": sent.path.decode("latin-1"),
            "RAW_URI": sent.root + sent.target,
            "QUERY_STRING": sent.query,
            "SERVER_NAME": "orders.example.com",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "orders.example.com",
            "REMOTE_ADDR": "127.0.0.1",
            # A server, or an outer layer, that has an opinion of its own.
            "REMOTE_USER": "user:root@example.com",
            "HTTP_REMOTE_USER": "user:root@example.com",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": _Input(body, got),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if body:
            environ["CONTENT_LENGTH"] = str(len(body))
        environ.update(_folded(sent.headers))

        def start_response(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            got.status, got.headers = int(line.split(maxsplit=1)[0]), headers

        answered = app(environ, start_response)
        got.body = b"".join(answered)
        if hasattr(answered, "close"):
            answered.close()


def _folded(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The headers as servers fold them: dashes become underscores, and two of one name are joined with a comma.

    A name with an underscore in it is dropped, as gunicorn and waitress do, but for one beginning with ``Folded:``,
    which arrives as from a server that takes it for a dash.
    """
    environ: dict[str, str] = {}
    for sent_name, value in headers:
        name = sent_name.removeprefix("Folded:")
        if "_" in name and name == sent_name:
            continue
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ and key != "HTTP_HOST" else value
    return environ


def closing(setting: str, response: Callable[[int, dict[str, str], str], Any]) -> dict[str, Any]:
    """The keywords that every ``protect`` and ``CallerMiddleware`` has; ``response`` makes what its hook may answer."""
    closed = SETTINGS[setting]

    def on_refusal(_: Any, refusal: Refusal) -> Any:
        dressed = dressing(refusal)
        return None if dressed is None else response(*dressed)

    hook = {"on_refusal": on_refusal} if closed.dressed else {}
    return {"default": closed.default, "floor": closed.floor, **hook}


def remote_user(caller: Caller | None) -> str | None:
    """What ``REMOTE_USER`` must say."""
    return None if caller is None else str(caller).encode().decode("latin-1")
