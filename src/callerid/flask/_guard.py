"""The guard of Flask applications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import Any, cast

from flask import Flask, Request

from callerid._marks import Mark
from callerid.authentication import UNCHECKED, ExpectedNonce, SignInForm
from callerid.authorization import named, rollout_of
from callerid.callers import Caller
from callerid.errors import ConfigurationError
from callerid.flask._decorator import Allow
from callerid.flask._dispatch import install
from callerid.flask._policies import Rules
from callerid.flask._protection import OnRefusal, Protection
from callerid.flask._routes import Reader
from callerid.guard import GuardCore, Requirement
from callerid.paths import BoundTable, audited_routes, required
from callerid.rules import Rule

__all__ = ["Guard"]


class Guard(GuardCore):
    """The guard of a Flask application: rules tied to the views that serve."""

    def allow(self, *rules: Rule | str, audience: str | Iterable[str] | None = None) -> Allow:
        """Mark a view function, a view class, a method of one, or a blueprint with a rule.

        Takes one rule, or IAM member strings any of which suffices. ``audience`` names what a Google ID token in
        ``Authorization`` must be minted for here. All marks on the way to a view must hold: those of every blueprint
        that it is in, of its class and of the method. Put the decorator below the route's own (above it, it is an error
        before the first request), or call it: ``guard.allow(rule)(blueprint)`` before the blueprint is registered. For
        a callable object mark its ``__call__``. Raises `ConfigurationError`.
        """
        return Allow(Mark(self, self.requirement(*rules, audience=audience)))

    def protect(  # noqa: PLR0913 - plain settings, each with a name
        self,
        app: Flask,
        *,
        default: Rule | str | Requirement,
        floor: Rule | str | Requirement | None = None,
        routes: Mapping[str, Rule | str | Requirement | Allow] = MappingProxyType({}),
        on_refusal: OnRefusal | None = None,
        enforce: bool = True,
        until: str | date | None = None,
        shadow: Mapping[str, Rule | str | Requirement | Allow] | None = None,
        audit: Iterable[str] = (),
    ) -> None:
        """Close an application around its rules: from now on every request is judged before anything of it runs.

        What all adapters share is described in `callerid.guard.GuardCore`. Here:

        - ``default``: holds for every path without a mark or an entry in ``routes``: static files, unknown paths and
          wrong methods, too. A redirect that Werkzeug answers by itself (a missing slash, ``defaults=``,
          ``redirect_to=``) is judged by the rules of the place in this application that it leads to.
        - ``routes``: a path table (see `callerid.paths.BoundTable`) whose keys name rules of the URL map as they are
          written: ``/users/<user_id>`` or ``/users/{user_id}``, ``POST /tasks``, ``/static/*``.
        - ``floor``: holds everywhere, whatever a view says.
        - ``on_refusal(request, refusal)``: may give another answer: whatever a view may return.
        - ``enforce=False, until="2027-01-31"``: lets everybody in to the end of that day; ask ``if caller:`` meanwhile.
        - ``shadow``: a table to take the place of ``routes``, compared with it and never an answer.
        - ``audit``: keys as of ``routes``, of the rules whose allowed requests are logged, too.

        Views are checked before the first request, since they come after ``protect``. A browser's preflight passes,
        and runs neither a view nor a ``before_request``: it gets Flask's list of methods, to which ``after_request``
        functions and flask-cors, its ``@cross_origin`` too, add their headers. Raises `ConfigurationError`.
        """
        self.check_ready()
        if not isinstance(app, Flask):
            raise ConfigurationError(f"protect takes a Flask application, not {app!r}", code="wrong-framework")
        if on_refusal is not None and not callable(on_refusal):
            raise ConfigurationError(
                "on_refusal is a function of the request and the refusal", code="on-refusal-not-a-function"
            )
        table = self._table(routes, "routes")
        rules = Rules(
            self,
            default=self._asked(default, "default="),
            floor=None if floor is None else self._asked(floor, "floor="),
            table=table if table.requirements else None,
        )
        reader, other = Reader(app), None if shadow is None else self._table(shadow, "shadow")
        rollout = rollout_of(enforce, until, self.clock(), f"the application {named(app)}")
        audited = audited_routes(audit, self)
        install(Protection(app, rules, reader, on_refusal, rollout=rollout, shadow=other, audited=audited))

    init_app = protect
    """The same, by the name that Flask's extensions have for it."""

    def sign_in_with_google(
        self, request: Request, *, rule: Rule | str | None = None, nonce: ExpectedNonce = UNCHECKED
    ) -> Caller:
        """The person whom Google's button signed in, in the request in which it posted its form to ``login_uri``.

        For a view that anybody may call. A `Refusal` that it raises is answered as the guard's own.
        `callerid.guard.GuardCore.verify_sign_in` describes what is checked.
        """
        headers = request.headers
        form = SignInForm(
            request.method,
            headers.get("Content-Type", ""),
            SignInForm.length_in(cast("Any", headers)),
            tuple(headers.getlist("Cookie")),
        )
        if form.trouble(self.authenticator.longest_token) is None:
            form = replace(form, fields=tuple(request.form.items(multi=True)))
        return self.verify_sign_in(form, rule, nonce)

    def _asked(self, asked: Rule | str | Requirement, name: str) -> Requirement:
        if isinstance(asked, Allow):
            raise ConfigurationError(f"{name} takes the rule itself, without guard.allow(...)", code="not-a-rule")
        return required(self, asked, name)

    def _table(self, routes: Mapping[str, Rule | str | Requirement | Allow], name: str) -> BoundTable:
        if not isinstance(routes, Mapping):
            raise ConfigurationError(
                f"{name}= maps paths to rules, such as {{'/health': Public()}}, not {routes!r}",
                code="path-table",
            )
        asked = {path: rule.mark.requirement if isinstance(rule, Allow) else rule for path, rule in routes.items()}
        return BoundTable(asked, self, name)
