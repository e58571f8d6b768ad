"""Rules about the app that sent a request, whoever uses it. Source: Firebase, "App Check"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from callerid.errors import ConfigurationError
from callerid.rules._base import AllOf, Rule, leaves
from callerid.rules._facts import Facts

__all__ = ["AnyApp", "App", "needs_app", "project_number_of", "some_app"]

_APP: Final = re.compile(r"[0-9]+:([0-9]+):[a-z]+:[0-9A-Za-z]+")
"""An app's id: a version, the project's number, the platform, and what is the app's own."""


class AppRule(Rule):
    """A rule about the app alone: it says nothing of a caller, and needs none."""

    __slots__ = ()

    @property
    def needs_caller(self) -> bool:
        return False

    def _note(self, facts: Facts, *, holds: bool) -> str:
        return "no App Check token came" if facts.app is None else f"the app is {facts.app}"


@dataclass(frozen=True, slots=True, repr=False, init=False)
class App(AppRule):
    """Requests of one of these apps, by their ids in Firebase (``1:1234:web:abcd``), as App Check attests them.

    It speaks of the app and of no caller: join it (``&``) with a rule about the user. Alone it lets in whoever uses the
    app, with a user's credential or without one: the handler is given the caller whom a valid credential names, else
    ``None``. What attests a web app is a browser, so it keeps scripts away, and not a determined attacker.
    """

    ids: tuple[str, ...]

    def __init__(self, *ids: str) -> None:
        for each in ids:
            if not isinstance(each, str) or not _APP.fullmatch(each):
                raise ConfigurationError(
                    f"App takes the ids of apps, such as '1:1234567890:web:abc123' (Firebase's project settings), "
                    f"not {each!r}",
                    code="rule-argument",
                )
        if not ids:
            raise ConfigurationError(
                "App takes at least one app's id; AnyApp() admits every app of the project", code="rule-argument"
            )
        self._set(ids=tuple(sorted(set(ids))))

    @property
    def singly(self) -> tuple[App, ...]:
        """A rule for each of the apps, any of which suffices."""
        return tuple(map(App, self.ids)) if len(self.ids) > 1 else (self,)

    def admits(self, facts: Facts) -> bool:
        return facts.app in self.ids

    def __repr__(self) -> str:
        return f"App({', '.join(map(repr, self.ids))})"

    def __str__(self) -> str:
        return f"app:{' or '.join(self.ids)}"


@dataclass(frozen=True, slots=True, repr=False)
class AnyApp(AppRule):
    """Requests of any app of the Firebase project that App Check attests; see `App`."""

    def admits(self, facts: Facts) -> bool:
        return facts.app is not None

    def __str__(self) -> str:
        return "anyApp"


def project_number_of(app: str) -> str:
    """The number of the project that an app's id names."""
    found = _APP.fullmatch(app)
    return found[1] if found else ""


def needs_app(rule: Rule) -> bool:
    """Whether the rule, or one of those that must all hold beside each other in it, speaks of apps alone."""
    if type(rule) is AllOf:
        return any(map(needs_app, rule.rules))
    return all(map(some_app, leaves(rule)))


def some_app(rule: Rule) -> tuple[str, ...]:
    """The ids of apps one of which satisfies a leaf; empty for a leaf about anything else."""
    if type(rule) is App:
        return rule.ids
    return ("0:0:any:0",) if type(rule) is AnyApp else ()
