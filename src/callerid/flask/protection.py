"""A guard that protects an application: the decision about each request, and what a refused client gets."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

from flask import Flask, Request, Response

from callerid.answers import Answer, is_needed
from callerid.callers import Caller
from callerid.errors import BadRequest, Reason, Refusal
from callerid.flask.current import ATTRIBUTE, Decision, Serving
from callerid.flask.reading import Known, Place, Reader
from callerid.flask.ruling import Rules, Ruling
from callerid.guard import Identity, Requirement, log, run
from callerid.paths import PathTable
from callerid.rehearsal import Asked, Live, compare, known, let_through
from callerid.rollout import Rollout
from callerid.wsgi import introduce, path_of, sent

__all__ = ["OnRefusal", "Protection", "TriedProtection"]

OnRefusal = Callable[[Request, Refusal], Any]
"""Re-dresses a refusal: whatever a view may return, or ``None`` for the usual answer. It can never let a request in."""


class Protection:
    """One ``guard.protect(app, ...)``: the application, its rules, and how they are read."""

    rollout: Rollout | None = None
    """Until when refusals are not enforced, if they are not."""
    shadow: PathTable | None = None
    """The path table that is judged beside the live one, if there is one."""

    def __init__(self, app: Flask, rules: Rules, reader: Reader, on_refusal: OnRefusal | None) -> None:
        self.app = app
        self.rules = rules
        self.reader = reader
        self._on_refusal = on_refusal
        self._lock = threading.Lock()
        self._settled: dict[tuple[int, str], _Settled] = {}
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
        setattr(asked, ATTRIBUTE, None)
        introduce(None, asked.environ)
        # To find this out takes 4 µs, to see that it still holds a quarter of one.
        settled = self._settled.get((id(asked.url_rule), asked.method))
        if settled is None or not settled.holds(self.app, asked):
            return self._settle(asked)
        if settled.decision is None or log.isEnabledFor(logging.DEBUG):
            return self._judge(asked, settled, _NOTHING)
        setattr(asked, ATTRIBUTE, settled.decision)
        return None

    def _settle(self, asked: Request) -> Response | None:
        """Find out by what a request is judged, and judge it."""
        serving = Serving.of(self.app, asked)
        if _is_preflight(serving, asked):
            return self.app.make_default_options_response()
        known, rules = self.reader.known(serving), self.rules
        place = self.reader.nowhere if known is None else known.place
        endpoint = known is not None and not _is_automatic(serving)
        try:
            entry = rules.find(place, serving.method, asked.environ)
            ruling = rules.ruling(place, entry, endpoint=endpoint)
        except Refusal as refusal:
            return self._turn_away(asked, f"{serving.method} {place.template}", rules.default, None, refusal)
        settled = _Settled.of(serving, place.template, ruling, known)
        if entry is not None:
            return self._judge(asked, settled, entry.parameters)
        if rules.table is None and endpoint and _is_usual(serving):
            self._settled[id(serving.rule), serving.method] = settled
        return self._judge(asked, settled, _NOTHING)

    def _judge(self, asked: Request, settled: _Settled, tabled: Mapping[str, Any]) -> Response | None:
        """Judge by what was settled; ``tabled`` are the path parameters of the path table's entry."""
        guard, ruling = self.rules.guard, settled.ruling
        part, identity = self.rules.default, None
        results: list[Caller | None] = []
        arguments: Mapping[str, Any] = asked.view_args or _NOTHING
        try:
            for part, is_tabled in ruling.judged:
                if identity is None:
                    credentials = sent(asked.environ, guard.headers.values())
                    identity = guard.recognise(credentials) or run(guard.identify(credentials))
                results.append(guard.judge(part, identity, tabled if is_tabled else arguments))
        except Refusal as refusal:
            return self._turn_away(asked, settled.route, part, identity, refusal)
        caller = results[0] if len(results) == 1 else _known(results, ruling.whole)
        judged = tuple((name, arguments[name]) for name in ruling.names if name in arguments) if ruling.names else ()
        if log.isEnabledFor(logging.DEBUG):
            guard.record(settled.route, ruling.whole, identity)
        decision = Decision(settled.serving, judged, ruling.marks, settled.template, ruling.whole.public, caller)
        setattr(asked, ATTRIBUTE, decision)
        if caller is not None:
            introduce(caller, asked.environ)
        return None

    def _turn_away(
        self, asked: Request, route: str, part: Requirement, identity: Identity | None, refusal: Refusal
    ) -> Response:
        guard = self.rules.guard
        instance = guard.record(route, part, identity, refusal)
        return self._refused(refusal, guard.answer(refusal, instance), asked)

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


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class _Settled:
    """By what a request is judged, and what that depends on: what is served, and what was read there (``known``).

    ``decision`` is the one about everybody, where all are let in.
    """

    serving: Serving
    template: str
    ruling: Ruling
    known: Known | None
    decision: Decision | None

    @classmethod
    def of(cls, serving: Serving, template: str, ruling: Ruling, known: Known | None) -> Self:
        public = ruling.whole.public
        decision = Decision(serving, (), ruling.marks, template, public=True, caller=None) if public else None
        return cls(serving, template, ruling, known, decision)

    @property
    def route(self) -> str:
        return f"{self.serving.method} {self.template}"

    def holds(self, app: Flask, asked: Request) -> bool:
        """Whether the same would be found out now: nothing else is served, and nothing was marked or replaced since."""
        known, (rule, exception, view, method) = self.known, self.serving
        return (
            known is not None
            and asked.url_rule is rule
            and asked.routing_exception is exception
            and app.view_functions.get(known.rule.endpoint) is view
            and known.is_still_so(method)
        )


def _is_usual(serving: Serving) -> bool:
    """Whether a rule of the application names this method, so that there are no more of them than it has.

    What Flask does about ``OPTIONS`` depends on the request and may change: it is found out each time.
    """
    return serving.method != "OPTIONS" and serving.method in (getattr(serving.rule, "methods", None) or ())


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


class TriedProtection(Protection):
    """A protection that does not enforce its refusals before a day, or judges a second path table beside its own."""

    def __init__(  # noqa: PLR0913 - what protect was given
        self,
        app: Flask,
        rules: Rules,
        reader: Reader,
        on_refusal: OnRefusal | None,
        *,
        rollout: Rollout | None,
        shadow: PathTable | None,
    ) -> None:
        super().__init__(app, rules, reader, on_refusal)
        self.rollout, self.shadow = rollout, shadow

    def admit(self, asked: Request) -> Response | None:
        """As `Protection.admit`, and whom nothing refuses in earnest is let in."""
        if self.shadow is None and not self._lets_through():
            return super().admit(asked)
        setattr(asked, ATTRIBUTE, None)
        introduce(None, asked.environ)
        serving = Serving.of(self.app, asked)
        if _is_preflight(serving, asked):
            return self.app.make_default_options_response()
        place, guard = self.reader.place(serving), self.rules.guard
        route, live = f"{asked.method} {place.template}", self._asking(self.rules.table, serving, place, asked)
        refusal, part, identity = self._decided(live, asked)
        if self.shadow is not None:
            self._rehearse(self.shadow, Live.of(route, guard, identity, refusal), serving, place, asked)
        if live.trouble is not None and live.parts and self._lets_through():
            # Nothing was read yet, and the view is told who is calling.
            with suppress(Refusal):
                identity = self._identify(asked)
        if refusal is None:
            guard.record(route, live.ruling.whole, identity)
        elif self._lets_through():
            let_through(part, route, identity, refusal)
        else:
            return self._turn_away(asked, route, part.requirement, identity, refusal)
        caller = _known(known(live.parts, identity or Identity()), live.ruling.whole) if live.parts else None
        arguments, ruling = asked.view_args or _NOTHING, live.ruling
        judged = tuple((name, arguments[name]) for name in ruling.names if name in arguments)
        decision = Decision(serving, judged, ruling.marks, place.template, ruling.whole.public, caller)
        setattr(asked, ATTRIBUTE, decision)
        introduce(caller, asked.environ)
        return None

    def _lets_through(self) -> bool:
        return self.rollout is not None and self.rollout.lets_through(self.rules.guard.clock())

    def _identify(self, asked: Request) -> Identity:
        guard = self.rules.guard
        return run(guard.identify(sent(asked.environ, guard.headers.values())))

    def _decided(self, live: _Asking, asked: Request) -> tuple[Refusal | None, Asked, Identity | None]:
        guard, identity = self.rules.guard, None
        part = Asked(guard, self.rules.default, {})
        if live.trouble is not None:
            return live.trouble, part, None
        try:
            for part in live.parts:
                identity = identity or self._identify(asked)
                guard.judge(part.requirement, identity, part.path)
        except Refusal as refusal:
            return refusal, part, identity
        return None, part, identity

    def _asking(self, table: PathTable | None, serving: Serving, place: Place, asked: Request) -> _Asking:
        """What is asked of this request if that is the path table."""
        rules, entry, trouble = self.rules, None, None
        if table is not None and table.requirements:
            path, why = path_of(asked.environ)
            entry = table.find(asked.method, path)
            if why is not None and not place.marks:
                trouble = BadRequest(Reason.AMBIGUOUS_PATH, why)
            if entry is not None and table is self.shadow:
                # Under a name of its own: rulings are known by the entries in them.
                entry = replace(entry, pattern=f"{table.name} {entry.pattern}")
        ruling = rules.ruling(place, entry, endpoint=place is not self.reader.nowhere and not _is_automatic(serving))
        tabled, arguments = _NOTHING if entry is None else entry.parameters, asked.view_args or _NOTHING
        parts = [Asked(rules.guard, part, tabled if is_tabled else arguments) for part, is_tabled in ruling.judged]
        return _Asking(ruling, parts, trouble)

    def _rehearse(self, shadow: PathTable, live: Live, serving: Serving, place: Place, asked: Request) -> None:
        def parts() -> list[Asked]:
            asking = self._asking(shadow, serving, place, asked)
            if asking.trouble is not None:
                raise asking.trouble
            return asking.parts or [Asked(self.rules.guard, asking.ruling.whole, {})]

        compare(self.rules.guard, live, parts, lambda guard: sent(asked.environ, guard.headers.values()))


class _Asking(NamedTuple):
    """What must hold for one request, part by part; ``trouble`` is why its path alone is refused."""

    ruling: Ruling
    parts: list[Asked]
    trouble: BadRequest | None
