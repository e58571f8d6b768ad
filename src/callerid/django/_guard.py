"""The guard of Django projects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, TypeAlias

from django.http import HttpRequest

from callerid._marks import Mark
from callerid.authentication import UNCHECKED, ExpectedNonce
from callerid.authorization import rollout_of
from callerid.callers import Caller
from callerid.django._decorator import Allow
from callerid.django._policies import ProjectRules
from callerid.django._protection import OnRefusal, Protection
from callerid.django._sign_in import sign_in_form
from callerid.errors import ConfigurationError
from callerid.guard import GuardCore, Requirement
from callerid.paths import METHODS, BoundTable, audited_routes, required
from callerid.rules import Rule

__all__ = ["Guard"]

Asked: TypeAlias = Rule | str | Requirement


class Guard(GuardCore):
    """The guard of a Django project: rules tied to the views that serve."""

    protection: Protection | None = None
    """What `protect` made."""

    def allow(self, *rules: Rule | str, audience: str | Iterable[str] | None = None) -> Allow:
        """Mark a view with a rule: a function or class, a method of one, a mixin, or all views of an ``include()``.

        Takes one rule, or IAM member strings any of which suffices. ``audience`` names what a Google ID token in
        ``Authorization`` must be minted for here. All marks on the way to a view must hold: those of every include that
        it is in, of its class and mixins, of ``dispatch`` and of the method. Raises `ConfigurationError`.
        """
        return Allow(Mark(self, self.requirement(*rules, audience=audience)))

    def protect(  # noqa: PLR0913 - plain settings, each with a name
        self,
        *,
        default: Asked,
        floor: Asked | None = None,
        routes: Mapping[str, Asked | Allow] = MappingProxyType({}),
        on_refusal: OnRefusal | None = None,
        enforce: bool = True,
        until: str | date | None = None,
        shadow: Mapping[str, Asked | Allow] | None = None,
        audit: Iterable[str] = (),
    ) -> None:
        """Say what holds in the project, of which `CallerMiddleware` then judges every request.

        What all adapters share is described in `callerid.guard.GuardCore`. Here:

        - ``default``: holds for every path without a mark or an entry in ``routes``: unknown paths and wrong methods,
          too. A redirect to the same path with a slash at its end (``APPEND_SLASH``) or with a language in front
          (`LocaleMiddleware`) is judged by the rules of the place that it leads to.
        - ``routes``: a path table (see `callerid.paths.BoundTable`) whose keys name routes as the URLconf has them:
          ``users/<int:user_id>/`` or ``/users/{user_id}``, ``POST tasks/``, and ``api/*`` for an ``include()``. Regular
          expressions are named as Django's documentation of a project has them: ``articles/<year>/``.
        - ``floor``: holds everywhere, whatever a view says.
        - ``on_refusal(request, refusal)``: may give another answer: an ``HttpResponse``.
        - ``enforce=False, until="2027-01-31"``: lets everybody in to the end of that day; ask ``if request.caller:``
          meanwhile.
        - ``shadow``: a table to take the place of ``routes``, compared with it and never an answer.
        - ``audit``: keys as of ``routes``, of the routes whose allowed requests are logged, too.

        Views are checked where the server starts, and by ``manage.py check``. Raises `ConfigurationError`.
        """
        self.check_ready()
        if self.protection is not None:
            raise ConfigurationError(
                "this guard protects already: call protect once, with all its rules", code="protected-twice"
            )
        if on_refusal is not None and not callable(on_refusal):
            raise ConfigurationError(
                "on_refusal is a function of the request and the refusal", code="on-refusal-not-a-function"
            )
        table = self._table(routes, "routes")
        rules = ProjectRules(
            self,
            default=self._asked(default, "default="),
            floor=None if floor is None else self._asked(floor, "floor="),
            table=table if table.requirements else None,
        )
        other = None if shadow is None else self._table(shadow, "shadow")
        rollout = rollout_of(enforce, until, self.clock(), "the Django project")
        keys: Any = audit if isinstance(audit, str) or not isinstance(audit, Iterable) else [_key(key) for key in audit]
        audited = audited_routes(keys, self)
        self.protection = Protection(rules, on_refusal, rollout=rollout, shadow=other, audited=audited)

    def sign_in_with_google(
        self, request: HttpRequest, *, rule: Rule | str | None = None, nonce: ExpectedNonce = UNCHECKED
    ) -> Caller:
        """The person whom Google's button signed in, in the request in which it posted its form to ``login_uri``.

        For a view that anybody may call, and that is ``csrf_exempt``: the form has Google's token against forgery, not
        Django's. A `Refusal` that it raises is answered as the guard's own.
        `callerid.guard.GuardCore.verify_sign_in` describes what is checked.
        """
        return self.verify_sign_in(sign_in_form(request, self.authenticator.longest_token), rule, nonce)

    async def asign_in_with_google(
        self, request: HttpRequest, *, rule: Rule | str | None = None, nonce: ExpectedNonce = UNCHECKED
    ) -> Caller:
        """As `sign_in_with_google`, without blocking the event loop."""
        return await self.averify_sign_in(sign_in_form(request, self.authenticator.longest_token), rule, nonce)

    def _asked(self, asked: Asked, name: str) -> Requirement:
        if isinstance(asked, Allow):
            raise ConfigurationError(f"{name} takes the rule itself, without guard.allow(...)", code="not-a-rule")
        return required(self, asked, name)

    def _table(self, routes: Mapping[str, Asked | Allow], name: str) -> BoundTable:
        if not isinstance(routes, Mapping):
            raise ConfigurationError(
                f"{name}= maps paths to rules, such as {{'health/': Public()}}, not {routes!r}",
                code="path-table",
            )
        asked = {_key(key): rule.mark.requirement if isinstance(rule, Allow) else rule for key, rule in routes.items()}
        if len(asked) < len(routes):
            raise ConfigurationError(
                f"{name}= has a path twice, once with a slash in front: write one of them", code="path-table-same-place"
            )
        return BoundTable(asked, self, name)


def _key(text: Any) -> Any:
    """A key as path tables have it: Django's routes have no slash in front."""
    if not isinstance(text, str) or not text.strip() or text.startswith(" "):
        return text  # the table says what is wrong with it
    method, space, path = text.partition(" ")
    if space and method in METHODS:
        return f"{method} /{path.removeprefix('/')}" if path.strip() == path else text
    return f"/{text.removeprefix('/')}"
