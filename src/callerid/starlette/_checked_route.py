"""One route as the start-up check and the access map see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.routing import Router

from callerid._marks import Mark
from callerid.authorization import Policy
from callerid.paths import NamedPlace, TableEntry
from callerid.starlette._protection import Protection
from callerid.starlette._routes import Receiver, RoutePlace

__all__ = ["CheckedRoute"]


@dataclass(frozen=True, slots=True)
class CheckedRoute:
    """One route: its path template, its method, and its policy or what is wrong with it.

    - ``method``: empty for a WebSocket, ``*`` for a mount. ``endpoint`` is what serves, ``place`` what was read.
    - ``areas``: the protections on the way, outermost first, each with the marks under it. ``mounts`` are the templates
      at which they begin, ``sources`` says where each mark is written.
    - ``entries``: those of the path tables, by the number of their area. An entry for a part of an opaque mount has a
      row of its own, under its own path (``is_part``). ``named`` is the place as keys of each area's table name it.
    - ``receivers``: the parameters that receive the caller. ``parameters`` are the path's, each with its converter.
    - ``condition``: the class of a route that may match by more than paths and methods (empty: it does not).
    - ``opaque``: whether an application is mounted here that reads the rest of the path by itself. ``mount`` is the
      template of the innermost mount around the route (``None``: there is none).
    - ``is_rest``: a row for the paths below a mount that have no route. ``refuses``: a row for the methods to which an
      endpoint class answers 405.
    - ``begins``: the router whose own protection begins here. ``audited``: whether all allowed requests are logged.
    """

    template: str
    method: str
    policy: Policy | None
    problem: str = ""
    areas: tuple[tuple[Protection, tuple[Mark, ...]], ...] = ()
    sources: Mapping[Mark, str] = field(default_factory=dict[Mark, str])
    endpoint: Any = None
    entries: Mapping[int, TableEntry] = field(default_factory=dict[int, TableEntry])
    named: tuple[NamedPlace, ...] = ()
    is_part: bool = False
    mounts: tuple[str, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    condition: str = ""
    opaque: bool = False
    is_rest: bool = False
    place: RoutePlace | None = None
    mount: str | None = None
    refuses: bool = False
    begins: Router | None = None
    audited: bool = False
