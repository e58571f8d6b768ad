"""Starlette's and FastAPI's own routing, asked what serves a request: by the reading that requests get."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from callerid.starlette._checked_route import CheckedRoute
from callerid.starlette._dispatch import install
from callerid.starlette._protection import Protection
from callerid.starlette._routes import Step
from callerid.starlette._startup_checks import DEEPEST

__all__ = ["StarletteRouter"]


class StarletteRouter:
    """See `callerid.audit._rows.Router`. ``found`` are the routes of which ``rows`` are made."""

    def __init__(self, router: Any, protection: Protection, found: Iterable[tuple[CheckedRoute, str]]) -> None:
        self._router, self._protection = router, protection
        # Places are known by identity, and live as long as this.
        self._names: dict[tuple[int, str], str] = {}
        self._mounts: dict[int, str] = {}
        self._parted: set[int] = set()
        self._places: list[Any] = []
        for each, name in found:
            self._places.append(each.place)
            place = id(each.place)
            if each.is_rest:
                self._mounts.setdefault(place, name)
            elif each.is_part:
                self._parted.add(place)
            elif not each.refuses:
                self._names.setdefault((place, each.method or "WS"), name)

    def __call__(self, method: str, host: str, path: str) -> str | None:
        scope = _scope(method, host, path)
        router, reader, rest = self._router, self._protection.reader, ""
        for _ in range(DEEPEST):
            try:
                step = reader.resolve(tuple(router.routes), scope) or reader.last_resort(router, scope)
            except Exception:  # noqa: BLE001 - a route of the application's own matches by its own code
                return None
            if step is None or not step.endpoint:
                return rest
            if step.behind is None:
                return self._served(step, method)
            dispatch = install(step.behind)
            if dispatch is None:
                return None
            rest = self._mounts.get(id(step.places[-1]), "")
            scope.update(step.found)
            router, reader = dispatch.router, reader if dispatch.protection is None else dispatch.protection.reader
        return None

    def _served(self, step: Step, method: str) -> str | None:
        place = id(step.places[-1])
        if place in self._parted:
            return None
        ways = (method, "GET", "*") if method == "HEAD" else (method, "*")
        return next((name for each in ways if (name := self._names.get((place, each))) is not None), "")


def _scope(method: str, host: str, path: str) -> dict[str, Any]:
    kind = {"type": "websocket"} if method == "WS" else {"type": "http", "method": method}
    return {
        **kind,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": "https",
        "server": ("testserver", 443),
        "headers": [(b"host", (host or "testserver").encode())],
    }
