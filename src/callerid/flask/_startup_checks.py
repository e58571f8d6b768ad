"""All rules of an application's URL map with their policies: the start-up check, by the code that enforces them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from werkzeug.routing import Rule

from callerid.authorization import Policy
from callerid.errors import CalleridError, ConfigurationError
from callerid.flask._cors import cross_origin_of
from callerid.flask._current import Serving
from callerid.flask._policies import entry_at
from callerid.flask._protection import Protection
from callerid.flask._routes import ViewPlace, named_place, own_methods
from callerid.guard import log
from callerid.paths import METHODS, BoundTable

__all__ = ["CheckedRule", "check", "checked_rules", "unbound"]


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """One rule for one method (``*``: any): its place, and its policy or what is wrong with it.

    ``view`` is what serves.
    """

    method: str
    place: ViewPlace
    policy: Policy | None
    problem: str = ""
    view: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.place.template}"


def checked_rules(protection: Protection) -> Iterator[CheckedRule]:
    """Every rule and method that a view serves. Automatic ``OPTIONS`` is left out: the default and the marks hold."""
    for rule in _rules(protection):
        for method in _methods(rule, _tables(protection)):
            view = protection.app.view_functions.get(rule.endpoint)
            place = protection.reader.place(Serving(rule, None, view, "GET" if method == "*" else method))
            yield _found(protection, method, place, view)


def check(protection: Protection) -> None:
    """Raise `ConfigurationError` for what can admit nobody or cannot be judged, and log what is open or weak."""
    found = tuple(checked_rules(protection))
    problems = [each.problem for each in found if each.problem]
    problems += unbound(protection)
    if problems:
        raise ConfigurationError("\n".join(dict.fromkeys(problems)), code="startup-checks")
    for each in found:
        if _answers_preflights_by_itself(each):
            log.warning(
                "%s: the view answers OPTIONS by itself, and does not run for a browser's preflight, which carries no "
                "credential: that gets Flask's list of methods. For CORS headers use after_request, flask-cors, or a "
                "view for OPTIONS alone, marked guard.allow(Public())",
                each,
            )
    judged = ((str(each), each.policy.whole.rule) for each in found if each.policy is not None)
    protection.rules.guard.announce(judged, protection.rules.default.rule)


def _rules(protection: Protection) -> Iterator[Rule]:
    return (rule for rule in protection.app.url_map.iter_rules() if not rule.build_only)


def _methods(rule: Rule, tables: list[BoundTable]) -> list[str]:
    methods = own_methods(rule)
    if methods is not None:
        return sorted(methods)
    # For a rule that accepts every method, those with path table entries of their own come first.
    place = named_place(rule)
    told_apart = {
        method
        for method in METHODS
        for table in tables
        if entry_at(table, method, place) != entry_at(table, "*", place)
    }
    return [*sorted(told_apart), "*"]


def _found(protection: Protection, method: str, place: ViewPlace, view: Any) -> CheckedRule:
    policy = None
    try:
        policy = protection.rules.policy(place, method, endpoint=True)
        if protection.shadow is not None:
            # The rules of the shadow table must be satisfiable, too.
            protection.rules.policy(place, method, endpoint=True, table=protection.shadow)
    except CalleridError as error:
        return CheckedRule(method, place, policy, str(error), view)
    return CheckedRule(method, place, policy, "", view)


def _answers_preflights_by_itself(found: CheckedRule) -> bool:
    if found.method != "OPTIONS" or found.policy is None or found.policy.whole.optional:
        return False
    return cross_origin_of(found.view) is None


def unbound(protection: Protection) -> Iterator[str]:
    """What is wrong with keys of the path tables that name no rule of the URL map: they would hold nowhere."""
    places = [named_place(rule) for rule in _rules(protection)]
    for table in (*_tables(protection), *filter(None, (protection.audited,))):
        yield from table.unbound(places)


def _tables(protection: Protection) -> list[BoundTable]:
    return [table for table in (protection.rules.table, protection.shadow) if table is not None]
