"""The routes of an application as columns of a table, with sample values for their path parameters. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from callerid.audit._places import ANYWHERE_ELSE, PARAMETER
from callerid.audit._rows import AccessMap, Row
from callerid.audit._scope import is_middleware_entry
from callerid.audit._suite import Case
from callerid.rules import compared_with_path, leaves
from callerid.rules._judging import is_ours
from callerid.testing._made_up import values_for

__all__ = ["SAFE", "PlayRoute", "columns", "learned", "parameters_of"]

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that a page may call unasked (RFC 9110 section 9.2.1)."""

NOWHERE: Final = "no-such-path"

_REGEX: Final = frozenset("^$()\\|+?[]")


@dataclass(frozen=True, slots=True)
class PlayRoute:
    """One method of one route. ``template`` is what people read, ``written`` has the converters of the parameters."""

    method: str
    template: str
    written: str
    row: Row

    @property
    def key(self) -> str:
        """What tells it from others: as `Row.name` has it for one method."""
        return f"{self.method} {self.written}"

    @property
    def called(self) -> str:
        """The method by which it is called."""
        return "GET" if self.method == "*" else self.method

    @property
    def is_safe(self) -> bool:
        """Whether its handler may run unasked."""
        return self.called in SAFE

    @property
    def group(self) -> str:
        """The first part of the path."""
        return "/" + self.template.lstrip("/").partition("/")[0]

    def path(self, samples: Mapping[str, str]) -> str | None:
        """A path that the route serves, with sample values for its parameters; ``None`` where none can be made up."""
        text = self.written
        if self.row.is_rest:
            text = text.removesuffix(ANYWHERE_ELSE).rstrip("/") + f"/{NOWHERE}"
        elif self.row.serving(self.method).below:
            text = f"{text.rstrip('/')}/{NOWHERE}"
        path = PARAMETER.sub(lambda found: samples.get(_name(found)) or _usual(found), text)
        path = f"{path[:-1]}{NOWHERE}" if path.endswith("/*") else path
        return path if path.startswith("/") and _REGEX.isdisjoint(path) and not set(" {}<>*") & set(path) else None

    def values(self, path: str) -> dict[str, str]:
        """What a path names, as text, if it is one of the route's."""
        if self.row.is_rest:
            return {}
        pattern, end = "", 0
        for found in PARAMETER.finditer(self.written):
            pattern += re.escape(self.written[end : found.start()]) + f"(?P<{_name(found)}>[^/]+)"
            end = found.end()
        match = re.fullmatch(pattern + re.escape(self.written[end:]), path)
        return {} if match is None else match.groupdict()


def _name(found: re.Match[str]) -> str:
    return str(found["name"] or found["variable"])


def _usual(found: re.Match[str]) -> str:
    return values_for(found["kind"] or found["converter"] or "", found["arguments"] or "")[0]


def columns(found: AccessMap) -> list[PlayRoute]:
    """The routes of an application that a path alone leads to, those of one first part of the path together.

    At the end stand those that the framework adds by itself, such as its documentation, and what holds elsewhere.
    """
    routes = [
        PlayRoute(method, row.template, row.written(method), row)
        for method, row in found.singly()
        if not is_middleware_entry(row.template) and (row.is_rest or row.template.startswith("/"))
    ]
    order = {group: at for at, group in enumerate(dict.fromkeys(each.group for each in routes))}
    return sorted(routes, key=lambda each: (_rank(each), order[each.group]))


def _rank(route: PlayRoute) -> int:
    if route.template == ANYWHERE_ELSE:
        return 2
    return int(route.row.serving(route.method).endpoint.startswith("fastapi:"))


def parameters_of(routes: Iterable[PlayRoute]) -> list[str]:
    """The names of all path parameters, in order."""
    return list(dict.fromkeys(_name(found) for route in routes for found in PARAMETER.finditer(route.written)))


def learned(routes: Iterable[PlayRoute], cases: Iterable[Case], users: Iterable[str]) -> dict[str, str]:
    """Sample values: what the paths of access tests name, else a user where a rule compares with one."""
    found: dict[str, str] = {}
    known = list(routes)
    for case in sorted(cases, key=lambda case: not case.may):
        for route in known:
            if case.method in (route.called, route.method):
                found = {**route.values(case.path), **found}
    user = next(iter(users), None)
    if user is not None:
        found = {**{name: user for route in known for name in _compared(route)}, **found}
    return found


def _compared(route: PlayRoute) -> Iterator[str]:
    for leaf in leaves(route.row.rule):
        compared = compared_with_path(leaf) if is_ours(leaf) else None
        if compared is not None:
            yield compared[1].name
