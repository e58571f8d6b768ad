"""All rules of an application's URL map with what must hold there: what is checked is read by what is enforced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from werkzeug.routing import Rule

from callerid.errors import CalleridError, ConfigurationError
from callerid.flask.current import Serving
from callerid.flask.protection import Protection
from callerid.flask.reading import Place, named
from callerid.flask.ruling import Ruling
from callerid.guard import log
from callerid.paths import Entry
from callerid.paths.shapes import ANY, MANY, is_answered, nothing_answers, standing

__all__ = ["Found", "check", "survey", "unanswered"]


@dataclass(frozen=True, slots=True)
class Found:
    """One rule for one method (``*``: any): what stands there, and its ruling or what is wrong with it.

    ``entry`` is that of the path table, ``view`` what serves.
    """

    method: str
    place: Place
    ruling: Ruling | None
    problem: str = ""
    entry: Entry | None = None
    view: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.place.template}"


def survey(protection: Protection) -> Iterator[Found]:
    """Every rule and method that a view serves. Automatic ``OPTIONS`` is under the default and the rule's own marks."""
    for rule in _rules(protection):
        for method in _methods(rule):
            view = protection.app.view_functions.get(rule.endpoint)
            place = protection.reader.place(Serving(rule, None, view, "GET" if method == "*" else method))
            yield _found(protection, rule, method, place, view)


def check(protection: Protection) -> None:
    """Raise `ConfigurationError` for what can admit nobody or cannot be judged, and log what is open or weak."""
    found = tuple(survey(protection))
    problems = [each.problem for each in found if each.problem]
    problems += unanswered(protection)
    if problems:
        raise ConfigurationError("\n".join(dict.fromkeys(problems)))
    for each in found:
        if each.place.late:
            log.warning("%s: guard.allow(...) stands above the route; it holds, but put it below the route's own", each)
    judged = ((str(each), each.ruling.whole.rule) for each in found if each.ruling is not None)
    protection.rules.guard.announce(judged, protection.rules.default.rule)


def _rules(protection: Protection) -> Iterator[Rule]:
    return (rule for rule in protection.app.url_map.iter_rules() if not rule.build_only)


def _methods(rule: Rule) -> list[str]:
    if rule.methods is None:
        return ["*"]
    automatic = {"OPTIONS"} if getattr(rule, "provide_automatic_options", False) else set[str]()
    return sorted(rule.methods - automatic)


def _found(protection: Protection, rule: Rule, method: str, place: Place, view: Any) -> Found:
    rules = protection.rules
    entry = None if rules.table is None else standing(rules.table, method, _shape(rule))
    try:
        return Found(method, place, rules.ruling(place, entry, endpoint=True), "", entry, view)
    except CalleridError as error:
        return Found(method, place, None, str(error), entry, view)


def unanswered(protection: Protection) -> Iterator[str]:
    """Entries of the path table that stand for nothing: as good as a typing mistake in a rule."""
    for table in filter(None, (protection.rules.table, protection.shadow)):
        routes = [(_shape(rule), rule.methods) for rule in _rules(protection)]
        idle = (text for text in table.requirements if not is_answered(table, text, routes))
        yield from (nothing_answers(text, table.name) for text in idle)


def _shape(rule: Rule) -> str:
    converters: dict[str, Any] = getattr(rule, "_converters", {})
    return named(rule.rule, lambda name: ANY if getattr(converters.get(name), "part_isolating", False) else MANY)
