"""A guard that protects an application: the decision about each request, and what a refused client gets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response

from callerid.answers import Answer, is_needed
from callerid.callers import Caller
from callerid.errors import Refusal
from callerid.flask.current import Decision, Serving, forget, remember
from callerid.flask.reading import Reader
from callerid.flask.ruling import Rules
from callerid.guard import Requirement, log, run
from callerid.wsgi import introduce, sent

__all__ = ["OnRefusal", "Protection"]

OnRefusal = Callable[[Request, Refusal], Any]
"""Re-dresses a refusal: whatever a view may return, or ``None`` for the usual answer. It can never let a request in."""


class Protection:
    """One ``guard.protect(app, ...)``: the application, its rules, and how they are read."""

    def __init__(self, app: Flask, rules: Rules, reader: Reader, on_refusal: OnRefusal | None) -> None:
        self.app = app
        self.rules = rules
        self.reader = reader
        self._on_refusal = on_refusal
        self._lock = threading.Lock()
        self._is_checked = False

    def check_once(self, check: Callable[[Protection], None]) -> None:
        """Check all routes before the first request; a failed check is made again."""
        if not self._is_checked:
            with self._lock:
                if not self._is_checked:
                    check(self)
                    self._is_checked = True

    def admit(self, asked: Request) -> Response | None:
        """Decide about a request before anything else of the application runs; the answer, if it is not let in."""
        forget(asked)
        introduce(None, asked.environ)
        serving = Serving.of(self.app, asked)
        if _is_preflight(serving, asked):
            return self.app.make_default_options_response()
        place, rules, guard = self.reader.place(serving), self.rules, self.rules.guard
        route = f"{asked.method} {place.template}"
        part, identity = rules.default, None
        results: list[Caller | None] = []
        try:
            entry = rules.find(place, asked.method, asked.environ)
            ruling = rules.ruling(
                place, entry, endpoint=place is not self.reader.nowhere and not _is_automatic(serving)
            )
            arguments = asked.view_args or {}
            for part, parameters in ruling.parts(arguments, entry):
                if not part.public:
                    identity = identity or run(guard.identify(sent(asked.environ, guard.slots)))
                    results.append(guard.judge(part, identity, parameters))
        except Refusal as refusal:
            instance = guard.record(route, part, identity, refusal)
            return self._refused(refusal, guard.answer(refusal, instance), asked)
        guard.record(route, ruling.whole, identity)
        caller = _known(results, ruling.whole) if results else None
        judged = {name: arguments[name] for name in ruling.names if name in arguments}
        remember(asked, Decision(serving, judged, ruling.marks, route, ruling.whole.public, caller))
        introduce(caller, asked.environ)
        return None

    def _refused(self, refusal: Refusal, answer: Answer, asked: Request) -> Response:
        response = self._redressed(refusal, asked)
        if response is None:
            return Response(answer.body, answer.status, list(answer.headers))
        for name, value in answer.headers:
            if is_needed(name, response.status_code):
                response.headers.setdefault(name, value)
        return response

    def _redressed(self, refusal: Refusal, asked: Request) -> Response | None:
        if self._on_refusal is None:
            return None
        try:
            instead = self.app.ensure_sync(self._on_refusal)(asked, refusal)
            return None if instead is None else self.app.make_response(instead)
        except Exception:  # noqa: BLE001 - a failing hook must not change who is let in
            log.exception("on_refusal failed; the usual answer is sent")
            return None


def _known(results: list[Caller | None], whole: Requirement) -> Caller | None:
    """Who is calling. Where every part can hold for nobody, somebody is known if each of them knows who."""
    if whole.optional and None in results:
        return None
    return next((caller for caller in results if caller is not None), None)


def _is_automatic(serving: Serving) -> bool:
    """Whether Flask answers by itself which methods there are, and runs no view."""
    return serving.method == "OPTIONS" and getattr(serving.rule, "provide_automatic_options", False)


def _is_preflight(serving: Serving, asked: Request) -> bool:
    """Whether a browser asks if it may ask (Fetch standard, "CORS-preflight fetch"); it sends no credential then."""
    if serving.exception is not None or not _is_automatic(serving):
        return False
    return {"HTTP_ORIGIN", "HTTP_ACCESS_CONTROL_REQUEST_METHOD"} <= asked.environ.keys()
