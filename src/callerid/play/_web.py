"""The access page as a Starlette application."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from callerid.errors import ConfigurationError
from callerid.play._markup import joined
from callerid.play._matrix import SAMPLE, Shown, cell_link
from callerid.play._page import cell_page, log_lines, table_of, whole_page
from callerid.play._panel import panel
from callerid.play._security import PageSecurity
from callerid.play._session import PlayCell, Playground

__all__ = ["PATIENT", "access_page"]

PATIENT: Final = 2.0
"""For so many seconds a page is kept waiting for calls; what is missing then comes later."""

LONGEST_FORM: Final = 131_072

Fields = Mapping[str, str]


def access_page(ground: Playground, *, patient: float = PATIENT) -> Starlette:
    """The page of an application that is played with."""
    pages = _Pages(ground, patient)
    routes = [
        Route("/", pages.front, methods=["GET"]),
        Route("/table", pages.table, methods=["GET"]),
        Route("/cell", pages.cell, methods=["GET"]),
        Route("/log", pages.log, methods=["GET"]),
        *(
            Route(path, partial(_posted, pages, handler), methods=["POST"])
            for path, handler in (
                ("/call", pages.call),
                ("/people", pages.people),
                ("/token", pages.token),
                ("/remove", pages.remove),
                ("/again", pages.again),
            )
        ),
        Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
    ]
    return Starlette(routes=routes, middleware=[Middleware(PageSecurity)])


async def _posted(pages: _Pages, handler: Callable[[Request, Fields], Response], request: Request) -> Response:
    """Read a form, check that it is the page's own, and hand it on in a thread: applications are called there."""
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > LONGEST_FORM:
                return PlainTextResponse("The form is too long.\n", 413)
    except ClientDisconnect:
        return Response(status_code=400)
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200))
    except ValueError:
        return PlainTextResponse("That is no form.\n", 400)
    if not secrets.compare_digest(fields.get("csrf", "").encode(), pages.csrf.encode()):
        return PlainTextResponse("The page is from an earlier run: load it again.\n", 403)
    return await run_in_threadpool(handler, request, fields)


class _Pages:
    """The pages; those that are plain functions run in threads, where applications may be called."""

    def __init__(self, ground: Playground, patient: float) -> None:
        self._ground, self._patient = ground, patient
        self.csrf = secrets.token_urlsafe(32)
        """What only pages of this process know: their forms send it back."""

    def front(self, request: Request) -> Response:
        return HTMLResponse(whole_page(self._ground, self._shown(request)))

    def table(self, request: Request) -> Response:
        shown = self._shown(request)
        return JSONResponse({"html": joined(table_of(self._ground, shown)), "pending": shown.pending})

    def cell(self, request: Request) -> Response:
        samples = self._samples(request.query_params)
        cell = self._cell(request.query_params, samples, self._ground.known_cell)
        return self._details(request, cell, samples)

    def log(self, request: Request) -> Response:
        after = request.query_params.get("after", "0")
        lines = self._ground.log.after(int(after) if after.isdecimal() and len(after) < 12 else 0)
        last = lines[-1].number if lines else None
        return JSONResponse({"html": joined(log_lines(lines)), "last": last})

    # --- what changes something ---

    def call(self, request: Request, fields: Fields) -> Response:
        samples = self._samples(fields)
        body = fields.get("body", "").encode()
        called = partial(self._ground.call, body=body, kind="application/json" if body else "")
        return self._details(request, self._cell(fields, samples, called), samples)

    def people(self, request: Request, fields: Fields) -> Response:
        return self._added(request, "people", lambda: self._ground.add(fields))

    def token(self, request: Request, fields: Fields) -> Response:
        return self._added(request, "token", lambda: self._ground.paste(fields.get("token", "")))

    def remove(self, request: Request, fields: Fields) -> Response:
        self._ground.remove(fields.get("who", ""))
        return RedirectResponse("/", 303)

    def again(self, request: Request, fields: Fields) -> Response:
        self._ground.forget()
        return RedirectResponse("/", 303)

    def _added(self, request: Request, form: str, add: Callable[[], object]) -> Response:
        try:
            add()
        except ConfigurationError as error:
            shown = self._shown(request, {form: error.message})
            return HTMLResponse(whole_page(self._ground, shown), 422)
        return RedirectResponse("/", 303)

    # --- what is asked for ---

    def _samples(self, given: Mapping[str, str]) -> dict[str, str]:
        own = {name.removeprefix(SAMPLE): value for name, value in given.items() if name.startswith(SAMPLE)}
        return self._ground.with_samples(own)

    def _shown(self, request: Request, problems: Mapping[str, str] | None = None) -> Shown:
        samples, find = self._samples(request.query_params), request.query_params.get("find", "")[:200]
        rows = self._ground.cells(samples, self._patient)
        words = find.lower().split()
        kept = [[cell for cell in row if _is_found(cell, words)] for row in rows]
        return Shown(kept, samples, self.csrf, find, problems or {})

    def _cell(
        self, given: Mapping[str, str], samples: Mapping[str, str], known: Callable[..., PlayCell]
    ) -> PlayCell | None:
        who, route = self._ground.persona(given.get("who", "")), self._ground.route(given.get("route", ""))
        return None if who is None or route is None else known(who, route, samples)

    def _details(self, request: Request, cell: PlayCell | None, samples: Mapping[str, str]) -> Response:
        if cell is None:
            return PlainTextResponse("There is no such caller, or no such route: load the page again.\n", 404)
        details = panel(cell, self._ground.tokens(cell), samples, self._ground.before, self.csrf)
        if request.headers.get("x-part") == "1":
            return JSONResponse({"html": details, "cell": cell_link(cell, samples)})
        shown = Shown((), samples, self.csrf)
        return HTMLResponse(cell_page(self._ground, details, shown))


def _is_found(cell: PlayCell, words: list[str]) -> bool:
    told = f"{cell.route.method} {cell.route.template}".lower()
    return all(word in told for word in words)
