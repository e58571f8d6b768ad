"""The lifespan of an ASGI application, in which it may add routes: whether it has one, and running it.

Source: the ASGI lifespan protocol, version 2.0.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from callerid.audit._front import chain_of, is_starlette
from callerid.audit._loading import told
from callerid.errors import ConfigurationError, one_line

__all__ = ["Lifespan", "has_lifespan", "started"]


def has_lifespan(app: Any) -> bool:
    """Whether a Starlette or FastAPI application does something of its own when it starts."""
    framed = next((each for each in chain_of(app) if is_starlette(each)), None)
    if framed is None:
        return False
    return bool(getattr(framed.router, "on_startup", ())) or _is_own(framed.router.lifespan_context)


def _is_own(context: Any) -> bool:
    """Whether a lifespan is the application's, and neither a framework's default nor made of such."""
    if type(context).__name__ == "_DefaultLifespan":
        return False
    if isinstance(context, FunctionType) and context.__module__ == "fastapi.routing":
        # That of an application joined with those of included routers.
        return any(_is_own(cell.cell_contents) for cell in context.__closure__ or ())
    return True


@contextmanager
def started(app: Any) -> Generator[None]:
    """An ASGI application after its start-up, until its shutdown at the end.

    Raises `ConfigurationError`, in one line that says why, if either fails.
    """
    life = Lifespan(app)
    with asyncio.Runner() as runner:
        runner.run(life.begin())
        try:
            yield
        finally:
            runner.run(life.end())


class Lifespan:
    """One run of the lifespan protocol, on the event loop that runs; each method raises `ConfigurationError`."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.state: dict[str, Any] = {}
        """What the start-up leaves for requests (ASGI lifespan state)."""
        self._running: asyncio.Task[None] | None = None
        self._is_told, self._is_up, self._failure = False, False, ""
        self._settled, self._ending = asyncio.Event(), asyncio.Event()

    async def begin(self) -> None:
        """Run the start-up."""
        self._running = asyncio.create_task(self._run())
        await self._settled.wait()
        if not self._is_up:
            raise ConfigurationError(f"the start-up in its lifespan failed: {self._failure}", code="lifespan-failed")

    async def end(self) -> None:
        """Run the shutdown."""
        assert self._running is not None  # noqa: S101 - it has begun
        self._ending.set()
        await self._running
        if self._failure:
            raise ConfigurationError(f"the shutdown in its lifespan failed: {self._failure}", code="lifespan-failed")

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - whatever an application's own code raises is told in one line
            self._failure = told(error)
        else:
            self._failure = self._failure or ("" if self._is_up else "it ended without a word")
        self._settled.set()

    async def _receive(self) -> dict[str, Any]:
        if not self._is_told:
            self._is_told = True
            return {"type": "lifespan.startup"}
        self._settled.set()
        await self._ending.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"].endswith(".failed"):
            self._failure = one_line(message.get("message") or "it does not say why")
        elif message["type"] == "lifespan.startup.complete":
            self._is_up = True
            self._settled.set()
