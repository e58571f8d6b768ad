"""Endpoints whose annotations are texts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request

from callerid import Caller, Public
from callerid.fastapi import Guard
from tests.fixtures import STAFF

from .world import new_guard

guard = new_guard()
Staff = Annotated[Caller, guard.allow(STAFF)]
Perhaps = Annotated[Caller | None, guard.allow(Public() | STAFF)]


def needs_staff(caller: Staff) -> str:
    return str(caller)


def serve(app: FastAPI) -> None:
    @app.get("/alias")
    async def alias(caller: Staff, request: Request) -> str:
        return str(caller)

    @app.get("/written-out")
    def written_out(caller: Annotated[Caller, guard.allow(STAFF)]) -> str:
        return str(caller)

    @app.get("/perhaps")
    def perhaps(caller: Perhaps) -> str:
        return str(caller)

    @app.get("/decorated")
    @guard.allow(STAFF)
    def decorated(request: Request, q: int = 1) -> int:
        return q

    @app.get("/decorated-async")
    @guard.allow(STAFF)
    async def decorated_async(request: Request, q: int = 1) -> int:
        return q

    @app.get("/below")
    def below(name: Annotated[str, Depends(needs_staff)]) -> str:
        return name


def local_alias(app: FastAPI, own: Guard, seen: list[str]) -> None:
    Own = Annotated[Caller, own.allow(STAFF)]  # noqa: N806 - a type

    @app.get("/x")
    def endpoint(caller: Own) -> None:
        seen.append("ran")


def local_alias_with_a_default(app: FastAPI, own: Guard, seen: list[str]) -> None:
    Own = Annotated[Caller, own.allow(STAFF)]  # noqa: N806

    @app.get("/x")
    def endpoint(caller: Own | None = None) -> None:
        seen.append("ran")


def local_guard(app: FastAPI, own: Guard, seen: list[str]) -> None:
    @app.get("/x")
    def endpoint(caller: Annotated[Caller | None, own.allow(STAFF)] = None) -> None:
        seen.append("ran")


def local_namespace(app: FastAPI, own: Guard, seen: list[str]) -> None:
    class Types:
        Own = Annotated[Caller, own.allow(STAFF)]

    @app.get("/x")
    def endpoint(caller: Types.Own | None = None) -> None:
        seen.append("ran")


def local_alias_below(app: FastAPI, own: Guard, seen: list[str]) -> None:
    Own = Annotated[Caller, own.allow(STAFF)]  # noqa: N806

    def dependency(caller: Own | None = None) -> Any:
        return caller

    @app.get("/x")
    def endpoint(value: Any = Depends(dependency)) -> None:  # noqa: B008, FAST002 - FastAPI's older way
        seen.append("ran")


def local_alias_in_a_websocket(app: FastAPI, own: Guard, seen: list[str]) -> None:
    Own = Annotated[Caller, own.allow(STAFF)]  # noqa: N806

    @app.websocket("/x")
    async def endpoint(caller: Own | None = None) -> None:
        seen.append("ran")


LOCAL = [
    local_alias,
    local_alias_with_a_default,
    local_guard,
    local_namespace,
    local_alias_below,
    local_alias_in_a_websocket,
]
