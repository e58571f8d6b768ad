"""All rules of an application's URL map with what must hold there: what is checked is read by what is enforced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from werkzeug.routing import Rule

from callerid.errors import CalleridError, ConfigurationError
from callerid.flask.current import Serving
from callerid.flask.protection import Protection
from callerid.flask.reading import Place, named
from callerid.flask.ruling import Ruling
from callerid.guard import log
from callerid.paths import Entry, PathTable
from callerid.paths.pattern import ANY_METHOD, REST, Pattern, segments_of

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
    """Raise `ConfigurationError` for what can admit nobody or cannot be judged, and log what is open to everybody."""
    found = tuple(survey(protection))
    problems = [each.problem for each in found if each.problem]
    problems += unanswered(protection)
    if problems:
        raise ConfigurationError("\n".join(dict.fromkeys(problems)))
    for each in found:
        if each.place.late:
            log.warning("%s: guard.allow(...) stands above the route; it holds, but put it below the route's own", each)
        if each.ruling is not None and each.ruling.whole.public:
            log.info("open to everybody: %s", each)


def _rules(protection: Protection) -> Iterator[Rule]:
    return (rule for rule in protection.app.url_map.iter_rules() if not rule.build_only)


def _methods(rule: Rule) -> list[str]:
    if rule.methods is None:
        return ["*"]
    automatic = {"OPTIONS"} if getattr(rule, "provide_automatic_options", False) else set[str]()
    return sorted(rule.methods - automatic)


def _found(protection: Protection, rule: Rule, method: str, place: Place, view: Any) -> Found:
    rules = protection.rules
    entry = None if rules.table is None else _entry(rules.table, rule, method)
    try:
        return Found(method, place, rules.ruling(place, entry, endpoint=True), "", entry, view)
    except CalleridError as error:
        return Found(method, place, None, str(error), entry, view)


def _entry(table: PathTable, rule: Rule, method: str) -> Entry | None:
    """The entry that holds at a rule whatever its parameters are."""
    return table.find(method, "/".join("\0" if _ANY in each else each for each in _text(rule).split("/")))


def unanswered(protection: Protection) -> Iterator[str]:
    """Entries of the path table that stand for nothing: as good as a typing mistake in a rule."""
    table = protection.rules.table
    rules = tuple(_rules(protection))
    for text in () if table is None else table.requirements:
        if not any(_may_answer(rule, Pattern.parse(text)) for rule in rules):
            yield f"routes[{text!r}]: no route of this application answers there: mend the path or the method"


def _may_answer(rule: Rule, pattern: Pattern) -> bool:
    if pattern.method != ANY_METHOD and rule.methods is not None and pattern.method not in rule.methods:
        return False
    own = segments_of(_text(rule))
    for place, segment in enumerate(pattern.segments):
        rest = own[place:]
        if not rest:
            return False
        if segment == REST or _MANY in rest[0]:
            return True
        if _ANY not in rest[0] and not segment.startswith("{") and rest[0] != segment:
            return False
    return len(own) == len(pattern.segments)


_ANY: Final = "\0"
"""What stands for a parameter."""
_MANY: Final = "\0\0"
"""What stands for a parameter that may have slashes in it."""


def _text(rule: Rule) -> str:
    converters: dict[str, Any] = getattr(rule, "_converters", {})
    return named(rule.rule, lambda name: _ANY if getattr(converters.get(name), "part_isolating", False) else _MANY)
