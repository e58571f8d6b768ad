"""An application that is played with: its routes, who calls, and what comes of each call.

Its guards believe a `LocalIssuer` meanwhile; whoever pasted a token is judged by the keys that they really trust.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, Self

from callerid.audit._lifespan import has_lifespan
from callerid.audit._reading import access_map, is_wsgi
from callerid.audit._rows import AccessMap
from callerid.audit._suite import Case, Suite, SuitePersona
from callerid.audit.algebra import FixedLookUps
from callerid.authentication import NOBODY, Authenticator, Identity
from callerid.errors import ConfigurationError, Refusal, one_line
from callerid.guard import GuardCore
from callerid.issuers import Issuer
from callerid.keys import Wait
from callerid.play._answers import scrubbed, secrets_in
from callerid.play._comparing import LockComparison, Shift, before
from callerid.play._decisions import DecisionLog
from callerid.play._hearing import HeardCall, check_listening, hearing, listening
from callerid.play._named import named_people
from callerid.play._outcomes import CellState, PlayOutcome, outcome_of
from callerid.play._people import Pasted, PlayPersona, about, first_people, made_persona
from callerid.play._routes import PlayRoute, columns, learned, parameters_of
from callerid.play._runner import PATIENCE, Runner, running
from callerid.play._sending import Sending
from callerid.play._tokens import ShownToken, tokens_in
from callerid.rules import Facts
from callerid.testing._issuer import LocalIssuer
from callerid.testing._site import site_of
from callerid.testing._standing_in import standing_in

__all__ = ["PlayCell", "Playground"]

MOST_PEOPLE: Final = 60
LONGEST_TOKEN: Final = 16_384
PENDING: Final = PlayOutcome(CellState.PENDING, "…")


@dataclass(frozen=True, slots=True)
class PlayCell:
    """One cell of the table: who called where, and what came of it."""

    who: PlayPersona
    route: PlayRoute
    outcome: PlayOutcome
    shift: Shift = Shift.NONE


class Playground:
    """An application, ready to be called as anybody. Use it in ``with``: at the end its guards are as before.

    ``name`` is how the page calls it. ``suite`` are the personas of an ``access.toml``, ``lock`` the text and the name
    of a lock to compare with. ``lifespan`` is whether an ASGI application's start-up runs first, ``patience`` for how
    many seconds a handler is waited for. ``site`` is the host that calls name: else the suite's, else ``localhost``, or
    what a Django project's settings let through. Entering raises `ConfigurationError` for what is no application, has
    rules that nobody enforces or can meet, or does not start.
    """

    def __init__(  # noqa: PLR0913 - plain settings, each with a default
        self,
        app: Any,
        name: str,
        *,
        suite: Suite | None = None,
        lock: tuple[str, str] | None = None,
        lifespan: bool = True,
        site: str | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.name, self.suite = name, suite
        self._app, self._lock, self._lifespan, self._site, self._patience = app, lock, lifespan, site, patience
        self._undo = ExitStack()
        self._reals: dict[GuardCore, Authenticator] = {}
        self._cells: dict[tuple[str, str, str | None], PlayOutcome] = {}
        self._calling, self._changing = threading.RLock(), threading.Lock()
        self.log = DecisionLog()
        self.people: list[PlayPersona] = []
        self.routes: list[PlayRoute] = []
        self.before: LockComparison | None = None

    # --- its beginning and end ---

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self._begin(undo)
            self._undo = undo.pop_all()
        return self

    def _begin(self, undo: ExitStack) -> None:
        found = _checked(access_map(self._app))
        self._issuer = LocalIssuer(clock=found.guards[0].clock)
        undo.enter_context(listening(self.log))
        self._stand_in(found, undo)
        site = self._site or (self.suite.site if self.suite else None) or site_of(found, "localhost")
        starts = self._lifespan and not is_wsgi(self._app) and has_lifespan(self._app)
        self._runner: Runner = undo.enter_context(
            running(self._app, site=site, lifespan=starts, patience=self._patience)
        )
        if starts:  # which may have added routes
            found = _checked(access_map(self._app, started=True))
            self._stand_in(found, undo)
        undo.enter_context(hearing(self._reals))
        self.map: AccessMap = found
        self._sending = Sending(self._issuer, found.guards)
        self.routes = columns(found)
        self.before = self._compared()
        self.people = first_people(self.suite, self._issuers(), named_people(found.rows))
        self.samples = learned(self.routes, self.suite.cases if self.suite else (), self._users())

    def _stand_in(self, found: AccessMap, undo: ExitStack) -> None:
        new = [guard for guard in found.guards if guard not in self._reals]
        self._reals.update({guard: guard.authenticator for guard in new})
        undo.enter_context(standing_in(self._issuer, *new))

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _compared(self) -> LockComparison | None:
        """The comparison with the lock, by whom the guards really trust."""
        if self._lock is None:
            return None
        text, file = self._lock
        standing = {guard: guard.authenticator for guard in self._reals}
        try:
            _trust(self._reals)
            return before(text, self.map, self.routes, file)
        finally:
            _trust(standing)

    def _issuers(self) -> list[Issuer]:
        return [issuer for guard in self.map.guards for issuer in guard.issuers]

    def _users(self) -> Iterator[str]:
        for each in self.people:
            if not isinstance(each.sends, Pasted) and each.sends.kind in ("firebase_user", "oidc_caller"):
                yield each.sends.who

    # --- who calls ---

    def persona(self, key: str) -> PlayPersona | None:
        """The persona of this key, if there is one."""
        return next((each for each in self.people if each.key == key), None)

    def route(self, key: str) -> PlayRoute | None:
        """The route of this key, if there is one."""
        return next((each for each in self.routes if each.key == key), None)

    def add(self, fields: Mapping[str, str]) -> PlayPersona:
        """Somebody made on the spot, of the fields of the form. Raises `ConfigurationError`."""
        made = made_persona(fields, [each.name for each in self.people])
        persona = PlayPersona(secrets.token_urlsafe(6), made.name, about(made), made, is_made=True)
        self.headers_of(persona)  # raises now, and not in each cell
        return self._added(persona)

    def paste(self, text: str) -> PlayPersona:
        """Whoever a pasted token names. The token is kept in memory and never shown. Raises `ConfigurationError`."""
        token = "".join(text.split()).removeprefix("Bearer")
        if not token:
            raise ConfigurationError("paste a token first", code="access-page")
        if len(token) > LONGEST_TOKEN or not token.isascii() or not token.isprintable():
            raise ConfigurationError(
                "that is no token: it is too long, or has characters that no token has", code="access-page"
            )
        number = sum(each.is_real for each in self.people) + 1
        said = "a pasted token, judged by the keys that the app really trusts"
        return self._added(PlayPersona(secrets.token_urlsafe(6), f"pasted {number}", said, Pasted(token), is_made=True))

    def _added(self, persona: PlayPersona) -> PlayPersona:
        with self._changing:
            if len(self.people) >= MOST_PEOPLE:
                raise ConfigurationError(
                    f"no more than {MOST_PEOPLE} callers fit the table: remove one first", code="access-page"
                )
            self.people = [*self.people, persona]
        return persona

    def remove(self, key: str) -> None:
        """Remove somebody who was added."""
        with self._changing:
            self.people = [each for each in self.people if each.key != key or not each.is_made]
            self._cells = {place: each for place, each in self._cells.items() if place[0] != key}

    # --- what comes of their calls ---

    @property
    def parameters(self) -> list[str]:
        """The path parameters that have sample values."""
        return parameters_of(self.routes)

    def with_samples(self, given: Mapping[str, str]) -> dict[str, str]:
        """The sample values, with those that somebody wrote; what no path can have is left out."""
        own = {name: given[name].strip() for name in self.parameters if name in given}
        fit = {name: value for name, value in own.items() if value and _fits(value)}
        return {**self.samples, **fit}

    def cells(self, samples: Mapping[str, str], seconds: float) -> list[list[PlayCell]]:
        """The table, a row for each persona. What is not known is called, for so many seconds; the rest is pending."""
        until = time.monotonic() + seconds
        people, routes = list(self.people), list(self.routes)
        for who in people:
            for route in routes:
                place = _place(who, route, samples)
                if place not in self._cells and time.monotonic() < until:
                    self._known(who, route, samples)
        return [[self.cell(who, route, samples) for route in routes] for who in people]

    def cell(self, who: PlayPersona, route: PlayRoute, samples: Mapping[str, str]) -> PlayCell:
        """What is known of a cell; it may be pending."""
        outcome = self._cells.get(_place(who, route, samples), PENDING)
        return PlayCell(who, route, outcome, self._shift(who, route, outcome))

    def known_cell(self, who: PlayPersona, route: PlayRoute, samples: Mapping[str, str]) -> PlayCell:
        """A cell, called now if it was not yet; the handlers of unsafe methods do not run."""
        self._known(who, route, samples)
        return self.cell(who, route, samples)

    def call(
        self, who: PlayPersona, route: PlayRoute, samples: Mapping[str, str], body: bytes = b"", kind: str = ""
    ) -> PlayCell:
        """Call a route because somebody asked for it: the handler runs, whatever the method."""
        with self._calling:
            self._cells[_place(who, route, samples)] = self._called(who, route, samples, runs=True, sent=(body, kind))
        return self.cell(who, route, samples)

    def forget(self) -> None:
        """Forget what came of all calls, so that they are made again."""
        with self._calling:
            self._cells = {}

    def _known(self, who: PlayPersona, route: PlayRoute, samples: Mapping[str, str]) -> None:
        with self._calling:
            place = _place(who, route, samples)
            if place not in self._cells:
                self._cells[place] = self._called(who, route, samples, runs=route.is_safe)

    def _called(
        self,
        who: PlayPersona,
        route: PlayRoute,
        samples: Mapping[str, str],
        *,
        runs: bool,
        sent: tuple[bytes, str] = (b"", ""),
    ) -> PlayOutcome:
        """Make a call; ``sent`` is its body and the content type of that."""
        path = route.path(samples)
        if path is None:
            return PlayOutcome(CellState.UNKNOWN, "no sample")
        try:
            headers = self.headers_of(who)
            check_listening()
        except ConfigurationError as error:
            return PlayOutcome(CellState.UNKNOWN, one_line(error.message), path)
        heard = HeardCall(
            who.name, runs, self.map.layers, None if isinstance(who.sends, Pasted) else who.sends.looked_up, who.is_real
        )
        case = Case(_NOBODY, route.called, path, may=True)
        body, kind = sent
        answer = self._runner.call(heard, case, headers | ({"Content-Type": kind} if kind else {}), body)
        return outcome_of(heard, scrubbed(answer, secrets_in(headers)), path)

    def headers_of(self, who: PlayPersona) -> dict[str, str]:
        """What a caller sends. Raises `ConfigurationError` for one of whom Google would mint no token."""
        return self._sending.headers(who)

    def tokens(self, cell: PlayCell) -> list[ShownToken]:
        """The credentials that were sent, without signatures."""
        decision = cell.outcome.decision
        refusal = None if decision is None else decision.refusal
        checks = cell.outcome.heard.checks
        is_believed = bool(checks) or (refusal is None and decision is not None and not cell.who.is_real)
        return tokens_in(self.headers_of(cell.who), believed=is_believed)

    def _shift(self, who: PlayPersona, route: PlayRoute, outcome: PlayOutcome) -> Shift:
        if self.before is None or outcome.decision is None or self.before.change(route) is None:
            return Shift.NONE
        return self.before.shift(route, self._facts(who, route, outcome), admits=outcome.admits)

    def _facts(self, who: PlayPersona, route: PlayRoute, outcome: PlayOutcome) -> Facts:
        """The facts about a call, where the guard read the credential; else what any guard makes of it."""
        if outcome.heard.checks:
            facts = outcome.heard.checks[-1].facts
        else:
            identity, path = self._identity(who), route.values(outcome.path or "")
            facts = Facts(identity.caller, identity.via, path, self.map.guards[0].clock(), app=identity.app)
        if isinstance(who.sends, Pasted):
            return facts._replace(first_use=True)
        return facts._replace(first_use=True, looked_up=FixedLookUps(who.sends.looked_up))

    def _identity(self, who: PlayPersona) -> Identity:
        sent = {name.lower(): [value] for name, value in self.headers_of(who).items()} | {":method": ["GET"]}
        try:
            found = self.map.guards[0].identify(sent)
        except Refusal:
            return NOBODY
        return NOBODY if isinstance(found, Wait) else found


_NOBODY: Final = SuitePersona("nobody")
_UNFIT: Final = re.compile(r"[\x00-\x20/?#{}<>*\\%\x7f]")


def _fits(value: str) -> bool:
    """Whether a value can stand in a path as it is."""
    return len(value) <= 200 and not _UNFIT.search(value) and value not in (".", "..")


def _place(who: PlayPersona, route: PlayRoute, samples: Mapping[str, str]) -> tuple[str, str, str | None]:
    return who.key, route.key, route.path(samples)


def _trust(authenticators: Mapping[GuardCore, Authenticator]) -> None:
    for guard, authenticator in authenticators.items():
        guard.authenticator = authenticator


def _checked(found: AccessMap) -> AccessMap:
    if found.problems:
        raise ConfigurationError("; ".join(found.problems), code="access-tests")
    return found
