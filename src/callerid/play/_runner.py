"""An application that is called as a server calls it: an ASGI one on an event loop of its own, a WSGI one in threads.

One loop for all calls, since an application ties connections to the loop of its start-up. A call that takes too long is
given up: its task is cancelled, or its thread left to end by itself.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol, Self, TypeVar, cast

from callerid.audit._lifespan import Lifespan
from callerid.audit._reading import is_wsgi
from callerid.audit._suite import Case
from callerid.play._answers import MOST_BODY, PlayAnswer, header_pairs, raised
from callerid.play._hearing import HeardCall, Stopped, during
from callerid.testing._calls import asgi_scope, wsgi_environ

__all__ = ["PATIENCE", "Runner", "running"]

PATIENCE: Final = 5.0
"""For so many seconds a handler is waited for."""

T = TypeVar("T")


class Runner(Protocol):
    """An application that can be called."""

    def call(self, heard: HeardCall, case: Case, headers: Mapping[str, str], body: bytes = b"") -> PlayAnswer:
        """Make one call, within the context of ``heard``, and wait for what comes of it."""
        ...


@contextmanager
def running(app: Any, *, site: str, lifespan: bool = True, patience: float = PATIENCE) -> Generator[Runner]:
    """An application that can be called; its lifespan has begun meanwhile, if it is an ASGI one and that is asked for.

    ``site`` is the host that calls name. Raises `ConfigurationError` where the start-up or the shutdown fails.
    """
    if is_wsgi(app):
        yield _WsgiRunner(app, site, patience)
        return
    with _AsgiRunner(app, site, patience, lifespan=lifespan) as runner:
        yield runner


# --- WSGI ---


class _WsgiRunner:
    def __init__(self, app: Any, site: str, patience: float) -> None:
        self._app, self._site, self._patience = app, site, patience

    def call(self, heard: HeardCall, case: Case, headers: Mapping[str, str], body: bytes = b"") -> PlayAnswer:
        found: list[PlayAnswer] = []
        environ = _with_body(wsgi_environ(case, headers, self._site, body), body)

        def ask() -> None:
            with during(heard):
                found.append(_asked_wsgi(self._app, environ))

        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(ask,), name="callerid play", daemon=True)
        thread.start()
        thread.join(self._patience)
        return found[0] if found else PlayAnswer(late=True)


def _with_body(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    kind = environ.pop("HTTP_CONTENT_TYPE", None)
    environ |= {} if kind is None else {"CONTENT_TYPE": kind}
    return environ | {"CONTENT_LENGTH": str(len(body)), "wsgi.errors": io.StringIO()}


def _asked_wsgi(app: Any, environ: dict[str, Any]) -> PlayAnswer:
    started: list[tuple[int, tuple[tuple[str, str], ...]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], None]:
        started.append((int(status.partition(" ")[0]), header_pairs(headers)))
        return lambda _: None

    answer: Any = None
    body = b""
    try:
        answer = app(environ, start_response)
        for part in answer:
            body += part
            if len(body) > MOST_BODY:
                break
    except Stopped:
        return PlayAnswer()
    except Exception as error:  # noqa: BLE001 - a server would answer 500
        return PlayAnswer(started[-1][0] if started else None, error=raised(error))
    finally:
        if hasattr(answer, "close"):
            answer.close()
    status, headers = started[-1] if started else (None, ())
    return PlayAnswer(status, headers, body[:MOST_BODY], is_cut=len(body) > MOST_BODY)


# --- ASGI ---


class _AsgiRunner:
    """Holds an event loop in a thread of its own, and the application's lifespan on it."""

    def __init__(self, app: Any, site: str, patience: float, *, lifespan: bool) -> None:
        self._app, self._site, self._patience = app, site, patience
        self._life = Lifespan(app) if lifespan else None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="callerid play", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._do(self._begin())
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._do(self._end())
        finally:
            self._close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _begin(self) -> None:
        if self._life is not None:
            await self._life.begin()

    async def _end(self) -> None:
        if self._life is not None:
            await self._life.end()

    def _close(self) -> None:
        self._do(_leave_nothing())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, heard: HeardCall, case: Case, headers: Mapping[str, str], body: bytes = b"") -> PlayAnswer:
        scope = asgi_scope(case, headers, self._site)
        scope["state"] = dict(self._life.state) if self._life is not None else {}
        exchange = _Exchange(scope, body)
        return self._do(self._asked(heard, exchange))

    async def _asked(self, heard: HeardCall, exchange: _Exchange) -> PlayAnswer:
        with during(heard):
            task = asyncio.create_task(self._app(exchange.scope, exchange.receive, exchange.send))
            enough = asyncio.create_task(exchange.enough.wait())
            await asyncio.wait({task, enough}, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
        is_late = not task.done() and not enough.done()
        exchange.is_over.set()
        # A short while to end by itself: what comes after the answer (background tasks) is part of the handler.
        await asyncio.wait({task}, timeout=0.2 if is_late else 1)
        for each in (task, enough):
            each.cancel()
        await asyncio.wait({task, enough}, timeout=0.2)
        return exchange.answer(_error_of(task), is_late=is_late)


async def _leave_nothing() -> None:
    """Cancel what applications have left on the loop."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for each in left:
        each.cancel()
    if left:
        await asyncio.wait(left, timeout=1)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()


def _error_of(task: asyncio.Task[Any]) -> BaseException | None:
    return None if not task.done() or task.cancelled() else task.exception()


class _Exchange:
    """The two ends of one ASGI call."""

    def __init__(self, scope: dict[str, Any], body: bytes) -> None:
        self.scope = scope
        self.enough, self.is_over = asyncio.Event(), asyncio.Event()
        self._first: dict[str, Any] | None = (
            {"type": "websocket.connect"} if scope["type"] == "websocket" else {"type": "http.request", "body": body}
        )
        self._status: int | None = None
        self._headers: tuple[tuple[str, str], ...] = ()
        self._body = bytearray()

    async def receive(self) -> dict[str, Any]:
        first, self._first = self._first, None
        if first is not None:
            return first
        if self.scope["type"] == "websocket":
            return {"type": "websocket.disconnect", "code": 1001}
        await self.is_over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind in ("http.response.start", "websocket.http.response.start"):
            self._status, self._headers = message["status"], header_pairs(message.get("headers", ()))
        elif kind in ("http.response.body", "websocket.http.response.body"):
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                self.enough.set()
            elif len(self._body) > MOST_BODY:
                self.enough.set()
                await asyncio.Event().wait()  # as if nobody read on: the task is cancelled here
        elif kind == "websocket.accept":
            self._status = 101
        elif kind == "websocket.close":
            self._status = 403 if self._status is None else self._status
            self.enough.set()

    def answer(self, error: BaseException | None, *, is_late: bool) -> PlayAnswer:
        body = bytes(self._body[:MOST_BODY])
        told = "" if error is None or _is_stop(error) else raised(error)
        is_cut = (is_late and self._status is not None) or len(self._body) > MOST_BODY
        return PlayAnswer(self._status, self._headers, body, told, is_late and self._status is None, is_cut)


def _is_stop(error: BaseException) -> bool:
    """Whether an error is `Stopped`, which task groups wrap."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_stop, cast("BaseExceptionGroup[BaseException]", error).exceptions))
    return isinstance(error, Stopped)
