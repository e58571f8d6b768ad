"""Access tests: calls of real applications with real signatures, up to the guard's decision and no further.

While they run, each guard believes a `LocalIssuer` where it believed Google: everything else of it stays. No handler
runs, whoever is let in: what is asked is the decision alone. What an opaque mounted application decides by a guard of
its own is not seen; the mount is.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from callerid.access import AccessMap, access_map
from callerid.audit._reading import is_wsgi
from callerid.audit._rows import Row
from callerid.audit._scope import is_middleware_entry
from callerid.audit._suite import Case, SuitePersona
from callerid.errors import ConfigurationError, Refusal
from callerid.guard import GuardCore, Identity, Requirement, log
from callerid.testing._calls import call_asgi, call_wsgi
from callerid.testing._issuer import LocalIssuer
from callerid.testing._made_up import paths_for
from callerid.testing._site import SITE, site_of
from callerid.testing._standing_in import standing_in
from callerid.testing._suite_mint import SuiteMint

__all__ = ["Judgement", "Rehearsal", "rehearsing"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a case: whether it is as the case says, what was decided, and why."""

    case: Case
    is_right: bool
    said: str
    why: str = ""

    def __str__(self) -> str:
        why = "".join(f"\n  {line}" for line in self.why.splitlines())
        return f"{self.case}: {self.said}{why}"


@dataclass(frozen=True, slots=True)
class _Heard:
    route: str
    requirement: Requirement | None
    refusal: Refusal | None


_IN_FRONT: Final = "what stands before the guard has answered; if it takes no host named {}, write site = 'HOST'"


class _Stop(BaseException):
    """Somebody was let in: no handler may run."""


class Rehearsal:
    """An application whose guards decide for real, and whose handlers do not run."""

    def __init__(self, app: Any, found: AccessMap, issuer: LocalIssuer, site: str = SITE) -> None:
        self.map = found
        self._site = site
        self._app = app
        self._issuer = issuer
        self._heard: list[_Heard] = []
        self._calling = SuitePersona("nobody")
        self._drive = call_wsgi if is_wsgi(app) else call_asgi
        self._routes = {f"{method} {row.template}" for row in found.rows for method in row.methods}
        self._called: dict[str, str] = {}

    def judge(self, case: Case) -> Judgement:
        """Make the call of a case. Raises `ConfigurationError` for a persona of whom Google would mint no token."""
        judgement = self._judge(case)
        if self._is_answered():
            self._called[str(case)] = self._heard[-1].route
        return judgement

    def judge_rest(self, persona: SuitePersona, cases: Iterable[Case]) -> Iterator[Judgement]:
        """Call every route that none of the cases of this persona reaches, by a path that is made up.

        Nobody may be let in; a route that no such path reaches is to be named in the file.
        """
        own = [case for case in cases if case.persona == persona]
        for case in own:
            self.judge(case)
        reached = {self._called[str(case)] for case in own if str(case) in self._called}
        for method, row in self._own_routes():
            if not any(_is_of(route, method, row) for route in reached):
                yield self._judge_made_up(persona, method, row)

    def _judge_made_up(self, persona: SuitePersona, method: str, row: Row) -> Judgement:
        called, written = "GET" if method == "*" else method, row.written(method)
        for path in paths_for(written, below=row.serving(method).below):
            judgement = self._judge(Case(persona, called, path, may=False))
            # What is refused in front of a route, or raises there, is not let in by it either; and a path without
            # parameters is the only one, whichever route serves it.
            in_front = len(self._heard) < self.map.layers
            if in_front or path == written or _is_of(self._heard[-1].route, method, row):
                return judgement
        missed = Case(persona, called, written, may=False)
        return Judgement(missed, is_right=False, said="no path that can be made up reaches it: write a call of it")

    def _judge(self, case: Case) -> Judgement:
        error = self._ask(case)
        if error is not None:
            return Judgement(case, is_right=False, said=f"the application raised {type(error).__name__}: {error}")
        return self._judged(case)

    def _is_answered(self) -> bool:
        """Whether the last call was of something that the map has."""
        return bool(self._heard) and (len(self._heard) < self.map.layers or self._is_known(self._heard[-1].route))

    def _ask(self, case: Case) -> Exception | None:
        """Make a call; what the application raised, where nobody decided."""
        headers = self._headers(case.persona)
        self._calling = case.persona
        self._heard.clear()
        try:
            self._drive(self._app, case, headers, self._site)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            if not self._heard:
                if isinstance(error, Exception):
                    return error
                raise
        return None

    def _judged(self, case: Case) -> Judgement:
        if not self._heard:
            return Judgement(case, is_right=False, said=f"nobody decided: {_IN_FRONT.format(self._site)}")
        heard = self._heard[-1]
        if not self._is_answered():
            return Judgement(case, is_right=False, said="no route answers there: correct the path or the method")
        refusal = heard.refusal
        if refusal is None:
            rule = "" if heard.requirement is None else str(heard.requirement.rule)
            return Judgement(case, case.may, f"let in by {rule}")
        said = f"refused with {refusal.status} {refusal.reason}"
        if refusal.status not in (401, 403):
            return Judgement(case, is_right=False, said=said, why=refusal.detail)
        return Judgement(case, not case.may, said, refusal.why or refusal.detail)

    def _is_known(self, route: str) -> bool:
        _, _, template = route.partition(" ")
        by_table = "(no entry)" in route or template == ""
        return by_table or route in self._routes or f"* {template}" in self._routes

    def untested(self) -> list[str]:
        """The routes that no case has called."""
        called = set(self._called.values())
        return [
            f"{method} {row.template}"
            for method, row in self._own_routes()
            if not any(_is_of(route, method, row) for route in called)
        ]

    def _own_routes(self) -> Iterator[tuple[str, Row]]:
        """The routes of the application that a path alone leads to, without what middleware in front asks."""
        for method, row in self.map.singly():
            is_own = row.template.startswith("/") and not is_middleware_entry(row.template)
            if is_own and not row.is_rest:
                yield method, row

    def shadowed(self) -> list[str]:
        """The routes that are never served, since others come first: what the map says of them is idle."""
        return [
            f"{method} {row.written(method)} is never served: {' and '.join(row.instead)} comes first"
            for method, row in self.map.singly()
            if row.instead
        ]

    def record(
        self,
        route: str,
        requirement: Requirement | None,
        identity: Identity | None,
        refusal: Refusal | None = None,
        _: Mapping[str, str] | None = None,
    ) -> str:
        """In place of `GuardCore.record`."""
        self._heard.append(_Heard(route, requirement, refusal))
        if refusal is None and len(self._heard) >= self.map.layers:
            raise _Stop
        return "urn:uuid:00000000-0000-0000-0000-000000000000"

    def use_up(self, *_: Any) -> None:
        """In place of `GuardCore.use_up`: a persona's token may open any number of requests, as if each were new."""

    def look_up(self, of: str, *_: Any) -> frozenset[str]:
        """In place of `GuardCore.look_up`: what the file says of the persona."""
        return self._calling.looked_up.get(of, frozenset())

    def _headers(self, persona: SuitePersona) -> dict[str, str]:
        return SuiteMint(self._issuer, self.map.guards).headers(persona)


def _is_of(route: str, method: str, row: Row) -> bool:
    """Whether a route, as a guard named it, is this row's; HEAD goes with GET."""
    called, _, template = route.partition(" ")
    return template == row.template and (method in (called, "*") or (called, method) == ("HEAD", "GET"))


@contextmanager
def rehearsing(app: Any, issuer: LocalIssuer | None = None, *, site: str | None = None) -> Generator[Rehearsal]:
    """An application, ready for access tests; at the end its guards are as before.

    ``issuer`` signs the tokens; without one there is a new one, of the guard's own time. ``site`` is the host that
    calls name; without one ``testserver``, or what the settings of a Django project let through. Raises
    `ConfigurationError` for what is no application, or has rules that nobody enforces or can meet.
    """
    found = access_map(app)
    if found.problems:
        raise ConfigurationError("; ".join(found.problems), code="access-tests")
    signing = LocalIssuer(clock=found.guards[0].clock) if issuer is None else issuer
    rehearsal = Rehearsal(app, found, signing, site or site_of(found))
    with standing_in(signing, *found.guards), _listening(found.guards, rehearsal):
        yield rehearsal


_HEARD: Final[tuple[str, ...]] = ("record", "look_up", "use_up")
"""The methods of a guard that a rehearsal takes the place of."""


@contextmanager
def _listening(guards: Iterable[GuardCore], rehearsal: Rehearsal) -> Generator[None]:
    # Some adapters tell of who is let in only where somebody listens.
    level, propagate, disabled, handler = log.level, log.propagate, log.disabled, logging.NullHandler()
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate, log.disabled = False, False
    own = [vars(guard) for guard in guards]
    before = [{name: each[name] for name in _HEARD if name in each} for each in own]
    for each in own:
        each.update({name: getattr(rehearsal, name) for name in _HEARD})
    try:
        yield
    finally:
        for each, former in zip(own, before, strict=True):
            for name in _HEARD:
                del each[name]
            each.update(former)
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate, log.disabled = propagate, disabled
