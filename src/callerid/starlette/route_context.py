"""One request's progress through the routers of an application: what was found, and what was decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from starlette.routing import Router
from starlette.types import Scope

from callerid.asgi.exchange import Exchange, values_of
from callerid.asgi.prefixes import below_mount
from callerid.asgi.websockets import Ends, postponed
from callerid.authorization import DEFAULT, FLOOR, TABLE, Policy, Written, policy_of
from callerid.callers import Caller
from callerid.errors import BadRequest, ConfigurationError, Reason, UnguardedEndpointError
from callerid.guard import GuardCore
from callerid.marks import Mark, unguarded
from callerid.paths import METHODS, WEBSOCKET, BoundTable, Entry
from callerid.starlette.routes import RoutePlace, Step

if TYPE_CHECKING:
    from callerid.starlette.protection import Protection

__all__ = ["KEY", "NO_ENTRIES", "RouteContext", "TableMatch"]

KEY: Final = "callerid"
"""The key of a request's context in its scope. It is held by reference: middleware copies scopes."""

MOST_CHAINS: Final = 1000
"""A place that more chains than this lead to has outlived most of them: then they are made anew."""


@dataclass(frozen=True, slots=True)
class TableMatch:
    """The entries of path tables that hold at a place, each with the number of its area."""

    entries: tuple[tuple[int, Entry], ...] = ()
    is_shadow: bool = False

    @property
    def texts(self) -> tuple[tuple[int, str], ...]:
        """The entries by what they are written as: as many as there are in the tables."""
        return tuple((area, entry.pattern) for area, entry in self.entries)

    @property
    def parameters(self) -> Mapping[str, str]:
        """The path parameters that entries below an opaque mount name themselves."""
        return {name: value for _, entry in self.entries for name, value in entry.parameters.items()}


NO_ENTRIES: Final = TableMatch()

_METHODS: Final = frozenset(METHODS.values())


class Span(NamedTuple):
    """The part of a chain that is under one protection, as its path table sees it.

    ``template`` is the path template from where the protection begins, ``prefixes`` what a key with ``/*`` may name on
    it, outermost first.
    """

    template: str = ""
    prefixes: tuple[str, ...] = ()

    def through(self, place: RoutePlace) -> Span:
        """The same with one more place."""
        if place.prefix is None:
            return Span(self.template + place.path, self.prefixes)
        return Span(self.template + place.path, (*self.prefixes, self.template + place.prefix))


class RouteChain:
    """The routers, mounts and route that lead to a place, outermost first: one for all requests that come there.

    ``areas`` are the protections, each with the marks under it. There are as many chains as the application has places:
    no request adds any.
    """

    __slots__ = ("areas", "has_tables", "is_tried", "matches", "parameters", "place", "policies", "spans", "templates")

    def __init__(
        self,
        areas: tuple[tuple[Protection, tuple[Mark, ...]], ...] = (),
        parameters: tuple[tuple[str, str], ...] = (),
        templates: tuple[str, ...] = (),
        spans: tuple[Span, ...] = (),
        place: RoutePlace | None = None,
    ) -> None:
        self.areas, self.parameters, self.templates = areas, parameters, templates
        self.spans = spans
        """The part of the chain in each area."""
        self.place = place
        """The place at the end of the chain."""
        self.has_tables = any(protection.has_tables for protection, _ in areas)
        self.is_tried = any(each.rollout is not None or each.shadow is not None for each, _ in areas)
        """Whether some refusals may not be enforced, or another policy is judged beside."""
        self.matches: dict[tuple[tuple[str, ...], bool], TableMatch] = {}
        """The path tables' entries at the end of this chain, by the methods and whether shadow tables were asked."""
        self.policies: dict[Any, Policy] = {}
        """What must hold at the end of this chain: by whether an endpoint is meant, and the path tables' entries."""

    def under(self, protection: Protection) -> RouteChain:
        """The chain that goes on beneath a protection, which keeps it."""
        chain = protection.chains.get(self)
        if chain is None:
            chain = RouteChain(
                (*self.areas, (protection, ())), self.parameters, self.templates, (*self.spans, Span()), self.place
            )
            _keep(protection.chains, self, chain)
        return chain

    def through(self, place: RoutePlace) -> RouteChain:
        """A new chain that goes on past a place, which keeps it: look there first."""
        protection, marks = self.areas[-1]
        chain = RouteChain(
            (*self.areas[:-1], (protection, (*marks, *place.marks))),
            (*self.parameters, *place.parameters),
            (*self.templates, place.template),
            tuple(span.through(place) for span in self.spans),
            place,
        )
        _keep(place.chains, self, chain)
        return chain


def _keep(chains: dict[RouteChain, RouteChain], before: RouteChain, chain: RouteChain) -> None:
    if len(chains) >= MOST_CHAINS:
        chains.clear()
    chains[before] = chain


_BEGINNING: Final = RouteChain()


class RouteContext:
    """How far one request has come: the chain that led here, and what was decided here.

    Each router on the way has a context of its own, so that a second try or a copied scope finds nothing but what is
    above it. Only the task that serves the request touches it.
    """

    # Class attributes: cheap shared defaults, all immutable, for what most requests leave as it is.
    chain: RouteChain = _BEGINNING
    leads_to: Router | None = None
    pending: bool = True
    ends: Ends = ()
    """When the tokens that speak for this request expire, by each guard's clock: what a socket must not outlive."""
    lapses: Ends = ()
    """When refusals are enforced that were not, by each guard's clock: what a socket must not outlive, either."""
    above: RouteContext | None = None
    outer_scopes: tuple[Scope, ...] = ()
    """The scopes of the middleware outside, which look into them after the request: its own router's first."""
    step: Step | None = None
    """Where the router's table leads, if it leads to a route."""
    place: RoutePlace | None = None
    """Where the request is decided: the endpoint's place, or ``None`` where no endpoint is meant."""
    path: Mapping[str, Any] = MappingProxyType({})
    """The path parameters that the endpoint would get."""
    exchange: Exchange
    """With what the application is called, once it is decided."""
    judged_by: Policy
    answer: Any = None
    """What the router answers by itself where no route matches, as it was judged."""
    _callers: Mapping[GuardCore, Caller | None] = MappingProxyType({})
    _decided: frozenset[Mark] = frozenset()
    _judged: Mapping[str, Any] = MappingProxyType({})
    _method: str | None = None
    judged_path: tuple[str | None, str, str] | None = None
    """The method and the path, with its root, by which an entry below an opaque mount was looked up."""

    def onwards(self) -> RouteContext:
        """The context in the next router: what holds here holds there, too, and nothing is decided yet."""
        context = RouteContext()
        context.above = self
        context.chain = self.chain
        return context

    def leading_to(self, router: Router) -> RouteContext | None:
        """The nearest context that leads to this router.

        A request that is dispatched again, from an endpoint, an exception handler or middleware, starts from there:
        what was decided about the route that it comes from says nothing about the next.
        """
        context: RouteContext | None = self
        while context is not None and context.leads_to is not router:
            context = context.above
        return context

    def past_the_routes(self) -> RouteContext:
        """The context in a router that nothing found so far leads to.

        An opaque application was judged for all that is behind it, so its rules go on to hold. Raises
        `UnguardedEndpointError` for an endpoint that hands its request over: the rules that lead there are not known.
        """
        place = self.chain.place
        if place is None or not place.is_mount:
            raise UnguardedEndpointError(
                f"{''.join(self.templates) or 'the endpoint'} hands its request to a router past the mounts and rules "
                "that lead there: hand it to the application that guard.protect was called on"
            )
        return self.onwards()

    def enter(self, protection: Protection) -> None:
        """Come under a protection, beneath those that hold already."""
        self.chain = self.chain.under(protection)

    def match_tables(self, scope: Scope, *, endpoint: bool, shadow: bool = False) -> TableMatch:
        """The entries of the path tables that hold here, or with the shadow tables in their place.

        Where a route is known but no ``endpoint`` is meant (405), all entries hold that name the route for a method.

        Raises `BadRequest` where an opaque mount could read another path than its entries were looked up by.
        """
        chain = self.chain
        method = scope["method"] if scope["type"] == "http" else WEBSOCKET
        if self._is_opaque:
            return self._looked_up((method,), scope, shadow=shadow)
        methods: tuple[str, ...] = (method,)
        if not endpoint and self.step is not None and chain.place is not None and chain.place.methods:
            methods = chain.place.methods
        # As many as there are methods that a key may name.
        key = (tuple(each if each in _METHODS else "" for each in methods), shadow)
        found = chain.matches.get(key)
        if found is None:
            found = chain.matches[key] = self._looked_up(methods, scope, shadow=shadow)
        return found

    def static_match(self, method: str, *, shadow: bool = False) -> TableMatch:
        """The entries that hold here whatever a request writes; a ``*`` for the method is any."""
        return self._looked_up((method,), {}, shadow=shadow) if self.chain.has_tables else NO_ENTRIES

    def _looked_up(self, methods: tuple[str, ...], scope: Scope, *, shadow: bool) -> TableMatch:
        found: dict[tuple[int, str], Entry] = {}
        for area, (protection, _) in enumerate(self.areas):
            table = protection.shadow if shadow and protection.shadow is not None else protection.table
            if table is None:
                continue
            for method in methods:
                entry = self._entry(table, method, self.chain.spans[area], scope)
                if entry is not None:
                    found[area, entry.pattern] = entry
        return TableMatch(tuple((area, entry) for (area, _), entry in found.items()), shadow)

    def _entry(self, table: BoundTable, method: str, span: Span, scope: Scope) -> Entry | None:
        place = self.chain.place
        if place is None or not place.is_mount:
            return table.find(method, span.template, span.prefixes)
        entry = None
        patterns = table.patterns(span.template) if self._is_opaque else None
        if patterns is not None:
            entry, trouble = patterns.find(method, self._rest_of_path(scope))
            if trouble is not None:
                raise BadRequest(Reason.AMBIGUOUS_PATH, trouble)
        return entry or table.find(method, "", span.prefixes)

    @property
    def _is_opaque(self) -> bool:
        """Whether this ends at a mount that reads the rest of the path by itself: no further router is asked."""
        place = self.chain.place
        return place is not None and place.is_mount and self.step is not None and self.leads_to is None

    def _rest_of_path(self, scope: Scope) -> str:
        """The path below an opaque mount. Raises `BadRequest` where it could be read in another way."""
        step = cast("Step", self.step)
        root_path = step.judged.get("root_path", scope.get("root_path", ""))
        self.judged_path = (scope.get("method"), scope["path"], root_path)
        path, trouble = below_mount(scope, step.judged, getattr(step.route, "app", None))
        if trouble is not None:
            raise BadRequest(Reason.AMBIGUOUS_PATH, trouble)
        if step.judged.get("root_path", "") != scope.get("root_path", ""):
            return path
        # What does not cut the path, as a frontend does not, finds its own template at the beginning.
        return "/" + "/".join(path.split("/")[1 + step.places[-1].path.count("/") :])

    def note(self, places: Iterable[RoutePlace]) -> None:
        """Take along what stands at these places."""
        for place in places:
            self.chain = place.chains.get(self.chain) or self.chain.through(place)

    @property
    def areas(self) -> tuple[tuple[Protection, tuple[Mark, ...]], ...]:
        """The protections that hold here, outermost first, each with the marks under it."""
        return self.chain.areas

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """The path parameters so far, each with the name of its converter."""
        return self.chain.parameters

    @property
    def templates(self) -> tuple[str, ...]:
        """The parts of the path template."""
        return self.chain.templates

    @property
    def protection(self) -> Protection:
        """The innermost protection."""
        return self.chain.areas[-1][0]

    @property
    def guards(self) -> frozenset[GuardCore]:
        """The guards of these protections."""
        return frozenset(protection.guard for protection, _ in self.areas)

    def is_let_through(self, guard: GuardCore | None) -> bool:
        """Whether refusals of a guard are not enforced here; or, for ``None``, those of path tables.

        They are enforced, if any of the protections here enforces them that may have asked for them.
        """
        every = [protection for protection, _ in self.areas]
        asking = [each for each in every if (each.table is not None if guard is None else each.guard is guard)]
        return bool(asking) and all(each.lets_through() for each in asking)

    def end_of(self, guard: GuardCore, expires_at: float) -> float:
        """When a token's end is one for its socket."""
        rollouts = [protection.rollout for protection, _ in self.areas if protection.guard is guard]
        return min(postponed(expires_at, guard, rollout) for rollout in rollouts)

    def when_enforced(self, guards: Collection[GuardCore]) -> Ends:
        """When the protections here begin to enforce what these guards refuse."""
        every = [(protection.guard, protection.rollout) for protection, _ in self.areas]
        return tuple((guard, each.ends_at) for guard, each in every if guard in guards and each is not None)

    @property
    def tabling(self) -> set[GuardCore]:
        """The guards of the protections with a path table."""
        return {protection.guard for protection, _ in self.areas if protection.table is not None}

    @property
    def has_shadow(self) -> bool:
        """Whether a protection here has a shadow table."""
        return self.chain.has_tables and any(protection.shadow is not None for protection, _ in self.areas)

    @property
    def shadowing(self) -> GuardCore:
        """The guard of the innermost protection with a shadow table."""
        return next(protection.guard for protection, _ in reversed(self.areas) if protection.shadow is not None)

    def route(self, scope: Scope) -> str:
        """The route for the log: its template, since a path may hold anything."""
        method = scope["method"] if scope["type"] == "http" else "WS"
        return f"{method} {''.join(self.templates) or '(no route)'}"

    def policy(self, *, endpoint: bool, match: TableMatch = NO_ENTRIES) -> Policy:
        """What must hold here; where no ``endpoint`` is meant (405, 404) the default counts, too.

        It is made once, and kept with the chain. Raises `ConfigurationError` for an endpoint that nobody can reach,
        `UnguardedEndpointError` for a mark whose guard does not protect anything here.
        """
        policies, key = self.chain.policies, (endpoint, match.is_shadow, match.texts) if match.entries else endpoint
        policy = policies.get(key)
        if policy is None:
            policy = policies[key] = self._policy(endpoint=endpoint, match=match)
        return policy

    def _policy(self, *, endpoint: bool, match: TableMatch) -> Policy:
        where = self._where(match)
        written = tuple(self._written(endpoint=endpoint, match=match))
        policy = policy_of((protection.guard for protection, _ in self.areas), written, where, endpoint=endpoint)
        if endpoint:
            parameters = (*self.parameters, *((name, "StringConvertor") for name in match.parameters))
            _check_parameters(policy, parameters, where)
        return policy

    def _written(self, *, endpoint: bool, match: TableMatch) -> Iterator[Written]:
        guards = self.guards
        for area, (protection, marks) in enumerate(self.areas):
            if protection.floor is not None:
                yield Written(protection.guard, protection.floor, FLOOR)
            for mark in marks:
                if mark.guard not in guards:
                    raise unguarded(mark, "".join(self.templates))
                yield Written(mark.guard, mark.requirement, mark)
            for at, entry in match.entries:
                if at == area:
                    yield Written(protection.guard, entry.requirement, TABLE)
        innermost, marks = self.areas[-1]
        is_said = bool(marks) or any(area == len(self.areas) - 1 for area, _ in match.entries)
        if not is_said or not endpoint:
            yield Written(innermost.guard, innermost.default, DEFAULT)

    def _where(self, match: TableMatch) -> str:
        """The place, for messages."""
        entries = (f"{self._table_name(area, match)}[{entry.pattern!r}]" for area, entry in match.entries)
        return " and ".join(("".join(self.templates), *entries))

    def _table_name(self, area: int, match: TableMatch) -> str:
        return "shadow" if match.is_shadow and self.areas[area][0].shadow is not None else "routes"

    def answered(self) -> None:
        """Remember that a guard has answered, for all who wait for it."""
        self.pending, above = False, self.above
        while above is not None:
            above.pending, above = False, above.above

    @property
    def judged_request(self) -> tuple[str | None, Mapping[str, Any]] | None:
        """The method and the path parameters by which the request was judged; ``None`` where it was not, yet."""
        return None if self.pending else (self._method, self._judged)

    def settle(self, callers: dict[GuardCore, Caller | None], method: str | None) -> None:
        """Remember what was decided here, and for which method (``None`` for a WebSocket)."""
        self._method = method
        if self.above is None:
            self.pending = False
        else:
            self.answered()
        # A copy: what runs after the decision may change the parameters in place.
        self._decided, self._callers, self._judged = self.judged_by.marks, callers, dict(self.path)

    def credentials(self, guard: GuardCore) -> Mapping[str, list[str]]:
        """What was sent in the headers that a guard reads."""
        scope = self.exchange.scope
        if scope["type"] == "http":
            return values_of(scope, guard.headers)
        return self.protection.websockets.values_of(scope, guard)

    def has_decided(self, mark: Mark) -> bool:
        """Whether this mark was judged, and let in."""
        return mark in self._decided

    def has_noted(self, mark: Mark) -> bool:
        """Whether this mark was judged, or will be by the router that this leads to."""
        return any(mark in marks for _, marks in self.areas)

    def caller_under(self, mark: Mark, path: Mapping[str, Any]) -> Caller | None:
        """The caller as decided under a mark.

        Raises `UnguardedEndpointError` for what was not decided, or not for this path.
        """
        if mark not in self._decided or dict(path) != self._judged:
            raise unguarded(mark, "".join(self.templates) or "the endpoint")
        return self._callers[mark.guard]

    @property
    def caller(self) -> Caller | None:
        """The caller as the innermost guard decided."""
        return next(reversed(tuple(self._callers.values())), None)


def _check_parameters(policy: Policy, parameters: tuple[tuple[str, str], ...], where: str) -> None:
    for name in sorted(policy.names):
        kinds = [kind for parameter, kind in parameters if parameter == name]
        if len(kinds) != 1:
            found = "has no such parameter" if not kinds else "has it more than once"
            raise ConfigurationError(
                f"{where}: PathParam({name!r}) needs exactly one path parameter of that name, and the path {found}: "
                "give the parameter one name of its own in the path"
            )
        if kinds[0] not in ("StringConvertor", "IntegerConvertor"):
            raise ConfigurationError(
                f"{where}: PathParam({name!r}) compares text or whole numbers, and the path converts it by {kinds[0]}: "
                f"write {{{name}}} or {{{name}:int}}"
            )
